//! What happens to an exchange.

use crate::config::Gate;
use portcullis_bedrock::{AnswerHead, Head};

/// The time of an event. The monotonic clock measures, the Unix clock dates.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Now {
    /// Microseconds of a clock that never goes back.
    pub monotonic_us: u64,
    /// Unix time in milliseconds.
    pub unix_ms: u64,
}

/// What an exchange may look at besides its own state.
#[derive(Debug, Clone, Copy)]
pub struct Surroundings<'a> {
    /// The validated configuration.
    pub gate: &'a Gate,
    /// The time.
    pub now: Now,
    /// The last answer's word on whether a rule reads text.
    pub wants_text: bool,
}

/// Names one callout of one exchange. Answers to any other token are ignored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token(pub(crate) u32);

impl Token {
    /// The next callout's of the same exchange.
    pub(crate) const fn next(self) -> Self {
        Self(self.0.wrapping_add(1))
    }
}

/// Everything that can happen to an exchange. Events that make no sense in a phase are ignored there.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// The request's headers are here.
    RequestHeaders {
        /// The headers.
        head: Head<'a>,
        /// Peer address, `ip:port`.
        source: Option<&'a [u8]>,
    },
    /// The next slice of the request's body, each byte once.
    RequestBody {
        /// The new bytes; may be empty.
        slice: &'a [u8],
        /// The body ends with them.
        end: bool,
    },
    /// The request's trailers are here: its body is complete.
    RequestTrailers,
    /// A callout has ended.
    CalloutDone {
        /// Which.
        token: Token,
        /// How.
        result: Result<CalloutReply<'a>, CalloutFailure>,
    },
    /// Time has passed: deadlines may be over.
    Tick,
    /// The answer's headers are here.
    ResponseHeaders(ResponseHead<'a>),
    /// The next slice of the answer's body, each byte once.
    ResponseBody {
        /// The new bytes; may be empty.
        slice: &'a [u8],
        /// What comes next.
        then: Then,
    },
    /// The answer's trailers are here: it is complete.
    ResponseTrailers,
    /// The stream is over.
    Closed(StreamEnd<'a>),
}

/// What follows a slice of an answer's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Then {
    /// More slices of what the host has, at once.
    More,
    /// Nothing for now: the host waits to be told what to do with what it has.
    Turn,
    /// The same, and the answer ends here.
    End,
}

/// The control plane's HTTP answer.
#[derive(Debug, Clone, Copy)]
pub struct CalloutReply<'a> {
    /// HTTP status.
    pub status: u16,
    /// Body, at most a few KiB.
    pub body: &'a [u8],
}

/// Why a callout has no HTTP answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalloutFailure {
    /// The host refused to send it: unknown cluster, no healthy host.
    NotSent,
    /// It was sent, and ended without an answer: reset.
    NoAnswer,
}

/// Who made an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin<'a> {
    /// AWS.
    Upstream,
    /// Envoy itself, with its `response.code_details`.
    Envoy(&'a [u8]),
}

/// An answer's headers, as far as the gate reads them.
#[derive(Debug, Clone, Copy)]
pub struct ResponseHead<'a> {
    /// HTTP status.
    pub status: u16,
    /// Who made it.
    pub origin: Origin<'a>,
    /// `x-amzn-requestid`.
    pub aws_request_id: Option<&'a [u8]>,
    /// `x-amzn-errortype`.
    pub error_type: Option<&'a [u8]>,
    /// What its body is read by.
    pub body: AnswerHead<'a>,
    /// The answer ends with its headers.
    pub end: bool,
}

/// How Envoy says that a stream ended.
#[derive(Debug, Clone, Copy, Default)]
pub struct StreamEnd<'a> {
    /// `response.code_details`, empty when not readable.
    pub details: &'a [u8],
    /// `response.flags`, 0 when not readable.
    pub flags: u64,
}
