//! How long records stay, and what is held: what a store must do for retention.

use super::{Event, Logged, Pending};
use portcullis_audit::log::RecordKind;
use std::collections::BTreeSet;

/// Records that are not pruned, whatever their age.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredHold {
    /// What it is called; never used twice, also after its release.
    pub name: String,
    /// What it holds, as JSON.
    pub scope: String,
    /// Why.
    pub reason: String,
    /// Who placed it.
    pub actor: String,
    /// When, Unix milliseconds. Given by the store.
    pub at_ms: u64,
    /// When, by whom and why it was released.
    pub released: Option<Released>,
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Released {
    /// When, Unix milliseconds. Given by the store.
    pub at_ms: u64,
    /// By whom.
    pub actor: String,
    /// Why.
    pub why: String,
}

/// Every hold, and what [`Keeping::prune`] wants to be told of that.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Holds {
    /// Oldest first.
    pub holds: Vec<StoredHold>,
    /// Changes with each hold that is placed.
    pub version: i64,
}

/// What became of a hold that was to be released.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// It holds nothing any more.
    Done,
    /// There is none of that name.
    Unknown,
    /// It was released before.
    Before,
}

/// A record that is to be pruned: what stays of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prune {
    /// Its place.
    pub index: u64,
    /// Its kind.
    pub kind: RecordKind,
    /// Its id.
    pub id: String,
    /// Its entry, canonical JSON.
    pub entry: String,
    /// The hash of that in the tree.
    pub leaf: [u8; 32],
}

impl From<&Logged> for Prune {
    fn from(logged: &Logged) -> Self {
        let entry = &logged.entry;
        Prune {
            index: logged.index,
            kind: entry.kind,
            id: entry.id.clone(),
            entry: entry.to_json(),
            leaf: entry.leaf(),
        }
    }
}

/// Pruning and holding. Every change is durable when its future is ready.
pub trait Keeping {
    /// Every hold, released ones included.
    fn holds(&self) -> Pending<'_, Holds>;

    /// Places a hold, and the event that says so; `false`, and nothing is done, when its name was used before.
    fn place_hold(&self, hold: StoredHold, event: Event) -> Pending<'_, bool>;

    /// Releases a hold, and records the event.
    fn release_hold(&self, name: String, actor: String, why: String, event: Event) -> Pending<'_, Release>;

    /// Index of the first record whose time is not before that one; the size of the log when there is none.
    fn first_at(&self, time_ms: u64) -> Pending<'_, u64>;

    /// Records of these kinds with indexes `from .. end` that are not pruned, in order: at most `limit`, and no more once they
    /// weigh `max_bytes`.
    fn prunable(
        &self,
        kinds: BTreeSet<RecordKind>,
        from: u64,
        end: u64,
        limit: u32,
        max_bytes: usize,
    ) -> Pending<'_, Vec<Logged>>;

    /// Prunes records, and what the search finds of them; their bytes are overwritten. Gives how many were not pruned before;
    /// `None`, and nothing is done, when a hold was placed since that version.
    fn prune(&self, records: Vec<Prune>, version: i64) -> Pending<'_, Option<u64>>;

    /// Forgets what leads from one pruned record to others, a slice of the table after `after`; gives where the next begins,
    /// `None` at the end.
    fn prune_links(&self, after: Option<LinkKey>, limit: u32) -> Pending<'_, Option<LinkKey>>;
}

/// The place of a link in the order of its table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkKey {
    /// Kind of the id.
    pub kind: String,
    /// The id.
    pub id: String,
    /// Whose.
    pub principal: String,
    /// Of which record.
    pub seq: i64,
    /// Whether the record quotes it.
    pub quoted: i64,
}
