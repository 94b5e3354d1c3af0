//! A tile whose stored root is not that of its leaves: which of its records were changed, as far as can be told.

use super::super::tiles::complete_root;
use super::super::tree::Hash;
use super::digest::Digest;
use super::finding::{Code, Finding};
use std::collections::HashMap;

/// So many places of a tile are tried where records may have been exchanged.
const MAX_PLACES: usize = 16;

/// A tile whose stored root is not that of its leaves.
#[derive(Debug)]
pub(super) struct Tile {
    pub(super) first: u64,
    pub(super) end: u64,
    pub(super) node: Hash,
    /// The root of the stored leaves.
    pub(super) stored: Option<Hash>,
    pub(super) leaves: Vec<Option<Hash>>,
    /// Something is wrong with one of its leaves already.
    pub(super) explained: bool,
    /// Places beside which time goes back: where records were exchanged, these are among them.
    pub(super) back: Vec<usize>,
}

/// Places beside which time goes back.
pub(super) fn back(places: &[Option<&Digest>]) -> Vec<usize> {
    let mut found = Vec::new();
    for (at, pair) in places.windows(2).enumerate() {
        if let [Some(one), Some(other)] = pair
            && one.time_ms > other.time_ms
        {
            found.extend([at, at + 1]);
        }
    }
    found.dedup();
    found
}

/// The leaves of a tile were changed and the stored hashes with them; its root was not. `early`: one of these records is among
/// them.
pub(super) fn search(tile: &Tile, early: Option<(u64, u64)>, found: &mut Vec<Finding>) {
    let Tile { first, end, node, leaves, back, .. } = tile;
    let mut seen: HashMap<Hash, u64> = HashMap::new();
    for (leaf, index) in leaves.iter().flatten().zip(*first..) {
        if let Some(other) = seen.insert(*leaf, index) {
            // Which of the two is the copy: the one where the tree begins to differ, if that is known.
            let here = |index: &u64| early.is_some_and(|(from, end)| (from..end).contains(index));
            let pair = [(index, other), (other, index)];
            let known = here(&index) != here(&other);
            for (index, other) in pair.into_iter().filter(|(index, _)| !known || here(index)) {
                let why = format!("it is record {other} once more");
                found.push(Finding::at(Code::DuplicateRecord, index, "", why));
            }
            return;
        }
    }
    let leaves: Option<Vec<Hash>> = leaves.iter().copied().collect();
    if let Some((one, other)) = leaves.and_then(|leaves| exchanged(&leaves, back, *node)) {
        let (one, other) = (first + one as u64, first + other as u64);
        for (index, place) in [(one, other), (other, one)] {
            let why = format!("the record is the one that belongs at {place}");
            found.push(Finding::at(Code::ReorderedRecord, index, "", why));
        }
        return;
    }
    if let Some((first, end)) = early {
        let why = "the first of the changed records of this tile is one of these; their hashes were changed with them";
        found.push(Finding::between(Code::ChangedRecord, first, end, why));
    }
    let why = "one or more of these records are not what the tree holds; their hashes were changed with them";
    found.push(Finding::between(Code::ChangedRecord, *first, *end, why));
}

/// The two of these leaves that must be exchanged so that the root is that one.
fn exchanged(leaves: &[Hash], places: &[usize], root: Hash) -> Option<(usize, usize)> {
    let places = places.get(..places.len().min(MAX_PLACES))?;
    let mut pairs = places.iter().flat_map(|one| places.iter().map(move |other| (*one, *other)));
    pairs.find(|(one, other)| {
        let mut changed = leaves.to_vec();
        if one < other {
            changed.swap(*one, *other);
        }
        one < other && complete_root(&changed) == Some(root)
    })
}
