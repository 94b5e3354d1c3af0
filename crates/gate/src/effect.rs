//! What an exchange wants done.

use crate::event::Token;
use crate::metric::Metric;
use crate::permit::Permit;
use crate::refusal::LocalReply;
use crate::strip::Strip;
use portcullis_protocol::Outcome;

/// Something for the adapter to do, in order.
#[derive(Debug)]
pub enum Effect {
    /// Ask the control plane. Comes last among the effects of a step: it may fail at once, and that is an event.
    Dispatch {
        /// Where.
        path: &'static str,
        /// Comes back in [`crate::Event::CalloutDone`].
        token: Token,
        /// JSON.
        body: Vec<u8>,
        /// Time allowed, at least 1.
        timeout_ms: u64,
    },
    /// Take the caller's signature off the request, before it goes on (re-sign entrance only).
    Strip(Strip),
    /// Ask for an answer that is not compressed: `accept-encoding: identity`, in place of what the request says. Before it goes on.
    AskPlain,
    /// Let the request go on.
    Resume(Permit),
    /// Answer in the upstream's place.
    Reply(LocalReply),
    /// Add a header to the answer that is passing.
    AddResponseHeader {
        /// Lower-case name.
        name: &'static str,
        /// Visible ASCII.
        value: String,
    },
    /// Take every repetition of a header off the answer that is passing.
    RemoveResponseHeader(&'static str),
    /// Replace what the host has of the answer's body by these bytes (there may be none), and let them go on.
    Release(Vec<u8>),
    /// Replace what the host has of the answer's body by one byte that is never let out, and hold it: the gate keeps the
    /// bytes. A placeholder stands there because the host can replace only what is there when the decision comes.
    Hide,
    /// Let the held answer go on as it is.
    ResumeAnswer,
    /// Reset the stream: its answer has begun, and cannot be ended in words.
    Abort,
    /// Remember what the control plane said of text.
    WantsText(bool),
    /// Report an exchange's end.
    Report(Box<Outcome>),
    /// Count one call that left without a record (`failure_mode: open`).
    Unaudited,
    /// Add one to a counter.
    Count(Metric),
    /// A decision took this long, in microseconds.
    DecisionTook(u64),
    /// The answer to a question about an answer took this long, in microseconds.
    InspectionTook(u64),
}

/// What to tell the host about the request's bytes, after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flow {
    /// Let them go on: only with a [`Permit`].
    Continue,
    /// Hold them.
    Hold,
    /// Hold them, and drop what is held: the request will never go on.
    Discard,
}

/// What to tell the host about the answer's headers, body and trailers, after a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFlow {
    /// Let them go on.
    Continue,
    /// Hold them.
    Hold,
}

/// Why a request or its answer is held, and until when at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Held {
    /// Who will end the hold.
    pub owner: Owner,
    /// On the monotonic clock.
    pub deadline_us: u64,
}

/// Who ends a hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The client, by sending the rest of the body.
    Body,
    /// The control plane, by answering this callout.
    Callout(Token),
}
