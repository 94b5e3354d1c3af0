//! What becomes of a reservation.

use crate::ledger::Ledger;
use crate::retries::{Name, State};
use crate::rows::{Change, Entry, OpenRow};
use crate::slices::MAX_AMOUNT;
use crate::want::Reservation;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Whether an outcome may still come for a reservation that stands as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Late {
    /// The outcome is unknown: one that comes within [`crate::KEPT_MS`] settles or releases the reservation.
    MayCome,
    /// The outcome is there and does not say what was used (aborted, a stream without usage).
    No,
}

impl Ledger {
    /// The call was made, and used `actual` of each limit, in its unit. Nothing happens when its outcome is not open: told
    /// already, released, or never reserved. `actual` is not asked about entries with [`Entry::retry`]: a success is 1.
    ///
    /// What is settled may be more than was reserved, and the limit then be over.
    pub fn settle(&mut self, now_ms: u64, call: &str, mut actual: impl FnMut(&Entry) -> u64) -> Vec<Change> {
        self.close(now_ms, call, State::Success, |entry| actual(entry).min(MAX_AMOUNT))
    }

    /// The call was not made, or AWS refused it: nothing was used.
    pub fn release(&mut self, now_ms: u64, call: &str) -> Vec<Change> {
        self.close(now_ms, call, State::Failure, |_| 0)
    }

    /// The reservation stands as used.
    pub fn keep(&mut self, now_ms: u64, call: &str, late: Late) -> Vec<Change> {
        match late {
            Late::No => self.close(now_ms, call, State::Kept, |entry| entry.amount),
            Late::MayCome => self.keep_open(call),
        }
    }

    /// Takes a reservation back whose changes could not be stored. What is returned is what the stored rows now lack: mostly
    /// nothing; else, when attempts that came since share its count, to be stored with the next transaction.
    pub fn undo(&mut self, now_ms: u64, call: &str, reservation: &Reservation) -> Vec<Change> {
        if !reservation.fresh {
            return Vec::new();
        }
        let mut changes = reservation.changes.clone();
        changes.extend(self.release(now_ms, call));
        condense(changes, call)
    }

    fn keep_open(&mut self, call: &str) -> Vec<Change> {
        let Some(row) = self.calls.get_mut(call).filter(|row| !row.kept) else { return Vec::new() };
        row.kept = true;
        let row = row.clone();
        let mut changes = Vec::new();
        for entry in &row.entries {
            if let Some(retry) = &entry.retry {
                // Not knowing changes no count.
                let _ = self.groups.change(entry, retry, (State::Unfinished, State::Late), &mut changes);
            }
        }
        changes.push(Change::Open(row));
        changes
    }

    pub(crate) fn close(
        &mut self,
        now_ms: u64,
        call: &str,
        to: State,
        mut actual: impl FnMut(&Entry) -> u64,
    ) -> Vec<Change> {
        let Some(OpenRow { call, kept, entries, .. }) = self.calls.remove(call) else { return Vec::new() };
        let from = if kept { State::Late } else { State::Unfinished };
        let mut changes = Vec::new();
        for entry in &entries {
            let shared = entry
                .retry
                .as_ref()
                .and_then(|retry| self.groups.change(entry, retry, (from, to), &mut changes));
            let shift = match shared {
                Some(shift) => shift,
                None => {
                    // Both are at most `i64::MAX`.
                    let delta = actual(entry).cast_signed().wrapping_sub(entry.amount.cast_signed());
                    Some((entry.slice_end, delta))
                }
            };
            if let Some(shift) = shift {
                self.adjust(now_ms, entry, shift, &mut changes);
            }
        }
        changes.push(Change::Closed { call });
        changes
    }
}

/// What changes amount to when none of them was applied yet.
fn condense(changes: Vec<Change>, undone: &str) -> Vec<Change> {
    let mut sums: BTreeMap<(Arc<str>, Arc<str>, u64), i64> = BTreeMap::new();
    let mut groups: BTreeMap<Name, Change> = BTreeMap::new();
    let mut rest = Vec::new();
    for change in changes {
        match change {
            Change::Use { limit, key, slice_end, delta } => {
                let sum = sums.entry((limit, key, slice_end)).or_default();
                *sum = sum.saturating_add(delta);
            }
            Change::Open(row) if &*row.call == undone => {}
            Change::Closed { call } if &*call == undone => {}
            Change::Group(row) => {
                let name = (Arc::clone(&row.limit), Arc::clone(&row.key), Arc::clone(&row.founder));
                groups.insert(name, Change::Group(row));
            }
            Change::GroupGone { limit, key, founder } => {
                let name = (Arc::clone(&limit), Arc::clone(&key), Arc::clone(&founder));
                groups.insert(name, Change::GroupGone { limit, key, founder });
            }
            other => rest.push(other),
        }
    }
    let uses = sums.into_iter().filter(|(_, delta)| *delta != 0);
    let uses = uses.map(|((limit, key, slice_end), delta)| Change::Use { limit, key, slice_end, delta });
    uses.chain(groups.into_values()).chain(rest).collect()
}
