//! Sets of indexes, as stretches of them.

use serde::{Deserialize, Serialize};

/// Stretches `first .. end`, in order, apart from each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Ranges(Vec<(u64, u64)>);

impl Ranges {
    /// Adds one that is not before those there are.
    pub(super) fn push(&mut self, index: u64) {
        match self.0.last_mut() {
            Some((_, end)) if *end == index => *end = index.saturating_add(1),
            _ => self.0.push((index, index.saturating_add(1))),
        }
    }

    /// Adds stretches in any order.
    pub(super) fn extend(&mut self, ranges: impl IntoIterator<Item = (u64, u64)>) {
        let before = std::mem::take(&mut self.0);
        let mut all: Vec<_> = before.into_iter().chain(ranges).filter(|(first, end)| first < end).collect();
        all.sort_unstable();
        for (first, end) in all {
            match self.0.last_mut() {
                Some((_, last)) if first <= *last => *last = end.max(*last),
                _ => self.0.push((first, end)),
            }
        }
    }

    /// How many indexes.
    pub(super) fn count(&self) -> u64 {
        self.0.iter().map(|(first, end)| end - first).sum()
    }

    /// What of these is in none of the others.
    pub(super) fn without(&self, others: &Ranges) -> Vec<(u64, u64)> {
        let mut left = Vec::new();
        for &(mut first, end) in &self.0 {
            let from = others.0.partition_point(|(_, other_end)| *other_end <= first);
            for &(other_first, other_end) in others.0.iter().skip(from).take_while(|(other, _)| *other < end)
            {
                if first < other_first {
                    left.push((first, other_first));
                }
                first = first.max(other_end);
            }
            if first < end {
                left.push((first, end));
            }
        }
        left
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    fn indexes(ranges: &[(u64, u64)]) -> BTreeSet<u64> {
        ranges.iter().flat_map(|(first, end)| *first..*end).collect()
    }

    proptest! {
        #[test]
        fn they_are_sets(one in prop::collection::btree_set(0_u64..60, 0..40), other in prop::collection::vec((0_u64..60, 0_u64..60), 0..8), more in prop::collection::vec((0_u64..60, 0_u64..60), 0..4)) {
            let mut ranges = Ranges::default();
            one.iter().for_each(|index| ranges.push(*index));
            prop_assert_eq!(indexes(&ranges.0), one.clone());
            let mut others = Ranges::default();
            others.extend(other.iter().copied());
            others.extend(more.iter().copied());
            let expected: BTreeSet<_> = indexes(&other).union(&indexes(&more)).copied().collect();
            prop_assert_eq!(indexes(&others.0), expected.clone());
            prop_assert_eq!(indexes(&ranges.without(&others)), one.difference(&expected).copied().collect::<BTreeSet<_>>());
        }
    }
}
