//! Proofs that a leaf is in a tree, and that a tree is an earlier part of another: RFC 6962 §2.1.1 and §2.1.2, verified as
//! RFC 9162 §2.1.3 and §2.1.4 say.
//!
//! Whoever makes a proof gives a reader of nodes: `node(height, index)` is the root of the complete subtree of the `2^height`
//! leaves from `index * 2^height` on. A store that keeps only every eighth height makes the rest with
//! [`super::node_from_tiles`].
//!
//! <https://www.rfc-editor.org/rfc/rfc6962#section-2.1>, <https://www.rfc-editor.org/rfc/rfc9162#section-2.1.3>

use super::tree::{Frontier, Hash, empty_root, node_hash};

/// Why a proof proves nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// There is no such leaf or tree, so nothing could prove it.
    #[error("there is no leaf {index} in a log of {size} records")]
    NoSuchLeaf {
        /// The leaf.
        index: u64,
        /// The size of the tree.
        size: u64,
    },
    /// The older tree is larger than the newer one.
    #[error("a log of {old} records is no earlier part of one of {new}")]
    NotEarlier {
        /// Size of the older tree.
        old: u64,
        /// Size of the newer one.
        new: u64,
    },
    /// A proof between those sizes has another length.
    #[error("the proof has {found} hashes where it needs {needed}")]
    Length {
        /// Hashes that it has.
        found: usize,
        /// Hashes that it needs.
        needed: usize,
    },
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
    /// It leads to another root of the older tree.
    #[error("the proof leads to another root of the older log")]
    OldRoot,
}

/// The complete subtrees of which a tree of that size consists, as (height, index at that height), the largest first.
#[must_use]
pub fn complete_subtrees(size: u64) -> Vec<(u32, u64)> {
    let heights = (0..u64::BITS).rev().filter(|height| size >> height & 1 == 1);
    // The bits of the size above a subtree are the leaves before it.
    heights.map(|height| (height, (size >> height) - 1)).collect()
}

/// The frontier of the tree of that size, to go on from there.
///
/// # Errors
/// Those of the reader.
pub fn frontier_at<E>(size: u64, mut node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Frontier, E> {
    let roots = complete_subtrees(size).into_iter().map(|(height, index)| node(height, index));
    Ok(Frontier::new(size, roots.collect::<Result<_, E>>()?).unwrap_or_default())
}

/// The root of the tree of that size.
///
/// # Errors
/// Those of the reader.
pub fn root_at<E>(size: u64, node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    Ok(frontier_at(size, node)?.root())
}

/// The proof that leaf `index` is in the tree of that size: `PATH(index, D[size])`, the sibling of the leaf first. `None` where there is no
/// such leaf.
///
/// # Errors
/// Those of the reader.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if index >= size {
        return Ok(None);
    }
    let siblings = path(index, 0, size);
    siblings.into_iter().map(|range| range_root(range, &mut node)).collect::<Result<_, E>>().map(Some)
}

/// The proof that the tree of `old` leaves is the beginning of that of `new`: `PROOF(old, D[new])`. Empty where either is
/// the other's equal or the older is empty. `None` where `old` is larger.
///
/// # Errors
/// Those of the reader.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Option<Vec<Hash>>, E> {
    if old > new {
        return Ok(None);
    }
    let ranges = consistency_ranges(old, new);
    ranges.into_iter().map(|range| range_root(range, &mut node)).collect::<Result<_, E>>().map(Some)
}

/// Checks that a leaf of that hash is at `index` in the tree of that size and root.
///
/// # Errors
/// [`ProofError`].
pub fn verify_inclusion(
    leaf: &Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::NoSuchLeaf { index, size });
    }
    let needed = path(index, 0, size).len();
    if proof.len() != needed {
        return Err(ProofError::Length { found: proof.len(), needed });
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for sibling in proof {
        if at & 1 == 1 || at == last {
            hash = node_hash(sibling, &hash);
            // The right edge has no siblings where it is a complete subtree's own root.
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, sibling);
        }
        at >>= 1;
        last >>= 1;
    }
    if hash == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// Checks that the tree of `old` leaves with its root is the beginning of that of `new` leaves with its root.
///
/// # Errors
/// [`ProofError`].
pub fn verify_consistency(
    old: u64,
    new: u64,
    proof: &[Hash],
    old_root: &Hash,
    new_root: &Hash,
) -> Result<(), ProofError> {
    if old > new {
        return Err(ProofError::NotEarlier { old, new });
    }
    let needed = consistency_ranges(old, new).len();
    if proof.len() != needed {
        return Err(ProofError::Length { found: proof.len(), needed });
    }
    if old == 0 {
        return if *old_root == empty_root() { Ok(()) } else { Err(ProofError::OldRoot) };
    }
    if old == new {
        return if old_root == new_root { Ok(()) } else { Err(ProofError::OldRoot) };
    }
    // The older root is a node of the newer tree where its size is a power of two: then it is not in the proof.
    let mut hashes = old.is_power_of_two().then_some(old_root).into_iter().chain(proof);
    let Some(first) = hashes.next() else { return Err(ProofError::Length { found: 0, needed: 1 }) };
    let shift = (old - 1).trailing_ones();
    let (mut at, mut last) =
        ((old - 1).checked_shr(shift).unwrap_or(0), (new - 1).checked_shr(shift).unwrap_or(0));
    let (mut older, mut newer) = (*first, *first);
    for hash in hashes {
        if at & 1 == 1 || at == last {
            older = node_hash(hash, &older);
            newer = node_hash(hash, &newer);
            while at & 1 == 0 && at != 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            newer = node_hash(&newer, hash);
        }
        at >>= 1;
        last >>= 1;
    }
    match (older == *old_root, newer == *new_root) {
        (false, _) => Err(ProofError::OldRoot),
        (true, false) => Err(ProofError::Root),
        (true, true) => Ok(()),
    }
}

/// Leaves `begin .. end`, a subtree as RFC 6962 divides them.
type Range = (u64, u64);

/// The largest power of two smaller than `length`, which is more than 1.
fn split(length: u64) -> u64 {
    1 << (length - 1).ilog2()
}

/// The siblings on the way from leaf `index` up to the root of `begin .. end`, the lowest first.
fn path(index: u64, mut begin: u64, mut end: u64) -> Vec<Range> {
    let mut siblings = Vec::new();
    while end - begin > 1 {
        let middle = begin + split(end - begin);
        if index < middle {
            siblings.push((middle, end));
            end = middle;
        } else {
            siblings.push((begin, middle));
            begin = middle;
        }
    }
    siblings.reverse();
    siblings
}

/// `SUBPROOF(old, D[new], true)` as ranges.
fn consistency_ranges(old: u64, new: u64) -> Vec<Range> {
    if old == 0 || old == new {
        return Vec::new();
    }
    let (mut begin, mut end) = (0, new);
    let mut ranges = Vec::new();
    // Down to the subtree that ends where the older tree ends.
    while end != old {
        let middle = begin + split(end - begin);
        if old <= middle {
            ranges.push((middle, end));
            end = middle;
        } else {
            ranges.push((begin, middle));
            begin = middle;
        }
    }
    // Where that is the whole older tree, whoever verifies knows its root.
    if begin != 0 {
        ranges.push((begin, end));
    }
    ranges.reverse();
    ranges
}

/// The root of a range as RFC 6962 divides them: of its complete subtrees.
fn range_root<E>((begin, end): Range, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let subtrees = complete_subtrees(end - begin).into_iter();
    // `begin` is a multiple of the range's length rounded up to a power of two.
    let roots = subtrees.map(|(height, index)| node(height, (begin >> height) + index));
    let roots = roots.collect::<Result<Vec<_>, E>>()?;
    Ok(Frontier::new(end - begin, roots).unwrap_or_default().root())
}

#[cfg(test)]
mod tests;
