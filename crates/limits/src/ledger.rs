//! The ledger, and reserving.

use crate::retries::Groups;
use crate::rows::{Change, Entry, OpenRow, Retry, Snapshot, UseRow};
use crate::slices::{MAX_AMOUNT, Slices, horizon, slice_end};
use crate::want::{Exceeded, Refusal, Reservation, Want};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Keys that one limit counts; another is refused.
pub const MAX_KEYS: usize = 1_000_000;
/// Slices that are forgotten with each reservation, which begins at most one: nothing piles up.
const FORGET_AT_ONCE: usize = 2;
/// The same when there is no room for a key.
const FORGET_WHEN_FULL: usize = 100;
/// The window of a limit that was restored and not configured: none is longer.
const LONGEST_MS: u64 = 400 * 24 * 60 * 60 * 1_000;

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

/// What a want takes, if nothing refuses.
enum Plan {
    Take {
        amount: u64,
    },
    /// It shares the count of this founder, which stands in a slice that ends there.
    Share {
        founder: Arc<str>,
        moves_from: u64,
    },
    /// The limit is full and not enforced.
    Nothing,
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

    /// Reserves all that a call wants, or nothing. A call that holds a reservation already keeps it as it is.
    ///
    /// Attempts of one invocation ([`Want::retry_of`]) share one count while none of them has succeeded, at most
    /// [`crate::MAX_SHARED_ATTEMPTS`] and for [`crate::RETRY_MS`]; one that shares a count is never refused by that
    /// limit. When all have failed nothing is counted, when several succeed each is. Another body, key or limit is
    /// another count.
    ///
    /// The changes are to be stored with the decision; when that fails, call [`Ledger::undo`].
    ///
    /// # Errors
    /// When an enforced limit would be exceeded, or cannot count another key.
    pub fn reserve(&mut self, now_ms: u64, call: &str, wants: &[Want]) -> Result<Reservation, Refusal> {
        if self.calls.contains_key(call) {
            return Ok(Reservation::default());
        }
        let mut reservation = Reservation { fresh: true, ..Reservation::default() };
        let mut exceeded = Vec::new();
        let mut plans: Vec<(Plan, u64)> = Vec::with_capacity(wants.len());
        for (place, want) in wants.iter().enumerate() {
            let full = !self.make_room_for_key(now_ms, want);
            if full && want.enforced {
                return Err(Refusal::Full { limit: Arc::clone(&want.limit) });
            }
            if full {
                reservation.uncounted.push(Arc::clone(&want.limit));
                plans.push((Plan::Nothing, 0));
                continue;
            }
            let taken = wants.iter().zip(&plans).take(place);
            let before: u128 = taken
                .filter(|(other, _)| (&other.limit, &other.key) == (&want.limit, &want.key))
                .map(|(_, (_, adds))| u128::from(*adds))
                .sum();
            let (plan, over) = self.plan(now_ms, want, before);
            match over {
                Some(over) if want.enforced => exceeded.push(over),
                Some(over) => reservation.noted.push(over),
                None => {}
            }
            plans.push(plan);
        }
        if !exceeded.is_empty() {
            return Err(Refusal::Exceeded { exceeded, noted: reservation.noted });
        }
        let call: Arc<str> = Arc::from(call);
        let mut entries = Vec::with_capacity(wants.len());
        for (want, (plan, _)) in wants.iter().zip(plans) {
            entries.extend(self.take(now_ms, &call, want, plan, &mut reservation.changes));
        }
        if !entries.is_empty() {
            let row = OpenRow { call: Arc::clone(&call), at_ms: now_ms, kept: false, entries };
            reservation.changes.push(Change::Open(row.clone()));
            self.calls.insert(call, row);
        }
        Ok(reservation)
    }

    /// The key is counted, or can be.
    fn make_room_for_key(&mut self, now_ms: u64, want: &Want) -> bool {
        let max_keys = self.max_keys.unwrap_or(MAX_KEYS);
        if !self.limits.contains_key(&want.limit) {
            self.limits.insert(Arc::clone(&want.limit), Limit::new(want.max, want.window_ms));
        }
        let Some(limit) = self.limits.get_mut(&want.limit) else { return false };
        let horizon = limit.horizon(now_ms);
        let mut budget = if limit.keys.len() < max_keys { FORGET_AT_ONCE } else { FORGET_WHEN_FULL };
        limit.forget(horizon, &mut budget);
        if let Some(slices) = limit.keys.get_mut(&want.key) {
            slices.forget(horizon);
            return true;
        }
        limit.keys.len() < max_keys
    }

    /// What the want would take (and how much that adds), and the limit over which it would be. `before` is what the same
    /// call takes of the same count already.
    fn plan(&self, now_ms: u64, want: &Want, before: u128) -> ((Plan, u64), Option<Exceeded>) {
        let Some(limit) = self.limits.get(&want.limit) else { return ((Plan::Nothing, 0), None) };
        let open = want.retry_of.as_ref().and_then(|of| self.groups.open(&want.limit, &want.key, of, now_ms));
        let plan = match open {
            Some(group) => {
                let founder = Arc::clone(&group.founder);
                let plan = Plan::Share { founder, moves_from: group.slice_end };
                if group.slice_end > limit.horizon(now_ms) {
                    return ((plan, 0), None);
                }
                (plan, 1)
            }
            None if want.retry_of.is_some() => (Plan::Take { amount: 1 }, 1),
            None => {
                let amount = want.amount.min(MAX_AMOUNT);
                (Plan::Take { amount }, amount)
            }
        };
        let slices = limit.keys.get(&want.key);
        let used = slices.map_or(0, Slices::sum).saturating_add(before);
        let asked = u128::from(plan.1.max(1));
        let max = u128::from(want.max);
        if used.saturating_add(asked) <= max {
            return (plan, None);
        }
        let retry_after_ms = max.checked_sub(asked.saturating_add(before)).and_then(|rest| {
            let end = slices.map_or(Some(0), |slices| slices.end_that_must_leave(rest));
            end.map(|end| end.saturating_add(limit.window_ms).saturating_sub(now_ms))
        });
        let over = Exceeded {
            limit: Arc::clone(&want.limit),
            key: Arc::clone(&want.key),
            used: clamp(used),
            max: want.max,
            retry_after_ms,
        };
        (plan, Some(over))
    }

    fn take(
        &mut self,
        now_ms: u64,
        call: &Arc<str>,
        want: &Want,
        plan: Plan,
        changes: &mut Vec<Change>,
    ) -> Option<Entry> {
        let window_ms = self.limits.get(&want.limit)?.window_ms;
        let mut entry = Entry {
            limit: Arc::clone(&want.limit),
            key: Arc::clone(&want.key),
            amount: want.amount.min(MAX_AMOUNT),
            slice_end: slice_end(now_ms, window_ms),
            retry: None,
            note: Arc::clone(&want.note),
        };
        match (plan, &want.retry_of) {
            (Plan::Nothing, _) => return None,
            (Plan::Take { amount }, None) => {
                self.adjust(now_ms, &entry, (entry.slice_end, amount.cast_signed()), changes);
            }
            (Plan::Take { .. }, Some(of)) => {
                let retry = Retry { of: Arc::clone(of), founder: Arc::clone(call) };
                entry.amount = 1;
                self.groups.found(&entry, &retry, now_ms, changes);
                self.adjust(now_ms, &entry, (entry.slice_end, 1), changes);
                entry.retry = Some(retry);
            }
            (Plan::Share { founder, moves_from }, of) => {
                let retry = Retry { of: of.clone().unwrap_or_default(), founder };
                entry.amount = 1;
                self.groups.join(&entry, &retry, changes);
                if moves_from != entry.slice_end {
                    self.adjust(now_ms, &entry, (moves_from, -1), changes);
                    self.adjust(now_ms, &entry, (entry.slice_end, 1), changes);
                }
                entry.retry = Some(retry);
            }
        }
        Some(entry)
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

impl Limit {
    fn new(max: u64, window_ms: u64) -> Self {
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
    fn add(&mut self, key: &Arc<str>, slice_end: u64, delta: i64) -> i64 {
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

fn clamp(amount: u128) -> u64 {
    u64::try_from(amount).unwrap_or(u64::MAX)
}
