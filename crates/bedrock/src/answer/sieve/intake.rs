//! What every form has in common: pieces are read, and found.

use super::calls::{Calls, Outcome};
use super::places::Place;
use super::reading::Reader;
use super::{Found, SieveLimits};
use crate::answer::AnswerFlaw;
use crate::body::flaw::Flaw;

/// Reads pieces, and puts together what they say.
#[derive(Debug)]
pub(super) struct Intake {
    limits: SieveLimits,
    reader: Reader,
    calls: Calls,
    flawed: bool,
}

impl Intake {
    pub(super) fn new(limits: SieveLimits) -> Self {
        Self { limits, reader: Reader::new(limits), calls: Calls::new(limits), flawed: false }
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
            self.reader.begin(root, true);
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
        let Self { reader, calls, limits, .. } = self;
        let mut out = Outcome { found, keys: Vec::new() };
        let taken = match reader.end() {
            Err(Flaw::TooManyNames) => Err(AnswerFlaw::TooLong),
            Err(_) => Err(AnswerFlaw::Unreadable),
            Ok(said) => {
                if limits.text && !said.text.is_empty() {
                    out.found.push(Found::Text(text(&mut said.text)));
                }
                calls.take(said, &mut out)
            }
        };
        let Outcome { keys, .. } = out;
        match taken {
            Ok(()) => found.push(Found::Piece { len: length, calls: keys }),
            Err(flaw) => self.flaw(flaw, found),
        }
    }

    /// A piece that says nothing.
    pub(super) fn passes(&mut self, length: usize, found: &mut Vec<Found>) {
        if !self.flawed {
            found.push(Found::Piece { len: length, calls: Vec::new() });
        }
    }

    /// Part of a long one.
    pub(super) fn part(&mut self, length: usize, found: &mut Vec<Found>) {
        if !self.flawed {
            found.push(Found::Part { len: length });
        }
    }

    /// The answer ends within a piece that may be whole all the same; `document`: unless its document is not.
    pub(super) fn cut(&mut self, document: bool, found: &mut Vec<Found>) {
        if document && matches!(self.reader.end(), Err(Flaw::Truncated)) {
            self.finish(false, found);
        }
    }

    /// `[DONE]`.
    pub(super) fn done(&mut self, length: usize, found: &mut Vec<Found>) {
        if self.flawed {
            return;
        }
        let mut out = Outcome { found, keys: Vec::new() };
        let taken = self.calls.all_choices(&mut out);
        let Outcome { keys, .. } = out;
        match taken {
            Ok(()) => found.push(Found::Piece { len: length, calls: keys }),
            Err(flaw) => self.flaw(flaw, found),
        }
    }

    /// The answer ends; `whole` at the end of a piece.
    pub(super) fn finish(&mut self, whole: bool, found: &mut Vec<Found>) {
        if self.flawed {
            return;
        }
        self.calls.end(found);
        if !whole {
            self.flaw(AnswerFlaw::Truncated, found);
        }
        self.flawed = true;
    }
}

fn text(bytes: &mut Vec<u8>) -> String {
    match String::from_utf8(std::mem::take(bytes)) {
        Ok(text) => text,
        // Text in base64 may be cut within a character.
        Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
    }
}
