//! All records of one tool-use loop or session.

use super::query::StoredDecision;
use portcullis_approvals::Approval;

/// Which loop.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TraceQuery {
    /// Anything that names one of its records: a correlation id, a decision id, a call id, the id of a tool call, a session,
    /// an approval.
    pub id: String,
    /// Whose; of several that use the same id, the one who used it last.
    pub principal: Option<String>,
    /// At most so many decisions, from 1: those nearest to the one that `id` names.
    pub limit: u32,
}

/// A loop: what shares ids, of one principal.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Trace {
    /// Whose.
    pub principal: String,
    /// Others who use the same id, sorted.
    pub others: Vec<String>,
    /// Its decisions, oldest first.
    pub decisions: Vec<StoredDecision>,
    /// The approvals that they ask for or rest on, oldest first.
    pub approvals: Vec<Approval>,
    /// There are more decisions.
    pub truncated: bool,
}
