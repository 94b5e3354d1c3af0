//! Decision ids: UUIDv7 whose first 60 payload bits are also the row's key.
//!
//! RFC 9562 §6.2 method 1: `unix_ts_ms` (48 bits) and a 12-bit counter in `rand_a`; `rand_b` is random. The pair
//! (time, counter) is [`Seq`], the integer primary key. So ids and times need no index of their own, rows are appended
//! at the right edge of the tree, and "newest first" is the order of the key.

use uuid::{Builder, Uuid};

/// `unix_ms << 12 | counter`: grows with every decision. Commit order, time order and key order are one.
pub type Seq = i64;

const COUNTER_BITS: u32 = 12;
const UPPER_HALF: Seq = 1 << (COUNTER_BITS - 1);
/// Largest time that fits in 48 bits.
const MAX_MS: u64 = (1 << 48) - 1;

/// Hands out [`Seq`]s, each greater than all before, also when the clock stands still, jumps back, or more than
/// 4,096 are asked for in a millisecond (then time runs ahead, as the RFC allows).
#[derive(Debug, Clone, Copy)]
pub struct Sequence {
    last: Seq,
}

impl Sequence {
    /// Continues after `last`, the greatest in the store.
    #[must_use]
    pub const fn after(last: Seq) -> Self {
        Sequence { last }
    }

    /// The next one, at `now_ms`.
    pub fn next(&mut self, now_ms: u64) -> Seq {
        self.last = first_of(now_ms).max(self.last.saturating_add(1));
        self.last
    }
}

/// Hands out ids for decisions that come into a store later. They are in the upper half of the counters of their millisecond,
/// which a store does not reach: no other decision has the same [`Seq`].
#[derive(Debug, Default)]
pub struct SpillIds {
    last: Seq,
}

impl SpillIds {
    /// The next one, with its [`Seq`]; `None` when the system gives no randomness.
    pub fn next(&mut self, now_ms: u64) -> Option<(Seq, String)> {
        let mut random = [0; 8];
        getrandom::fill(&mut random).ok()?;
        self.last = first_of(now_ms).max(self.last.saturating_add(1)) | UPPER_HALF;
        Some((self.last, decision_id(self.last, random).to_string()))
    }

    /// The time of a [`Seq`], Unix milliseconds.
    #[must_use]
    pub fn time_of(seq: Seq) -> u64 {
        time_of(seq)
    }
}

/// The smallest [`Seq`] at or after a time.
#[must_use]
pub(crate) fn first_of(unix_ms: u64) -> Seq {
    Seq::try_from(unix_ms.min(MAX_MS) << COUNTER_BITS).unwrap_or(Seq::MAX)
}

/// The time of a [`Seq`], Unix milliseconds.
#[must_use]
pub(crate) fn time_of(seq: Seq) -> u64 {
    u64::try_from(seq).unwrap_or(0) >> COUNTER_BITS
}

/// The decision id of a [`Seq`], with eight random bytes.
#[must_use]
pub(crate) fn decision_id(seq: Seq, random: [u8; 8]) -> Uuid {
    let counter = (u64::try_from(seq).unwrap_or(0) & 0xfff) as u16;
    let [high, low] = counter.to_be_bytes();
    let [a, b, c, d, e, f, g, h] = random;
    Builder::from_unix_timestamp_millis(time_of(seq), &[high, low, a, b, c, d, e, f, g, h]).into_uuid()
}

/// The [`Seq`] in a decision id; `None` for a string that is not a UUIDv7.
#[must_use]
pub(crate) fn seq_of(decision_id: &str) -> Option<Seq> {
    let id = Uuid::try_parse(decision_id).ok().filter(|id| id.get_version_num() == 7)?;
    let (high, _) = id.as_u64_pair();
    Seq::try_from((high >> 16) << COUNTER_BITS | (high & 0xfff)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_seq_is_read_back_from_its_id(ms in 0..MAX_MS, counter in 0i64..4096, random: [u8; 8]) {
            let seq = first_of(ms) | counter;
            let id = decision_id(seq, random);
            prop_assert_eq!(id.get_version_num(), 7);
            prop_assert_eq!(seq_of(&id.to_string()), Some(seq));
            prop_assert_eq!(time_of(seq), ms);
        }

        #[test]
        fn sequences_grow_whatever_the_clock_does(times in proptest::collection::vec(0u64..5, 1..50)) {
            let mut sequence = Sequence::after(0);
            let mut last = 0;
            for time in times {
                let next = sequence.next(time);
                prop_assert!(next > last, "{next} after {last}");
                last = next;
            }
        }
    }

    #[test]
    fn ids_of_spilled_decisions_grow_and_are_no_store_s() {
        let (mut spill, mut store) = (SpillIds::default(), Sequence::after(0));
        let stored: Vec<Seq> = (0..2_000).map(|at| store.next(at / 1_000)).collect();
        let mut last = 0;
        for at in 0..10_000 {
            let (seq, id) = spill.next(at / 5_000).unwrap();
            assert!(seq > last && !stored.contains(&seq), "{seq} after {last}");
            assert_eq!(seq_of(&id), Some(seq));
            last = seq;
        }
    }

    #[test]
    fn other_uuids_are_nobodys() {
        for text in ["", "x", "6f9619ff-8b86-4d01-b42d-00cf4fc964ff"] {
            assert_eq!(seq_of(text), None, "{text:?}");
        }
    }
}
