//! From the permit to the answer, and an answer that passes as it comes.

use super::answer::Answer;
use super::asking::Api;
use super::guarding::Guarding;
use super::matters::Matters;
use super::withholding::{self, Withholding};
use super::{Phase, Step};
use crate::effect::Effect;
use crate::event::{Event, Origin, ResponseHead, Then, Token};
use crate::outcome::EndReason;
use crate::permit::Permit;
use crate::stop::Stop;
use portcullis_bedrock::AnswerFlaw;
use portcullis_bedrock::answer::{AnswerForm, Sieve, SieveLimits};
use portcullis_protocol::{DECISION_ID_HEADER, Inspect};

/// A request on its way to AWS, by this permit.
#[derive(Debug)]
pub(super) struct Allowed {
    permit: Permit,
    api: Api,
    /// Of the last callout.
    token: Token,
}

/// An answer that is passing.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) answer: Answer,
}

impl Allowed {
    pub(super) fn new(permit: Permit, api: Api, token: Token) -> Self {
        Self { permit, api, token }
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
        let Self { permit, api, token } = self;
        let id = permit.decision_id().unwrap_or(step.trace.call_id.as_str()).to_owned();
        step.out.push(Effect::AddResponseHeader { name: DECISION_ID_HEADER, value: id.clone() });
        let inspect = permit.inspect();
        let answer = Answer::of(permit, api.operation, head);
        if head.end {
            return Phase::Answered(Box::new(answer));
        }
        // An error says nothing that a model said.
        let good = head.origin == Origin::Upstream && (200..300).contains(&head.status);
        if !good || inspect.is_nothing() {
            return Phase::Answering(Box::new(Answering { answer }));
        }
        let matters = Matters::new(inspect, id, token);
        match sieve(api, head, inspect, step) {
            Ok(Some(sieve)) if sieve.form() == AnswerForm::Document => {
                Phase::Withholding(Box::new(Withholding::new(answer, api.shape, sieve, matters)))
            }
            Ok(Some(sieve)) => {
                // It may end otherwise than its author said.
                step.out.push(Effect::RemoveResponseHeader("content-length"));
                Phase::Guarding(Box::new(Guarding::new(answer, sieve, matters)))
            }
            Ok(None) => Phase::Answering(Box::new(Answering { answer })),
            Err(flaw) => withholding::replace(answer, api.shape, &Stop::Unreadable(flaw), step),
        }
    }
}

/// What finds in this answer what must be asked about. A piece of a stream has to fit into what is kept of it, a document into
/// what the host holds.
fn sieve(
    api: Api,
    head: &ResponseHead<'_>,
    inspect: Inspect,
    step: &Step<'_>,
) -> Result<Option<Sieve>, AnswerFlaw> {
    let limits = step.around.gate.answers;
    let sieve = |max_piece| {
        let limits = SieveLimits { max_arguments: limits.max_tool_call_bytes, max_piece, text: inspect.text };
        Sieve::new(api.operation, &head.body, limits)
    };
    match sieve(limits.max_held_bytes)? {
        Some(found) if found.form() == AnswerForm::Document => {
            sieve(usize::try_from(limits.max_held_answer_bytes).unwrap_or(usize::MAX))
        }
        other => Ok(other),
    }
}

impl Answering {
    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, then } => {
                self.answer.came(slice, step);
                self.answer.out(slice);
                if then == Then::End {
                    Phase::Answered(Box::new(self.answer))
                } else {
                    Phase::Answering(self)
                }
            }
            Event::ResponseTrailers => Phase::Answered(Box::new(self.answer)),
            Event::Closed(end) => self.answer.cut(end, step),
            _ => Phase::Answering(self),
        }
    }
}
