//! Finding decisions again.

use super::id::Seq;
use portcullis_audit::{
    Assurance, DecisionKind, DecisionRecord, IdentityAnswer, OutcomeRecord, OutcomeState, VerdictKind,
};

/// Which end to begin at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Order {
    /// Newest first.
    #[default]
    Descending,
    /// Oldest first.
    Ascending,
}

/// Which decisions. All conditions must hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Decided at or after, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Decided before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Principal, exact.
    pub principal: Option<String>,
    /// Model as called, or its base model: exact, or a glob with `*` and `?`.
    pub model: Option<String>,
    /// Verdict.
    pub verdict: Option<VerdictKind>,
    /// Operation, exact.
    pub operation: Option<String>,
    /// State of the outcome.
    pub outcome: Option<OutcomeState>,
    /// What was decided.
    pub kind: Option<DecisionKind>,
    /// The call.
    pub call_id: Option<String>,
    /// At most so many, from 1.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<Seq>,
    /// Which end to begin at.
    pub order: Order,
}

/// A page of decisions.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The decisions, in the order asked for.
    pub decisions: Vec<StoredDecision>,
    /// There are more after the last.
    pub more: bool,
}

/// Which records, for reading all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordQuery {
    /// Decided at or after, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Decided before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Principal, exact.
    pub principal: Option<String>,
    /// Operation, exact.
    pub operation: Option<String>,
    /// Only those that shadow mode may have changed; a few others may be among them.
    pub shadowed: bool,
    /// Where the page before ended.
    pub after: Option<Seq>,
    /// At most so many, from 1.
    pub limit: u32,
    /// A page that weighs so much ends.
    pub max_bytes: usize,
}

impl Default for RecordQuery {
    /// All, in pages of about a megabyte.
    fn default() -> Self {
        RecordQuery {
            since_ms: None,
            until_ms: None,
            principal: None,
            operation: None,
            shadowed: false,
            after: None,
            limit: 1_000,
            max_bytes: 1024 * 1024,
        }
    }
}

/// A page of records as they are stored: JSON, oldest first.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecordPage {
    /// The records.
    pub records: Vec<String>,
    /// The key of the last.
    pub last: Option<Seq>,
    /// There are more.
    pub more: bool,
}

/// A decision as stored, with what became of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredDecision {
    /// Its key.
    pub seq: Seq,
    /// The record as committed; never changed.
    pub record: DecisionRecord,
    /// The outcome, once there is one.
    pub outcome: Option<OutcomeRecord>,
}

impl StoredDecision {
    /// The state of the outcome. A refusal implies `blocked` until the gate says otherwise. What was found in an answer has no
    /// outcome of its own: once it was let out it is `completed`.
    #[must_use]
    pub fn state(&self) -> OutcomeState {
        match &self.outcome {
            Some(outcome) => outcome.state,
            None if self.record.verdict.kind == VerdictKind::Allow => match self.record.kind {
                DecisionKind::Call => OutcomeState::Pending,
                DecisionKind::ToolCall | DecisionKind::AnswerText => OutcomeState::Completed,
            },
            None => OutcomeState::Blocked,
        }
    }

    /// The assurance of the principal, after AWS's answer.
    #[must_use]
    pub fn assurance(&self) -> Assurance {
        let answer = match self.outcome.as_ref().and_then(|outcome| outcome.assurance) {
            Some(Assurance::Confirmed) => IdentityAnswer::Accepted,
            Some(Assurance::Rejected) => IdentityAnswer::Refused,
            _ => IdentityAnswer::Silent,
        };
        self.record.principal.assurance.after(answer)
    }
}

/// An event as stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredEvent {
    /// Its key.
    pub seq: u64,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// `admin`, `bundle`, `gap` or `approval`.
    pub kind: String,
    /// Who did it.
    pub actor: String,
    /// The particulars.
    pub detail: serde_json::Value,
}

/// A place between two decisions, for paging: opaque to clients, and bound to its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    /// The last decision seen.
    pub seq: Seq,
    /// The order it was seen in.
    pub order: Order,
}

impl Cursor {
    /// As clients carry it.
    #[must_use]
    pub fn encode(self) -> String {
        let order = match self.order {
            Order::Descending => 'd',
            Order::Ascending => 'a',
        };
        format!("{order}{:016x}", self.seq)
    }

    /// Reads it back; `None` for what [`Cursor::encode`] has not made.
    #[must_use]
    pub fn decode(text: &str) -> Option<Cursor> {
        let (order, digits) = if let Some(digits) = text.strip_prefix('d') {
            (Order::Descending, digits)
        } else {
            (Order::Ascending, text.strip_prefix('a')?)
        };
        let well_formed = digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_hexdigit());
        let seq = Seq::from_str_radix(digits, 16).ok().filter(|_| well_formed)?;
        Some(Cursor { seq, order })
    }
}
