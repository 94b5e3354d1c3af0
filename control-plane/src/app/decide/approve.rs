//! A call that a person must approve: has somebody?

use super::hold::Patience;
use super::identify::Identified;
use super::{App, Fault, rule};
use crate::app::approvals;
use crate::clock;
use crate::storage::{ApprovalChange, Commit};
use portcullis_approvals::{Approval as Question, Grant, GrantState, State};
use portcullis_audit::{self as audit, VerdictKind};
use portcullis_policy::{ApprovalTerms, Bundle, Decision};
use std::sync::Arc;
use std::time::Duration;

/// Questions of one principal that may wait for an answer: an application that runs wild must not bury the others'.
const MAX_PENDING: usize = 1_000;

/// What approvals say of a call.
pub(super) enum Approval {
    /// It may go out.
    Granted(Granted),
    /// It is recorded and stays: nobody has said yes.
    Refused(Refused),
    /// Nothing is decided yet: the call is kept waiting.
    Hold {
        /// For this approval, which is on record.
        approval_id: String,
        /// For so long.
        hold: Duration,
    },
}

/// An approval that lets this call out. It is used up in the transaction of the call's record.
pub(super) struct Granted {
    approval: audit::Approval,
    change: ApprovalChange,
}

/// A verdict, and what becomes durable with it (a new pending approval).
pub(super) struct Refused {
    verdict: audit::Verdict,
    change: Option<ApprovalChange>,
}

impl App {
    /// Asks for an approval of this call, as `decision.approval` wants it.
    pub(super) async fn approve(
        &self,
        identified: &Identified,
        bundle: &Bundle,
        decision: &Decision,
        patience: Patience,
    ) -> Result<Approval, Fault> {
        let Identified { call, rest, .. } = identified;
        let missing = Fault::Inconsistent("the bundle asks for an approval without saying on which terms");
        let terms = decision.approval.as_ref().ok_or(missing)?;
        let mut question = approvals::asked(call, rest, bundle, terms);
        let now_ms = clock::unix_ms();
        let live = self.store.live();
        let found = live.find(&question.digest, &terms.rule).filter(|found| !found.overdue(now_ms));
        if let Some(found) = &found
            && found.state == State::Approved
        {
            let by = found.last_by().to_owned();
            let change =
                ApprovalChange::Consume { id: found.id.clone(), by: rest.gate.clone(), at_ms: now_ms };
            return Ok(granted(found.id.clone(), by, terms, change));
        }
        if let Some(grant) = self.grant_for(&question, terms, found.as_deref(), now_ms) {
            let change =
                ApprovalChange::UseGrant { id: grant.id.clone(), by: rest.gate.clone(), at_ms: now_ms };
            return Ok(granted(grant.id.clone(), grant.by.clone(), terms, change));
        }
        if let Some(found) = found {
            return Ok(match (found.state, hold(terms, patience)) {
                (State::Pending, Some(hold)) => Approval::Hold { approval_id: found.id.clone(), hold },
                (State::Pending, None) => self.pending(&found.id, decision, None),
                _ => denied(&found, terms),
            });
        }
        if live.pending_of(&call.principal.name) >= MAX_PENDING {
            return Ok(crowded(terms));
        }
        question.id = new_id()?;
        question.created_at_ms = now_ms;
        question.expires_at_ms = now_ms.saturating_add(question.expires_at_ms);
        let question = question.asked();
        let Some(hold) = hold(terms, patience) else {
            let id = question.id.clone();
            return Ok(self.pending(&id, decision, Some(ApprovalChange::Ask(Box::new(question)))));
        };
        // On record before anybody waits for it. Somebody else may have asked meanwhile: then it is theirs.
        let asked = tokio::time::timeout(self.settings.commit_timeout, self.store.ask(question)).await;
        let asked = asked.map_err(|_| Fault::CommitTimeout(self.settings.commit_timeout))??;
        Ok(Approval::Hold { approval_id: asked.id.clone(), hold })
    }

    /// A grant that fits. One that was there when somebody denied this very call does not: the later word counts.
    fn grant_for(
        &self,
        question: &Question,
        terms: &ApprovalTerms,
        found: Option<&Question>,
        now_ms: u64,
    ) -> Option<Arc<Grant>> {
        let principal = &question.call.principal;
        let denied_at =
            found.filter(|found| found.state == State::Denied).and_then(|found| found.history.last());
        self.store.live().grants(&terms.rule, principal).into_iter().find(|grant| {
            grant.state(now_ms) == GrantState::Active
                && grant.permits(principal, terms.allow_self, &terms.approvers).is_ok()
                && denied_at.is_none_or(|denied| denied.at_ms < grant.created_at_ms)
        })
    }

    fn pending(&self, id: &str, decision: &Decision, change: Option<ApprovalChange>) -> Approval {
        let link = self.desk.link_of(id).map(|link| format!("; {link}")).unwrap_or_default();
        let message =
            format!("{} (approval {id}; portcullis approvals approve {id}{link})", decision.message);
        let verdict = audit::Verdict {
            kind: VerdictKind::PendingApproval,
            message,
            approval_id: Some(id.to_owned()),
            ..audit::Verdict::default()
        };
        Approval::Refused(Refused { verdict, change })
    }
}

/// How long this call may wait at the gate; `None`: it does not, or no more.
fn hold(terms: &ApprovalTerms, patience: Patience) -> Option<Duration> {
    terms.hold.filter(|hold| !hold.is_zero() && patience == Patience::Waits)
}

fn granted(id: String, by: String, terms: &ApprovalTerms, change: ApprovalChange) -> Approval {
    let approval = audit::Approval { id, by, rule: terms.rule.clone() };
    Approval::Granted(Granted { approval, change })
}

fn denied(found: &Question, terms: &ApprovalTerms) -> Approval {
    let message =
        format!("portcullis: rule `{}`: denied by {} (approval {})", terms.rule, found.last_by(), found.id);
    refused(message, Some(found.id.clone()))
}

fn crowded(terms: &ApprovalTerms) -> Approval {
    let message = format!(
        "portcullis: rule `{}`: {MAX_PENDING} approvals of this principal wait for an answer already",
        terms.rule
    );
    refused(message, None)
}

fn refused(message: String, approval_id: Option<String>) -> Approval {
    let verdict =
        audit::Verdict { kind: VerdictKind::Deny, message, approval_id, ..audit::Verdict::default() };
    Approval::Refused(Refused { verdict, change: None })
}

fn new_id() -> Result<String, Fault> {
    let mut random = [0; 10];
    getrandom::fill(&mut random).map_err(|_| Fault::Inconsistent("the system gives no randomness"))?;
    Ok(format!("apr_{}", hex::encode(random)))
}

impl Granted {
    /// Used up when the call's record is durable, and only then.
    pub(super) fn go_with(self, commit: &mut Commit) {
        commit.record.approval = Some(self.approval);
        commit.approval = Some(self.change);
    }
}

impl Refused {
    pub(super) fn commit(self, identified: Identified, bundle: &Bundle, decision: Decision) -> Commit {
        let mut commit = rule::with_verdict(bundle, decision, self.verdict).commit(identified);
        commit.approval = self.change;
        commit
    }
}
