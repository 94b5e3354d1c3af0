//! What can be wrong with a body.

use std::fmt;

/// Deepest nesting. AWS's own limit is not published; no SDK call comes near it.
pub(crate) const MAX_DEPTH: usize = 128;
/// Longest key, in bytes after unescaping.
pub(crate) const MAX_KEY: usize = 4_096;
/// Longest number, in bytes. The longest exact `f64` has under 800.
pub(crate) const MAX_NUMBER: usize = 1_024;
/// Keys of all objects that are open at once.
pub(crate) const MAX_OPEN_KEYS: usize = 65_536;

/// One reason to refuse a body. Text for people; [`crate::ProblemCode`] is what programs read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flaw {
    // RFC 8259.
    ByteOrderMark,
    Unexpected(Expected),
    BadLiteral,
    BadNumber,
    BadEscape,
    ControlCharacter,
    BadUtf8,
    Truncated,
    TrailingBytes,
    // Sound JSON that two parsers could read differently, or that costs too much.
    LoneSurrogate,
    TooDeep,
    NumberTooLong,
    KeyTooLong,
    TooManyKeys,
    DuplicateKey,
    // JSON, but not this operation's.
    NotAnObject,
    IdentifierTooLong,
    TooManyNames,
    Contradiction,
    BadBase64,
}

/// What should have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Value,
    Key,
    Colon,
    CommaOrEnd,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Flaw::ByteOrderMark => "the body starts with a byte-order mark; send UTF-8 without one",
            Flaw::Unexpected(Expected::Value) => "not JSON: a value must come here",
            Flaw::Unexpected(Expected::Key) => "not JSON: a key in double quotes must come here",
            Flaw::Unexpected(Expected::Colon) => "not JSON: a colon must follow the key",
            Flaw::Unexpected(Expected::CommaOrEnd) => "not JSON: a comma or the end must follow the value",
            Flaw::BadLiteral => "not JSON: only `true`, `false` and `null` are words",
            Flaw::BadNumber => "not JSON: the number is not in JSON's form",
            Flaw::BadEscape => "not JSON: an unknown escape in a string",
            Flaw::ControlCharacter => "not JSON: a raw control character in a string; escape it",
            Flaw::BadUtf8 => "the string is not UTF-8",
            Flaw::Truncated => "the body ends too early",
            Flaw::TrailingBytes => "bytes follow the end of the JSON document; remove them",
            Flaw::LoneSurrogate => "a lone surrogate in a string; escape whole pairs",
            Flaw::TooDeep => "nested more than 128 levels deep",
            Flaw::NumberTooLong => "a number of more than 1,024 bytes",
            Flaw::KeyTooLong => "a key of more than 4,096 bytes",
            Flaw::TooManyKeys => "more than 65,536 keys are open at once",
            Flaw::DuplicateKey => "an object says the same key twice; say it once",
            Flaw::NotAnObject => "the body must be one JSON object",
            Flaw::IdentifierTooLong => {
                "an identifier longer than 2,048 bytes, or the name of a tool longer than 256"
            }
            Flaw::TooManyNames => {
                "more than 256 tools, or 64 models or knowledge bases: policy could not see them all"
            }
            Flaw::Contradiction => "the body says this in two places, differently; say it once",
            Flaw::BadBase64 => "not base64",
        })
    }
}

/// A flaw and the byte it was seen at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) flaw: Flaw,
    pub(crate) offset: u64,
}
