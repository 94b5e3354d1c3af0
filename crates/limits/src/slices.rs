//! One count over time.

use std::collections::VecDeque;

/// Slices of a window.
pub const SLICES: u64 = 60;
/// The most that one slice holds, and one call takes: what a signed 64-bit column holds.
pub const MAX_AMOUNT: u64 = i64::MAX as u64;
/// No slice is shorter: the ledger would remember more and gain nothing.
const MIN_SLICE_MS: u64 = 1_000;

/// Length of the slices of a window, both in milliseconds.
#[must_use]
pub const fn slice_ms(window_ms: u64) -> u64 {
    let slice = window_ms.div_ceil(SLICES);
    if slice < MIN_SLICE_MS { MIN_SLICE_MS } else { slice }
}

/// The end, exclusive, of the slice that a moment is in.
pub(crate) fn slice_end(now_ms: u64, window_ms: u64) -> u64 {
    let length = slice_ms(window_ms);
    (now_ms / length).saturating_add(1).saturating_mul(length)
}

/// Slices that end here or before are out of the window that ends now.
pub(crate) fn horizon(now_ms: u64, window_ms: u64) -> u64 {
    now_ms.saturating_sub(window_ms)
}

/// What was used, by slice. A slice is known by its end alone: everything in it happened before, so that a window of
/// another length can never count less than was used.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Slices {
    /// End and amount, ascending by end. One that became 0 stays until it is out of the window.
    slices: VecDeque<(u64, u64)>,
    sum: u128,
}

impl Slices {
    /// Drops the slices that end here or before.
    pub(crate) fn forget(&mut self, horizon: u64) {
        while let Some((end, amount)) = self.slices.front()
            && *end <= horizon
        {
            self.sum = self.sum.saturating_sub(u128::from(*amount));
            self.slices.pop_front();
        }
    }

    /// Adds to a slice, or takes from it; never below 0, never above [`MAX_AMOUNT`]. Returns what was added.
    pub(crate) fn add(&mut self, end: u64, delta: i64) -> i64 {
        // New use goes to the last slice or one near it.
        let place = self.slices.iter().rposition(|(own, _)| *own <= end);
        let slice = place.and_then(|place| self.slices.get_mut(place)).filter(|(own, _)| *own == end);
        let old = slice.as_ref().map_or(0, |(_, amount)| *amount);
        let new = old.saturating_add_signed(delta).min(MAX_AMOUNT);
        match slice {
            Some(slice) => slice.1 = new,
            None => self.slices.insert(place.map_or(0, |place| place + 1), (end, new)),
        }
        self.sum = self.sum.saturating_sub(u128::from(old)).saturating_add(u128::from(new));
        // Both are at most `i64::MAX`.
        new.cast_signed().wrapping_sub(old.cast_signed())
    }

    /// Everything in it.
    pub(crate) fn sum(&self) -> u128 {
        self.sum
    }

    /// What stands in slices after this moment.
    pub(crate) fn sum_after(&self, horizon: u64) -> u128 {
        self.iter().filter(|(end, _)| *end > horizon).map(|(_, amount)| u128::from(amount)).sum()
    }

    /// End of the last slice that is not 0; 0 when there is none.
    pub(crate) fn last_end(&self) -> u64 {
        self.slices.iter().rev().find(|(_, amount)| *amount > 0).map_or(0, |(end, _)| *end)
    }

    pub(crate) fn len(&self) -> usize {
        self.slices.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (u64, u64)> {
        self.slices.iter().copied()
    }

    /// The end of the slice that must have left before no more than `rest` is in the window.
    pub(crate) fn end_that_must_leave(&self, rest: u128) -> Option<u64> {
        let mut left = self.sum;
        for (end, amount) in self.iter() {
            if left <= rest {
                return None;
            }
            left = left.saturating_sub(u128::from(amount));
            if left <= rest {
                return Some(end);
            }
        }
        None
    }
}
