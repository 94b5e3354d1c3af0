//! Reserving.

use crate::ledger::{Ledger, Limit, MAX_KEYS, clamp};
use crate::rows::{Change, Entry, OpenRow, Retry};
use crate::slices::{MAX_AMOUNT, Slices, slice_end};
use crate::want::{Exceeded, Refusal, Reservation, Want};
use std::sync::Arc;

/// Slices that are forgotten with each reservation, which begins at most one: nothing piles up.
const FORGET_AT_ONCE: usize = 2;
/// The same when there is no room for a key.
const FORGET_WHEN_FULL: usize = 100;

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
}
