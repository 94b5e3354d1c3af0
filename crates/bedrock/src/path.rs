//! Request targets: is the path canonical, what are its segments, what do its labels and its query say.
//!
//! Nothing is ever rewritten: the bytes that were signed are the bytes that go on. A path that two parsers could
//! read differently is refused instead; no SDK sends one.

use crate::call::{Problem, ProblemCode};
use std::borrow::Cow;

/// Longest raw path, without the query.
pub(crate) const MAX_PATH: usize = 4096;
/// Longest label, decoded: the limit of AWS's models for `modelId` and ARNs.
pub(crate) const MAX_LABEL: usize = 2048;
/// Longest query: a presigned request carries a session token of up to a few kilobytes.
pub(crate) const MAX_QUERY: usize = 16_384;

/// A request target that is canonical.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
}

impl<'a> Target<'a> {
    /// Takes a raw `:path` apart and checks it.
    ///
    /// # Errors
    /// [`ProblemCode::BadHeader`] for one that is missing, [`ProblemCode::PathTooLong`],
    /// [`ProblemCode::PathNotCanonical`].
    pub(crate) fn parse(raw: &'a [u8]) -> Result<Self, Problem> {
        if raw.is_empty() {
            return Err(Problem { code: ProblemCode::BadHeader, detail: "no path".to_owned() });
        }
        // Each part is checked on its own: the path may be sound where the query is not, but not the other way round.
        let target = std::str::from_utf8(raw)
            .map_err(|e| not_canonical(format!("byte {} of the path is not UTF-8", e.valid_up_to())))?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path.len() > MAX_PATH {
            return Err(too_long(format!("the path has {} bytes, more than {MAX_PATH}", path.len())));
        }
        if query.len() > MAX_QUERY {
            return Err(too_long(format!("the query has {} bytes, more than {MAX_QUERY}", query.len())));
        }
        check_path(path)?;
        check_query(query)?;
        Ok(Self { path, query })
    }

    /// The raw segments. Neither the leading nor one trailing slash makes one.
    pub(crate) fn segments(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        let path = self.path.strip_prefix('/').unwrap_or(self.path);
        let path = path.strip_suffix('/').unwrap_or(path);
        path.split('/').filter(|s| !s.is_empty())
    }

    /// The decoded values of a query key, matched without regard to case; the key as sent comes along.
    pub(crate) fn query_pairs(&self) -> impl Iterator<Item = (Cow<'a, str>, &'a str)> + use<'a> {
        self.query.split('&').filter(|p| !p.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(key).unwrap_or(Cow::Borrowed(key)), value)
        })
    }
}

/// Bytes of a path besides escapes: RFC 3986 `pchar` and the slash, but for the semicolon. Servers of the Java kind take
/// what follows one off a segment as its parameters (RFC 3986, 3.3) before they look at it, so `model;x` would be one
/// model to policy and another to them. SDKs escape it.
fn is_path_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,=:@/".contains(&byte)
}

/// Bytes that need no escape and that no SDK escapes. `~` is not among them: older encoders do escape it.
fn is_never_escaped(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._".contains(&byte)
}

fn check_path(path: &str) -> Result<(), Problem> {
    if !path.starts_with('/') {
        return Err(not_canonical("the path does not start with a slash".to_owned()));
    }
    let bytes = path.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'%' {
            match escaped_byte(bytes, at) {
                None => return Err(not_canonical(format!("bad escape at byte {at} of the path"))),
                Some(b) if is_never_escaped(b) => {
                    return Err(not_canonical(format!(
                        "needless escape of `{}` at byte {at} of the path",
                        char::from(b)
                    )));
                }
                Some(_) => {}
            }
        } else if !is_path_byte(byte) {
            return Err(not_canonical(format!("byte 0x{byte:02x} at {at} of the path")));
        }
    }
    let inner = path.strip_prefix('/').unwrap_or(path);
    let mut segments = inner.split('/').peekable();
    while let Some(segment) = segments.next() {
        match segment {
            // Only the last one may be empty: a trailing slash, or the root path.
            "" if segments.peek().is_some() => {
                return Err(not_canonical("an empty segment (`//`)".to_owned()));
            }
            "." | ".." => return Err(not_canonical(format!("a segment `{segment}`"))),
            _ => {}
        }
    }
    Ok(())
}

fn check_query(query: &str) -> Result<(), Problem> {
    let bytes = query.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        if byte == b'%' && escaped_byte(bytes, at).is_none() {
            return Err(not_canonical(format!("bad escape at byte {at} of the query")));
        }
        if !byte.is_ascii_graphic() || byte == b'#' || byte == b'\\' {
            return Err(not_canonical(format!("byte 0x{byte:02x} at {at} of the query")));
        }
    }
    Ok(())
}

/// Decodes a raw segment that becomes a label.
///
/// # Errors
/// [`ProblemCode::PathTooLong`]; [`ProblemCode::PathNotCanonical`] when the value is not UTF-8, holds control
/// characters, still holds an escape (`%252F`: another parser may decode twice) or a dot segment (`x%2F..%2Fy`:
/// another parser may decode before it splits).
pub(crate) fn label(name: &str, raw: &str) -> Result<String, Problem> {
    let value = decode(raw).map_err(|what| not_canonical(format!("label `{name}` {what}")))?;
    if value.len() > MAX_LABEL {
        return Err(too_long(format!("label `{name}` has {} bytes, more than {MAX_LABEL}", value.len())));
    }
    let bytes = value.as_bytes();
    if bytes.iter().any(u8::is_ascii_control) {
        return Err(not_canonical(format!("label `{name}` holds a control character")));
    }
    if memchr::memchr_iter(b'%', bytes).any(|at| escaped_byte(bytes, at).is_some()) {
        return Err(not_canonical(format!("label `{name}` is escaped twice")));
    }
    if value.split('/').any(|part| part == "." || part == "..") {
        return Err(not_canonical(format!("label `{name}` holds a dot segment")));
    }
    Ok(value.into_owned())
}

/// Percent-decodes once; `+` stays a plus sign.
///
/// # Errors
/// What is wrong: a bad escape, or not UTF-8.
pub(crate) fn decode(raw: &str) -> Result<Cow<'_, str>, &'static str> {
    if memchr::memchr(b'%', raw.as_bytes()).is_none() {
        return Ok(Cow::Borrowed(raw));
    }
    let bytes = raw.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut skip = 0_u8;
    for (at, &byte) in bytes.iter().enumerate() {
        if skip > 0 {
            skip -= 1;
        } else if byte == b'%' {
            out.push(escaped_byte(bytes, at).ok_or("holds a bad escape")?);
            skip = 2;
        } else {
            out.push(byte);
        }
    }
    String::from_utf8(out).map(Cow::Owned).map_err(|_| "is not UTF-8")
}

/// The byte of the escape `%XX` at `at`.
fn escaped_byte(bytes: &[u8], at: usize) -> Option<u8> {
    let hex = |at: usize| {
        bytes.get(at).and_then(|&b| char::from(b).to_digit(16)).and_then(|d| u8::try_from(d).ok())
    };
    Some(hex(at.checked_add(1)?)? << 4 | hex(at.checked_add(2)?)?)
}

fn not_canonical(detail: String) -> Problem {
    Problem { code: ProblemCode::PathNotCanonical, detail }
}

fn too_long(detail: String) -> Problem {
    Problem { code: ProblemCode::PathTooLong, detail }
}
