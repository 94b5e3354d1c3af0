//! Frames of an AWS event stream, read by nobody's decoder but this one: what a client got, byte by byte.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

/// A whole frame.
#[derive(Debug, Clone, Default)]
pub struct Frame {
    /// `event`, `exception` or `error`.
    pub message_type: String,
    /// `:event-type`, `:exception-type` or `:error-code`.
    pub kind: String,
    /// Its payload; `Null` when it is not JSON.
    pub payload: Value,
    /// What `bytes` of its payload decodes to, as text: a model's own JSON.
    pub inner: String,
    /// Bytes of the stream before it.
    pub at: usize,
}

/// The whole frames of a body, and how many bytes they are. What follows is no whole frame.
#[must_use]
pub fn frames(body: &[u8]) -> (Vec<Frame>, usize) {
    let (mut found, mut at) = (Vec::new(), 0);
    while let Some((frame, length)) = frame(body, at) {
        found.push(frame);
        at += length;
    }
    (found, at)
}

fn frame(body: &[u8], at: usize) -> Option<(Frame, usize)> {
    let rest = body.get(at..)?;
    let total = number(rest, 0)?;
    let headers = number(rest, 4)?;
    let whole = rest.get(..total)?;
    let payload = whole.get(12 + headers..total.checked_sub(4)?)?;
    let mut frame = Frame { at, ..Frame::default() };
    let mut rest = whole.get(12..12 + headers)?;
    while let Some((name, value, after)) = header(rest) {
        match name.as_str() {
            ":message-type" => frame.message_type = value,
            ":event-type" | ":exception-type" | ":error-code" => frame.kind = value,
            _ => {}
        }
        rest = after;
    }
    frame.payload = serde_json::from_slice(payload).unwrap_or_default();
    let bytes = frame.payload["bytes"].as_str().and_then(|text| STANDARD.decode(text).ok());
    frame.inner = bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    Some((frame, total))
}

/// A header: its name, its value where that is text, and what follows.
fn header(rest: &[u8]) -> Option<(String, String, &[u8])> {
    let length = usize::from(*rest.first()?);
    let name = String::from_utf8_lossy(rest.get(1..=length)?).into_owned();
    let (kind, rest) = rest.get(length + 1..)?.split_first()?;
    let (skip, size) = match *kind {
        0 | 1 => (0, 0),
        2 => (0, 1),
        3 => (0, 2),
        4 => (0, 4),
        5 | 8 => (0, 8),
        9 => (0, 16),
        _ => (2, usize::from(u16::from_be_bytes(rest.get(..2)?.try_into().ok()?))),
    };
    let value = String::from_utf8_lossy(rest.get(skip..skip + size)?).into_owned();
    Some((name, value, rest.get(skip + size..)?))
}

fn number(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?) as usize)
}
