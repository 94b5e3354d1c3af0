//! One decision, step by step. Each step takes what the one before it made, so that none can be left out:
//!
//! ```text
//! question ─ identify ─▶ Identified ─ rule ─▶ Ruling ┬▶ NeedText ──────────────────────────────────────────▶ answer
//!                                                    ├▶ Refused ─────────────────────────────────┐
//!                                                    └▶ Ruled ─ approve ─▶ reserve ─▶ Settled ─ commit ─▶ answer
//!                                                                  ▲          │
//!                                                                  └──────────┘ a limit that asks for an approval
//! ```
//! What a step takes for the call (an approval, a reservation) goes into the [`Commit`]: it becomes durable with the
//! record, or is given back when there is no record.

mod approve;
mod commit;
mod identify;
mod reserve;
mod rule;

use super::{App, Fault};
use crate::storage::Commit;
use crate::telemetry::Phase;
use approve::Approval;
use identify::Identified;
use portcullis_policy::{Bundle, Effect};
use portcullis_protocol::{DecisionAnswer, DecisionRequest, Verdict};
use reserve::Room;
use rule::{Ruled, Ruling};
use std::time::Instant;

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
        // A request is decided on one bundle, whatever is swapped meanwhile.
        let bundle = self.bundle.current();
        let bundle = bundle.as_deref();
        let wants_text = bundle.is_some_and(Bundle::wants_text);
        let started = Instant::now();
        let mut identified = self.identify(question, bundle);
        let call_id = identified.rest.call_id.clone();
        let known = Instant::now();
        self.telemetry.phase(Phase::Identity, known - started);
        if let Some(bundle) = bundle.filter(|_| identified.rest.problem.is_none()) {
            self.history.fill(&*self.store, bundle, &mut identified.call).await?;
        }

        let settled = match rule::rule(&identified, bundle)? {
            Ruling::NeedText => Settled::Unrecorded(Verdict::NeedText),
            Ruling::Refused(decided) => Settled::Recorded(decided.commit(identified)),
            Ruling::Ruled(ruled) => self.settle(identified, ruled).await?,
        };
        let decided = Instant::now();
        self.telemetry.phase(Phase::Policy, decided - known);
        let commit = match settled {
            Settled::Recorded(commit) => commit,
            Settled::Unrecorded(verdict) => {
                return Ok(DecisionAnswer { call_id, decision_id: String::new(), verdict, wants_text });
            }
        };
        let committed = self.commit(commit).await?;
        self.telemetry.phase(Phase::Commit, decided.elapsed());
        commit::answer(call_id, committed, wants_text)
    }

    /// From what the rules say to what is recorded: approvals, then limits. A limit may ask for an approval itself, and
    /// what is approved passes such limits; so there are two rounds at most.
    async fn settle(&self, identified: Identified, ruled: Ruled<'_>) -> Result<Settled, Fault> {
        let Ruled { bundle, mut decision } = ruled;
        let mut granted = None;
        loop {
            if decision.effect == Effect::RequireApproval && granted.is_none() {
                match self.approve(&identified, bundle, &decision).await? {
                    Approval::Granted(approval) => {
                        granted = Some(approval);
                        // It goes out, if the limits let it.
                        decision.effect = Effect::Allow;
                    }
                    Approval::Refused(refused) => {
                        return Ok(Settled::Recorded(refused.commit(identified, bundle, decision)));
                    }
                    Approval::Hold(verdict) => return Ok(Settled::Unrecorded(verdict)),
                }
            }
            if decision.effect != Effect::Allow {
                // An approval that was found is not used up by a call that stays here.
                let decided = rule::decided(bundle, decision)?;
                return Ok(Settled::Recorded(decided.commit(identified)));
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
                    return Ok(Settled::Recorded(commit));
                }
                Room::Exceeded(stricter) => decision = stricter,
            }
        }
    }
}

/// What becomes of a question.
enum Settled {
    /// It has a verdict, which is given once it is durable.
    Recorded(Commit),
    /// Nothing is recorded: the gate asks again.
    Unrecorded(Verdict),
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
