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
mod entry;
mod kind;
mod tree;

pub use canonical::{CanonicalError, canonical};
pub use checkpoint::{Checkpoint, NoteError, SignedNote, SigningKey, VerifyingKey};
pub use entry::{Entry, EntryError};
pub use kind::RecordKind;
pub use tree::{Frontier, Hash, empty_root, leaf_hash, node_hash};
