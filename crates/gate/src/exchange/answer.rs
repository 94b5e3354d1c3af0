//! An answer: who made it, what it says, what of it went out, and what is reported of it.

use super::{Phase, Step};
use crate::event::{Origin, ResponseHead, StreamEnd};
use crate::metric::Metric;
use crate::outcome::EndReason;
use crate::passed::Passed;
use crate::permit::Permit;
use crate::said::answer_facts;
use crate::stop::Stop;
use crate::text::{cut, escape};
use portcullis_bedrock::answer::error_type;
use portcullis_bedrock::{AnswerFlaw, AnswerReader, AnswerSummary, Operation};
use portcullis_protocol::{AnswerFacts, OutcomeKind, Usage};
use serde::Deserialize;

/// Longest error answer that is read for its type.
const MAX_ERROR_BODY: usize = 8 * 1_024;

/// Longest request id or error type that is kept.
const MAX_WORD: usize = 256;

/// An answer to an allowed request, as far as it has come.
#[derive(Debug)]
pub(super) struct Answer {
    permit: Permit,
    status: u16,
    author: Author,
    aws_request_id: Option<String>,
    error_type: Option<String>,
    body: Body,
    passed: Passed,
}

/// Who made the answer.
#[derive(Debug, Clone, Copy)]
enum Author {
    Aws,
    Envoy(EndReason),
}

/// What is read of an answer's body.
#[derive(Debug)]
enum Body {
    /// Nothing.
    Unread,
    /// A good answer: what it used.
    Good(Box<AnswerReader>),
    /// An error whose type is not in a header: kept while it is small.
    Untyped(Vec<u8>),
}

impl Answer {
    pub(super) fn of(permit: Permit, operation: Option<&Operation>, head: &ResponseHead<'_>) -> Self {
        let author = match head.origin {
            Origin::Upstream => Author::Aws,
            Origin::Envoy(details) => Author::Envoy(EndReason::read(StreamEnd { details, flags: 0 })),
        };
        let word = |bytes: &[u8]| cut(escape(bytes), MAX_WORD);
        let error_type = head.error_type.map(|raw| error_type(&word(raw)).to_owned());
        let body = match (author, head.status, &error_type) {
            (Author::Aws, 200..=299, _) => Body::Good(Box::new(AnswerReader::new(operation, &head.body))),
            (Author::Aws, 400.., None) => Body::Untyped(Vec::new()),
            _ => Body::Unread,
        };
        Self {
            permit,
            status: head.status,
            author,
            aws_request_id: head.aws_request_id.map(word),
            error_type,
            body,
            passed: Passed::default(),
        }
    }

    /// Takes a slice as it comes.
    pub(super) fn came(&mut self, slice: &[u8], step: &Step<'_>) {
        if !slice.is_empty() {
            self.passed.came(step.around.now);
        }
        self.body.read(slice);
    }

    /// Whether the time matters at which the next byte comes.
    pub(super) const fn awaits_first_byte(&self) -> bool {
        self.passed.awaits_first()
    }

    /// These bytes go on to the client.
    pub(super) fn out(&mut self, bytes: &[u8]) {
        self.passed.out(bytes);
    }

    /// How many have gone on.
    pub(super) const fn bytes(&self) -> u64 {
        self.passed.bytes()
    }

    /// What counted as gone on was held, and does not go on after all.
    pub(super) fn take_back(&mut self) {
        self.passed.take_back();
    }

    /// The decision that let the call out.
    pub(super) fn decision_id(&self) -> Option<&str> {
        self.permit.decision_id()
    }

    /// Whether there is any use in reading what is dropped.
    pub(super) fn wants_more(&self) -> bool {
        matches!(&self.body, Body::Good(reader) if reader.wants_more())
    }

    /// The whole answer has passed, and the stream is over.
    pub(super) fn over(self, step: &mut Step<'_>) -> Phase {
        match self.author {
            Author::Aws => self.report(Ending::Whole, step),
            // An answer of Envoy's own is a failure, whoever Envoy blames.
            Author::Envoy(reason) => self.report(Ending::Failed(reason), step),
        }
    }

    /// The stream is over before the answer's end.
    pub(super) fn cut(self, end: StreamEnd<'_>, step: &mut Step<'_>) -> Phase {
        let reason = EndReason::read(end);
        let ending = if reason.kind() == OutcomeKind::Aborted {
            Ending::Aborted(reason)
        } else {
            Ending::Failed(reason)
        };
        self.report(ending, step)
    }

    fn report(self, ending: Ending, step: &mut Step<'_>) -> Phase {
        self.tell(|summary| ending.judge(summary), matches!(ending, Ending::Whole), None, step);
        Phase::Closed
    }

    /// The gate has stopped it. `status` is what the client saw, where that is not the answer's own.
    pub(super) fn blocked(self, stop: &Stop, status: Option<u16>, step: &mut Step<'_>) {
        self.tell(|_| (OutcomeKind::Blocked, Some(stop.code())), false, status, step);
    }

    fn tell(
        self,
        judge: impl FnOnce(&AnswerSummary) -> (OutcomeKind, Option<&'static str>),
        whole: bool,
        status: Option<u16>,
        step: &mut Step<'_>,
    ) {
        let error_body = self.body.error_type();
        let summary = self.body.summary();
        let (kind, reason) = judge(&summary);
        match summary.flaw {
            Some(AnswerFlaw::Broken | AnswerFlaw::Truncated) if whole => {
                step.count(Metric::StreamBroken);
            }
            Some(AnswerFlaw::Encoded | AnswerFlaw::Unreadable | AnswerFlaw::TooLong) => {
                step.count(Metric::AnswerUnread);
            }
            _ => {}
        }
        let mut outcome = step.outcome(kind, reason);
        outcome.decision_id = self.permit.decision_id().map(str::to_owned);
        outcome.status = status.or(Some(self.status));
        outcome.aws_request_id = self.aws_request_id;
        outcome.error_type = self.error_type.or(error_body).or_else(|| summary.exception.clone());
        outcome.forwarded = match self.author {
            Author::Aws => true,
            Author::Envoy(reason) => !reason.never_left(),
        };
        outcome.response_bytes = self.passed.bytes();
        outcome.usage = usage(&summary);
        let mut facts = answer_facts(summary);
        self.passed.tell(step.trace.started_us, &mut facts);
        outcome.answer = Some(Box::new(facts)).filter(|facts| **facts != AnswerFacts::default());
        step.report(outcome);
    }
}

/// How an answer ended, as the host saw it.
#[derive(Debug, Clone, Copy)]
enum Ending {
    Whole,
    Aborted(EndReason),
    Failed(EndReason),
}

impl Ending {
    /// How it ended after all: what the host takes for whole need not be.
    fn judge(self, summary: &AnswerSummary) -> (OutcomeKind, Option<&'static str>) {
        match (self, summary.flaw) {
            (Self::Aborted(reason), _) => (OutcomeKind::Aborted, Some(reason.code())),
            (Self::Failed(reason), _) => (OutcomeKind::Failed, Some(reason.code())),
            (Self::Whole, None) => (OutcomeKind::Completed, None),
            (Self::Whole, Some(AnswerFlaw::Truncated)) => (OutcomeKind::Failed, Some("stream_truncated")),
            (Self::Whole, Some(AnswerFlaw::Broken)) => (OutcomeKind::Failed, Some("stream_broken")),
            // The answer is the caller's, and may be sound; only its usage is not known.
            (Self::Whole, Some(AnswerFlaw::Encoded)) => (OutcomeKind::Completed, Some("answer_encoded")),
            (Self::Whole, Some(AnswerFlaw::Unreadable | AnswerFlaw::TooLong)) => {
                (OutcomeKind::Completed, Some("answer_unreadable"))
            }
        }
    }
}

/// `None` where the answer says nothing of tokens: an unknown number is not 0.
fn usage(summary: &AnswerSummary) -> Option<Usage> {
    summary.usage.map(|tokens| Usage {
        input_tokens: tokens.input,
        output_tokens: tokens.output,
        cache_read_tokens: tokens.cache_read,
        cache_write_tokens: tokens.cache_write,
        tool_calls: summary.tool_calls,
    })
}

impl Body {
    fn read(&mut self, slice: &[u8]) {
        match self {
            Self::Good(reader) => reader.push(slice),
            Self::Untyped(bytes) if bytes.len().saturating_add(slice.len()) <= MAX_ERROR_BODY => {
                bytes.extend_from_slice(slice);
            }
            Self::Untyped(_) => *self = Self::Unread,
            Self::Unread => {}
        }
    }

    fn summary(self) -> AnswerSummary {
        match self {
            Self::Good(reader) => reader.finish(),
            Self::Untyped(_) | Self::Unread => AnswerSummary::default(),
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
        let Self::Untyped(bytes) = self else { return None };
        let typed: Typed = serde_json::from_slice(bytes).ok()?;
        let raw = typed.smithy.or(typed.code)?;
        Some(error_type(&cut(raw, MAX_WORD)).to_owned())
    }
}
