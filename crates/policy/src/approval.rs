//! What an approval must be like: of a rule, or the bundle's `approvals`.

use std::time::Duration;

/// The terms of one approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalTerms {
    /// The rule that asks.
    pub rule: String,
    /// For the approver: the rule's message.
    pub message: Option<String>,
    /// A pending approval expires after this time.
    pub expires: Duration,
    /// What was approved may be used for this long.
    pub valid: Duration,
    /// Keep the call waiting at the gate for so long; `None`: refuse it with the approval's id at once.
    pub hold: Option<Duration>,
    /// Who asked may approve.
    pub allow_self: bool,
    /// Globs of the names of those who may approve; empty: everybody with an admin token.
    pub approvers: Vec<String>,
}
