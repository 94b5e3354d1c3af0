//! Attempts of one invocation, counted together.
//!
//! An SDK that is throttled, or hears nothing, sends the same call again, up to ten times. To its user that is one call. So
//! attempts share one count while none of them has succeeded; what comes after a success, after [`RETRY_MS`], or after
//! [`MAX_SHARED_ATTEMPTS`] attempts counts again: that two calls are one invocation is only the caller's word. Of attempts
//! that were under way together each success counts.

use crate::rows::{Change, Entry, GroupRow, Retry};
use std::collections::HashMap;
use std::sync::Arc;

/// Attempts that share a count; one more counts again.
pub const MAX_SHARED_ATTEMPTS: u32 = 10;
/// An attempt that comes so many milliseconds after the first, or later, counts again.
pub const RETRY_MS: u64 = 15 * 60 * 1_000;

/// Limit, key, and the founder or the invocation.
pub(crate) type Name = (Arc<str>, Arc<str>, Arc<str>);

/// What has become of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Unfinished,
    Success,
    Failure,
    /// Nobody knows; a late outcome may still tell.
    Late,
    /// Nobody knows, nor ever will.
    Kept,
}

/// What a change of an attempt's state does to the count: so much in this slice.
pub(crate) type Shift = Option<(u64, i64)>;

#[derive(Debug, Clone, Default)]
pub(crate) struct Groups {
    groups: HashMap<Name, Group>,
    /// The founder of the newest group of an invocation.
    newest: HashMap<Name, Arc<str>>,
}

#[derive(Debug, Clone)]
struct Group {
    row: GroupRow,
    /// The row was handed out to be stored. One lone attempt needs none: its call's row says it all.
    stored: bool,
}

impl GroupRow {
    /// What the group takes from the limit.
    fn count(&self) -> u32 {
        if self.unfinished + self.kept + self.successes == 0 { 0 } else { self.successes.max(1) }
    }

    /// Another attempt would share its count.
    fn is_open(&self, now_ms: u64) -> bool {
        self.successes == 0
            && self.count() > 0
            && self.attempts < MAX_SHARED_ATTEMPTS
            && now_ms < self.started_ms.saturating_add(RETRY_MS)
    }

    /// No outcome can come any more.
    fn is_settled(&self) -> bool {
        self.unfinished + self.late == 0
    }

    fn is_lone(&self) -> bool {
        self.attempts == 1 && !self.is_settled()
    }
}

impl Groups {
    /// The group whose count another attempt of this invocation would share.
    pub(crate) fn open(
        &self,
        limit: &Arc<str>,
        key: &Arc<str>,
        of: &Arc<str>,
        now_ms: u64,
    ) -> Option<&GroupRow> {
        let founder = self.newest.get(&name(limit, key, of))?;
        let group = self.groups.get(&name(limit, key, founder))?;
        Some(&group.row).filter(|row| row.is_open(now_ms))
    }

    /// The first attempt of a new group. A call that founded one before, and is asked about again after its end, begins
    /// anew.
    pub(crate) fn found(&mut self, entry: &Entry, retry: &Retry, now_ms: u64, changes: &mut Vec<Change>) {
        self.remove(&name(&entry.limit, &entry.key, &retry.founder), changes);
        self.insert(
            GroupRow {
                limit: Arc::clone(&entry.limit),
                key: Arc::clone(&entry.key),
                founder: Arc::clone(&retry.founder),
                retry_of: Arc::clone(&retry.of),
                started_ms: now_ms,
                slice_end: entry.slice_end,
                attempts: 1,
                unfinished: 1,
                successes: 0,
                kept: 0,
                late: 0,
            },
            false,
        );
    }

    /// A further attempt; the shared count moves to its slice, so that the call is counted for as long as if it had come
    /// only now.
    pub(crate) fn join(&mut self, entry: &Entry, retry: &Retry, changes: &mut Vec<Change>) {
        if let Some(group) = self.groups.get_mut(&name(&entry.limit, &entry.key, &retry.founder)) {
            group.row.attempts += 1;
            group.row.unfinished += 1;
            group.row.slice_end = entry.slice_end;
            group.stored = true;
            changes.push(Change::Group(group.row.clone()));
        }
    }

    /// An attempt's state changes. `None` for a group that is not known.
    pub(crate) fn change(
        &mut self,
        entry: &Entry,
        retry: &Retry,
        (from, to): (State, State),
        changes: &mut Vec<Change>,
    ) -> Option<Shift> {
        let name = name(&entry.limit, &entry.key, &retry.founder);
        let group = self.groups.get_mut(&name)?;
        let row = &mut group.row;
        let before = row.count();
        match from {
            State::Unfinished => row.unfinished = row.unfinished.saturating_sub(1),
            State::Late => {
                row.late = row.late.saturating_sub(1);
                row.kept = row.kept.saturating_sub(1);
            }
            State::Success | State::Failure | State::Kept => {}
        }
        match to {
            State::Unfinished | State::Failure => {}
            State::Success => row.successes += 1,
            State::Late => {
                row.late += 1;
                row.kept += 1;
            }
            State::Kept => row.kept += 1,
        }
        let after = row.count();
        let shift = match after.cmp(&before) {
            std::cmp::Ordering::Greater => Some((entry.slice_end, 1)),
            std::cmp::Ordering::Less => Some((row.slice_end, -1)),
            std::cmp::Ordering::Equal => None,
        };
        if row.is_settled() && (after == 0 || row.successes > 0) {
            self.remove(&name, changes);
        } else if !row.is_lone() {
            group.stored = true;
            changes.push(Change::Group(group.row.clone()));
        }
        Some(shift)
    }

    /// Forgets what no attempt can join and no outcome can change.
    pub(crate) fn sweep(&mut self, now_ms: u64, changes: &mut Vec<Change>) {
        let done = |group: &&Group| group.row.is_settled() && !group.row.is_open(now_ms);
        let names: Vec<Name> = self
            .groups
            .values()
            .filter(done)
            .map(|group| name(&group.row.limit, &group.row.key, &group.row.founder))
            .collect();
        for name in names {
            self.remove(&name, changes);
        }
    }

    fn remove(&mut self, group: &Name, changes: &mut Vec<Change>) {
        let Some(Group { row, stored }) = self.groups.remove(group) else { return };
        let invocation = name(&row.limit, &row.key, &row.retry_of);
        if self.newest.get(&invocation) == Some(&row.founder) {
            self.newest.remove(&invocation);
        }
        if stored {
            changes.push(Change::GroupGone { limit: row.limit, key: row.key, founder: row.founder });
        }
    }

    fn insert(&mut self, row: GroupRow, stored: bool) {
        let invocation = name(&row.limit, &row.key, &row.retry_of);
        let newer = self
            .newest
            .get(&invocation)
            .and_then(|founder| self.groups.get(&name(&row.limit, &row.key, founder)))
            .is_none_or(|other| {
                // Begun in one millisecond: the other is closed already, or it would have been joined.
                (other.row.started_ms, other.row.successes == 0) <= (row.started_ms, row.successes == 0)
            });
        if newer {
            self.newest.insert(invocation, Arc::clone(&row.founder));
        }
        self.groups.insert(name(&row.limit, &row.key, &row.founder), Group { row, stored });
    }

    /// A stored group.
    pub(crate) fn restore(&mut self, row: GroupRow) {
        self.insert(row, true);
    }

    /// An attempt of a stored call: of a lone one no group was stored.
    pub(crate) fn restore_lone(&mut self, entry: &Entry, retry: &Retry, at_ms: u64, kept: bool) {
        let name = name(&entry.limit, &entry.key, &retry.founder);
        if self.groups.contains_key(&name) {
            return;
        }
        self.found(entry, retry, at_ms, &mut Vec::new());
        if let (true, Some(group)) = (kept, self.groups.get_mut(&name)) {
            (group.row.unfinished, group.row.kept, group.row.late) = (0, 1, 1);
        }
    }

    pub(crate) fn rows(&self) -> impl Iterator<Item = &GroupRow> {
        self.groups.values().map(|group| &group.row)
    }

    /// Rows that must be stored.
    pub(crate) fn stored(&self) -> impl Iterator<Item = &GroupRow> {
        self.rows().filter(|row| !row.is_lone())
    }
}

fn name(limit: &Arc<str>, key: &Arc<str>, third: &Arc<str>) -> Name {
    (Arc::clone(limit), Arc::clone(key), Arc::clone(third))
}
