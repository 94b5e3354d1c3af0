//! One request and its answer.
//!
//! ```text
//!  Fresh ─headers─▶ Reading ─body complete─▶ Asking ─allow─▶ Allowed ─answer─▶ Answering ─its end─▶ Answered
//!    │                 │                      │ │ fault ▸ settle()                                     │
//!    │ malformed       │ malformed, late      │ └────────▶ Refused ◀───────────────┐                   │
//!    └──▶ Recording ◀──┘                      └─deny, throttle, pending─▶ Refused  │                   │
//!             └─recorded or not─▶ Draining ─rest of the body dropped─────────────────┘     all ─▶ Closed ◀┘
//! ```
//!
//! `Asking` may ask again: once with the text, once more for an approval that the control plane waits for. An answer that must
//! be inspected is not `Answering` but `Guarding` (a stream) or `Withholding` (a document): see `guarding.rs`, `withholding.rs`.
//! `Recording` and `Draining` have no way to `Allowed`: a malformed call is asked about only so that its refusal is on
//! record.

mod answer;
mod answering;
mod asking;
mod guarding;
mod line;
mod matters;
mod reading;
mod recording;
mod withholding;

use crate::call_id::CallId;
use crate::effect::{AnswerFlow, Effect, Flow, Held, Owner};
use crate::event::{Event, Now, Surroundings};
use crate::metric::Metric;
use crate::outcome::Trace;
use crate::refusal::Refusal;
use answer::Answer;
use answering::{Allowed, Answering};
use asking::Asking;
use guarding::{Ended, Ending, Guarding};
use portcullis_bedrock::ApiShape;
use portcullis_protocol::{Outcome, OutcomeKind};
use reading::{Reading, SelfTestCall};
use recording::{Draining, Recording};
use withholding::Withholding;

/// The state of one exchange. Consumed by every step; there is no way to look at a phase that is over.
#[derive(Debug)]
pub struct Exchange {
    trace: Trace,
    phase: Phase,
}

/// Where an exchange stands. Each phase carries what it needs, and no flags.
#[derive(Debug)]
enum Phase {
    /// Nothing has come yet.
    Fresh,
    /// Held: the gate's own test call is read.
    SelfTest(SelfTestCall),
    /// Held: the body is read.
    Reading(Box<Reading>),
    /// Held: the control plane decides.
    Asking(Box<Asking>),
    /// Held for good: the refusal is being recorded.
    Recording(Box<Recording>),
    /// Held for good: the refusal is settled, the rest of the body is dropped before it is given.
    Draining(Box<Draining>),
    /// On its way to AWS.
    Allowed(Allowed),
    /// The answer passes.
    Answering(Box<Answering>),
    /// The answer is a stream that is inspected while it passes.
    Guarding(Box<Guarding>),
    /// The stream is to be ended when its next bytes come.
    Ending(Box<Ending>),
    /// The stream has been ended; the rest of it is dropped.
    Ended(Box<Ended>),
    /// The answer is a document that is held until it has been inspected.
    Withholding(Box<Withholding>),
    /// The answer was replaced by the gate's own, or reset, and reported.
    Replaced,
    /// The whole answer has passed.
    Answered(Box<Answer>),
    /// Answered by the gate, and reported.
    Refused,
    /// Over, and reported if there was anything to report.
    Closed,
}

/// What a phase may touch during a step.
struct Step<'a> {
    trace: &'a mut Trace,
    around: Surroundings<'a>,
    out: &'a mut Vec<Effect>,
}

impl Exchange {
    /// A new exchange; its headers come next.
    #[must_use]
    pub fn new(call_id: CallId, now: Now) -> Self {
        Self { trace: Trace::new(call_id, now), phase: Phase::Fresh }
    }

    /// Takes an event, and says what to do, in order. Afterwards [`Exchange::flow`] says what the host may do with the
    /// request's bytes.
    #[must_use]
    pub fn step(self, event: Event<'_>, around: Surroundings<'_>) -> (Self, Vec<Effect>) {
        let Self { mut trace, phase } = self;
        let mut out = Vec::new();
        let mut step = Step { trace: &mut trace, around, out: &mut out };
        let phase = match phase {
            Phase::Fresh => match event {
                Event::RequestHeaders { head, source } => reading::begin(&head, source, &mut step),
                Event::Closed(_) => Phase::Closed,
                _ => Phase::Fresh,
            },
            Phase::SelfTest(call) => call.step(event, &mut step),
            Phase::Reading(reading) => reading.step(event, &mut step),
            Phase::Asking(asking) => asking.step(event, &mut step),
            Phase::Recording(recording) => recording.step(event, &mut step),
            Phase::Draining(draining) => draining.step(event, &mut step),
            Phase::Allowed(allowed) => allowed.step(event, &mut step),
            Phase::Answering(answering) => answering.step(event, &mut step),
            Phase::Guarding(guarding) => guarding.step(event, &mut step),
            Phase::Ending(ending) => ending.step(event, &mut step),
            Phase::Ended(ended) => ended.step(event, &mut step),
            Phase::Withholding(withholding) => withholding.step(event, &mut step),
            Phase::Replaced => match event {
                Event::Closed(_) => Phase::Closed,
                _ => Phase::Replaced,
            },
            Phase::Answered(answer) => match event {
                Event::Closed(_) => answer.over(&mut step),
                _ => Phase::Answered(answer),
            },
            Phase::Refused => match event {
                Event::Closed(_) => Phase::Closed,
                _ => Phase::Refused,
            },
            Phase::Closed => Phase::Closed,
        };
        (Self { trace, phase }, out)
    }

    /// What the host may do with the request's bytes now: they go on only in phases that carry a [`crate::Permit`].
    #[must_use]
    pub fn flow(&self) -> Flow {
        match &self.phase {
            Phase::Allowed(_)
            | Phase::Answering(_)
            | Phase::Guarding(_)
            | Phase::Ending(_)
            | Phase::Ended(_)
            | Phase::Withholding(_)
            | Phase::Replaced
            | Phase::Answered(_) => Flow::Continue,
            Phase::Recording(_) | Phase::Draining(_) | Phase::Refused => Flow::Discard,
            Phase::Fresh | Phase::SelfTest(_) | Phase::Reading(_) | Phase::Asking(_) | Phase::Closed => {
                Flow::Hold
            }
        }
    }

    /// What the host may do with what it has of the answer.
    #[must_use]
    pub fn answer_flow(&self) -> AnswerFlow {
        match &self.phase {
            Phase::Guarding(guarding) => guarding.flow(),
            Phase::Withholding(_) | Phase::Replaced => AnswerFlow::Hold,
            _ => AnswerFlow::Continue,
        }
    }

    /// Whether it is the answer that [`Exchange::held`] speaks of.
    #[must_use]
    pub fn holds_answer(&self) -> bool {
        matches!(&self.phase, Phase::Guarding(_) | Phase::Withholding(_)) && self.held().is_some()
    }

    /// Who will end the hold, and when it ends at the latest; `None` when nothing is held.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let (owner, deadline_us) = match &self.phase {
            Phase::SelfTest(call) => (Owner::Body, call.deadline_us),
            Phase::Reading(reading) => (Owner::Body, reading.deadline_us),
            Phase::Asking(asking) => (Owner::Callout(asking.token), asking.deadline_us),
            Phase::Recording(recording) => (Owner::Callout(recording.token), recording.deadline_us),
            Phase::Draining(draining) => (Owner::Body, draining.deadline_us),
            // Where no question is under way it is the upstream's turn, as it is when nothing is held.
            Phase::Guarding(guarding) => return guarding.held(),
            Phase::Withholding(withholding) => return withholding.held(),
            Phase::Fresh
            | Phase::Allowed(_)
            | Phase::Answering(_)
            | Phase::Ending(_)
            | Phase::Ended(_)
            | Phase::Replaced
            | Phase::Answered(_)
            | Phase::Refused
            | Phase::Closed => return None,
        };
        Some(Held { owner, deadline_us })
    }

    /// Whether nothing can come of further events.
    #[must_use]
    pub fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Closed)
    }

    /// Whether how the stream ends says nothing more: the answer has passed whole, or the gate has ended it.
    #[must_use]
    pub fn is_answered(&self) -> bool {
        matches!(
            self.phase,
            Phase::Answered(_) | Phase::Ending(_) | Phase::Ended(_) | Phase::Replaced | Phase::Refused
        )
    }

    /// Whether the bytes of the answer's body are wanted in [`Event::ResponseBody`]: of every answer that came from elsewhere.
    /// They are read as they pass, and not kept.
    #[must_use]
    pub fn reads_answer(&self) -> bool {
        match &self.phase {
            Phase::Answering(_) | Phase::Guarding(_) | Phase::Ending(_) | Phase::Withholding(_) => true,
            Phase::Ended(ended) => ended.wants_more(),
            _ => false,
        }
    }

    /// Whether the host keeps what it has of the answer, as it came: what has been read of it is there again next time.
    #[must_use]
    pub fn keeps_answer(&self) -> bool {
        matches!(&self.phase, Phase::Withholding(_))
    }

    /// Whether the time at which the next piece of the answer comes matters: asking the host for it costs.
    #[must_use]
    pub fn times_answer(&self) -> bool {
        match &self.phase {
            Phase::Answering(answering) => answering.answer.awaits_first_byte(),
            // A question may go out, and its deadline counts from then.
            Phase::Guarding(_) | Phase::Withholding(_) => true,
            _ => false,
        }
    }

    /// Whether the request's body is wanted in [`Event::RequestBody`].
    #[must_use]
    pub fn reads_body(&self) -> bool {
        matches!(&self.phase, Phase::Reading(_) | Phase::SelfTest(_))
    }
}

impl Step<'_> {
    fn now_us(&self) -> u64 {
        self.around.now.monotonic_us
    }

    fn count(&mut self, metric: impl Into<Metric>) {
        self.out.push(Effect::Count(metric.into()));
    }

    fn report(&mut self, outcome: Outcome) {
        self.out.push(Effect::Report(Box::new(outcome)));
    }

    fn outcome(&self, kind: OutcomeKind, reason: Option<&str>) -> Outcome {
        self.trace.outcome(kind, reason, self.around.now)
    }

    /// Answers in the upstream's place, counts it and reports it: the end of a refused call.
    fn refuse(&mut self, shape: ApiShape, refusal: &Refusal, decision_id: Option<String>) -> Phase {
        match refusal {
            Refusal::Denied { .. } => self.count(Metric::Deny),
            Refusal::Pending { .. } => self.count(Metric::Pending),
            Refusal::Throttled { .. } => self.count(Metric::Throttle),
            Refusal::Malformed(_) => self.count(Metric::Refused),
            // Counted as the fault it was; answers are counted where they are stopped.
            Refusal::Undecided(_) | Refusal::Answer(_) => {}
        }
        let id = decision_id.as_deref().unwrap_or(self.trace.call_id.as_str());
        let reply = refusal.reply(shape, id);
        let status = reply.status;
        self.out.push(Effect::Reply(reply));
        self.blocked(refusal.code(), Some(status), decision_id);
        Phase::Refused
    }

    /// Reports a call that the gate refused.
    fn blocked(&mut self, code: &str, status: Option<u16>, decision_id: Option<String>) {
        let mut outcome = self.outcome(OutcomeKind::Blocked, Some(code));
        outcome.status = status;
        outcome.decision_id = decision_id;
        self.report(outcome);
    }
}

#[cfg(test)]
mod tests;
