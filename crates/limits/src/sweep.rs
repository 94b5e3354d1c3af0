//! Forgetting.

use crate::ledger::Ledger;
use crate::retries::State;
use crate::rows::{Change, OpenRow};
use std::sync::Arc;

/// How long a late outcome is waited for.
pub const KEPT_MS: u64 = 24 * 60 * 60 * 1_000;

/// Slices that one sweep forgets; a few milliseconds. Reservations forget too.
const SLICES_AT_ONCE: usize = 5_000;

impl Ledger {
    /// Forgets what no window reaches, invocations that nobody can try again, and reservations that stand and whose
    /// outcome comes no more. To be called now and then, such as every minute; what it forgets changes no answer. It stops
    /// after a while, so that nobody waits long for the ledger; the next call goes on.
    pub fn sweep(&mut self, now_ms: u64) -> Vec<Change> {
        let (mut changes, mut budget) = (Vec::new(), SLICES_AT_ONCE);
        for (id, limit) in &mut self.limits {
            let slice_end = limit.horizon(now_ms);
            limit.forget(slice_end, &mut budget);
            if std::mem::take(&mut limit.expired) {
                changes.push(Change::Expired { limit: Arc::clone(id), slice_end });
            }
        }
        let done = |row: &&OpenRow| {
            let out = |limit: &Arc<str>, end| {
                self.limits.get(limit).is_none_or(|limit| end <= limit.horizon(now_ms))
            };
            row.kept
                && (now_ms >= row.at_ms.saturating_add(KEPT_MS)
                    || row.entries.iter().all(|entry| out(&entry.limit, entry.slice_end)))
        };
        let calls: Vec<Arc<str>> =
            self.calls.values().filter(done).map(|row| Arc::clone(&row.call)).collect();
        for call in calls {
            changes.extend(self.close(now_ms, &call, State::Kept, |entry| entry.amount));
        }
        self.groups.sweep(now_ms, &mut changes);
        changes
    }
}
