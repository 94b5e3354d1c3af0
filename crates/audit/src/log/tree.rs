//! The Merkle tree of RFC 6962 §2.1 (as RFC 9162 §2.1 repeats it).

use sha2::{Digest, Sha256};

/// A node of the tree: SHA-256.
pub type Hash = [u8; 32];

/// The root of the tree without leaves: SHA-256 of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The hash of a leaf: `SHA-256(0x00 || data)`.
#[must_use]
pub fn leaf_hash(data: &[u8]) -> Hash {
    Sha256::new().chain_update([0]).chain_update(data).finalize().into()
}

/// The hash of an inner node: `SHA-256(0x01 || left || right)`.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Sha256::new().chain_update([1]).chain_update(left).chain_update(right).finalize().into()
}

/// What must be known of a tree to add leaves to it: the roots of its complete subtrees, the largest first, one per bit of its
/// size.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// A tree of that size with these roots; `None` where the number of roots is not that of the bits of the size.
    #[must_use]
    pub fn new(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Frontier { size, roots })
    }

    /// How many leaves there are.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The roots of its complete subtrees, the largest first.
    #[must_use]
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds a leaf. `made` hears of every inner node that becomes complete by it, as (height, index at that height, hash):
    /// the leaf itself is height 0 and told as well.
    pub fn push(&mut self, leaf: Hash, made: impl FnMut(u32, u64, &Hash)) {
        self.push_subtree(0, leaf, made);
    }

    /// Adds a complete subtree of `2^height` leaves by its root; `made` hears of it and of the nodes above that become complete.
    /// `false`, and nothing was added, where the tree does not end at a multiple of its leaves.
    pub fn push_subtree(&mut self, height: u32, root: Hash, mut made: impl FnMut(u32, u64, &Hash)) -> bool {
        let Some(leaves) = 1_u64.checked_shl(height).filter(|leaves| self.size.is_multiple_of(*leaves))
        else {
            return false;
        };
        let Some(size) = self.size.checked_add(leaves) else { return false };
        let (mut node, mut height, mut index) = (root, height, self.size >> height);
        made(height, index, &node);
        while index & 1 == 1 {
            let Some(left) = self.roots.pop() else { break };
            node = node_hash(&left, &node);
            height += 1;
            index >>= 1;
            made(height, index, &node);
        }
        self.roots.push(node);
        self.size = size;
        true
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        let Some(last) = roots.next() else { return empty_root() };
        roots.fold(*last, |right, left| node_hash(left, &right))
    }
}
