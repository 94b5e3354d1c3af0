//! What was used.

use crate::ledger::{Ledger, clamp};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// The use of one limit by one key, in the window that ends now.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The limit.
    pub limit: Arc<str>,
    /// Whose count.
    pub key: Arc<str>,
    /// Used, reservations included.
    pub used: u64,
    /// The part of `used` that belongs to calls whose outcome is open.
    pub reserved: u64,
    /// Most of it, as last configured.
    pub max: u64,
    /// Length of the window in milliseconds.
    pub window_ms: u64,
    /// When all of it is out of the window if nothing else comes, in Unix milliseconds.
    pub resets_ms: u64,
}

impl Ledger {
    /// The most that one key uses of each limit that was configured, and that limit's maximum.
    pub fn fullest(&self, now_ms: u64) -> impl Iterator<Item = (&str, u64, u64)> {
        self.limits.iter().map(move |(id, limit)| {
            let horizon = limit.horizon(now_ms);
            let most = limit.keys.values().map(|slices| slices.sum_after(horizon)).max();
            (&**id, clamp(most.unwrap_or(0)), limit.max)
        })
    }

    /// Every count that is not 0, by limit and key.
    #[must_use]
    pub fn usage(&self, now_ms: u64) -> Vec<Use> {
        let mut reserved: HashMap<(&str, &str), u128> = HashMap::new();
        let mut seen = HashSet::new();
        for entry in self.calls.values().filter(|row| !row.kept).flat_map(|row| &row.entries) {
            let shared = entry.retry.as_ref().map(|retry| (&entry.limit, &entry.key, &retry.founder));
            let in_window =
                self.limits.get(&entry.limit).is_some_and(|limit| entry.slice_end > limit.horizon(now_ms));
            if in_window && shared.is_none_or(|shared| seen.insert(shared)) {
                *reserved.entry((&entry.limit, &entry.key)).or_default() += u128::from(entry.amount);
            }
        }
        let mut uses = Vec::new();
        for (limit, counts) in &self.limits {
            for (key, slices) in &counts.keys {
                let used = slices.sum_after(counts.horizon(now_ms));
                if used == 0 {
                    continue;
                }
                let reserved = reserved.get(&(&**limit, &**key)).copied().unwrap_or(0);
                uses.push(Use {
                    limit: Arc::clone(limit),
                    key: Arc::clone(key),
                    used: clamp(used),
                    reserved: clamp(reserved.min(used)),
                    max: counts.max,
                    window_ms: counts.window_ms,
                    resets_ms: slices.last_end().saturating_add(counts.window_ms),
                });
            }
        }
        uses.sort_unstable();
        uses
    }
}
