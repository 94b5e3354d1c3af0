//! Server-sent events (WHATWG HTML, "Server-sent events"), as the OpenAI- and Anthropic-compatible paths stream: each event's
//! data is a JSON document, or a word such as `[DONE]`.

use super::counts::{Course, Tally};
use super::document::Document;
use super::places;
use memchr::memchr2;

/// Longest field name that is compared.
const MAX_FIELD: usize = 8;

/// What OpenAI's streams say last, in place of a document.
const DONE: &[u8] = b"[DONE]";

/// The events of a stream. No line is ever collected.
#[derive(Debug, Clone)]
pub(super) struct Events {
    line: Line,
    field: [u8; MAX_FIELD],
    /// A line ended in CR: a LF that follows belongs to it.
    after_cr: bool,
    /// This event has data.
    data: bool,
    /// How much of [`DONE`] its data is so far; `None` when it is something else.
    done: Option<usize>,
    document: Document,
    pub(super) tally: Tally,
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

impl Events {
    pub(super) fn new() -> Self {
        Self {
            line: Line::Field(0),
            field: [0; MAX_FIELD],
            after_cr: false,
            data: false,
            done: None,
            document: Document::new(&places::ANSWER),
            tally: Tally::default(),
        }
    }

    pub(super) fn push(&mut self, mut slice: &[u8]) {
        while let Some((&byte, tail)) = slice.split_first() {
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                slice = tail;
                continue;
            }
            if matches!(byte, b'\r' | b'\n') {
                self.after_cr = byte == b'\r';
                self.end_of_line();
                slice = tail;
                continue;
            }
            slice = match self.line {
                Line::Field(length) => {
                    self.in_field(length, byte);
                    tail
                }
                Line::Colon => {
                    self.line = Line::Data;
                    if byte == b' ' { tail } else { slice }
                }
                Line::Data | Line::Other => {
                    let end = memchr2(b'\r', b'\n', slice).unwrap_or(slice.len());
                    let (value, rest) = slice.split_at_checked(end).unwrap_or((slice, &[]));
                    if self.line == Line::Data {
                        self.value(value);
                    }
                    rest
                }
            };
        }
    }

    /// The stream ends. An event whose blank line is missing is none; what it says of usage is true all the same.
    pub(super) fn end(&mut self) {
        self.end_of_event();
    }

    fn value(&mut self, part: &[u8]) {
        self.done = self.done.and_then(|seen| {
            let rest = DONE.get(seen..).unwrap_or_default();
            rest.starts_with(part).then_some(seen.saturating_add(part.len()))
        });
        self.document.push(part);
    }

    fn in_field(&mut self, length: usize, byte: u8) {
        self.line = match self.field.get_mut(length) {
            _ if byte == b':' => self.begin_value(length),
            Some(place) => {
                *place = byte;
                Line::Field(length + 1)
            }
            None => Line::Other,
        };
    }

    fn begin_value(&mut self, length: usize) -> Line {
        if self.field.get(..length) != Some(b"data") {
            return Line::Other;
        }
        if self.data {
            self.value(b"\n");
        } else {
            self.data = true;
            self.done = Some(0);
            self.document.begin(&places::ANSWER);
        }
        Line::Colon
    }

    fn end_of_line(&mut self) {
        if self.line == Line::Field(0) {
            self.end_of_event();
        }
        self.line = Line::Field(0);
    }

    fn end_of_event(&mut self) {
        if !std::mem::take(&mut self.data) {
            return;
        }
        if self.done.take() == Some(DONE.len()) {
            self.tally.course(Some(Course::Ends));
        } else if self.document.end() {
            self.tally.add(self.document.found());
        }
    }
}
