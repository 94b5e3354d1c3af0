//! A ledger as rows: what is stored, and what changes it.

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What one call holds of one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose count.
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub key: Arc<str>,
    /// Reserved.
    pub amount: u64,
    /// The slice that it stands in: its end in Unix milliseconds, exclusive.
    pub slice_end: u64,
    /// The invocation of which it is an attempt, and the count that it shares.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<Retry>,
    /// [`crate::Want::note`].
    #[serde(default, skip_serializing_if = "str::is_empty")]
    pub note: Arc<str>,
}

/// An attempt's place among the attempts of its invocation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retry {
    /// [`crate::Want::retry_of`].
    pub of: Arc<str>,
    /// The call that came first of those that share one count.
    pub founder: Arc<str>,
}

/// The use of one slice. Its key is (`limit`, `key`, `slice_end`).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct UseRow {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose count.
    pub key: Arc<str>,
    /// End of the slice in Unix milliseconds, exclusive.
    pub slice_end: u64,
    /// Used and reserved; at most [`crate::MAX_AMOUNT`], never 0.
    pub amount: u64,
}

/// A call whose outcome is open. Its key is `call`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenRow {
    /// The call.
    pub call: Arc<str>,
    /// When it was decided, in Unix milliseconds.
    pub at_ms: u64,
    /// Its reservation stands as used; a late outcome may still settle it.
    #[serde(default)]
    pub kept: bool,
    /// What it holds.
    pub entries: Vec<Entry>,
}

/// Attempts of one invocation that share a count. Its key is (`limit`, `key`, `founder`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupRow {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose count.
    pub key: Arc<str>,
    /// The call that came first.
    pub founder: Arc<str>,
    /// [`crate::Want::retry_of`].
    pub retry_of: Arc<str>,
    /// When the first came, in Unix milliseconds.
    pub started_ms: u64,
    /// The slice that the shared count stands in: that of the last attempt.
    pub slice_end: u64,
    /// Attempts so far.
    pub attempts: u32,
    /// Those without an outcome.
    pub unfinished: u32,
    /// Those that succeeded.
    pub successes: u32,
    /// Those of which nobody knows.
    pub kept: u32,
    /// Those of `kept` that a late outcome may still settle.
    pub late: u32,
}

/// One change of the stored rows, to be applied in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Add `delta` to the [`UseRow`] (0 when there is none); a row that becomes 0 is deleted.
    Use {
        /// The limit.
        limit: Arc<str>,
        /// Whose count.
        key: Arc<str>,
        /// End of the slice.
        slice_end: u64,
        /// More, or less.
        delta: i64,
    },
    /// Insert or replace.
    Open(OpenRow),
    /// Delete the [`OpenRow`] of this call, if there is one.
    Closed {
        /// The call.
        call: Arc<str>,
    },
    /// Insert or replace.
    Group(GroupRow),
    /// Delete the [`GroupRow`], if there is one.
    GroupGone {
        /// The limit.
        limit: Arc<str>,
        /// Whose count.
        key: Arc<str>,
        /// The call that came first.
        founder: Arc<str>,
    },
    /// Delete every [`UseRow`] of this limit whose `slice_end` is at most this: no window reaches it any more.
    Expired {
        /// The limit.
        limit: Arc<str>,
        /// The last end that goes.
        slice_end: u64,
    },
}

/// Every row.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// By limit, key, slice.
    pub uses: Vec<UseRow>,
    /// By call.
    pub open: Vec<OpenRow>,
    /// By limit, key, founder. A call that is the only attempt so far has none: its [`OpenRow`] says it all.
    pub groups: Vec<GroupRow>,
}
