//! InvokeModelWithBidirectionalStream: every input chunk is answered by one output chunk while the input goes on.

use crate::exchange::AnswerBody;
use crate::reply::frame;

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::{Buf, Bytes};
use http_body_util::BodyExt;
use hyper::body::{Body, Frame, Incoming};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

/// The answer to a running input stream. Chunk signatures are not checked.
pub(crate) fn bidirectional(input: Incoming) -> AnswerBody {
    Echo { input, decoder: MessageFrameDecoder::new(), received: Received::default(), seen: 0 }.boxed()
}

/// Bytes not yet decoded. The decoder needs a whole message in view, however it was sliced.
#[derive(Default)]
struct Received(VecDeque<u8>);

struct Echo {
    input: Incoming,
    decoder: MessageFrameDecoder,
    received: Received,
    seen: u64,
}

impl Echo {
    /// The next message in what was received.
    fn decode(&mut self) -> io::Result<Option<Bytes>> {
        let mut view = &*self.received.0.make_contiguous();
        let before = view.remaining();
        let decoded = self.decoder.decode_frame(&mut view).map_err(io::Error::other)?;
        let used = before - view.remaining();
        self.received.0.drain(..used);
        match decoded {
            // The signed empty frame that ends the input.
            DecodedFrame::Complete(message) if message.payload().is_empty() => Ok(Some(Bytes::new())),
            DecodedFrame::Complete(message) => {
                self.seen += 1;
                let text = format!("chunk {} of {} bytes", self.seen, message.payload().len());
                let event: Value = json!({"event": {"textOutput": {"content": text, "role": "ASSISTANT"}}});
                Ok(Some(frame("event", "chunk", &json!({"bytes": STANDARD.encode(event.to_string())}))))
            }
            _ => Ok(None),
        }
    }
}

impl Body for Echo {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match self.decode() {
                Ok(Some(answer)) => return Poll::Ready(Some(Ok(Frame::data(answer)))),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Some(Err(error))),
            }
            match Pin::new(&mut self.input).poll_frame(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(None) => return Poll::Ready(None),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Some(Err(io::Error::other(error)))),
                Poll::Ready(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.received.0.extend(data);
                    }
                }
            }
        }
    }
}
