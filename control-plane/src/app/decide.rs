//! One decision, step by step: on a call, or on what was found in its answer (where `identify` has nothing to do).
//! Each step takes what the one before it made, so that none can be left out:
//!
//! ```text
//! question ─ identify ─▶ Identified ─ rule ─▶ Ruling ┬▶ NeedText ──────────────────────────────────────────▶ answer
//!                                                    ├▶ Refused ─────────────────────────────────┐
//!                                                    └▶ Ruled ─ approve ─▶ reserve ─▶ Settled ─ commit ─▶ answer
//!                                                        ▲    │    ▲          │                     │
//!                                                        │    │    └──────────┘ a limit that asks for an approval
//!                                                        │    └▶ Waits ─▶ hold: a person may still say yes
//!                                                        └── the approval is gone: another call took it ──┘
//! ```
//! What a step takes for the call (an approval, a reservation) goes into the [`Commit`]: it becomes durable with the
//! record, or is given back when there is no record.

mod approve;
mod commit;
mod hold;
mod identify;
mod reserve;
mod rule;

use super::{App, Fault};
use crate::storage::{Commit, Held, StoreError};
use crate::telemetry::Phase;
use approve::Approval;
use hold::Patience;
pub(super) use identify::Identified;
use portcullis_audit::DecisionKind;
use portcullis_policy::{Bundle, Call, Effect, Inspects};
use portcullis_protocol::{DecisionAnswer, DecisionRequest, Inspect, Verdict};
use reserve::Room;
use rule::{Ruled, Ruling};
use std::time::{Duration, Instant};

/// How often a call is decided whose approval somebody else keeps taking away. Each time somebody gets a verdict, so this
/// many only happen when something is wrong.
const MAX_ROUNDS: u32 = 64;

/// Longest `call_id` taken.
const MAX_CALL_ID: usize = 256;

impl App {
    /// Decides a call. When this is `Ok` with a verdict other than `need_text` and `hold`, the decision is durable.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict, and the gate must refuse the call.
    pub async fn decide(&self, question: DecisionRequest) -> Result<DecisionAnswer, Fault> {
        let result = self.try_decide(question).await;
        match &result {
            Ok(answer) => self.telemetry.decided(&answer.verdict),
            Err(fault) => self.telemetry.fault(fault.code()),
        }
        result
    }

    async fn try_decide(&self, question: DecisionRequest) -> Result<DecisionAnswer, Fault> {
        check(question.version, &question.call_id)?;
        let call_id = question.call_id.clone();
        let held = question.held.is_some().then_some(question.wait_ms);
        let asked = Asked::Call(Box::new(question));
        let Answered { decision_id, leaf, verdict, wants } = match held {
            Some(wait_ms) => self.decide_held(asked, wait_ms).await?,
            None => self.decide_first(asked, true).await?,
        };
        let inspect = if verdict == Verdict::Allow { wants.inspect } else { Inspect::default() };
        Ok(DecisionAnswer { call_id, decision_id, leaf, verdict, wants_text: wants.text, inspect })
    }

    async fn decide_once(&self, asked: Asked, patience: Patience) -> Result<Turn, Fault> {
        // A request is decided on one bundle, whatever is swapped meanwhile.
        let bundle = self.bundle.current();
        let bundle = bundle.as_deref();
        let mut wants = bundle.map(Wants::of).unwrap_or_default();
        let started = Instant::now();
        let mut identified = match asked {
            Asked::Call(question) => self.identify(*question, bundle),
            Asked::Found(identified) => *identified,
        };
        let kind = identified.kind();
        let mut known = Instant::now();
        if kind == DecisionKind::Call {
            self.telemetry.phase(Phase::Identity, known - started);
        }
        if let Some(bundle) = bundle.filter(|_| !identified.is_refused()) {
            self.history.fill(&*self.store, &self.redactor, bundle, &mut identified.call).await?;
            self.name_results(bundle, &mut identified.call).await?;
            if kind == DecisionKind::Call {
                wants.inspect.text = bundle.inspects_for(&identified.call).text;
            }
        }

        wants.text |= self.capturer.wants_text();
        if identified.lacks_text() && self.capturer.wants_text() && bundle.is_some() {
            return Ok(Turn::Answer(Answered {
                decision_id: String::new(),
                leaf: None,
                verdict: Verdict::NeedText,
                wants,
            }));
        }
        let texts = if self.capturer.wants_text() { identified.texts() } else { Vec::new() };

        for _ in 0..MAX_ROUNDS {
            let settled = match rule::rule(&identified, bundle)? {
                Ruling::NeedText => Settled::Unrecorded(Verdict::NeedText),
                Ruling::Silent => Settled::Unrecorded(Verdict::Allow),
                Ruling::Refused(decided) => {
                    Settled::Recorded { commit: decided.commit(identified), again: None }
                }
                Ruling::Ruled(ruled) => self.settle(identified, ruled, patience).await?,
            };
            let decided = Instant::now();
            self.telemetry.decision_phase(kind, Phase::Policy, decided - known);
            let (commit, again) = match settled {
                Settled::Recorded { commit, again } => (commit, again),
                Settled::Unrecorded(verdict) => {
                    return Ok(Turn::Answer(Answered {
                        decision_id: String::new(),
                        leaf: None,
                        verdict,
                        wants,
                    }));
                }
                Settled::Waits { approval_id, hold } => {
                    return Ok(Turn::Wait { approval_id, hold, wants });
                }
            };
            let committed = self.commit(commit, &texts, !wants.inspect.is_nothing()).await;
            known = Instant::now();
            self.telemetry.decision_phase(kind, Phase::Commit, known - decided);
            match (committed, again) {
                // Another call was faster: this one is decided on what is left.
                (Err(Fault::Store(StoreError::ApprovalChanged)), Some(again)) => identified = *again,
                (committed, _) => return commit::answer(committed?, wants).map(Turn::Answer),
            }
        }
        Err(StoreError::ApprovalChanged.into())
    }

    /// Finds out of which tools the results are that are sent back, where a rule asks and they do not say: a result has the id
    /// of the tool call that it answers, and that is on record.
    async fn name_results(&self, bundle: &Bundle, call: &mut Call) -> Result<(), Fault> {
        let is_call = call.tool.is_none() && call.response.is_none();
        if !is_call || !bundle.wants_tool_names() {
            return Ok(());
        }
        let mut results: Vec<_> =
            call.request.results.iter_mut().filter(|result| result.id.is_some()).collect();
        let ids: Vec<String> = results.iter().filter_map(|result| result.id.clone()).collect();
        if ids.is_empty() {
            return Ok(());
        }
        for principal in self.redactor.principals(&call.principal.name) {
            let tools = self.store.tools_of(principal, ids.clone()).await?;
            for (result, tool) in results.iter_mut().zip(tools) {
                result.proposed = result.proposed.take().or(tool);
            }
        }
        Ok(())
    }

    /// From what the rules say to what is recorded: approvals, then limits. A limit may ask for an approval itself, and
    /// what is approved passes such limits; so there are two rounds at most.
    async fn settle(
        &self,
        identified: Identified,
        ruled: Ruled<'_>,
        patience: Patience,
    ) -> Result<Settled, Fault> {
        let Ruled { bundle, mut decision } = ruled;
        let mut granted = None;
        let mut again = None;
        loop {
            if decision.effect == Effect::RequireApproval && granted.is_none() {
                match self.approve(&identified, bundle, &decision, patience).await? {
                    Approval::Granted(approval) => {
                        granted = Some(approval);
                        again = Some(Box::new(identified.clone()));
                        // It goes out, if the limits let it.
                        decision.effect = Effect::Allow;
                    }
                    Approval::Refused(refused) => {
                        let again = Some(Box::new(identified.clone()));
                        let commit = refused.commit(identified, bundle, decision);
                        return Ok(Settled::Recorded { commit, again });
                    }
                    Approval::Hold { approval_id, hold } => {
                        return Ok(Settled::Waits { approval_id, hold });
                    }
                }
            }
            if decision.effect != Effect::Allow {
                // An approval that was found is not used up by a call that stays here.
                let decided = rule::decided(bundle, decision)?;
                return Ok(Settled::Recorded { commit: decided.commit(identified), again: None });
            }
            match self.reserve(&identified, bundle, decision, granted.is_some()) {
                Room::Left(reserved, decision) => {
                    let decided = rule::decided(bundle, decision)?;
                    let past = self.history.hold(&identified.call);
                    let mut commit = decided.commit(identified);
                    commit.held.extend(past.map(|past| Box::new(past) as Box<dyn Held>));
                    reserved.go_with(&mut commit);
                    if let Some(granted) = granted {
                        granted.go_with(&mut commit);
                    }
                    return Ok(Settled::Recorded { commit, again });
                }
                Room::Exceeded(stricter) => decision = stricter,
            }
        }
    }
}

/// What becomes of a question.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every one is the large one, and goes straight into the store"
)]
enum Settled {
    /// It has a verdict, which is given once it is durable.
    Recorded {
        /// What is committed.
        commit: Commit,
        /// To decide afresh with, should the approval that it rests on be gone by then.
        again: Option<Box<Identified>>,
    },
    /// Nothing is recorded: the gate asks again.
    Unrecorded(Verdict),
    /// Nothing is decided: a person may still say yes.
    Waits {
        /// To this approval.
        approval_id: String,
        /// The call is kept for so long.
        hold: Duration,
    },
}

/// What is asked.
#[derive(Clone)]
pub(super) enum Asked {
    /// Whether a call may go out.
    Call(Box<DecisionRequest>),
    /// Whether what was found in an answer may; or a tool call of whoever runs the tool.
    Found(Box<Identified>),
}

/// The answer to a question.
pub(super) struct Answered {
    /// Id of the record; empty where there is none.
    pub(super) decision_id: String,
    /// Its place in the log.
    pub(super) leaf: Option<u64>,
    pub(super) verdict: Verdict,
    pub(super) wants: Wants,
}

/// What the active bundle wants to be asked about.
#[derive(Clone, Copy, Default)]
pub(super) struct Wants {
    /// The request's text.
    text: bool,
    /// What of the answer.
    inspect: Inspect,
}

impl Wants {
    fn of(bundle: &Bundle) -> Self {
        let Inspects { tool_calls, text } = bundle.inspects();
        Wants { text: bundle.wants_text(), inspect: Inspect { tool_calls, text } }
    }
}

/// What one round makes of a question.
enum Turn {
    /// This is answered.
    Answer(Answered),
    /// The call is kept waiting.
    Wait {
        /// For this approval.
        approval_id: String,
        /// For so long.
        hold: Duration,
        /// What the bundle wants that was asked.
        wants: Wants,
    },
}

/// What every question of a gate must say.
pub(super) fn check(version: u16, call_id: &str) -> Result<(), Fault> {
    if version != portcullis_protocol::VERSION {
        return Err(Fault::Question(format!(
            "protocol version {version} is not spoken here, this is version {}; upgrade the control plane first, then the gates",
            portcullis_protocol::VERSION
        )));
    }
    if call_id.is_empty() || call_id.len() > MAX_CALL_ID {
        return Err(Fault::Question(format!("`call_id` must have 1 to {MAX_CALL_ID} bytes")));
    }
    Ok(())
}
