//! The grammar of JSON (RFC 8259) as states: what may come next, byte by byte.

use crate::body::flaw::{Flaw, MAX_DEPTH};

/// A container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Container {
    Object,
    Array,
}

/// A word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Literal {
    True,
    False,
    Null,
}

impl Literal {
    pub(crate) const fn word(self) -> &'static [u8] {
        match self {
            Literal::True => b"true",
            Literal::False => b"false",
            Literal::Null => b"null",
        }
    }
}

/// Where in the grammar the next byte stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Value,
    FirstElement,
    Key,
    FirstKey,
    Colon,
    AfterValue,
    Text(Role),
    Escape(Role),
    /// Within `\uXXXX`; `high` is the first half of a surrogate pair that this must complete.
    Hex {
        role: Role,
        digits: u8,
        value: u16,
        high: Option<u16>,
    },
    /// After `\uD8xx`: the backslash of the second half.
    PairBackslash {
        role: Role,
        high: u16,
    },
    /// Its `u`.
    PairU {
        role: Role,
        high: u16,
    },
    Number(Number),
    Word {
        literal: Literal,
        seen: u8,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Key,
    Value,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    Start,
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    Exponent,
    ExponentSign,
    ExponentDigits,
}

impl Number {
    /// The state after `byte`; `None` when the number ends before it.
    pub(super) const fn next(self, byte: u8) -> Option<Number> {
        match (self, byte) {
            (Number::Start, b'-') => Some(Number::Minus),
            (Number::Start | Number::Minus, b'0') => Some(Number::Zero),
            (Number::Start | Number::Minus, b'1'..=b'9') | (Number::Integer, b'0'..=b'9') => {
                Some(Number::Integer)
            }
            (Number::Zero | Number::Integer, b'.') => Some(Number::Point),
            (Number::Point | Number::Fraction, b'0'..=b'9') => Some(Number::Fraction),
            (Number::Zero | Number::Integer | Number::Fraction, b'e' | b'E') => Some(Number::Exponent),
            (Number::Exponent, b'+' | b'-') => Some(Number::ExponentSign),
            (Number::Exponent | Number::ExponentSign | Number::ExponentDigits, b'0'..=b'9') => {
                Some(Number::ExponentDigits)
            }
            _ => None,
        }
    }

    pub(super) const fn whole(self) -> bool {
        matches!(self, Number::Zero | Number::Integer | Number::Fraction | Number::ExponentDigits)
    }
}

/// The containers that are open: one bit each, set for objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nesting {
    pub(super) depth: usize,
    objects: u128,
    /// The outer ones, where there are more than 128.
    outer: Vec<u128>,
    max: usize,
}

impl Default for Nesting {
    fn default() -> Self {
        Self::up_to(MAX_DEPTH)
    }
}

impl Nesting {
    pub(super) const fn up_to(max: usize) -> Self {
        Self { depth: 0, objects: 0, outer: Vec::new(), max }
    }

    pub(super) fn open(&mut self, container: Container) -> Result<(), Flaw> {
        if self.depth >= self.max {
            return Err(Flaw::TooDeep);
        }
        if self.depth > 0 && self.depth.is_multiple_of(128) {
            self.outer.push(self.objects);
        }
        self.depth += 1;
        self.objects = (self.objects << 1) | u128::from(container == Container::Object);
        Ok(())
    }

    pub(super) fn close(&mut self) {
        self.depth = self.depth.saturating_sub(1);
        self.objects >>= 1;
        if self.depth > 0
            && self.depth.is_multiple_of(128)
            && let Some(outer) = self.outer.pop()
        {
            self.objects = outer;
        }
    }

    pub(super) const fn in_object(&self) -> bool {
        self.objects & 1 == 1
    }
}

/// The first bytes of a UTF-8 character whose rest is in the next slice.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Partial {
    pub(super) bytes: [u8; 4],
    pub(super) len: u8,
}

impl Partial {
    pub(super) fn push(&mut self, byte: u8) -> Option<()> {
        *self.bytes.get_mut(usize::from(self.len))? = byte;
        self.len += 1;
        Some(())
    }
}

pub(super) const fn simple_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        b'"' | b'\\' | b'/' => byte,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        _ => return None,
    })
}

/// The first byte of a byte-order mark in UTF-8 or UTF-16.
pub(super) const fn byte_order_mark(byte: u8) -> bool {
    matches!(byte, 0xef | 0xfe | 0xff)
}
