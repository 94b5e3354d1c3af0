//! The end of a malformed call: its refusal is put on record, then given.
//!
//! Nothing in this file knows of permits: from here no call gets out.

use super::asking::FIRST;
use super::{Phase, Step};
use crate::event::{Event, Token};
use crate::fault::{Answered, Fault, Settled, Standing, judge, settle};
use crate::question::Question;
use crate::refusal::Refusal;
use portcullis_bedrock::{ApiShape, Problem};
use portcullis_protocol::OutcomeKind;

/// How long the rest of a refused body is waited for, at most.
///
/// A client that is still sending when the answer comes and the connection closes sees a broken connection, not the
/// answer, and tries again: so the rest is read (and dropped) first.
const DRAIN_US: u64 = 30_000_000;

/// What the gate has against a call, and in whose words to say so.
#[derive(Debug)]
pub(super) struct Suspect {
    pub(super) problem: Problem,
    pub(super) shape: ApiShape,
    pub(super) rest: Rest,
}

/// The rest of a refused body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    /// There is none.
    Complete,
    /// It is worth waiting for.
    Arriving,
    /// It has been waited for long enough.
    GivenUp,
}

/// A malformed call whose refusal is being recorded.
#[derive(Debug)]
pub(super) struct Recording {
    pub(super) token: Token,
    pub(super) deadline_us: u64,
    suspect: Suspect,
}

/// A malformed call whose refusal is settled, and whose body is still arriving.
#[derive(Debug)]
pub(super) struct Draining {
    pub(super) deadline_us: u64,
    suspect: Suspect,
    decision_id: Option<String>,
}

/// Asks about a malformed call, so that its refusal gets a durable record and a decision id.
pub(super) fn begin(question: &Question, suspect: Suspect, step: &mut Step<'_>) -> Phase {
    let timeout_us = step.around.gate.decision_timeout_us;
    step.dispatch(FIRST, question.encode(), timeout_us);
    let deadline_us = step.now_us().saturating_add(timeout_us);
    Phase::Recording(Box::new(Recording { token: FIRST, deadline_us, suspect }))
}

impl Recording {
    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::CalloutDone { token, result } if token == self.token => {
                match judge(result, &step.trace.call_id) {
                    Ok(Answered::Decided(judged)) => self.settled(Some(judged.decision_id), step),
                    // No text was kept of such a call, and none is needed to refuse it.
                    Ok(Answered::NeedText) => self.fault(Fault::TextTwice, step),
                    // Nobody can approve it.
                    Ok(Answered::Hold { .. }) => self.fault(Fault::HeldTwice, step),
                    Err(fault) => self.fault(fault, step),
                }
            }
            Event::Tick if step.now_us() >= self.deadline_us => self.fault(Fault::Deadline, step),
            Event::RequestBody { end: true, .. } | Event::RequestTrailers => {
                self.suspect.rest = Rest::Complete;
                Phase::Recording(self)
            }
            Event::ResponseHeaders(head) => {
                step.overtaken(OutcomeKind::Blocked, Some(self.suspect.problem.code.as_str()), &head);
                Phase::Closed
            }
            Event::Closed(end) => {
                step.gone_while_held(end);
                Phase::Closed
            }
            _ => Phase::Recording(self),
        }
    }

    fn fault(self, fault: Fault, step: &mut Step<'_>) -> Phase {
        step.count(fault);
        match settle(step.around.gate, Standing::Malformed, fault) {
            // `settle` never opens the gate to a malformed call; were it to, there is no way out of this phase.
            Settled::Refuse | Settled::FailOpen(_) => self.settled(None, step),
        }
    }

    fn settled(self, decision_id: Option<String>, step: &mut Step<'_>) -> Phase {
        step.trace.answered(step.around.now);
        let Self { suspect, .. } = self;
        match suspect.rest {
            Rest::Complete | Rest::GivenUp => suspect.refuse(decision_id, step),
            Rest::Arriving => {
                let deadline_us =
                    step.now_us().saturating_add(DRAIN_US.min(step.around.gate.body_timeout_us));
                Phase::Draining(Box::new(Draining { deadline_us, suspect, decision_id }))
            }
        }
    }
}

impl Draining {
    pub(super) fn step(self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::RequestBody { end: true, .. } | Event::RequestTrailers => self.reply(step),
            Event::Tick if step.now_us() >= self.deadline_us => self.reply(step),
            Event::ResponseHeaders(head) => {
                let Self { suspect, decision_id, .. } = *self;
                step.blocked(suspect.problem.code.as_str(), Some(head.status), decision_id);
                Phase::Closed
            }
            Event::Closed(_) => {
                let Self { suspect, decision_id, .. } = *self;
                step.blocked(suspect.problem.code.as_str(), None, decision_id);
                Phase::Closed
            }
            _ => Phase::Draining(self),
        }
    }

    fn reply(self, step: &mut Step<'_>) -> Phase {
        let Self { suspect, decision_id, .. } = self;
        suspect.refuse(decision_id, step)
    }
}

impl Suspect {
    fn refuse(self, decision_id: Option<String>, step: &mut Step<'_>) -> Phase {
        step.refuse(self.shape, &Refusal::Malformed(self.problem), decision_id)
    }
}
