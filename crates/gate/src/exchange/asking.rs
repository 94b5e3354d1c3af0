//! From a complete body to a verdict.

use super::answering::Allowed;
use super::{Phase, Step};
use crate::codings::Codings;
use crate::effect::Effect;
use crate::event::{CalloutFailure, CalloutReply, Event, Origin, ResponseHead, StreamEnd, Token};
use crate::fault::{Answered, Fault, Judged, Settled, Standing, judge, settle};
use crate::metric::Metric;
use crate::outcome::EndReason;
use crate::permit::Permit;
use crate::question::Question;
use crate::refusal::Refusal;
use crate::strip::Strip;
use portcullis_bedrock::{ApiShape, Operation};
use portcullis_protocol::{OutcomeKind, Verdict};

pub(super) const FIRST: Token = Token(1);

/// How long a call is held for an approval at most, from its headers on: SDKs give up after 60 s.
const HOLD_US: u64 = 50_000_000;

/// How much longer than the approval the gate waits: the control plane's answer must come and be durable, too.
const GRACE_US: u64 = 5_000_000;

/// A sound call that waits for its verdict.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) token: Token,
    pub(super) deadline_us: u64,
    attempt: Attempt,
    strip: Option<Strip>,
    api: Api,
}

/// What was called: in whose words to refuse it, and how to read its answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Api {
    pub(super) shape: ApiShape,
    pub(super) operation: Option<&'static Operation>,
    pub(super) codings: Codings,
}

/// What the control plane has been asked, and so what it may still ask for: text once, a hold once, in any order.
#[derive(Debug)]
enum Attempt {
    /// For a decision.
    First(Said),
    /// For a decision once the approval is there that it named.
    Held(Said),
}

/// The question, as it was asked last.
#[derive(Debug)]
enum Said {
    /// Its text has not been sent.
    Bare(Box<Question>),
    /// With all there is.
    WithText(Box<Question>),
}

/// Asks about a sound call.
pub(super) fn begin(mut question: Question, strip: Option<Strip>, api: Api, step: &mut Step<'_>) -> Phase {
    let timeout_us = step.around.gate.decision_timeout_us;
    if step.around.wants_text {
        question.with_text();
    }
    step.dispatch(FIRST, question.encode(), timeout_us);
    let question = Box::new(question);
    let said = if step.around.wants_text { Said::WithText(question) } else { Said::Bare(question) };
    let deadline_us = step.now_us().saturating_add(timeout_us);
    Phase::Asking(Box::new(Asking { token: FIRST, deadline_us, attempt: Attempt::First(said), strip, api }))
}

impl Asking {
    pub(super) fn step(self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::CalloutDone { token, result } if token == self.token => self.answered(result, step),
            Event::Tick if step.now_us() >= self.deadline_us => self.fault(Fault::Deadline, step),
            Event::ResponseHeaders(head) => {
                step.overtaken(OutcomeKind::Failed, None, &head);
                Phase::Closed
            }
            Event::Closed(end) => {
                step.gone_while_held(end);
                Phase::Closed
            }
            _ => Phase::Asking(self),
        }
    }

    fn answered(self, result: Result<CalloutReply<'_>, CalloutFailure>, step: &mut Step<'_>) -> Phase {
        if step.now_us() >= self.deadline_us && result.is_ok() {
            return self.fault(Fault::Deadline, step);
        }
        match judge(result, &step.trace.call_id) {
            Ok(Answered::Decided(judged)) => self.decided(judged, step),
            Ok(Answered::NeedText) => self.tell_text(step),
            Ok(Answered::Hold { approval_id, seconds }) => self.hold(approval_id, seconds, step),
            Err(fault) => self.fault(fault, step),
        }
    }

    /// The control plane wants text: once more, within the same deadline.
    fn tell_text(self, step: &mut Step<'_>) -> Phase {
        let again: fn(Said) -> Attempt = match &self.attempt {
            Attempt::First(Said::Bare(_)) => Attempt::First,
            Attempt::Held(Said::Bare(_)) => Attempt::Held,
            Attempt::First(Said::WithText(_)) | Attempt::Held(Said::WithText(_)) => {
                return self.fault(Fault::TextTwice, step);
            }
        };
        step.count(Metric::NeedText);
        step.out.push(Effect::WantsText(true));
        let Self { token, deadline_us, attempt, strip, api } = self;
        let mut question = attempt.question();
        let token = token.next();
        let left_us = deadline_us.saturating_sub(step.now_us());
        question.with_text();
        question.wait(left_us);
        step.dispatch(token, question.encode(), left_us);
        let attempt = again(Said::WithText(question));
        Phase::Asking(Box::new(Self { token, deadline_us, attempt, strip, api }))
    }

    /// The control plane waits for a person: the same question once more, with time for him.
    fn hold(self, approval_id: String, seconds: u32, step: &mut Step<'_>) -> Phase {
        let again: fn(Box<Question>) -> Said = match &self.attempt {
            Attempt::First(Said::Bare(_)) => Said::Bare,
            Attempt::First(Said::WithText(_)) => Said::WithText,
            Attempt::Held(_) => return self.fault(Fault::HeldTwice, step),
        };
        step.count(Metric::Hold);
        let took = step.trace.answered(step.around.now);
        step.out.push(Effect::DecisionTook(took));
        let Self { token, attempt, strip, api, .. } = self;
        let wait_us = step.hold_us(seconds);
        let mut question = attempt.question();
        question.held(approval_id);
        question.wait(wait_us);
        let token = token.next();
        step.dispatch(token, question.encode(), wait_us);
        let deadline_us = step.now_us().saturating_add(wait_us);
        let attempt = Attempt::Held(again(question));
        Phase::Asking(Box::new(Self { token, deadline_us, attempt, strip, api }))
    }

    fn decided(self, judged: Judged, step: &mut Step<'_>) -> Phase {
        let took = step.trace.answered(step.around.now);
        if let Attempt::First(_) = self.attempt {
            // How long a person takes says nothing of the control plane.
            step.out.push(Effect::DecisionTook(took));
        }
        if judged.wants_text != step.around.wants_text {
            step.out.push(Effect::WantsText(judged.wants_text));
        }
        let Judged { decision_id, verdict, .. } = match Permit::from_answer(judged) {
            Ok(permit) => {
                step.count(Metric::Allow);
                return self.let_go(permit, step);
            }
            Err(judged) => judged,
        };
        let refusal = match verdict {
            Verdict::Deny { message } => Refusal::Denied { message },
            Verdict::PendingApproval { message, approval_id } => Refusal::Pending { message, approval_id },
            Verdict::Throttle { message, retry_after_seconds } => {
                Refusal::Throttled { message, retry_after_seconds }
            }
            // `judge` and `Permit::from_answer` leave neither over; if ever they do, the call stays in.
            Verdict::Allow | Verdict::Hold { .. } | Verdict::NeedText => {
                Refusal::Undecided(Fault::UnknownVerdict)
            }
        };
        step.refuse(self.api.shape, &refusal, Some(decision_id))
    }

    fn fault(self, fault: Fault, step: &mut Step<'_>) -> Phase {
        step.trace.answered(step.around.now);
        step.count(fault);
        let standing = match self.attempt {
            Attempt::First(_) => Standing::Sound,
            Attempt::Held(_) => Standing::Held,
        };
        match settle(step.around.gate, standing, fault) {
            Settled::Refuse => step.refuse(self.api.shape, &Refusal::Undecided(fault), None),
            Settled::FailOpen(proof) => {
                step.count(Metric::FailOpen);
                step.out.push(Effect::Unaudited);
                self.let_go(Permit::fail_open(proof), step)
            }
        }
    }

    fn let_go(self, permit: Permit, step: &mut Step<'_>) -> Phase {
        if let Some(strip) = self.strip {
            step.out.push(Effect::Strip(strip));
        }
        if self.api.codings == Codings::Open && !permit.inspect().is_nothing() {
            step.out.push(Effect::AskPlain);
        }
        let kept = permit.keep();
        step.out.push(Effect::Resume(permit));
        Phase::Allowed(Allowed::new(kept, self.api, self.token))
    }
}

impl Attempt {
    fn question(self) -> Box<Question> {
        match self {
            Self::First(said) | Self::Held(said) => match said {
                Said::Bare(question) | Said::WithText(question) => question,
            },
        }
    }
}

impl Step<'_> {
    /// How long to wait for an approval that may take so many seconds. Of a call whose body took long, there is still the
    /// time for an ordinary answer: the control plane is told how long that is.
    pub(super) fn hold_us(&self, seconds: u32) -> u64 {
        let wanted_us = u64::from(seconds).saturating_mul(1_000_000).saturating_add(GRACE_US);
        let left_us = HOLD_US.saturating_sub(self.trace.elapsed_us(self.around.now));
        wanted_us.min(left_us.max(self.around.gate.decision_timeout_us))
    }

    pub(super) fn dispatch(&mut self, token: Token, body: Vec<u8>, timeout_us: u64) {
        self.trace.asked(self.around.now);
        self.send("/v1/decisions", token, body, timeout_us);
    }

    /// Asks about an answer.
    pub(super) fn inquire(&mut self, token: Token, body: Vec<u8>, timeout_us: u64) {
        self.send("/v1/inspections", token, body, timeout_us);
    }

    fn send(&mut self, path: &'static str, token: Token, body: Vec<u8>, timeout_us: u64) {
        let timeout_ms = (timeout_us / 1_000).max(1);
        self.out.push(Effect::Dispatch { path, token, body, timeout_ms });
    }

    /// Envoy answered a held call on its own: idle timeout, buffer limit.
    pub(super) fn overtaken(&mut self, kind: OutcomeKind, reason: Option<&str>, head: &ResponseHead<'_>) {
        self.trace.answered(self.around.now);
        let details = match head.origin {
            Origin::Envoy(details) => details,
            Origin::Upstream => b"",
        };
        let end = EndReason::read(StreamEnd { details, flags: 0 });
        let mut outcome = self.outcome(kind, Some(reason.unwrap_or(end.code())));
        outcome.status = Some(head.status);
        self.report(outcome);
    }

    /// The stream ended while its call was held: no decision is known.
    pub(super) fn gone_while_held(&mut self, end: StreamEnd<'_>) {
        self.trace.answered(self.around.now);
        self.count(Metric::GoneWhileHeld);
        let (kind, code) = match EndReason::read(end) {
            // Envoy need not say who left; while the request is held it can only be the client.
            EndReason::Unknown => (OutcomeKind::Aborted, EndReason::ClientGone.code()),
            reason => (reason.kind(), reason.code()),
        };
        let outcome = self.outcome(kind, Some(code));
        self.report(outcome);
    }
}
