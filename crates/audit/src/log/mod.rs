//! The log: every record is a leaf of a Merkle tree (RFC 6962), whose head is signed.
//!
//! ```text
//! record ──RFC 8785──▶ canonical bytes ──SHA-256──▶ entry {id, kind, sha256, time_ms} ──▶ leaf ──▶ tree ──▶ checkpoint
//! ```
//! What is hashed into the tree is the [`Entry`], not the record: so that a record may be as long as it has to (an entry
//! bundle of tlog-tiles holds entries up to 64 KiB), and may be pruned when its time is over, while its entry stays and every
//! proof still holds.

mod canonical;
mod checkpoint;
mod cosignature;
mod entry;
mod keys;
mod kind;
mod note;
mod proof;
mod tiles;
mod tree;
pub mod verify;

pub use canonical::{CanonicalError, canonical};
pub use checkpoint::Checkpoint;
pub use cosignature::{WitnessKey, cosign};
pub use entry::{Entry, EntryError};
pub use keys::{SigningKey, VerifyingKey};
pub use kind::RecordKind;
pub use note::{NoteError, NoteSignature, SignedNote};
pub use proof::{
    ProofError, complete_subtrees, consistency_proof, frontier_at, inclusion_proof, root_at,
    verify_consistency, verify_inclusion,
};
pub use tiles::{
    BundleError, EntryTooLong, TILE_HEIGHT, TILE_WIDTH, TilePath, TilePathError, bundle_bytes, complete_root,
    node_from_tiles, parse_bundle, parse_tile, tile_bytes,
};
pub use tree::{Frontier, Hash, empty_root, leaf_hash, node_hash};
