//! Streams: frames with a pace, and the ways in which they end badly on demand.

use super::said::{FILLER, FILLER_PIECE};
use super::{Ask, damage};
use crate::directives::Short;
use crate::reply::{Reply, Step, encoded, frame, message};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// What marks an event as a piece of a tool call, in any of the shapes.
const TOOL_PIECES: &[&str] = &[
    r#""delta":{"toolUse""#,
    r#""input_json_delta""#,
    r#""tool_calls":[{"#,
    r#""response.function_call_arguments.delta""#,
    r#""tool_call_delta""#,
    r#""invocationInputs""#,
];

/// A frame or a server-sent event, and what it is to be recognised by.
struct Part {
    bytes: Bytes,
    tool: bool,
    filler: bool,
    /// A character of it that has more than one byte.
    wide: Option<char>,
}

impl Part {
    /// `said`: the text as it was before it was wrapped.
    fn new(bytes: Bytes, said: &str) -> Self {
        Self {
            bytes,
            tool: TOOL_PIECES.iter().any(|piece| said.contains(piece)),
            filler: said.contains(FILLER),
            wide: said.chars().find(|c| c.len_utf8() > 1),
        }
    }
}

/// An AWS event stream of these events.
pub(super) fn events(ask: &Ask<'_>, events: Vec<(&'static str, Value)>) -> Reply {
    wrapped(ask, events, |payload| payload)
}

/// The same, where each payload is wrapped into another.
pub(super) fn wrapped(
    ask: &Ask<'_>,
    events: Vec<(&'static str, Value)>,
    wrap: impl Fn(Value) -> Value,
) -> Reply {
    let orders = &ask.directives;
    let middle = events.len() / 2;
    let mut parts = Vec::new();
    for (index, (name, payload)) in events.into_iter().enumerate() {
        let said = payload.to_string();
        let mut payload = wrap(payload);
        if index == middle && orders.frame > 0 {
            payload["p"] = json!("p".repeat(orders.frame));
        }
        let mut message = message("event", name, payload.to_string());
        if orders.odd_headers {
            message = damage::odd_headers(message);
        }
        let bytes = encoded(&message);
        parts.push(Part::new(bytes, &said));
        if index == middle {
            if let Some(part) = parts.last_mut() {
                part.bytes = damage::frame(orders, &part.bytes);
            }
            let unknown = if orders.unknown_frames { damage::unknown_frames() } else { Vec::new() };
            parts.extend(unknown.into_iter().map(|bytes| Part::new(bytes, "")));
        }
    }
    let exception = orders.exception.as_deref();
    let exception =
        exception.map(|name| frame("exception", name, &json!({"message": "exception on demand"})));
    paced(ask, EVENT_STREAM, parts, exception)
}

/// Server-sent events, as the compatible APIs stream: event name (may be empty) and data.
pub(super) fn server_sent(ask: &Ask<'_>, events: Vec<(&str, String)>) -> Reply {
    let line = |name: &str, data: &str| match name {
        "" => Bytes::from(format!("data: {data}\n\n")),
        _ => Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
    };
    let parts = events.into_iter().map(|(name, data)| Part::new(line(name, &data), &data)).collect();
    let error = |name: &String| {
        let data = json!({"type": "error", "error": {"type": name, "message": "exception on demand"}});
        line("error", &data.to_string())
    };
    let exception = ask.directives.exception.as_ref().map(error);
    paced(ask, "text/event-stream", parts, exception)
}

/// The head of a stream whose frames come from elsewhere.
pub(super) fn open() -> Reply {
    Reply {
        status: 200,
        headers: vec![("content-type", EVENT_STREAM.to_owned())],
        steps: VecDeque::new(),
        hang: false,
    }
}

fn paced(ask: &Ask<'_>, content_type: &str, mut parts: Vec<Part>, exception: Option<Bytes>) -> Reply {
    let orders = &ask.directives;
    if let Some(short) = orders.short {
        shorten(&mut parts, short);
    }
    let middle = parts.len() / 2;
    let mut steps = VecDeque::new();
    for (index, part) in parts.into_iter().enumerate() {
        // A pause, be it of no length, also keeps the server from declaring the length of a stream.
        steps.push_back(Step::Pause(if index == 0 { Duration::ZERO } else { ask.pace }));
        if index == middle {
            if let Some(exception) = exception {
                steps.push_back(Step::Data(exception));
                break;
            }
            if orders.cut {
                steps.extend(cut_short(&part.bytes));
                break;
            }
            if orders.stall {
                steps.push_back(Step::Stall);
                break;
            }
        }
        let copies = if part.filler { orders.filler.div_ceil(FILLER_PIECE.len()) } else { 1 };
        steps.extend(std::iter::repeat_n(Step::Data(part.bytes), copies));
    }
    Reply { status: 200, headers: vec![("content-type", content_type.to_owned())], steps, hang: false }
}

/// Leaves a stream that ends too early.
fn shorten(parts: &mut Vec<Part>, short: Short) {
    let tools: Vec<usize> =
        parts.iter().enumerate().filter(|(_, part)| part.tool).map(|(index, _)| index).collect();
    // Where there is no such place, within the frame in the middle.
    let mut last = parts.len() / 2;
    let mut keep = parts.get(last).map(|part| part.bytes.len() / 2);
    if short == Short::Tool
        && let Some(index) = tools.get(tools.len() / 2)
    {
        (last, keep) = (*index, None);
    }
    if short == Short::Character
        && let Some((index, place)) =
            parts.iter().enumerate().rev().find_map(|(index, part)| Some((index, within_character(part)?)))
    {
        (last, keep) = (index, Some(place));
    }
    parts.truncate(last + 1);
    if let (Some(part), Some(keep)) = (parts.last_mut(), keep) {
        part.bytes = part.bytes.slice(..keep);
    }
}

/// After the first byte of a character of several.
fn within_character(part: &Part) -> Option<usize> {
    let mut buffer = [0; 4];
    let wide = part.wide?.encode_utf8(&mut buffer).as_bytes();
    let place = part.bytes.windows(wide.len()).position(|window| window == wide)?;
    Some(place + 1)
}

/// Half of the bytes, then an aborted connection. The pause lets the half leave first.
pub(super) fn cut_short(bytes: &Bytes) -> [Step; 3] {
    let half = bytes.slice(..bytes.len() / 2);
    [Step::Data(half), Step::Pause(Duration::from_millis(50)), Step::Cut]
}
