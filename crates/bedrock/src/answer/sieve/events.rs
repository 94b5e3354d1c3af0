//! Server-sent events (WHATWG HTML, "Server-sent events") as pieces: an event ends with a blank line.

use super::Found;
use super::intake::Intake;
use super::places;
use crate::answer::AnswerFlaw;
use memchr::memchr2;

/// Longest field name that is compared.
const MAX_FIELD: usize = 8;
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// The word that ends a stream of OpenAI's.
const DONE: &[u8] = b"[DONE]";

/// A stream of events. No line is ever collected.
#[derive(Debug)]
pub(super) struct Events {
    line: Line,
    field: [u8; MAX_FIELD],
    /// A line ended in CR: a LF that follows belongs to it.
    after_cr: bool,
    /// The event ended in CR: its piece waits for that LF.
    waiting: bool,
    /// Bytes of the mark at the very start that have come; `None` behind it.
    mark: Option<usize>,
    data: Data,
    /// Bytes of this event so far.
    length: usize,
}

/// Where in a line the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// In its field, after so many bytes.
    Field(usize),
    /// After the colon of `data`.
    Colon,
    /// In the value of `data`.
    Data,
    /// In what does not matter.
    Other,
}

/// What the event's data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Data {
    /// It has none.
    None,
    /// So many bytes of [`DONE`]. None at all is no JSON, but nobody's either.
    Word(usize),
    Json,
}

impl Events {
    pub(super) const fn new() -> Self {
        Self {
            line: Line::Field(0),
            field: [0; MAX_FIELD],
            after_cr: false,
            waiting: false,
            mark: Some(0),
            data: Data::None,
            length: 0,
        }
    }

    pub(super) fn push(&mut self, mut slice: &[u8], intake: &mut Intake, found: &mut Vec<Found>) {
        while let Some((&byte, tail)) = slice.split_first() {
            if intake.is_flawed() {
                return;
            }
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                self.length = self.length.saturating_add(1);
                slice = tail;
                self.end_of_wait(intake, found);
                continue;
            }
            self.end_of_wait(intake, found);
            slice = self.step(byte, tail, slice, intake, found);
            if self.length > intake.max_piece() {
                intake.flaw(AnswerFlaw::TooLong, found);
            }
        }
    }

    fn step<'a>(
        &mut self,
        byte: u8,
        tail: &'a [u8],
        slice: &'a [u8],
        intake: &mut Intake,
        found: &mut Vec<Found>,
    ) -> &'a [u8] {
        if let Some(seen) = self.mark {
            if BYTE_ORDER_MARK.get(seen) == Some(&byte) {
                self.length = self.length.saturating_add(1);
                self.mark = (seen + 1 < BYTE_ORDER_MARK.len()).then_some(seen + 1);
                return tail;
            }
            self.mark = None;
            if seen > 0 {
                // Half a mark is the start of some field that nobody knows.
                self.line = Line::Other;
            }
        }
        let rest = match (byte, self.line) {
            (b'\r' | b'\n', _) => tail,
            (_, Line::Field(length)) => {
                self.in_field(length, byte, intake);
                tail
            }
            (_, Line::Colon) => {
                self.line = Line::Data;
                if byte == b' ' { tail } else { slice }
            }
            (_, Line::Data | Line::Other) => {
                let end = memchr2(b'\r', b'\n', slice).unwrap_or(slice.len());
                let (value, rest) = slice.split_at_checked(end).unwrap_or((slice, &[]));
                if self.line == Line::Data {
                    self.data(value, intake);
                }
                rest
            }
        };
        self.length = self.length.saturating_add(slice.len().saturating_sub(rest.len()));
        if matches!(byte, b'\r' | b'\n') {
            self.after_cr = byte == b'\r';
            self.end_of_line(intake, found);
        }
        rest
    }

    fn in_field(&mut self, length: usize, byte: u8, intake: &mut Intake) {
        self.line = match self.field.get_mut(length) {
            _ if byte == b':' => self.begin_value(length, intake),
            Some(place) => {
                *place = byte;
                Line::Field(length + 1)
            }
            None => Line::Other,
        };
    }

    fn begin_value(&mut self, length: usize, intake: &mut Intake) -> Line {
        if self.field.get(..length) != Some(b"data") {
            return Line::Other;
        }
        self.begin_data(intake);
        Line::Colon
    }

    /// Another line of data: lines are joined by line feeds.
    fn begin_data(&mut self, intake: &mut Intake) {
        match self.data {
            Data::None => self.data = Data::Word(0),
            Data::Word(_) | Data::Json => self.data(b"\n", intake),
        }
    }

    fn data(&mut self, value: &[u8], intake: &mut Intake) {
        if let Data::Word(seen) = self.data {
            let rest = DONE.get(seen..).unwrap_or_default();
            let same = value.iter().zip(rest).take_while(|(byte, expected)| byte == expected).count();
            if same == value.len() {
                self.data = Data::Word(seen + same);
                return;
            }
            intake.begin(&places::ANSWER);
            intake.push(DONE.get(..seen).unwrap_or_default());
            self.data = Data::Json;
        }
        intake.push(value);
    }

    fn end_of_line(&mut self, intake: &mut Intake, found: &mut Vec<Found>) {
        match self.line {
            Line::Field(0) => self.end_of_event(intake, found),
            // `data` without a colon has an empty value.
            Line::Field(4) if self.field.starts_with(b"data") => self.begin_data(intake),
            _ => {}
        }
        self.line = Line::Field(0);
    }

    /// A blank line. What follows a CR may still belong to it.
    fn end_of_event(&mut self, intake: &mut Intake, found: &mut Vec<Found>) {
        self.waiting = true;
        if !self.after_cr {
            self.end_of_wait(intake, found);
        }
    }

    fn end_of_wait(&mut self, intake: &mut Intake, found: &mut Vec<Found>) {
        if std::mem::take(&mut self.waiting) {
            self.piece(intake, found);
        }
    }

    fn piece(&mut self, intake: &mut Intake, found: &mut Vec<Found>) {
        let length = std::mem::take(&mut self.length);
        match std::mem::replace(&mut self.data, Data::None) {
            Data::None | Data::Word(0) => intake.passes(length, found),
            Data::Word(seen) if seen == DONE.len() => intake.done(length, found),
            Data::Word(_) => intake.flaw(AnswerFlaw::Unreadable, found),
            Data::Json => intake.end(length, found),
        }
    }

    /// The stream ends. An event without its blank line is none for some readers, and one for others: it is read.
    pub(super) fn finish(&mut self, intake: &mut Intake, found: &mut Vec<Found>) {
        self.end_of_wait(intake, found);
        if self.length > 0 {
            if self.line != Line::Field(0) {
                self.end_of_line(intake, found);
                self.waiting = false;
            }
            if self.length > 0 {
                intake.cut(self.data == Data::Json, found);
                self.piece(intake, found);
            }
        }
    }
}
