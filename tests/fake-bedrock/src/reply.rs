//! What the fake answers: a status, headers and a body that comes in steps, with pauses, stalls and cuts.

use crate::meter::Meter;
use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::Bytes;
use http::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;

/// Whose error shape a caller expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Shape {
    #[default]
    Aws,
    OpenAi,
    Anthropic,
}

/// One step of a body.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    Data(Bytes),
    Pause(Duration),
    /// What came before is written first.
    Flush,
    /// Nothing ever follows.
    Stall,
    /// The connection (h2: the stream) is aborted.
    Cut,
    /// HTTP trailers.
    Trailers,
}

impl Step {
    /// The bytes that it sends, if it does.
    pub(crate) fn data(&self) -> Option<&Bytes> {
        match self {
            Self::Data(bytes) => Some(bytes),
            Self::Pause(_) | Self::Flush | Self::Stall | Self::Cut | Self::Trailers => None,
        }
    }
}

/// A whole answer, not yet sent.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) steps: VecDeque<Step>,
    /// Not even a head is sent.
    pub(crate) hang: bool,
}

impl Reply {
    pub(crate) fn bytes(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        let headers = vec![("content-type", content_type.to_owned())];
        Self { status, headers, steps: VecDeque::from([Step::Data(body.into())]), hang: false }
    }

    pub(crate) fn json(status: u16, body: &Value) -> Self {
        Self::bytes(status, "application/json", body.to_string())
    }

    pub(crate) fn ok(body: &Value) -> Self {
        Self::json(200, body)
    }

    #[must_use]
    pub(crate) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// An error as the called API words it. `type_name` is AWS's, such as `ThrottlingException`.
    pub(crate) fn error(shape: Shape, status: u16, type_name: &str, message: &str) -> Self {
        let body = match shape {
            Shape::Aws => json!({"message": message}),
            Shape::OpenAi => {
                json!({"error": {"message": message, "type": type_name, "code": null, "param": null}})
            }
            Shape::Anthropic => json!({"type": "error", "error": {"type": type_name, "message": message}}),
        };
        Self::json(status, &body).header("x-amzn-errortype", type_name)
    }
}

/// One event-stream message: `:event-type` or `:exception-type` `name` with a JSON payload.
pub(crate) fn frame(kind: &'static str, name: &str, payload: &Value) -> Bytes {
    encoded(&message(kind, name, payload.to_string()))
}

/// The same, not yet encoded.
pub(crate) fn message(kind: &'static str, name: &str, payload: impl Into<Bytes>) -> Message {
    let text = |value: &str| HeaderValue::String(value.to_owned().into());
    let type_header = if kind == "exception" { ":exception-type" } else { ":event-type" };
    Message::new(payload)
        .add_header(Header::new(type_header, text(name)))
        .add_header(Header::new(":content-type", text("application/json")))
        .add_header(Header::new(":message-type", text(kind)))
}

/// A message as bytes.
pub(crate) fn encoded(message: &Message) -> Bytes {
    let mut bytes = Vec::new();
    // Fails only for header values over 32 KiB; ours are names.
    match write_message_to(message, &mut bytes) {
        Ok(()) => Bytes::from(bytes),
        Err(_) => Bytes::new(),
    }
}

fn trailers() -> HeaderMap {
    let value = http::HeaderValue::from_static("after the body");
    HeaderMap::from_iter([(http::HeaderName::from_static("x-fake-trailer"), value)])
}

/// The body of a [`Reply`] on its way.
pub(crate) struct StepBody {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
    meter: Option<Meter>,
}

impl StepBody {
    pub(crate) fn new(steps: VecDeque<Step>, meter: Option<Meter>) -> Self {
        let mut body = Self { steps, sleep: None, meter };
        body.ended();
        body
    }

    /// Notes the end, once nothing is left.
    fn ended(&mut self) {
        if self.steps.is_empty()
            && let Some(mut meter) = self.meter.take()
        {
            meter.ended();
        }
    }
}

impl Body for StepBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) => {
                    if let Some(meter) = &mut self.meter {
                        meter.sent(&bytes);
                    }
                    self.ended();
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                Some(Step::Flush) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Trailers) => {
                    self.ended();
                    return Poll::Ready(Some(Ok(Frame::trailers(trailers()))));
                }
                Some(Step::Pause(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Stall) => {
                    // Nothing will wake this task but the connection's end: that is the point.
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
                Some(Step::Cut) => return Poll::Ready(Some(Err(io::Error::other("cut on demand")))),
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty() && self.sleep.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        match self.steps.front() {
            None => SizeHint::with_exact(0),
            Some(Step::Data(bytes)) if self.steps.len() == 1 => SizeHint::with_exact(bytes.len() as u64),
            Some(_) => SizeHint::default(),
        }
    }
}
