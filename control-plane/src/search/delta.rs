//! What is indexed and not in the file yet.

use super::facet::{Facet, Key};
use super::pack::{chunk_of, hash, key_entry, key_row, offset_of, posting_row};
use super::words::NewWord;
use crate::storage::Seq;
use portcullis_audit::OutcomeState;
use roaring::RoaringBitmap;
use std::collections::{BTreeSet, HashMap};

/// How a row of postings changes: first what goes, then what comes. Nothing is in both, so that it may be done twice.
#[derive(Debug, Default)]
pub(super) struct Change {
    pub(super) gone: RoaringBitmap,
    pub(super) come: RoaringBitmap,
}

impl Change {
    /// The row after the change.
    pub(super) fn apply(&self, row: &mut RoaringBitmap) {
        *row -= &self.gone;
        *row |= &self.come;
    }
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Delta {
    /// By row.
    pub(super) postings: HashMap<i64, Change>,
    /// Further keys, by row; unsorted.
    pub(super) keys: HashMap<i64, Vec<u64>>,
    /// Further decisions: index and key, in order.
    pub(super) places: Vec<(u64, Seq)>,
    /// Further values.
    pub(super) words: Vec<NewWord>,
    /// Chunks in which something changes.
    pub(super) chunks: BTreeSet<u32>,
    /// Records that it comes from.
    pub(super) records: u64,
}

impl Delta {
    /// The decision has that value.
    pub(super) fn put(&mut self, facet: Facet, index: u64, value: u32) {
        let chunk = chunk_of(index);
        self.chunks.insert(chunk);
        let change = self.postings.entry(posting_row(facet, chunk, value)).or_default();
        change.come.insert(offset_of(index));
    }

    /// The decision has that state, and none of the others. `numbers` are those of all states.
    pub(super) fn put_state(&mut self, index: u64, state: OutcomeState, numbers: &[(OutcomeState, u32)]) {
        let (chunk, offset) = (chunk_of(index), offset_of(index));
        self.chunks.insert(chunk);
        for (other, number) in numbers {
            let change = self.postings.entry(posting_row(Facet::Outcome, chunk, *number)).or_default();
            if *other == state {
                change.gone.remove(offset);
                change.come.insert(offset);
            } else {
                change.come.remove(offset);
                change.gone.insert(offset);
            }
        }
    }

    /// The decision has that key.
    pub(super) fn put_key(&mut self, key: Key, index: u64, value: &str) {
        let (chunk, hash) = (chunk_of(index), hash(key, value));
        self.chunks.insert(chunk);
        self.keys.entry(key_row(chunk, hash)).or_default().push(key_entry(hash, offset_of(index)));
    }

    /// The index of the decision of that key, if it is among these.
    pub(super) fn index_of(&self, seq: Seq) -> Option<u64> {
        let at = self.places.binary_search_by_key(&seq, |(_, seq)| *seq).ok()?;
        self.places.get(at).map(|(index, _)| *index)
    }

    /// Those of the decisions that are in that stretch.
    pub(super) fn places_in(&self, first: u64, end: u64) -> &[(u64, Seq)] {
        let from = self.places.partition_point(|(index, _)| *index < first);
        let to = self.places.partition_point(|(index, _)| *index < end);
        self.places.get(from..to).unwrap_or_default()
    }
}
