//! What is kept in memory and must be durable together with the records: the use of limits.
//!
//! The memory changes first, under its own lock; each change goes into the [`Backlog`], and every transaction of the store
//! takes all of it along. So what is stored is always the memory of one moment, none earlier than the newest record: a
//! decision is never durable without its reservation, nor an outcome without what it settles.

use super::Committed;
use portcullis_audit::OutcomeRecord;
use portcullis_limits::{Change, GroupRow, OpenRow};
use std::collections::{BTreeMap, HashMap};
use std::fmt::Debug;
use std::sync::Arc;

/// The memory that a [`super::Store`] keeps in step with its records.
pub trait Book: Send + Sync + Debug {
    /// An outcome was news: called inside its transaction, more than once when that must be run again.
    fn told(&self, outcome: &OutcomeRecord);
    /// Takes what has changed and is not durable yet.
    fn take(&self) -> Backlog;
    /// Gives back what was taken: it did not become durable.
    fn give_back(&self, backlog: Backlog);
}

/// What is held for a decision while it is committed. The store calls [`Held::recorded`] when a record stands, also when
/// whoever asked has gone meanwhile; it drops what is held when there is none, nor ever will be.
pub trait Held: Send + Debug {
    /// The record is durable.
    fn recorded(self: Box<Self>, committed: &Committed);
    /// The same once more, where the record may become durable elsewhere than in the store; `None` where it must be in the store.
    fn again(&self) -> Option<Box<dyn Held>>;
}

/// Limit, key, and the end of a slice.
type Slice = (Arc<str>, Arc<str>, u64);
/// Limit, key, and the call that came first.
type Group = (Arc<str>, Arc<str>, Arc<str>);

/// Changes of a ledger that are not durable yet, added up: what comes and goes in between leaves nothing.
#[derive(Debug, Default, PartialEq)]
pub struct Backlog {
    /// By limit: slices that end here or before are deleted, before anything is added.
    pub(super) expired: BTreeMap<Arc<str>, u64>,
    /// Added to each slice.
    pub(super) uses: BTreeMap<Slice, i64>,
    /// Written, or deleted, by call.
    pub(super) calls: HashMap<Arc<str>, OpenCall>,
    /// Written, or deleted.
    pub(super) groups: BTreeMap<Group, Option<GroupRow>>,
}

/// What becomes of the row of an open call.
#[derive(Debug, PartialEq)]
pub(super) enum OpenCall {
    /// It is new: no row of it is stored.
    New(OpenRow),
    /// Written, whether there is one or not.
    Changed(OpenRow),
    /// Deleted.
    Closed,
}

impl Backlog {
    /// Nothing is waiting.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.expired.is_empty() && self.uses.is_empty() && self.calls.is_empty() && self.groups.is_empty()
    }

    /// Rows that it will touch.
    #[cfg(test)]
    pub(crate) fn weight(&self) -> usize {
        self.expired.len() + self.uses.len() + self.calls.len() + self.groups.len()
    }

    /// Adds changes, in the order in which the ledger made them.
    pub fn add(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Use { limit, key, slice_end, delta } => self.used((limit, key, slice_end), delta),
                // A ledger keeps only what it has opened before.
                Change::Open(row) if row.kept => self.call(Arc::clone(&row.call), OpenCall::Changed(row)),
                Change::Open(row) => self.call(Arc::clone(&row.call), OpenCall::New(row)),
                Change::Closed { call } => self.call(call, OpenCall::Closed),
                Change::Group(row) => {
                    let name = (Arc::clone(&row.limit), Arc::clone(&row.key), Arc::clone(&row.founder));
                    self.groups.insert(name, Some(row));
                }
                Change::GroupGone { limit, key, founder } => {
                    self.groups.insert((limit, key, founder), None);
                }
                Change::Expired { limit, slice_end } => self.expire(limit, slice_end),
            }
        }
    }

    /// Adds what came after.
    pub fn then(&mut self, later: Backlog) {
        for (limit, slice_end) in later.expired {
            self.expire(limit, slice_end);
        }
        for (slice, delta) in later.uses {
            self.used(slice, delta);
        }
        for (call, change) in later.calls {
            self.call(call, change);
        }
        self.groups.extend(later.groups);
    }

    fn used(&mut self, slice: Slice, delta: i64) {
        let sum = self.uses.entry(slice).or_default();
        *sum = sum.saturating_add(delta);
    }

    fn call(&mut self, call: Arc<str>, change: OpenCall) {
        let change = match (self.calls.get(&call), change) {
            (Some(OpenCall::New(_)), OpenCall::New(row) | OpenCall::Changed(row)) => OpenCall::New(row),
            (Some(OpenCall::New(_)), OpenCall::Closed) => {
                self.calls.remove(&call);
                return;
            }
            // Closed, and opened anew: there is an old row.
            (Some(_), OpenCall::New(row)) => OpenCall::Changed(row),
            (_, change) => change,
        };
        self.calls.insert(call, change);
    }

    fn expire(&mut self, limit: Arc<str>, slice_end: u64) {
        // A sweep finds the same most of the time.
        self.uses.retain(|(own, _, end), _| *own != limit || *end > slice_end);
        let last = self.expired.entry(limit).or_default();
        *last = slice_end.max(*last);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn uses(delta: i64) -> Change {
        Change::Use { limit: "l".into(), key: "k".into(), slice_end: 60, delta }
    }

    fn open(call: &str, kept: bool) -> Change {
        Change::Open(OpenRow { call: call.into(), at_ms: 1, kept, entries: Vec::new() })
    }

    fn closed(call: &str) -> Change {
        Change::Closed { call: call.into() }
    }

    fn backlog(changes: Vec<Change>) -> Backlog {
        let mut backlog = Backlog::default();
        backlog.add(changes);
        backlog
    }

    #[test]
    fn what_comes_and_goes_leaves_no_row() {
        let come_and_gone = backlog(vec![uses(5), open("a", false), uses(-5), closed("a")]);
        assert!(come_and_gone.calls.is_empty(), "{come_and_gone:?}");
        assert_eq!(come_and_gone.uses.values().sum::<i64>(), 0);
        // Stored before, kept, settled late: the row must go.
        assert_eq!(backlog(vec![open("a", true), closed("a")]).calls["a"], OpenCall::Closed);
        assert!(backlog(vec![open("a", false), open("a", true), closed("a")]).calls.is_empty());
        // Closed and opened again: the old row is replaced, and goes when that is closed again.
        assert_eq!(backlog(vec![closed("a"), open("a", false), closed("a")]).calls["a"], OpenCall::Closed);
    }

    #[test]
    fn two_backlogs_are_the_one_of_all_their_changes() {
        let expired = |slice_end| Change::Expired { limit: "l".into(), slice_end };
        let changes = vec![
            uses(5),
            open("a", false),
            expired(60),
            uses(2),
            closed("a"),
            open("b", true),
            open("a", false),
            expired(10),
            closed("b"),
            uses(-1),
            open("a", true),
            closed("c"),
            open("c", false),
        ];
        let whole = backlog(changes.clone());
        for at in 0..changes.len() {
            let (before, after) = changes.split_at(at);
            let mut joined = backlog(before.to_vec());
            joined.then(backlog(after.to_vec()));
            assert_eq!(joined.uses, whole.uses, "split at {at}");
            assert_eq!(joined.expired, whole.expired, "split at {at}");
            assert_eq!(joined.calls, whole.calls, "split at {at}");
        }
        println!("compared {} splits", changes.len());
    }
}
