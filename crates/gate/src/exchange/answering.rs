//! From the permit to the end of an answer that passes as it comes.

use super::answer::Answer;
use super::{Phase, Step};
use crate::effect::Effect;
use crate::event::{Event, ResponseHead};
use crate::outcome::EndReason;
use crate::permit::Permit;
use portcullis_bedrock::Operation;
use portcullis_protocol::DECISION_ID_HEADER;

/// A request on its way to AWS, by this permit.
#[derive(Debug)]
pub(super) struct Allowed {
    permit: Permit,
    operation: Option<&'static Operation>,
}

/// An answer that is passing.
#[derive(Debug)]
pub(super) struct Answering {
    pub(super) answer: Answer,
}

impl Allowed {
    pub(super) fn new(permit: Permit, operation: Option<&'static Operation>) -> Self {
        Self { permit, operation }
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
        let Self { permit, operation } = self;
        let id = permit.decision_id().unwrap_or(step.trace.call_id.as_str()).to_owned();
        step.out.push(Effect::AddResponseHeader { name: DECISION_ID_HEADER, value: id });
        let answer = Answer::of(permit, operation, head);
        if head.end {
            Phase::Answered(Box::new(answer))
        } else {
            Phase::Answering(Box::new(Answering { answer }))
        }
    }
}

impl Answering {
    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, end } => {
                self.answer.came(slice, step);
                self.answer.out(slice);
                if end { Phase::Answered(Box::new(self.answer)) } else { Phase::Answering(self) }
            }
            Event::ResponseTrailers => Phase::Answered(Box::new(self.answer)),
            Event::Closed(end) => self.answer.cut(end, step),
            _ => Phase::Answering(self),
        }
    }
}
