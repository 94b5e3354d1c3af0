//! A ledger to rows and back.

use crate::ledger::{LONGEST_MS, Ledger, Limit};
use crate::rows::{Snapshot, UseRow};
use crate::slices::MAX_AMOUNT;
use std::sync::Arc;

impl Ledger {
    /// Every row, sorted.
    #[must_use]
    pub fn export(&self) -> Snapshot {
        let mut snapshot = Snapshot::default();
        for (limit, counts) in &self.limits {
            for (key, slices) in &counts.keys {
                let row = |(slice_end, amount)| UseRow {
                    limit: Arc::clone(limit),
                    key: Arc::clone(key),
                    slice_end,
                    amount,
                };
                snapshot.uses.extend(slices.iter().filter(|(_, amount)| *amount > 0).map(row));
            }
        }
        snapshot.open.extend(self.calls.values().cloned());
        snapshot.groups.extend(self.groups.stored().cloned());
        snapshot.uses.sort_unstable();
        snapshot.open.sort_by(|a, b| a.call.cmp(&b.call));
        snapshot.groups.sort_by(|a, b| (&a.limit, &a.key, &a.founder).cmp(&(&b.limit, &b.key, &b.founder)));
        snapshot
    }

    /// The ledger of these rows. Configure its limits next: until then their windows are taken as 400 days.
    #[must_use]
    pub fn restore(snapshot: Snapshot) -> Self {
        let mut ledger = Self::new();
        for UseRow { limit, key, slice_end, amount } in snapshot.uses {
            let limit = ledger.limits.entry(limit).or_insert_with(|| Limit::new(u64::MAX, LONGEST_MS));
            limit.add(&key, slice_end, amount.min(MAX_AMOUNT).cast_signed());
        }
        for group in snapshot.groups {
            ledger.groups.restore(group);
        }
        for row in snapshot.open {
            for entry in &row.entries {
                ledger
                    .limits
                    .entry(Arc::clone(&entry.limit))
                    .or_insert_with(|| Limit::new(u64::MAX, LONGEST_MS));
                if let Some(retry) = &entry.retry {
                    ledger.groups.restore_lone(entry, retry, row.at_ms, row.kept);
                }
            }
            ledger.calls.insert(Arc::clone(&row.call), row);
        }
        ledger
    }
}
