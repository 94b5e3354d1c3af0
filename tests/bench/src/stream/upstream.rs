//! The upstream of a stream: frames of a Converse stream as the request orders them, as cheaply as they can be made.

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Sleep;

/// What a request orders, in its text: `frames=20;flush=1;tool=1;first=0;stall=0;pace=0;`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Order {
    /// Frames of text.
    pub(crate) frames: usize,
    /// Each frame is written by itself.
    pub(crate) flush: bool,
    /// A tool call follows the text.
    pub(crate) tool: bool,
    /// A pause follows the first frame, so that it travels alone.
    pub(crate) first: bool,
    /// The stream stops after its text, and stays open.
    pub(crate) stall: bool,
    /// Milliseconds between frames.
    pub(crate) pace_ms: usize,
}

impl Order {
    pub(crate) fn text(&self) -> String {
        format!(
            "frames={};flush={};tool={};first={};stall={};pace={};",
            self.frames,
            u8::from(self.flush),
            u8::from(self.tool),
            u8::from(self.first),
            u8::from(self.stall),
            self.pace_ms
        )
    }

    pub(crate) fn read(body: &str) -> Self {
        let number = |name: &str| -> usize {
            let value = body.split_once(&format!("{name}=")).and_then(|(_, rest)| rest.split_once(';'));
            value.and_then(|(value, _)| value.parse().ok()).unwrap_or_default()
        };
        Self {
            frames: number("frames"),
            flush: number("flush") == 1,
            tool: number("tool") == 1,
            first: number("first") == 1,
            stall: number("stall") == 1,
            pace_ms: number("pace"),
        }
    }
}

/// Nanoseconds of the wall clock; it is one clock for all processes of a machine.
pub(crate) fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()
}

/// One step of the stream.
enum Step {
    Data(Bytes),
    /// A frame that says when it was written: its event type, and its payload up to the number.
    Stamped(&'static str, &'static str),
    Flush,
    Pause(Duration),
    Stall,
}

/// The answer's body.
pub(crate) struct Stream {
    steps: VecDeque<Step>,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Stream {
    pub(crate) fn new(order: Order) -> Self {
        let mut steps = VecDeque::new();
        let pace = Duration::from_millis(order.pace_ms as u64);
        let then = |steps: &mut VecDeque<Step>, step: Step| {
            steps.push_back(step);
            if order.flush {
                steps.push_back(Step::Flush);
            }
            if !pace.is_zero() {
                steps.push_back(Step::Pause(pace));
            }
        };
        then(&mut steps, Step::Stamped("messageStart", r#"{"role":"assistant","first":""#));
        if order.first {
            steps.push_back(Step::Pause(Duration::from_millis(3)));
        }
        let text = frame(
            "contentBlockDelta",
            r#"{"contentBlockIndex":0,"delta":{"text":"several words "},"p":"abcdefghijklmnop"}"#,
        );
        for _ in 0..order.frames {
            then(&mut steps, Step::Data(text.clone()));
        }
        if order.stall {
            steps.push_back(Step::Stall);
        }
        then(&mut steps, Step::Data(frame("contentBlockStop", r#"{"contentBlockIndex":0}"#)));
        if order.tool {
            let start = r#"{"contentBlockIndex":1,"start":{"toolUse":{"toolUseId":"tooluse_bench","name":"transfer_funds"}}}"#;
            then(&mut steps, Step::Data(frame("contentBlockStart", start)));
            for piece in ["", r#"{\"amount\":"#, "40", "00", r#",\"to\":\"ACC"#, r#"T-1\"}"#] {
                let delta =
                    format!(r#"{{"contentBlockIndex":1,"delta":{{"toolUse":{{"input":"{piece}"}}}}}}"#);
                then(&mut steps, Step::Data(frame("contentBlockDelta", &delta)));
            }
            steps.push_back(Step::Pause(Duration::from_millis(3)));
            steps.push_back(Step::Stamped("contentBlockStop", r#"{"contentBlockIndex":1,"tool":""#));
            steps.push_back(Step::Pause(Duration::from_millis(6)));
        }
        then(&mut steps, Step::Data(frame("messageStop", r#"{"stopReason":"end_turn"}"#)));
        let usage = r#"{"usage":{"inputTokens":120,"outputTokens":14,"totalTokens":134},"metrics":{"latencyMs":412}}"#;
        steps.push_back(Step::Data(frame("metadata", usage)));
        Self { steps, sleep: None }
    }
}

impl Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        loop {
            if let Some(sleep) = &mut self.sleep {
                if sleep.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                self.sleep = None;
            }
            match self.steps.pop_front() {
                None => return Poll::Ready(None),
                Some(Step::Data(bytes)) => return Poll::Ready(Some(Ok(Frame::data(bytes)))),
                Some(Step::Stamped(name, payload)) => {
                    let bytes = frame(name, &format!("{payload}{:020}\"}}", now()));
                    return Poll::Ready(Some(Ok(Frame::data(bytes))));
                }
                // Pending makes the server write what it has; it is asked again at once.
                Some(Step::Flush) => {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Some(Step::Pause(time)) => self.sleep = Some(Box::pin(tokio::time::sleep(time))),
                Some(Step::Stall) => {
                    self.steps.push_front(Step::Stall);
                    return Poll::Pending;
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.steps.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// A frame of an AWS event stream with the three headers that Bedrock sends.
fn frame(event: &str, payload: &str) -> Bytes {
    let mut headers = Vec::new();
    for (name, value) in
        [(":event-type", event), (":content-type", "application/json"), (":message-type", "event")]
    {
        headers.push(u8::try_from(name.len()).unwrap_or_default());
        headers.extend_from_slice(name.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let number = |length: usize| u32::try_from(length).unwrap_or_default().to_be_bytes();
    let mut bytes = Vec::new();
    bytes.extend_from_slice(&number(headers.len() + payload.len() + 16));
    bytes.extend_from_slice(&number(headers.len()));
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes.extend_from_slice(&headers);
    bytes.extend_from_slice(payload.as_bytes());
    bytes.extend_from_slice(&crc32(&bytes).to_be_bytes());
    bytes.into()
}

/// CRC-32 as in IEEE 802.3.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 };
        }
    }
    !crc
}
