//! What is found in an answer and has to be asked about: one question at a time, in the order found.

use super::Step;
use crate::effect::{Effect, Held, Owner};
use crate::event::{CalloutFailure, CalloutReply, Token};
use crate::fault::{Cleared, Fault, Inspected, Settled, Standing, judge_inspection, settle};
use crate::metric::Metric;
use crate::stop::Stop;
use portcullis_bedrock::answer::{CallOrigin, FoundCall};
use portcullis_protocol::{
    AnswerText, Inspect, Inspection, InspectionSubject, ProposedCall, ToolOrigin, VERSION,
};
use std::collections::{BTreeSet, VecDeque};

/// How much of the text that was judged goes along with the next question, in bytes: a pattern across the border is found
/// when it is not longer.
const OVERLAP: usize = 4 * 1_024;

/// New text in one question, in bytes.
const MAX_FRESH: usize = 32 * 1_024;

/// The open questions about one answer.
#[derive(Debug)]
pub(super) struct Matters {
    inspect: Inspect,
    decision_id: String,
    waiting: VecDeque<Matter>,
    asked: Option<Asked>,
    /// Of the last question.
    token: Token,
    /// Of the last question.
    number: u32,
    cleared: BTreeSet<u32>,
    text: Text,
}

/// What is to be asked about.
#[derive(Debug)]
enum Matter {
    Call {
        key: u32,
        call: Box<FoundCall>,
    },
    /// New text, as much as fits one question.
    Text(String),
}

/// A question that is under way.
#[derive(Debug)]
struct Asked {
    /// The tool call's key; `None` for text.
    key: Option<u32>,
    question: Box<Inspection>,
    since_us: u64,
    deadline_us: u64,
    attempt: Attempt,
}

/// What the control plane may still ask for: one hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Attempt {
    First,
    Held,
}

/// Text of the answer, counted in bytes.
#[derive(Debug, Default)]
struct Text {
    found: u64,
    judged: u64,
    /// The end of what was judged.
    tail: String,
}

/// What is open about a piece when it comes.
#[derive(Debug, Default)]
pub(super) struct Mark {
    calls: Vec<u32>,
    /// Text of the answer up to its end.
    text: u64,
}

/// What a callout's answer has led to.
#[derive(Debug)]
pub(super) enum Heard {
    /// Nothing, yet.
    Nothing,
    /// What was asked about may go on.
    Cleared,
    /// The answer is to be stopped.
    Stopped(Stop),
}

impl Matters {
    /// Nothing is open. `token` was the exchange's last.
    pub(super) fn new(inspect: Inspect, decision_id: String, token: Token) -> Self {
        Self {
            inspect,
            decision_id,
            waiting: VecDeque::new(),
            asked: None,
            token,
            number: 0,
            cleared: BTreeSet::new(),
            text: Text::default(),
        }
    }

    /// Text of the piece that comes next. What has not been asked about yet is asked about together.
    pub(super) fn text(&mut self, text: &str) {
        if !self.inspect.text {
            return;
        }
        self.text.found = self.text.found.saturating_add(text.len() as u64);
        let mut rest = text;
        while !rest.is_empty() {
            let cut = match self.waiting.back_mut() {
                Some(Matter::Text(last)) => {
                    let (more, after) =
                        rest.split_at(rest.floor_char_boundary(MAX_FRESH.saturating_sub(last.len())));
                    last.push_str(more);
                    rest = after;
                    more.len()
                }
                Some(Matter::Call { .. }) | None => 0,
            };
            if cut == 0 {
                self.waiting.push_back(Matter::Text(String::new()));
            }
        }
    }

    /// A tool call is complete.
    pub(super) fn call(&mut self, key: u32, call: FoundCall) {
        if self.inspect.tool_calls {
            self.waiting.push_back(Matter::Call { key, call: Box::new(call) });
        }
    }

    /// What is open about a piece that is part of these calls, and of all the text that has been found.
    pub(super) fn mark(&self, calls: Vec<u32>) -> Mark {
        let calls = if self.inspect.tool_calls { calls } else { Vec::new() };
        Mark { calls, text: self.text.found }
    }

    /// Nothing is open about it any more.
    pub(super) fn are_settled(&self, mark: &Mark) -> bool {
        self.text.judged >= mark.text && mark.calls.iter().all(|key| self.cleared.contains(key))
    }

    /// Nothing is open about anything that has been found.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.asked.is_none()
    }

    /// The hold that a question makes: who ends it, and when at the latest.
    pub(super) fn held(&self) -> Option<Held> {
        let asked = self.asked.as_ref()?;
        Some(Held { owner: Owner::Callout(self.token), deadline_us: asked.deadline_us })
    }

    /// Asks the next question, unless one is under way or there is none. The last thing in a step: see [`Effect::Dispatch`].
    pub(super) fn ask(&mut self, released: u64, step: &mut Step<'_>) {
        if self.asked.is_some() {
            return;
        }
        let Some(matter) = self.waiting.pop_front() else { return };
        let (key, subject) = match matter {
            Matter::Call { key, call } => {
                step.count(Metric::InspectedToolCalls);
                (Some(key), InspectionSubject::ToolCall(proposed(*call)))
            }
            Matter::Text(fresh) => {
                step.count(Metric::InspectedTexts);
                (None, InspectionSubject::Text(self.text.stretch(&fresh)))
            }
        };
        self.number = self.number.saturating_add(1);
        let question = Box::new(Inspection {
            version: VERSION,
            call_id: step.trace.call_id.as_str().to_owned(),
            decision_id: self.decision_id.clone(),
            gate: step.around.gate.name.clone(),
            number: self.number,
            subject,
            released_bytes: released,
            held: None,
            wait_ms: None,
        });
        self.dispatch(key, question, Attempt::First, step.around.gate.decision_timeout_us, step);
    }

    fn dispatch(
        &mut self,
        key: Option<u32>,
        question: Box<Inspection>,
        attempt: Attempt,
        timeout_us: u64,
        step: &mut Step<'_>,
    ) {
        self.token = self.token.next();
        // These types always encode. An empty body would be answered 400, which is a fault.
        let body = serde_json::to_vec(&question).unwrap_or_default();
        step.inquire(self.token, body, timeout_us);
        let since_us = step.now_us();
        let deadline_us = since_us.saturating_add(timeout_us);
        self.asked = Some(Asked { key, question, since_us, deadline_us, attempt });
    }

    /// A callout has been answered.
    pub(super) fn answered(
        &mut self,
        token: Token,
        result: Result<CalloutReply<'_>, CalloutFailure>,
        step: &mut Step<'_>,
    ) -> Heard {
        if token != self.token {
            return Heard::Nothing;
        }
        let Some(asked) = self.asked.take() else { return Heard::Nothing };
        if step.now_us() >= asked.deadline_us && result.is_ok() {
            return stopped(Fault::Deadline, step);
        }
        let Asked { question, attempt, since_us, .. } = &asked;
        let inspected = judge_inspection(result, &step.trace.call_id, question.number, &question.subject);
        if *attempt == Attempt::First && inspected.is_ok() {
            // How long a person takes says nothing of the control plane.
            step.out.push(Effect::InspectionTook(step.now_us().saturating_sub(*since_us)));
        }
        match inspected {
            Ok(Inspected::Cleared(proof)) => {
                self.clear(asked, proof);
                Heard::Cleared
            }
            Ok(Inspected::Refused { message, approval_id }) => {
                Heard::Stopped(refused(&asked.question.subject, message, approval_id))
            }
            Ok(Inspected::Hold { .. }) if *attempt == Attempt::Held => stopped(Fault::HeldTwice, step),
            Ok(Inspected::Hold { approval_id, seconds }) => {
                step.count(Metric::InspectionHold);
                let Asked { key, mut question, .. } = asked;
                let wait_us = step.hold_us(seconds);
                question.held = Some(approval_id);
                question.wait_ms = Some(wait_us / 1_000);
                self.dispatch(key, question, Attempt::Held, wait_us, step);
                Heard::Nothing
            }
            Err(fault) => stopped(fault, step),
        }
    }

    /// Time has passed.
    pub(super) fn tick(&mut self, step: &mut Step<'_>) -> Heard {
        match self.asked.take_if(|asked| step.now_us() >= asked.deadline_us) {
            Some(_) => stopped(Fault::Deadline, step),
            None => Heard::Nothing,
        }
    }

    fn clear(&mut self, asked: Asked, _: Cleared) {
        if let Some(key) = asked.key {
            self.cleared.insert(key);
        }
        if let InspectionSubject::Text(text) = asked.question.subject {
            self.text.judged = self.text.judged.saturating_add(u64::from(text.fresh));
            let from = text.text.ceil_char_boundary(text.text.len().saturating_sub(OVERLAP));
            self.text.tail = text.text.get(from..).unwrap_or_default().to_owned();
        }
    }
}

impl Text {
    fn stretch(&self, fresh: &str) -> AnswerText {
        AnswerText {
            text: format!("{}{fresh}", self.tail),
            fresh: u32::try_from(fresh.len()).unwrap_or(u32::MAX),
            before: self.judged.saturating_sub(self.tail.len() as u64),
        }
    }
}

/// A fault ends the answer, whatever the failure mode.
fn stopped(fault: Fault, step: &mut Step<'_>) -> Heard {
    step.count(fault);
    match settle(step.around.gate, Standing::Inspected, fault) {
        // `settle` lets no answer out that must be inspected; were it to, there is no way out of here.
        Settled::Refuse | Settled::FailOpen(_) => Heard::Stopped(Stop::Undecided(fault)),
    }
}

fn refused(subject: &InspectionSubject, message: String, approval_id: Option<String>) -> Stop {
    match (subject, approval_id) {
        (InspectionSubject::ToolCall(_), Some(approval_id)) => Stop::Pending { message, approval_id },
        (InspectionSubject::ToolCall(_), None) => Stop::ToolCall { message },
        (InspectionSubject::Text(_), _) => Stop::Text { message },
    }
}

fn proposed(call: FoundCall) -> ProposedCall {
    let FoundCall { origin, id, name, group, method, agent, arguments, problem } = call;
    ProposedCall {
        origin: match origin {
            CallOrigin::Model => ToolOrigin::Model,
            CallOrigin::Server => ToolOrigin::Server,
            CallOrigin::ReturnControl => ToolOrigin::ReturnControl,
            CallOrigin::Agent => ToolOrigin::Agent,
        },
        id,
        name,
        group,
        method,
        agent,
        arguments,
        problem: problem.map(|problem| problem.as_str().to_owned()),
    }
}
