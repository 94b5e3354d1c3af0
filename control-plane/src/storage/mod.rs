//! Where records live: the narrow trait [`Store`], and its embedded implementation [`SqliteStore`].
//!
//! The one promise that everything rests on: when a commit's future is ready with `Ok`, its record survives
//! `kill -9` and a power cut. When it is `Err`, the caller must act as if nothing was recorded, which for a decision
//! means: refuse the call. See docs/decisions/0002-storage.md for why SQLite, and how.

mod approvals;
mod book;
mod bundles;
mod error;
mod id;
mod keeping;
mod live;
mod log;
mod query;
mod sqlite;
#[cfg(test)]
mod tests;
mod trace;

pub use approvals::{
    ApprovalChange, ApprovalQuery, Approvals, Attempt, Delivery, StoredApproval, Subscription,
};
pub use book::{Backlog, Book, Held};
pub use bundles::{BundleAct, BundleChange, BundleVersion, PinChange};
pub use error::{OpenError, StoreError};
#[cfg(test)]
pub(crate) use id::decision_id;
pub use id::{Seq, Sequence, SpillIds};
pub(crate) use id::{first_of, seq_of, time_of};
pub use keeping::{Holds, Keeping, LinkKey, Prune, Release, Released, StoredHold};
pub use live::Live;
pub use log::{Head, Log, Logged, StoredCheckpoint};
pub use query::{Cursor, Order, Page, Query, RecordPage, RecordQuery, StoredDecision, StoredEvent};
#[cfg(test)]
pub(crate) use sqlite::unpack;
pub use sqlite::{
    LogKey, LogReader, OfflineCheckpoint, OfflineLog, OfflineRow, Records, SqliteOptions, SqliteStore,
};
pub use trace::{Trace, TraceQuery};

use crate::redaction::SealedText;
use portcullis_audit::{DecisionRecord, OutcomeRecord, Verdict};
use portcullis_limits::Snapshot;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::watch;

/// What a [`Store`] answers with: boxed, so that the application holds any store behind one pointer.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// One decision and everything that becomes durable together with it, or not at all.
#[derive(Debug)]
pub struct Commit {
    /// The record.
    pub record: DecisionRecord,
    /// What is held for the call: told when the record stands, dropped when there is none.
    pub held: Vec<Box<dyn Held>>,
    /// What happens to the approval that the decision rests on, or asks for.
    pub approval: Option<ApprovalChange>,
    /// Texts of the call, encrypted.
    pub captured: Vec<SealedText>,
}

impl From<DecisionRecord> for Commit {
    fn from(record: DecisionRecord) -> Self {
        Commit { record, held: Vec::new(), approval: None, captured: Vec::new() }
    }
}

/// The ledger of limits, as stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLimits {
    /// Its rows.
    pub rows: Snapshot,
    /// Calls with a row and without a record that it belongs to: their process died while it took them back.
    pub stray: Vec<Arc<str>>,
}

/// Something that was let out, as [`Store::seen`] finds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredSeen {
    /// The decision's key.
    pub seq: Seq,
    /// When it was decided, Unix milliseconds.
    pub time_ms: u64,
    /// The operation; empty for a tool call.
    pub operation: String,
    /// Every form of the name of the tool of a tool call; its arguments are not kept.
    pub tools: Vec<String>,
}

/// How many calls were let out in a stretch of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetOut {
    /// Who called.
    pub principal: Arc<str>,
    /// For tool calls: the tool's first name; empty for calls to Bedrock.
    pub tool: Arc<str>,
    /// When the stretch begins, Unix milliseconds.
    pub start_ms: u64,
    /// How many.
    pub count: u64,
}

/// The leaf of a decision that is durable elsewhere and not in the log yet.
pub const NOT_YET: u64 = u64::MAX;

/// What was committed for a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Id of the record.
    pub decision_id: String,
    /// The recorded verdict: of this question, or of the same one when it was asked before.
    pub verdict: Verdict,
    /// Its key, which tells when it was decided.
    pub seq: Seq,
    /// Where its record is in the log.
    pub leaf: u64,
    /// The same question was decided before; that record stands and nothing was added.
    pub repeated: bool,
}

/// Something that is neither a decision nor an outcome, and belongs on the record.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// What kind.
    pub kind: EventKind,
    /// Who did it: a token's name, a gate's node id, `cli`, `portcullis`.
    pub actor: String,
    /// The particulars.
    pub detail: serde_json::Value,
}

/// The kinds of [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventKind {
    /// Somebody changed something through API or command line.
    Admin,
    /// A bundle became active or was refused.
    Bundle,
    /// A gate let calls out without a record, or lost outcomes.
    Gap,
    /// An approval or a grant changed.
    Approval,
}

impl EventKind {
    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            EventKind::Admin => "admin",
            EventKind::Bundle => "bundle",
            EventKind::Gap => "gap",
            EventKind::Approval => "approval",
        }
    }
}

/// A token as stored: never the token itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredToken {
    /// Short public id, such as `tok_1a2b3c4d5e6f`.
    pub id: String,
    /// `data`, `admin` or `agent`.
    pub kind: String,
    /// What the operator calls it.
    pub name: String,
    /// SHA-256 of the token.
    pub sha256: [u8; 32],
    /// The principal that it belongs to, where it was made for one: who asks for a call may not approve it.
    pub principal: Option<String>,
    /// What an agent's token covers; `None` for the other kinds.
    pub agent: Option<StoredAgent>,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds from which on it is worth nothing; `None` for never.
    pub expires_at_ms: Option<u64>,
    /// Unix milliseconds; `None` while it is good.
    pub revoked_at_ms: Option<u64>,
}

/// What an agent's token covers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredAgent {
    /// Id of the agent.
    pub id: String,
    /// Its tenant.
    pub tenant: Option<String>,
    /// Globs of the tools that it may ask about.
    pub tools: Vec<String>,
}

/// A virtual AWS key as stored: its secret is sealed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredAwsKey {
    /// Such as `AKIA…`; also its public id.
    pub access_key_id: String,
    /// The secret, sealed with the master key.
    pub sealed_secret: Vec<u8>,
    /// What the operator calls it.
    pub name: String,
    /// The principal that it stands for.
    pub principal: String,
    /// That principal's tenant.
    pub tenant: Option<String>,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds; `None` while it is good.
    pub revoked_at_ms: Option<u64>,
}

/// Keys and tokens, revoked ones included.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredKeys {
    /// Bearer tokens.
    pub tokens: Vec<StoredToken>,
    /// Virtual AWS keys.
    pub aws_keys: Vec<StoredAwsKey>,
}

/// Texts that are kept beside the log, encrypted.
pub trait CapturedTexts {
    /// Those of a decision.
    fn captured(&self, decision_id: String) -> Pending<'_, Vec<SealedText>>;

    /// Deletes texts of decisions made before that time, the oldest first, at most so many. Gives how many.
    fn drop_captured(&self, before_ms: u64, limit: u32) -> Pending<'_, u64>;
}

/// A durable, append-mostly store of records. Every write is durable when its future is ready.
///
/// # Errors
/// All methods: [`StoreError::Overloaded`] when too much is queued, [`StoreError::Unavailable`] when the medium does
/// not take or give the data (full, locked, broken); both pass by themselves, and neither is an allowed call.
pub trait Store: Approvals + CapturedTexts + Keeping + Log + Send + Sync + std::fmt::Debug {
    /// Records a decision. The store gives it its id and time. The same question asked again (same `call_id`, same
    /// content) gives the recorded verdict.
    ///
    /// # Errors
    /// [`StoreError::CallIdReused`] when the `call_id` was recorded with another question;
    /// [`StoreError::ApprovalChanged`] when its approval is no longer what the decision rests on, and nothing was recorded.
    fn commit(&self, commit: Commit) -> Pending<'_, Committed>;

    /// Records a decision that nothing else goes with, see [`Store::commit`].
    fn commit_decision(&self, record: DecisionRecord) -> Pending<'_, Committed> {
        self.commit(record.into())
    }

    /// Records outcomes, and an event with them (all or nothing). An outcome that is final stays; `unknown` is
    /// replaced. Gives the number of outcomes that were news.
    fn commit_outcomes(&self, outcomes: Vec<OutcomeRecord>, event: Option<Event>) -> Pending<'_, u64>;

    /// Records an event.
    fn commit_event(&self, event: Event) -> Pending<'_, ()>;

    /// Writes something durable: can the store take records right now?
    fn probe(&self) -> Pending<'_, ()>;

    /// Finds decisions.
    fn decisions(&self, query: Query) -> Pending<'_, Page>;

    /// A page of records as they are stored, oldest first.
    fn records(&self, query: RecordQuery) -> Pending<'_, RecordPage>;

    /// How many records there are.
    fn count_records(&self, query: RecordQuery) -> Pending<'_, u64>;

    /// Finds one decision by its id.
    fn decision(&self, decision_id: String) -> Pending<'_, Option<StoredDecision>>;

    /// The decisions of these keys, in that order; those that are no more are left out.
    fn decisions_of(&self, keys: Vec<Seq>) -> Pending<'_, Vec<StoredDecision>>;

    /// All that belongs to one tool-use loop or session: what shares ids with the decision that the id names, of the same
    /// principal. `None` when nothing is known of the id.
    fn trace(&self, query: TraceQuery) -> Pending<'_, Option<Trace>>;

    /// The newest events, at most `limit`, newest first; `before` continues.
    fn events(&self, before: Option<u64>, limit: u32) -> Pending<'_, Vec<StoredEvent>>;

    /// Marks allowed calls decided before `before_ms` that have no outcome as `unknown`, at most `limit` decisions
    /// looked at. Gives how many were marked and whether there may be more.
    fn reap(&self, before_ms: u64, limit: u32) -> Pending<'_, Reaped>;

    /// Every key and token.
    fn keys(&self) -> Pending<'_, StoredKeys>;

    /// Adds a token, and the event that says so.
    fn add_token(&self, token: StoredToken, event: Event) -> Pending<'_, ()>;

    /// Adds a virtual AWS key, and the event that says so.
    fn add_aws_key(&self, key: StoredAwsKey, event: Event) -> Pending<'_, ()>;

    /// Revokes the key or token of that id, and records the event; `false` when there is no such good one.
    fn revoke_key(&self, id: String, event: Event) -> Pending<'_, bool>;

    /// Keeps a book in step with the records from now on. To be called once, before anything is committed.
    fn keep(&self, book: Arc<dyn Book>);

    /// Makes durable what the book has changed.
    fn flush(&self) -> Pending<'_, ()>;

    /// The ledger of limits.
    fn limits(&self) -> Pending<'_, StoredLimits>;

    /// Calls and tool calls let out since then, by principal, tool and minute, those since `fine_ms` by second: from indexes
    /// alone, no record is read. The same stretch may be told in parts.
    fn let_out(&self, since_ms: u64, fine_ms: u64) -> Pending<'_, Vec<LetOut>>;

    /// The newest calls and tool calls of a principal that were let out since then, at most `limit`, oldest first: those of that agent
    /// session, or those without one.
    fn seen(
        &self,
        principal: String,
        session: Option<String>,
        since_ms: u64,
        limit: u32,
    ) -> Pending<'_, Vec<StoredSeen>>;

    /// For each id the tool of the tool call that was proposed to this principal under it last, by its first name.
    fn tools_of(&self, principal: String, ids: Vec<String>) -> Pending<'_, Vec<Option<String>>>;

    /// Changes what is known of bundles; `true` when [`BundleChange::version`] was not there before.
    fn change_bundles(&self, change: BundleChange) -> Pending<'_, bool>;

    /// Versions of the bundle whose digest begins with `prefix` (hexadecimal, may be empty), newest first.
    fn bundle_versions(&self, prefix: String, limit: u32) -> Pending<'_, Vec<BundleVersion>>;

    /// One version, with its files as `.tar.gz`.
    fn bundle_version(&self, digest: String) -> Pending<'_, Option<(BundleVersion, Vec<u8>)>>;

    /// The version that is pinned, since when, by whom and why.
    fn bundle_pin(&self) -> Pending<'_, Option<BundleAct>>;

    /// What became active last, other than `digest`.
    fn bundle_before(&self, digest: String) -> Pending<'_, Option<BundleAct>>;

    /// Follows commits: holds the newest decision's [`Seq`], 0 when there is none.
    fn watch(&self) -> watch::Receiver<Seq>;

    /// What went wrong last, while it has not gone right since.
    fn trouble(&self) -> Option<String>;
}

/// What [`Store::reap`] did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Reaped {
    /// Decisions marked `unknown`.
    pub marked: u64,
    /// There may be more before the deadline.
    pub more: bool,
}
