//! Streams: frames with a pace, and the ways in which they end badly on demand.

use super::Ask;
use crate::reply::{Reply, Step, frame};
use bytes::Bytes;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::time::Duration;

const EVENT_STREAM: &str = "application/vnd.amazon.eventstream";

/// An AWS event stream of these events.
pub(super) fn events(ask: &Ask<'_>, events: Vec<(&'static str, Value)>) -> Reply {
    let mut frames: Vec<Bytes> =
        events.into_iter().map(|(name, payload)| frame("event", name, &payload)).collect();
    let middle = frames.len() / 2;
    if let Some(spoilt) = frames.get_mut(middle).filter(|_| ask.directives.bad_crc) {
        let mut bytes = spoilt.to_vec();
        if let Some(last) = bytes.last_mut() {
            *last = !*last;
        }
        *spoilt = bytes.into();
    }
    if let Some(halved) = frames.get_mut(middle).filter(|_| ask.directives.short) {
        *halved = halved.slice(..halved.len() / 2);
        frames.truncate(middle + 1);
    }
    let exception = ask.directives.exception.as_deref();
    let exception =
        exception.map(|name| frame("exception", name, &json!({"message": "exception on demand"})));
    paced(ask, EVENT_STREAM, frames, exception)
}

/// Server-sent events, as the compatible APIs stream: event name (may be empty) and data.
pub(super) fn server_sent(ask: &Ask<'_>, events: Vec<(&str, String)>) -> Reply {
    let line = |name: &str, data: &str| match name {
        "" => Bytes::from(format!("data: {data}\n\n")),
        _ => Bytes::from(format!("event: {name}\ndata: {data}\n\n")),
    };
    let frames = events.into_iter().map(|(name, data)| line(name, &data)).collect();
    let error = |name: &String| {
        let data = json!({"type": "error", "error": {"type": name, "message": "exception on demand"}});
        line("error", &data.to_string())
    };
    let exception = ask.directives.exception.as_ref().map(error);
    paced(ask, "text/event-stream", frames, exception)
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

fn paced(ask: &Ask<'_>, content_type: &str, frames: Vec<Bytes>, exception: Option<Bytes>) -> Reply {
    let middle = frames.len() / 2;
    let mut steps = VecDeque::new();
    for (index, bytes) in frames.into_iter().enumerate() {
        // A pause, be it of no length, also keeps the server from declaring the length of a stream.
        steps.push_back(Step::Pause(if index == 0 { Duration::ZERO } else { ask.pace }));
        if index == middle {
            if let Some(exception) = exception {
                steps.push_back(Step::Data(exception));
                break;
            }
            if ask.directives.cut {
                steps.extend(cut_short(&bytes));
                break;
            }
            if ask.directives.stall {
                steps.push_back(Step::Stall);
                break;
            }
        }
        steps.push_back(Step::Data(bytes));
    }
    Reply { status: 200, headers: vec![("content-type", content_type.to_owned())], steps, hang: false }
}

/// Half of the bytes, then an aborted connection. The pause lets the half leave first.
pub(super) fn cut_short(bytes: &Bytes) -> [Step; 3] {
    let half = bytes.slice(..bytes.len() / 2);
    [Step::Data(half), Step::Pause(Duration::from_millis(50)), Step::Cut]
}
