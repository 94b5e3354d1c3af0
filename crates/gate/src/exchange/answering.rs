//! From the permit to the end of the answer.

use super::{Phase, Step};
use crate::effect::Effect;
use crate::event::{Event, Origin, ResponseHead, StreamEnd};
use crate::outcome::EndReason;
use crate::permit::Permit;
use crate::text::{cut, escape};
use portcullis_bedrock::answer::error_type;
use portcullis_protocol::{DECISION_ID_HEADER, OutcomeKind};
use serde::Deserialize;

/// Longest error answer that is read for its type.
const MAX_ERROR_BODY: usize = 8 * 1_024;

/// Longest request id or error type that is kept.
const MAX_WORD: usize = 256;

/// A request on its way to AWS, by this permit.
#[derive(Debug)]
pub(super) struct Allowed {
    permit: Permit,
}

/// An answer that is passing.
#[derive(Debug)]
pub(super) struct Answering {
    permit: Permit,
    status: u16,
    author: Author,
    aws_request_id: Option<String>,
    error_type: Option<String>,
    error_body: ErrorBody,
    bytes: u64,
}

/// Who made the answer.
#[derive(Debug, Clone, Copy)]
enum Author {
    Aws,
    Envoy(EndReason),
}

/// The body of an error whose type is not in a header.
#[derive(Debug)]
enum ErrorBody {
    NotWanted,
    Wanted(Vec<u8>),
}

impl Allowed {
    pub(super) fn new(permit: Permit) -> Self {
        Self { permit }
    }

    pub(super) fn step(self, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseHeaders(head) => self.answered(&head, step),
            Event::Closed(end) => {
                let reason = EndReason::read(end);
                let mut outcome = step.outcome(reason.kind(), Some(reason.code()));
                outcome.decision_id = self.permit.decision_id().map(str::to_owned);
                outcome.forwarded = !reason.never_left();
                step.report(outcome);
                Phase::Closed
            }
            _ => Phase::Allowed(self),
        }
    }

    fn answered(self, head: &ResponseHead<'_>, step: &mut Step<'_>) -> Phase {
        let Self { permit } = self;
        let id = permit.decision_id().unwrap_or(step.trace.call_id.as_str()).to_owned();
        step.out.push(Effect::AddResponseHeader { name: DECISION_ID_HEADER, value: id });
        let author = match head.origin {
            Origin::Upstream => Author::Aws,
            Origin::Envoy(details) => Author::Envoy(EndReason::read(StreamEnd { details, flags: 0 })),
        };
        let word = |bytes: &[u8]| cut(escape(bytes), MAX_WORD);
        let error = head.error_type.map(|raw| error_type(&word(raw)).to_owned());
        let untyped = matches!(author, Author::Aws) && head.status >= 400 && error.is_none();
        let answering = Answering {
            permit,
            status: head.status,
            author,
            aws_request_id: head.aws_request_id.map(word),
            error_type: error,
            error_body: if untyped { ErrorBody::Wanted(Vec::new()) } else { ErrorBody::NotWanted },
            bytes: 0,
        };
        if head.end { Phase::Answered(Box::new(answering)) } else { Phase::Answering(Box::new(answering)) }
    }
}

impl Answering {
    pub(super) fn reads_body(&self) -> bool {
        matches!(self.error_body, ErrorBody::Wanted(_))
    }

    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { len, slice, end } => {
                self.bytes = self.bytes.saturating_add(len);
                self.error_body = self.error_body.and(slice);
                if end { Phase::Answered(self) } else { Phase::Answering(self) }
            }
            Event::ResponseTrailers => Phase::Answered(self),
            Event::Closed(end) => self.cut(end, step),
            _ => Phase::Answering(self),
        }
    }

    /// The whole answer has passed, and the stream is over.
    pub(super) fn over(self, step: &mut Step<'_>) -> Phase {
        match self.author {
            Author::Aws => self.report(OutcomeKind::Completed, None, step),
            Author::Envoy(reason) => {
                // An answer of Envoy's own is a failure, whoever Envoy blames.
                self.report(OutcomeKind::Failed, Some(reason), step)
            }
        }
    }

    /// The stream is over before the answer's end.
    fn cut(self, end: StreamEnd<'_>, step: &mut Step<'_>) -> Phase {
        let reason = EndReason::read(end);
        self.report(reason.kind(), Some(reason), step)
    }

    fn report(self, kind: OutcomeKind, reason: Option<EndReason>, step: &mut Step<'_>) -> Phase {
        let mut outcome = step.outcome(kind, reason.map(EndReason::code));
        outcome.decision_id = self.permit.decision_id().map(str::to_owned);
        outcome.status = Some(self.status);
        outcome.aws_request_id = self.aws_request_id;
        outcome.error_type = self.error_type.or_else(|| self.error_body.error_type());
        outcome.forwarded = match self.author {
            Author::Aws => true,
            Author::Envoy(reason) => !reason.never_left(),
        };
        outcome.response_bytes = self.bytes;
        step.report(outcome);
        Phase::Closed
    }
}

impl ErrorBody {
    fn and(self, slice: &[u8]) -> Self {
        match self {
            Self::Wanted(mut bytes) if bytes.len().saturating_add(slice.len()) <= MAX_ERROR_BODY => {
                bytes.extend_from_slice(slice);
                Self::Wanted(bytes)
            }
            Self::Wanted(_) | Self::NotWanted => Self::NotWanted,
        }
    }

    /// AWS puts the type into `__type` or `code` where it does not set the header
    /// (<https://smithy.io/2.0/aws/protocols/aws-restjson1-protocol.html#operation-error-serialization>).
    fn error_type(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Typed {
            #[serde(default, rename = "__type")]
            smithy: Option<String>,
            #[serde(default)]
            code: Option<String>,
        }
        let Self::Wanted(bytes) = self else { return None };
        let typed: Typed = serde_json::from_slice(bytes).ok()?;
        let raw = typed.smithy.or(typed.code)?;
        Some(error_type(&cut(raw, MAX_WORD)).to_owned())
    }
}
