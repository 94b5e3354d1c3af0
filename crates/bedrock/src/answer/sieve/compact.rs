//! JSON written anew from its tokens: no white space, strings escaped in one way, numbers and repeated keys as they are.

use crate::body::flaw::{Fault, Flaw};
use crate::body::tokenizer::{Container, Literal, Sink, Tokenizer};

/// JSON text of bounded length. Whoever uses it sees to it that tokens come in order.
#[derive(Debug, Clone, Default)]
pub(super) struct Compact {
    /// What is written; nothing more once it is over the limit.
    pub(super) bytes: Vec<u8>,
    /// It was longer than the limit.
    pub(super) over: bool,
    limit: usize,
}

impl Compact {
    pub(super) fn new(limit: usize) -> Self {
        Self { bytes: Vec::new(), over: false, limit }
    }

    pub(super) fn clear(&mut self) {
        self.bytes.clear();
        self.over = false;
    }

    /// Adds bytes as they are.
    pub(super) fn raw(&mut self, part: &[u8]) {
        if self.over || self.bytes.len().saturating_add(part.len()) > self.limit {
            self.over = true;
        } else {
            self.bytes.extend_from_slice(part);
        }
    }

    /// A comma before a member or an element that is not the first.
    fn comma(&mut self) {
        if !matches!(self.bytes.last(), None | Some(b'{' | b'[' | b':')) {
            self.raw(b",");
        }
    }

    pub(super) fn open(&mut self, container: Container) {
        self.comma();
        self.raw(if container == Container::Object { b"{" } else { b"[" });
    }

    pub(super) fn close(&mut self, container: Container) {
        self.raw(if container == Container::Object { b"}" } else { b"]" });
    }

    /// A key or a string begins.
    pub(super) fn quote(&mut self) {
        self.comma();
        self.raw(b"\"");
    }

    /// Part of a key or string, unescaped.
    pub(super) fn text(&mut self, mut part: &[u8]) {
        while let Some(at) = part.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)) {
            let (plain, rest) = part.split_at_checked(at).unwrap_or((part, &[]));
            self.raw(plain);
            let Some((&byte, tail)) = rest.split_first() else { return };
            match byte {
                b'"' => self.raw(b"\\\""),
                b'\\' => self.raw(b"\\\\"),
                b'\n' => self.raw(b"\\n"),
                b'\r' => self.raw(b"\\r"),
                b'\t' => self.raw(b"\\t"),
                _ => self.raw(format!("\\u{byte:04x}").as_bytes()),
            }
            part = tail;
        }
        self.raw(part);
    }

    pub(super) fn key_close(&mut self) {
        self.raw(b"\":");
    }

    pub(super) fn string_close(&mut self) {
        self.raw(b"\"");
    }

    /// A number begins; its digits are [`Compact::raw`].
    pub(super) fn number_open(&mut self) {
        self.comma();
    }

    pub(super) fn literal(&mut self, literal: Literal) {
        self.comma();
        self.raw(literal_word(literal));
    }
}

pub(super) const fn literal_word(literal: Literal) -> &'static [u8] {
    match literal {
        Literal::True => b"true",
        Literal::False => b"false",
        Literal::Null => b"null",
    }
}

/// A JSON text without white space; `None` when it is none, or longer than `limit`.
pub(super) fn compact(text: &[u8], limit: usize) -> Option<Vec<u8>> {
    let mut writer = Writer { to: Compact::new(limit), open: Vec::new() };
    let mut tokenizer = Tokenizer::default();
    tokenizer.push(text, &mut writer).ok()?;
    tokenizer.finish(&mut writer).ok()?;
    (!writer.to.over).then_some(writer.to.bytes)
}

/// The length of the JSON value that a text begins with, or why it begins with none.
pub(super) fn value_length(text: &[u8]) -> Result<usize, Flaw> {
    let mut nowhere = Writer { to: Compact::new(0), open: Vec::new() };
    let mut tokenizer = Tokenizer::default();
    match tokenizer.push(text, &mut nowhere) {
        Ok(()) => tokenizer.finish(&mut nowhere).map(|()| text.len()).map_err(|fault| fault.flaw),
        Err(Fault { flaw: Flaw::TrailingBytes, offset }) => {
            usize::try_from(offset).map_err(|_| Flaw::TrailingBytes)
        }
        Err(fault) => Err(fault.flaw),
    }
}

struct Writer {
    to: Compact,
    open: Vec<Container>,
}

impl Sink for Writer {
    fn open(&mut self, container: Container) -> Result<(), Flaw> {
        self.open.push(container);
        self.to.open(container);
        Ok(())
    }

    fn close(&mut self) -> Result<(), Flaw> {
        if let Some(container) = self.open.pop() {
            self.to.close(container);
        }
        Ok(())
    }

    fn key_open(&mut self) -> Result<(), Flaw> {
        self.to.quote();
        Ok(())
    }

    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.to.text(part);
        Ok(())
    }

    fn key_close(&mut self) -> Result<(), Flaw> {
        self.to.key_close();
        Ok(())
    }

    fn string_open(&mut self) -> Result<(), Flaw> {
        self.to.quote();
        Ok(())
    }

    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.to.text(part);
        Ok(())
    }

    fn string_close(&mut self) -> Result<(), Flaw> {
        self.to.string_close();
        Ok(())
    }

    fn number_open(&mut self) -> Result<(), Flaw> {
        self.to.number_open();
        Ok(())
    }

    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw> {
        self.to.raw(part);
        Ok(())
    }

    fn number_close(&mut self) -> Result<(), Flaw> {
        Ok(())
    }

    fn literal(&mut self, literal: Literal) -> Result<(), Flaw> {
        self.to.literal(literal);
        Ok(())
    }
}
