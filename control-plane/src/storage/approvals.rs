//! What a [`super::Store`] keeps of approvals, grants, and of those who are to be told of them.

use super::{Live, Pending};
use portcullis_approvals::{Approval, ApprovalError, Approver, Grant, State, Step};
use std::sync::Arc;

/// A change of an approval or a grant that becomes durable together with a decision, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub enum ApprovalChange {
    /// Ask: this approval is made, pending. There must be none that is live for the same call and rule.
    Ask(Box<Approval>),
    /// Let out the call that was approved.
    Consume {
        /// The approval.
        id: String,
        /// The gate that asks.
        by: String,
        /// Unix milliseconds.
        at_ms: u64,
    },
    /// Let out a call by a grant.
    UseGrant {
        /// The grant.
        id: String,
        /// The gate that asks.
        by: String,
        /// Unix milliseconds.
        at_ms: u64,
    },
}

/// Which approvals. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ApprovalQuery {
    /// In that state.
    pub state: Option<State>,
    /// Of that principal, exact.
    pub principal: Option<String>,
    /// That this rule asked for, exact.
    pub rule: Option<String>,
    /// At most so many.
    pub limit: u32,
    /// Only those asked before this one (newest first), or after it (oldest first).
    pub after: Option<u64>,
    /// Oldest first.
    pub ascending: bool,
}

/// An approval as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredApproval {
    /// Grows with every approval asked for.
    pub seq: u64,
    /// The approval.
    pub approval: Approval,
}

/// Who is told of which changes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subscription {
    /// The webhook.
    pub webhook: String,
    /// Events such as `approval.pending`; empty: all.
    pub events: Vec<String>,
}

impl Subscription {
    /// It is about that event.
    #[must_use]
    pub fn wants(&self, event: &str) -> bool {
        self.events.is_empty() || self.events.iter().any(|wanted| wanted == event)
    }
}

/// Something that a webhook must be told.
#[derive(Debug, Clone, PartialEq)]
pub struct Delivery {
    /// Names it, the same at every attempt.
    pub id: String,
    /// The change, as JSON: `type`, `at_ms`, `by`, `why`, and `approval` or `grant`.
    pub event: serde_json::Value,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Attempts made.
    pub attempts: u32,
}

/// What became of an attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Attempt {
    /// It is delivered.
    Delivered,
    /// Try again at that time.
    Again {
        /// Unix milliseconds.
        at_ms: u64,
        /// What went wrong.
        error: String,
    },
    /// Never again.
    GaveUp {
        /// What went wrong last.
        error: String,
    },
}

/// The part of a [`super::Store`] that is about approvals. Every change is on record (an event of kind `approval`) and in the
/// outbox of the webhooks in the same transaction.
pub trait Approvals: Send + Sync {
    /// What is live, in memory, as of the last commit.
    fn live(&self) -> &Live;

    /// Makes a pending approval, or gives the one that is live for the same call and rule.
    fn ask(&self, approval: Approval) -> Pending<'_, Arc<Approval>>;

    /// Takes a step with an approval. An approval whose time is over becomes `expired`, whatever was wanted.
    fn step(&self, id: String, step: Step, at_ms: u64) -> Pending<'_, Result<Approval, ApprovalError>>;

    /// Marks what is overdue at `at_ms`, at most `limit`; `true` when there may be more.
    fn expire(&self, at_ms: u64, limit: u32) -> Pending<'_, bool>;

    /// Finds approvals.
    fn approvals(&self, query: ApprovalQuery) -> Pending<'_, Vec<StoredApproval>>;

    /// Finds one.
    fn approval(&self, id: String) -> Pending<'_, Option<StoredApproval>>;

    /// Makes a grant.
    fn add_grant(&self, grant: Grant) -> Pending<'_, ()>;

    /// Takes a grant back.
    fn revoke_grant(&self, id: String, by: Approver, at_ms: u64)
    -> Pending<'_, Result<Grant, ApprovalError>>;

    /// Every grant, newest first, at most `limit`.
    fn grants(&self, limit: u32) -> Pending<'_, Vec<Grant>>;

    /// From now on these are told of changes.
    fn subscribe(&self, subscriptions: Vec<Subscription>);

    /// What a webhook must be told now: due at `now_ms`, of each approval or grant the oldest only, at most `limit`; and when
    /// the next is due.
    fn deliveries(
        &self,
        webhook: String,
        now_ms: u64,
        limit: u32,
    ) -> Pending<'_, (Vec<Delivery>, Option<u64>)>;

    /// Notes what became of an attempt.
    fn attempted(&self, delivery: String, attempt: Attempt) -> Pending<'_, ()>;
}
