//! A push tokenizer for JSON (RFC 8259, strict) that never needs more than the bytes it is given.
//!
//! Strings and numbers come out in parts as they arrive, so a string of 20 MB costs no memory. It exists because
//! the libraries that can be pushed to collect every string first; see `docs/decisions/0003`.

mod grammar;

use super::flaw::{Expected, Fault, Flaw, MAX_NUMBER};
use super::scan::plain_run;
pub(crate) use grammar::{Container, Literal};
use grammar::{Nesting, Number, Partial, Role, State, byte_order_mark, simple_escape};
use std::str::from_utf8;

/// Takes what the tokenizer reads, in document order.
pub(crate) trait Sink {
    /// `{` or `[`.
    fn open(&mut self, container: Container) -> Result<(), Flaw>;
    /// `}` or `]`.
    fn close(&mut self) -> Result<(), Flaw>;
    /// A key's opening quote.
    fn key_open(&mut self) -> Result<(), Flaw>;
    /// Bytes of a key, unescaped: whole UTF-8 characters.
    fn key_part(&mut self, part: &[u8]) -> Result<(), Flaw>;
    /// A key's closing quote.
    fn key_close(&mut self) -> Result<(), Flaw>;
    /// A string value's opening quote.
    fn string_open(&mut self) -> Result<(), Flaw>;
    /// Bytes of a string value, unescaped: whole UTF-8 characters.
    fn string_part(&mut self, part: &[u8]) -> Result<(), Flaw>;
    /// A string value's closing quote.
    fn string_close(&mut self) -> Result<(), Flaw>;
    /// A number begins.
    fn number_open(&mut self) -> Result<(), Flaw>;
    /// Bytes of a number, ASCII.
    fn number_part(&mut self, part: &[u8]) -> Result<(), Flaw>;
    /// A number's end.
    fn number_close(&mut self) -> Result<(), Flaw>;
    /// `true`, `false` or `null`.
    fn literal(&mut self, literal: Literal) -> Result<(), Flaw>;
}

/// The tokenizer. One document; spent after an error.
#[derive(Debug, Clone)]
pub(crate) struct Tokenizer {
    state: State,
    nesting: Nesting,
    partial: Partial,
    number_len: usize,
    /// Bytes of the slices before the current one.
    offset: u64,
    /// Where the current string starts.
    string_at: u64,
    /// The byte to blame, where it is not the one that is read.
    blame: Option<u64>,
}

impl Default for Tokenizer {
    fn default() -> Self {
        Tokenizer {
            state: State::Value,
            nesting: Nesting::default(),
            partial: Partial::default(),
            number_len: 0,
            offset: 0,
            string_at: 0,
            blame: None,
        }
    }
}

impl Tokenizer {
    /// One that takes JSON of so many levels, and keeps a bit of each.
    pub(crate) fn deep(max_depth: usize) -> Self {
        Self { nesting: Nesting::up_to(max_depth), ..Self::default() }
    }

    /// Reads the next slice.
    pub(crate) fn push<S: Sink>(&mut self, slice: &[u8], sink: &mut S) -> Result<(), Fault> {
        let mut rest = slice;
        while !rest.is_empty() {
            if let Err(flaw) = self.step(&mut rest, slice.len(), sink) {
                return Err(Fault { flaw, offset: self.blame.unwrap_or(self.at(slice.len(), rest)) });
            }
        }
        self.offset = self.offset.saturating_add(slice.len() as u64);
        Ok(())
    }

    /// Ends the document.
    pub(crate) fn finish<S: Sink>(&mut self, sink: &mut S) -> Result<(), Fault> {
        let ended = match self.state {
            // Only at the top level can a number end with the document.
            State::Number(number) if self.nesting.depth == 0 && number.whole() => sink.number_close(),
            State::AfterValue if self.nesting.depth == 0 => Ok(()),
            _ => Err(Flaw::Truncated),
        };
        ended.map_err(|flaw| Fault { flaw, offset: self.offset })
    }

    fn at(&self, slice_len: usize, rest: &[u8]) -> u64 {
        self.offset.saturating_add(slice_len.saturating_sub(rest.len()) as u64)
    }

    /// Hands on a part of a string. What is wrong with it is wrong with the string, however it is cut.
    fn part<S: Sink>(&mut self, role: Role, part: &[u8], sink: &mut S) -> Result<(), Flaw> {
        match role {
            Role::Key => sink.key_part(part),
            Role::Value => sink.string_part(part),
        }
        .inspect_err(|_| self.blame = Some(self.string_at))
    }

    /// Reads one token, or as much of it as there is. On an error `rest` starts at the byte to blame.
    fn step<S: Sink>(&mut self, rest: &mut &[u8], slice_len: usize, sink: &mut S) -> Result<(), Flaw> {
        match self.state {
            State::Text(role) => self.text(role, rest, slice_len, sink),
            State::Number(number) => self.number(number, rest, sink),
            State::Escape(_) | State::Hex { .. } | State::PairBackslash { .. } | State::PairU { .. } => {
                self.escape(rest, sink)
            }
            State::Word { literal, seen } => self.word(literal, seen, rest, sink),
            State::Value
            | State::FirstElement
            | State::Key
            | State::FirstKey
            | State::Colon
            | State::AfterValue => {
                while let Some((b' ' | b'\n' | b'\r' | b'\t', tail)) = rest.split_first() {
                    *rest = tail;
                }
                let Some((&byte, tail)) = rest.split_first() else { return Ok(()) };
                if self.offset == 0 && rest.len() == slice_len && byte_order_mark(byte) {
                    return Err(Flaw::ByteOrderMark);
                }
                if byte == b'"' {
                    self.string_at = self.at(slice_len, rest);
                }
                self.structure(byte, sink)?;
                // A number's first byte belongs to its first part.
                if !matches!(self.state, State::Number(_)) {
                    *rest = tail;
                }
                Ok(())
            }
        }
    }

    fn structure<S: Sink>(&mut self, byte: u8, sink: &mut S) -> Result<(), Flaw> {
        match (self.state, byte) {
            (State::AfterValue, _) if self.nesting.depth == 0 => return Err(Flaw::TrailingBytes),
            (State::AfterValue, b',') => {
                self.state = if self.nesting.in_object() { State::Key } else { State::Value };
            }
            (State::AfterValue | State::FirstKey, b'}') if self.nesting.in_object() => self.close(sink)?,
            (State::AfterValue | State::FirstElement, b']') if !self.nesting.in_object() => {
                self.close(sink)?
            }
            (State::AfterValue, _) => return Err(Flaw::Unexpected(Expected::CommaOrEnd)),
            (State::Key | State::FirstKey, b'"') => {
                sink.key_open()?;
                self.state = State::Text(Role::Key);
            }
            (State::Key | State::FirstKey, _) => return Err(Flaw::Unexpected(Expected::Key)),
            (State::Colon, b':') => self.state = State::Value,
            (State::Colon, _) => return Err(Flaw::Unexpected(Expected::Colon)),
            (_, b'"') => {
                sink.string_open()?;
                self.state = State::Text(Role::Value);
            }
            (_, b'{') => {
                self.nesting.open(Container::Object)?;
                sink.open(Container::Object)?;
                self.state = State::FirstKey;
            }
            (_, b'[') => {
                self.nesting.open(Container::Array)?;
                sink.open(Container::Array)?;
                self.state = State::FirstElement;
            }
            (_, b'-' | b'0'..=b'9') => {
                sink.number_open()?;
                self.number_len = 0;
                self.state = State::Number(Number::Start);
            }
            (_, b't') => self.state = State::Word { literal: Literal::True, seen: 1 },
            (_, b'f') => self.state = State::Word { literal: Literal::False, seen: 1 },
            (_, b'n') => self.state = State::Word { literal: Literal::Null, seen: 1 },
            _ => return Err(Flaw::Unexpected(Expected::Value)),
        }
        Ok(())
    }

    fn close<S: Sink>(&mut self, sink: &mut S) -> Result<(), Flaw> {
        sink.close()?;
        self.nesting.close();
        self.state = State::AfterValue;
        Ok(())
    }

    fn text<S: Sink>(
        &mut self,
        role: Role,
        rest: &mut &[u8],
        slice_len: usize,
        sink: &mut S,
    ) -> Result<(), Flaw> {
        while self.partial.len > 0 {
            let Some((&byte, tail)) = rest.split_first() else { return Ok(()) };
            self.partial.push(byte).ok_or(Flaw::BadUtf8)?;
            let Partial { bytes, len } = self.partial;
            let character = bytes.get(..usize::from(len)).unwrap_or_default();
            match from_utf8(character) {
                Ok(_) => {
                    self.part(role, character, sink)?;
                    self.partial.len = 0;
                }
                Err(error) if error.error_len().is_some() => {
                    self.blame = Some(self.at(slice_len, rest).saturating_sub(u64::from(len - 1)));
                    return Err(Flaw::BadUtf8);
                }
                Err(_) => {}
            }
            *rest = tail;
        }
        let run = plain_run(rest);
        let (plain, tail) = rest.split_at_checked(run.len).unwrap_or((rest, &[]));
        if run.ascii {
            if !plain.is_empty() {
                self.part(role, plain, sink)?;
            }
        } else {
            self.multibyte(role, plain, rest, tail.is_empty(), sink)?;
        }
        *rest = tail;
        match tail.split_first() {
            None => return Ok(()),
            Some((b'"', after)) => {
                *rest = after;
                let (closed, next) = match role {
                    Role::Key => (sink.key_close(), State::Colon),
                    Role::Value => (sink.string_close(), State::AfterValue),
                };
                closed.inspect_err(|_| self.blame = Some(self.string_at))?;
                self.state = next;
            }
            Some((b'\\', after)) => {
                *rest = after;
                self.state = State::Escape(role);
            }
            Some(_) => return Err(Flaw::ControlCharacter),
        }
        Ok(())
    }

    /// A run with bytes beyond ASCII: checked as UTF-8; a character that the slice cuts is kept for the next.
    fn multibyte<S: Sink>(
        &mut self,
        role: Role,
        plain: &[u8],
        rest: &mut &[u8],
        at_slice_end: bool,
        sink: &mut S,
    ) -> Result<(), Flaw> {
        let Err(error) = from_utf8(plain) else { return self.part(role, plain, sink) };
        let (sound, cut) = plain.split_at_checked(error.valid_up_to()).unwrap_or((plain, &[]));
        if !sound.is_empty() {
            self.part(role, sound, sink)?;
        }
        if error.error_len().is_some() || !at_slice_end {
            *rest = rest.get(error.valid_up_to()..).unwrap_or_default();
            return Err(Flaw::BadUtf8);
        }
        for &byte in cut {
            self.partial.push(byte).ok_or(Flaw::BadUtf8)?;
        }
        Ok(())
    }

    fn escape<S: Sink>(&mut self, rest: &mut &[u8], sink: &mut S) -> Result<(), Flaw> {
        let Some((&byte, tail)) = rest.split_first() else { return Ok(()) };
        self.state = match self.state {
            State::Escape(role) if byte == b'u' => State::Hex { role, digits: 0, value: 0, high: None },
            State::Escape(role) => {
                self.part(role, &[simple_escape(byte).ok_or(Flaw::BadEscape)?], sink)?;
                State::Text(role)
            }
            State::PairBackslash { role, high } if byte == b'\\' => State::PairU { role, high },
            State::PairU { role, high } if byte == b'u' => {
                State::Hex { role, digits: 0, value: 0, high: Some(high) }
            }
            State::PairBackslash { .. } | State::PairU { .. } => return Err(Flaw::LoneSurrogate),
            State::Hex { role, digits, value, high } => {
                let digit = char::from(byte).to_digit(16).ok_or(Flaw::BadEscape)?;
                let value = (value << 4) | u16::try_from(digit).unwrap_or(0);
                if digits < 3 {
                    State::Hex { role, digits: digits + 1, value, high }
                } else {
                    self.unit(role, value, high, sink)?
                }
            }
            other => other,
        };
        *rest = tail;
        Ok(())
    }

    /// The UTF-16 unit of a whole `\uXXXX`: a character, half of one, or a flaw.
    ///
    /// RFC 8259 §8.2 calls lone surrogates unpredictable: parsers replace, drop or refuse them, so they are refused.
    fn unit<S: Sink>(
        &mut self,
        role: Role,
        value: u16,
        high: Option<u16>,
        sink: &mut S,
    ) -> Result<State, Flaw> {
        let character = match (high, value) {
            (None, 0xd800..=0xdbff) => return Ok(State::PairBackslash { role, high: value }),
            (None, _) => char::from_u32(u32::from(value)),
            (Some(high), _) => char::decode_utf16([high, value]).next().and_then(Result::ok),
        };
        let character = character.ok_or(Flaw::LoneSurrogate)?;
        self.part(role, character.encode_utf8(&mut [0; 4]).as_bytes(), sink)?;
        Ok(State::Text(role))
    }

    fn number<S: Sink>(&mut self, from: Number, rest: &mut &[u8], sink: &mut S) -> Result<(), Flaw> {
        let mut number = from;
        let mut len = 0;
        for &byte in *rest {
            let Some(next) = number.next(byte) else { break };
            number = next;
            len += 1;
        }
        let room = MAX_NUMBER.saturating_sub(self.number_len);
        if len > room {
            *rest = rest.get(room..).unwrap_or_default();
            return Err(Flaw::NumberTooLong);
        }
        self.number_len += len;
        let (digits, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        sink.number_part(digits)?;
        *rest = tail;
        if tail.is_empty() {
            self.state = State::Number(number);
        } else if number.whole() {
            sink.number_close()?;
            self.state = State::AfterValue;
        } else {
            return Err(Flaw::BadNumber);
        }
        Ok(())
    }

    fn word<S: Sink>(
        &mut self,
        literal: Literal,
        seen: u8,
        rest: &mut &[u8],
        sink: &mut S,
    ) -> Result<(), Flaw> {
        let missing = literal.word().get(usize::from(seen)..).unwrap_or_default();
        let len = missing.len().min(rest.len());
        let (now, tail) = rest.split_at_checked(len).unwrap_or((rest, &[]));
        if let Some(wrong) = missing.iter().zip(now).position(|(expected, found)| expected != found) {
            *rest = rest.get(wrong..).unwrap_or_default();
            return Err(Flaw::BadLiteral);
        }
        *rest = tail;
        if len == missing.len() {
            sink.literal(literal)?;
            self.state = State::AfterValue;
        } else {
            self.state = State::Word { literal, seen: seen + u8::try_from(len).unwrap_or(0) };
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
