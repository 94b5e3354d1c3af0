//! The ledger: counts by limit and key.

use crate::retries::Groups;
use crate::rows::{Change, Entry, OpenRow};
use crate::slices::{Slices, horizon};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Keys that one limit counts; another is refused.
pub const MAX_KEYS: usize = 1_000_000;
/// The window of a limit that was restored and not configured: none is longer.
pub(crate) const LONGEST_MS: u64 = 400 * 24 * 60 * 60 * 1_000;

/// Every count of every limit, and every call whose outcome is open. Several threads share one behind a lock.
#[derive(Debug, Clone, Default)]
pub struct Ledger {
    pub(crate) limits: HashMap<Arc<str>, Limit>,
    pub(crate) calls: HashMap<Arc<str>, OpenRow>,
    pub(crate) groups: Groups,
    /// [`MAX_KEYS`], but for tests.
    pub(crate) max_keys: Option<usize>,
}

#[derive(Debug, Clone)]
pub(crate) struct Limit {
    pub(crate) max: u64,
    pub(crate) window_ms: u64,
    pub(crate) keys: HashMap<Arc<str>, Slices>,
    /// The keys that began a slice, by its end: what to look at when it leaves the window.
    ends: BTreeMap<u64, Vec<Arc<str>>>,
    /// Something was forgotten since the last sweep.
    pub(crate) expired: bool,
    /// What ends here or before was forgotten, for some keys at least.
    forgot: u64,
    /// That, when the window became longer, and the shortest window before: what some keys have forgotten counts for none.
    floor: Option<(u64, u64)>,
}

impl Ledger {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Says what a limit allows, in milliseconds and its own unit. To be called for every limit of a bundle that becomes
    /// active; counts go on. Under a window of another length what was used before counts until its old slice has left
    /// the new window, so never for less time than it should. The counts of a limit that is configured no more are kept
    /// until they are out of its last window: a bundle may come back.
    pub fn configure(&mut self, limit: &str, max: u64, window_ms: u64) {
        match self.limits.get_mut(limit) {
            Some(known) => known.configure(max, window_ms),
            None => {
                self.limits.insert(Arc::from(limit), Limit::new(max, window_ms));
            }
        }
    }

    /// Changes a slice of an entry's count, if a window still reaches it.
    pub(crate) fn adjust(
        &mut self,
        now_ms: u64,
        entry: &Entry,
        (slice_end, delta): (u64, i64),
        changes: &mut Vec<Change>,
    ) {
        let Some(limit) = self.limits.get_mut(&entry.limit) else { return };
        if delta == 0 || slice_end <= limit.horizon(now_ms) {
            return;
        }
        let delta = limit.add(&entry.key, slice_end, delta);
        if delta != 0 {
            changes.push(Change::Use {
                limit: Arc::clone(&entry.limit),
                key: Arc::clone(&entry.key),
                slice_end,
                delta,
            });
        }
    }

    /// What a call holds, if its outcome is open.
    #[must_use]
    pub fn entries(&self, call: &str) -> Option<&[Entry]> {
        self.calls.get(call).map(|row| row.entries.as_slice())
    }
}

impl Limit {
    pub(crate) fn new(max: u64, window_ms: u64) -> Self {
        Self {
            max,
            window_ms,
            keys: HashMap::new(),
            ends: BTreeMap::new(),
            expired: false,
            forgot: 0,
            floor: None,
        }
    }

    fn configure(&mut self, max: u64, window_ms: u64) {
        if window_ms > self.window_ms {
            let shortest = self.floor.map_or(self.window_ms, |(_, shortest)| shortest.min(self.window_ms));
            self.floor = Some((self.forgot, shortest));
        }
        (self.max, self.window_ms) = (max, window_ms);
    }

    /// Slices that end here or before count no more.
    pub(crate) fn horizon(&self, now_ms: u64) -> u64 {
        let own = horizon(now_ms, self.window_ms);
        // By the time of now too: a clock that was put back must not forget what comes.
        self.floor.map_or(own, |(forgot, window_ms)| own.max(forgot.min(horizon(now_ms, window_ms))))
    }

    /// Adds to a slice of a key, or takes from it. Returns what was added.
    pub(crate) fn add(&mut self, key: &Arc<str>, slice_end: u64, delta: i64) -> i64 {
        let slices = self.keys.entry(Arc::clone(key)).or_default();
        let before = slices.len();
        let delta = slices.add(slice_end, delta);
        if slices.len() > before {
            self.ends.entry(slice_end).or_default().push(Arc::clone(key));
        }
        delta
    }

    /// Drops what is out of the window, and the keys of which nothing is left; at most so many slices.
    pub(crate) fn forget(&mut self, horizon: u64, budget: &mut usize) {
        self.forgot = self.forgot.max(horizon);
        while let Some(mut first) = self.ends.first_entry()
            && *first.key() <= horizon
        {
            self.expired = true;
            while let Some(key) = first.get_mut().pop() {
                if let Some(slices) = self.keys.get_mut(&key) {
                    slices.forget(horizon);
                    if slices.is_empty() {
                        self.keys.remove(&key);
                    }
                }
                *budget = budget.saturating_sub(1);
                if *budget == 0 {
                    return;
                }
            }
            first.remove();
        }
    }
}

pub(crate) fn clamp(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}
