//! One JSON document of an answer: read by its places, kept as numbers.

use super::counts::Found;
use super::places::{self, Kind, Means, Place};
use crate::body::flaw::Flaw;
use crate::body::interpreter::tokens;
use crate::body::tokenizer::{Container, Literal, Sink, Tokenizer};
use crate::unbase64::Unbase64;

/// Longest member name that is compared; no place has a longer one.
const MAX_NAME: usize = 32;
/// Longest number or word that is kept.
const MAX_VALUE: usize = 64;

/// A document as far as it has come. One is used again for all documents of an answer.
#[derive(Debug, Clone)]
pub(super) struct Document {
    tokenizer: Tokenizer,
    reading: Reading,
    broken: bool,
}

#[derive(Debug, Clone)]
struct Reading {
    /// The open containers.
    open: Vec<Frame>,
    /// Where the next value stands.
    next: &'static Place,
    name: Short<MAX_NAME>,
    value: Short<MAX_VALUE>,
    /// What the current string or number means.
    means: Means,
    nested: Option<Box<Nested>>,
    found: Found,
}

#[derive(Debug, Clone, Copy)]
struct Frame {
    place: &'static Place,
    container: Container,
}

/// A document in base64.
#[derive(Debug, Clone)]
struct Nested {
    base64: Unbase64,
    document: Document,
}

/// A few bytes; what is longer is none.
#[derive(Debug, Clone, Copy)]
struct Short<const N: usize> {
    bytes: [u8; N],
    len: usize,
}

impl<const N: usize> Short<N> {
    const EMPTY: Self = Self { bytes: [0; N], len: 0 };

    fn push(&mut self, part: &[u8]) {
        let end = self.len.saturating_add(part.len());
        if let Some(room) = self.bytes.get_mut(self.len..end) {
            room.copy_from_slice(part);
        }
        self.len = end;
    }

    /// All of it; nothing when it was too long.
    fn get(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

impl Document {
    pub(super) fn new(root: &'static Place) -> Self {
        let reading = Reading {
            open: Vec::with_capacity(8),
            next: root,
            name: Short::EMPTY,
            value: Short::EMPTY,
            means: Means::Nothing,
            nested: None,
            found: Found::default(),
        };
        Self { tokenizer: Tokenizer::default(), reading, broken: false }
    }

    /// Begins another document.
    pub(super) fn begin(&mut self, root: &'static Place) {
        self.tokenizer = Tokenizer::default();
        self.broken = false;
        self.reading.open.clear();
        self.reading.next = root;
        self.reading.found = Found::default();
    }

    /// Reads on. What is not JSON is not read any further.
    pub(super) fn push(&mut self, slice: &[u8]) {
        if !self.broken {
            self.broken = self.tokenizer.push(slice, &mut self.reading).is_err();
        }
    }

    /// The document ends. Says whether it was JSON, and whole.
    pub(super) fn end(&mut self) -> bool {
        !self.broken && self.tokenizer.finish(&mut self.reading).is_ok()
    }

    /// Nothing more can come of it.
    pub(super) const fn is_broken(&self) -> bool {
        self.broken
    }

    /// What it has said so far.
    pub(super) const fn found(&self) -> &Found {
        &self.reading.found
    }
}

impl Reading {
    /// Where the value that begins stands.
    fn value(&self) -> &'static Place {
        match self.open.last() {
            Some(Frame { place, container: Container::Array }) => place,
            _ => self.next,
        }
    }

    fn begin(&mut self, means: Means) {
        self.means = means;
        self.value = Short::EMPTY;
    }

    fn number(&mut self) {
        if let (Means::Tokens(source, field), Some(tokens)) = (self.means, tokens(self.value.get())) {
            self.found.of(source).says(field, tokens);
        }
    }

    fn word(&mut self) {
        let Self { means, value, found, .. } = self;
        let word = value.get();
        match means {
            Means::CallBy if value.len > 0 => found.calls = found.calls.saturating_add(1),
            Means::CallType(kind) if matches!(word, b"tool_use" | b"function_call" | b"custom_tool_call") => {
                let count = match kind {
                    Kind::Once => &mut found.calls,
                    Kind::Listed => &mut found.listed,
                    Kind::Item => &mut found.items,
                };
                *count = count.saturating_add(1);
            }
            Means::ServerSide if word == b"server_tool_use" => found.calls = found.calls.saturating_sub(1),
            Means::Error if value.len > 0 => {
                let name = word.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte));
                found.error.get_or_insert(name.collect());
            }
            Means::EventType => found.item_done = word == b"response.output_item.done",
            _ => {}
        }
    }
}

impl Sink for Reading {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        let place = self.value();
        if place.means == Means::Call && container == Container::Object {
            self.found.calls = self.found.calls.saturating_add(1);
        }
        self.open.push(Frame { place, container });
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        self.open.pop();
        Ok(())
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        self.name = Short::EMPTY;
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.name.push(part);
        Ok(())
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        self.next = match self.open.last() {
            Some(frame) if !frame.place.is_barren() => frame.place.member(self.name.get()),
            _ => &places::NOTHING,
        };
        Ok(())
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        self.begin(self.value().means);
        if self.means == Means::Nested {
            match &mut self.nested {
                Some(nested) => {
                    nested.base64 = Unbase64::default();
                    nested.document.begin(&places::ANSWER);
                }
                None => {
                    let document = Document::new(&places::ANSWER);
                    self.nested = Some(Box::new(Nested { base64: Unbase64::default(), document }));
                }
            }
        }
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        match self.means {
            Means::Nothing | Means::Call => {}
            Means::Nested => {
                if let Some(nested) = &mut self.nested {
                    let Nested { base64, document } = &mut **nested;
                    let read = |bytes: &[u8]| {
                        document.push(bytes);
                        Ok::<(), Flaw>(())
                    };
                    base64.push(part, read).map_err(|_| Flaw::BadBase64)?;
                }
            }
            _ => self.value.push(part),
        }
        Ok(())
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        match self.means {
            // Jackson writes numbers as strings where it is told to.
            Means::Tokens(..) if self.value.get().iter().all(u8::is_ascii_digit) => self.number(),
            Means::Nested => {
                if let Some(nested) = &mut self.nested {
                    nested.document.end();
                    self.found = nested.document.found().clone();
                }
            }
            _ => self.word(),
        }
        Ok(())
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        self.begin(self.value().means);
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        if let Means::Tokens(..) = self.means {
            self.value.push(part);
        }
        Ok(())
    }

    fn number_close(&mut self) -> Result<(), Flaw> {
        self.number();
        Ok(())
    }

    fn literal(&mut self, _: Literal) -> Result<(), Flaw> {
        Ok(())
    }
}
