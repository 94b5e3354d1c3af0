//! One decision, step by step. Each step takes what the one before it made, so that none can be left out:
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
use crate::storage::{Commit, StoreError};
use crate::telemetry::Phase;
use approve::Approval;
use hold::Patience;
use identify::Identified;
use portcullis_policy::{Bundle, Effect};
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
        check(&question)?;
        if question.held.is_some() {
            self.decide_held(question).await
        } else {
            self.decide_first(question).await
        }
    }

    async fn decide_once(&self, question: DecisionRequest, patience: Patience) -> Result<Turn, Fault> {
        // A request is decided on one bundle, whatever is swapped meanwhile.
        let bundle = self.bundle.current();
        let bundle = bundle.as_deref();
        let wants_text = bundle.is_some_and(Bundle::wants_text);
        let started = Instant::now();
        let mut identified = self.identify(question, bundle);
        let call_id = identified.rest.call_id.clone();
        let mut known = Instant::now();
        self.telemetry.phase(Phase::Identity, known - started);
        if let Some(bundle) = bundle.filter(|_| identified.rest.problem.is_none()) {
            self.history.fill(&*self.store, bundle, &mut identified.call).await?;
        }

        for _ in 0..MAX_ROUNDS {
            let settled = match rule::rule(&identified, bundle)? {
                Ruling::NeedText => Settled::Unrecorded(Verdict::NeedText),
                Ruling::Refused(decided) => {
                    Settled::Recorded { commit: decided.commit(identified), again: None }
                }
                Ruling::Ruled(ruled) => self.settle(identified, ruled, patience).await?,
            };
            let decided = Instant::now();
            self.telemetry.phase(Phase::Policy, decided - known);
            let (commit, again) = match settled {
                Settled::Recorded { commit, again } => (commit, again),
                Settled::Unrecorded(verdict) => {
                    let decision_id = String::new();
                    return Ok(Turn::Answer(DecisionAnswer {
                        call_id,
                        decision_id,
                        verdict,
                        wants_text,
                        inspect: Inspect::default(),
                    }));
                }
                Settled::Waits { approval_id, hold } => {
                    return Ok(Turn::Wait { approval_id, hold, wants_text });
                }
            };
            let committed = self.commit(commit).await;
            known = Instant::now();
            self.telemetry.phase(Phase::Commit, known - decided);
            match (committed, again) {
                // Another call was faster: this one is decided on what is left.
                (Err(Fault::Store(StoreError::ApprovalChanged)), Some(again)) => identified = *again,
                (committed, _) => return commit::answer(call_id, committed?, wants_text).map(Turn::Answer),
            }
        }
        Err(StoreError::ApprovalChanged.into())
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
                    commit.held.push(Box::new(past));
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

/// What one round makes of a question.
enum Turn {
    /// This is answered.
    Answer(DecisionAnswer),
    /// The call is kept waiting.
    Wait {
        /// For this approval.
        approval_id: String,
        /// For so long.
        hold: Duration,
        /// A rule of the active bundle reads text.
        wants_text: bool,
    },
}

fn check(question: &DecisionRequest) -> Result<(), Fault> {
    if question.version != portcullis_protocol::VERSION {
        return Err(Fault::Question(format!(
            "protocol version {} is not spoken here, this is version {}; upgrade the control plane first, then the gates",
            question.version,
            portcullis_protocol::VERSION
        )));
    }
    if question.call_id.is_empty() || question.call_id.len() > MAX_CALL_ID {
        return Err(Fault::Question(format!("`call_id` must have 1 to {MAX_CALL_ID} bytes")));
    }
    Ok(())
}
