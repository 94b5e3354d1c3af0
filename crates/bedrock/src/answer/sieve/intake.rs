//! What every form has in common: pieces are read, and found.

use super::calls::{Calls, Outcome};
use super::heard::Heard;
use super::places::Place;
use super::reading::{Reader, Texts};
use super::said::Said;
use super::written::Written;
use super::{Found, SieveLimits};
use crate::answer::AnswerFlaw;
use crate::body::flaw::Flaw;

/// Most findings that wait for a text to turn out to be a call, or not.
const MAX_WAITING: usize = 16_384;

/// Reads pieces, and puts together what they say.
#[derive(Debug)]
pub(super) struct Intake {
    limits: SieveLimits,
    reader: Reader,
    calls: Calls,
    heard: Heard,
    /// Texts that may be calls: of each answer to the same question one.
    written: Vec<Written>,
    /// What was found since such a text began.
    waiting: Vec<Found>,
    flawed: bool,
}

impl Intake {
    pub(super) fn new(limits: SieveLimits) -> Self {
        Self {
            limits,
            reader: Reader::new(limits),
            calls: Calls::new(limits),
            heard: Heard::default(),
            written: Vec::new(),
            waiting: Vec::new(),
            flawed: false,
        }
    }

    pub(super) const fn wants_text(&self) -> bool {
        self.limits.text
    }

    pub(super) const fn max_piece(&self) -> usize {
        self.limits.max_piece
    }

    pub(super) const fn is_flawed(&self) -> bool {
        self.flawed
    }

    /// Nothing is found after this.
    pub(super) fn flaw(&mut self, flaw: AnswerFlaw, found: &mut Vec<Found>) {
        if !std::mem::replace(&mut self.flawed, true) {
            found.push(Found::Flaw(flaw));
        }
    }

    /// A piece begins whose document is read by these places.
    pub(super) fn begin(&mut self, root: &'static Place) {
        if !self.flawed {
            let mut texts = Texts::default();
            for (written, number) in self.written.iter().zip(0_u32..) {
                let bit = 1_u16.wrapping_shl(number);
                texts.settled |= if written.is_text() { bit } else { 0 };
                texts.begun |= if written.holds() { bit } else { 0 };
            }
            self.reader.begin(root, texts);
        }
    }

    /// The next part of its document.
    pub(super) fn push(&mut self, part: &[u8]) {
        if !self.flawed {
            self.reader.push(part);
        }
    }

    /// The piece is whole, and has this length.
    pub(super) fn end(&mut self, length: usize, found: &mut Vec<Found>) {
        if self.flawed {
            return;
        }
        let mut out = Outcome { found: &mut self.waiting, keys: Vec::new() };
        let taken = match self.reader.end() {
            Err(Flaw::TooManyNames) => Err(AnswerFlaw::TooLong),
            Err(_) => Err(AnswerFlaw::Unreadable),
            Ok(said) => {
                self.heard.sift(said);
                if !said.text.is_empty() {
                    out.found.push(Found::Text(text(&mut said.text)));
                }
                let taken = self.calls.take(said, &mut out);
                taken.and_then(|()| write(said, &mut self.written, &self.limits))
            }
        };
        let Outcome { keys, .. } = out;
        self.piece(length, keys, taken, found);
    }

    /// A piece that says nothing.
    pub(super) fn passes(&mut self, length: usize, found: &mut Vec<Found>) {
        if !self.flawed {
            self.piece(length, Vec::new(), Ok(()), found);
        }
    }

    /// Part of a long one.
    pub(super) fn part(&mut self, length: usize, found: &mut Vec<Found>) {
        if !self.flawed {
            self.waiting.push(Found::Part { len: length });
            self.go_on(found);
        }
    }

    /// `[DONE]`.
    pub(super) fn done(&mut self, length: usize, found: &mut Vec<Found>) {
        if self.flawed {
            return;
        }
        let mut out = Outcome { found: &mut self.waiting, keys: Vec::new() };
        let taken = self.calls.all_choices(&mut out);
        let Outcome { keys, .. } = out;
        self.piece(length, keys, taken, found);
    }

    /// The answer ends within a piece that may be whole all the same; `document`: unless its document is not.
    pub(super) fn cut(&mut self, document: bool, found: &mut Vec<Found>) {
        if document && !self.flawed && matches!(self.reader.end(), Err(Flaw::Truncated)) {
            self.finish(false, found);
        }
    }

    /// The answer ends; `whole` at the end of a piece.
    pub(super) fn finish(&mut self, whole: bool, found: &mut Vec<Found>) {
        if self.flawed {
            return;
        }
        // What waits is not told where nobody knows whether it is a call.
        let taken = self.read_written(found);
        if taken.is_ok() {
            found.append(&mut self.waiting);
        }
        self.calls.end(found);
        match (taken, whole) {
            (Err(flaw), _) => self.flaw(flaw, found),
            (Ok(()), false) => self.flaw(AnswerFlaw::Truncated, found),
            (Ok(()), true) => {}
        }
        self.flawed = true;
    }

    /// A piece is told, unless it cannot be read, as soon as nothing before it waits.
    fn piece(
        &mut self,
        length: usize,
        calls: Vec<u32>,
        taken: Result<(), AnswerFlaw>,
        found: &mut Vec<Found>,
    ) {
        if taken.is_ok() {
            self.waiting.push(Found::Piece { len: length, calls });
            self.go_on(found);
        }
        let taken =
            taken.and(if self.waiting.len() > MAX_WAITING { Err(AnswerFlaw::TooLong) } else { Ok(()) });
        if let Err(flaw) = taken {
            // What waits may be part of a call that nobody will read to its end: it is not told.
            if !self.holds() {
                found.append(&mut self.waiting);
            }
            self.flaw(flaw, found);
        }
    }

    fn go_on(&mut self, found: &mut Vec<Found>) {
        if !self.holds() {
            found.append(&mut self.waiting);
        }
    }

    /// Whether a text may be a call.
    fn holds(&self) -> bool {
        self.written.iter().any(Written::holds)
    }

    /// Reads the calls in texts: all that waits is part of them.
    fn read_written(&mut self, found: &mut Vec<Found>) -> Result<(), AnswerFlaw> {
        let mut out = Outcome { found, keys: Vec::new() };
        for written in self.written.iter_mut().filter(|written| written.holds()) {
            for (draft, problem) in written.calls(&self.limits)? {
                self.calls.whole(draft, problem, &mut out);
            }
        }
        let Outcome { keys, .. } = out;
        for waiting in &mut self.waiting {
            if let Found::Piece { calls, .. } = waiting {
                calls.extend(&keys);
            }
        }
        Ok(())
    }
}

/// Texts of a piece go on.
fn write(said: &Said, written: &mut Vec<Written>, limits: &SieveLimits) -> Result<(), AnswerFlaw> {
    while written.len() < said.written.len() {
        written.push(Written::default());
    }
    written.iter_mut().zip(&said.written).try_for_each(|(written, part)| written.push(part, limits))
}

fn text(bytes: &mut Vec<u8>) -> String {
    match String::from_utf8(std::mem::take(bytes)) {
        Ok(text) => text,
        // Text in base64 may be cut within a character.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
