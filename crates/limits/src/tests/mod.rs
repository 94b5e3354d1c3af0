//! What the ledger promises, against a list of everything that happened; its rows, against a table that the changes were
//! applied to.

mod keys;
mod properties;
mod retries;
mod speed;
mod windows;

use crate::{Change, Ledger, OpenRow, Snapshot, UseRow, Want};
use std::collections::BTreeMap;
use std::sync::Arc;

pub(crate) fn want(limit: &str, key: &str, amount: u64, max: u64, window_ms: u64) -> Want {
    Want {
        limit: Arc::from(limit),
        key: Arc::from(key),
        amount,
        max,
        window_ms,
        enforced: true,
        retry_of: None,
        note: Arc::from(""),
    }
}

/// The rows as a store keeps them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    uses: BTreeMap<(Arc<str>, Arc<str>, u64), i64>,
    open: BTreeMap<Arc<str>, OpenRow>,
    groups: BTreeMap<crate::retries::Name, crate::GroupRow>,
}

impl Table {
    pub(crate) fn apply(&mut self, changes: &[Change]) {
        for change in changes.iter().cloned() {
            match change {
                Change::Use { limit, key, slice_end, delta } => {
                    let row = self.uses.entry((limit, key, slice_end)).or_default();
                    *row += delta;
                    assert!(*row >= 0, "a slice below 0");
                }
                Change::Open(row) => drop(self.open.insert(Arc::clone(&row.call), row)),
                Change::Closed { call } => drop(self.open.remove(&call)),
                Change::Group(row) => {
                    let name = (Arc::clone(&row.limit), Arc::clone(&row.key), Arc::clone(&row.founder));
                    self.groups.insert(name, row);
                }
                Change::GroupGone { limit, key, founder } => {
                    self.groups.remove(&(limit, key, founder));
                }
                Change::Expired { limit, slice_end } => {
                    self.uses.retain(|(own, _, end), _| *own != limit || *end > slice_end);
                }
            }
        }
        self.uses.retain(|_, amount| *amount != 0);
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        let row = |((limit, key, slice_end), amount): (&(Arc<str>, Arc<str>, u64), &i64)| UseRow {
            limit: Arc::clone(limit),
            key: Arc::clone(key),
            slice_end: *slice_end,
            amount: u64::try_from(*amount).unwrap(),
        };
        Snapshot {
            uses: self.uses.iter().map(row).collect(),
            open: self.open.values().cloned().collect(),
            groups: self.groups.values().cloned().collect(),
        }
    }
}

/// What one limit and key have used.
pub(crate) fn used(ledger: &Ledger, now_ms: u64, limit: &str, key: &str) -> u64 {
    let uses = ledger.usage(now_ms);
    uses.iter().find(|one| &*one.limit == limit && &*one.key == key).map_or(0, |one| one.used)
}
