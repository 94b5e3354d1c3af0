//! From a complete body to a verdict.

use super::answering::Allowed;
use super::{Phase, Step};
use crate::effect::Effect;
use crate::event::{CalloutFailure, CalloutReply, Event, Origin, ResponseHead, StreamEnd, Token};
use crate::fault::{Fault, Judged, Settled, Standing, judge, settle};
use crate::metric::Metric;
use crate::outcome::EndReason;
use crate::permit::Permit;
use crate::question::Question;
use crate::refusal::Refusal;
use crate::strip::Strip;
use portcullis_bedrock::ApiShape;
use portcullis_protocol::{OutcomeKind, Verdict};

pub(super) const FIRST: Token = Token(1);
const SECOND: Token = Token(2);

/// A sound call that waits for its verdict.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) token: Token,
    pub(super) deadline_us: u64,
    attempt: Attempt,
    strip: Option<Strip>,
    shape: ApiShape,
}

/// How often the control plane has been asked.
#[derive(Debug)]
enum Attempt {
    /// Once, without text: it may ask for it.
    Bare(Box<Question>),
    /// With all there is.
    WithText,
}

/// Asks about a sound call.
pub(super) fn begin(question: Question, strip: Option<Strip>, shape: ApiShape, step: &mut Step<'_>) -> Phase {
    let timeout_us = step.around.gate.decision_timeout_us;
    let (body, attempt) = if step.around.wants_text {
        (question.with_text(), Attempt::WithText)
    } else {
        (question.without_text(), Attempt::Bare(Box::new(question)))
    };
    step.dispatch(FIRST, body, timeout_us);
    let deadline_us = step.now_us().saturating_add(timeout_us);
    Phase::Asking(Box::new(Asking { token: FIRST, deadline_us, attempt, strip, shape }))
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
            Ok(Some(judged)) => self.decided(judged, step),
            Ok(None) => self.ask_again(step),
            Err(fault) => self.fault(fault, step),
        }
    }

    /// The control plane wants text: once more, within the same deadline.
    fn ask_again(self, step: &mut Step<'_>) -> Phase {
        let Self { deadline_us, attempt, strip, shape, .. } = self;
        let asking = Self { token: SECOND, deadline_us, attempt: Attempt::WithText, strip, shape };
        let Attempt::Bare(question) = attempt else {
            return Box::new(asking).fault(Fault::TextTwice, step);
        };
        step.count(Metric::NeedText);
        step.out.push(Effect::WantsText(true));
        let left_us = deadline_us.saturating_sub(step.now_us());
        step.dispatch(SECOND, question.with_text(), left_us);
        Phase::Asking(Box::new(asking))
    }

    fn decided(self, judged: Judged, step: &mut Step<'_>) -> Phase {
        let took = step.trace.answered(step.around.now);
        step.out.push(Effect::DecisionTook(took));
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
            Verdict::PendingApproval { message, .. } => Refusal::Pending { message },
            Verdict::Throttle { message, retry_after_seconds } => {
                Refusal::Throttled { message, retry_after_seconds }
            }
            // `judge` and `Permit::from_answer` leave neither over; if ever they do, the call stays in.
            Verdict::Allow | Verdict::Hold { .. } | Verdict::NeedText => {
                Refusal::Undecided(Fault::UnknownVerdict)
            }
        };
        step.refuse(self.shape, &refusal, Some(decision_id))
    }

    fn fault(self, fault: Fault, step: &mut Step<'_>) -> Phase {
        step.trace.answered(step.around.now);
        step.count(fault);
        match settle(step.around.gate, Standing::Sound, fault) {
            Settled::Refuse => step.refuse(self.shape, &Refusal::Undecided(fault), None),
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
        let kept = permit.keep();
        step.out.push(Effect::Resume(permit));
        Phase::Allowed(Allowed::new(kept))
    }
}

impl Step<'_> {
    pub(super) fn dispatch(&mut self, token: Token, body: Vec<u8>, timeout_us: u64) {
        self.trace.asked(self.around.now);
        let timeout_ms = (timeout_us / 1_000).max(1);
        self.out.push(Effect::Dispatch { token, body, timeout_ms });
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
