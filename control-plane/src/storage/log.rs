//! The log of a [`super::Store`]: every record it has committed, in order, as leaves of a signed Merkle tree.

use super::Pending;
use portcullis_audit::log::{Entry, Hash, VerifyingKey};
use std::sync::Arc;
use tokio::sync::watch;

/// The newest checkpoint. It covers every record whose commit was answered before it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// Records in the log.
    pub size: u64,
    /// Its root.
    pub root: Hash,
    /// When it was signed, Unix milliseconds, by the clock of the log.
    pub time_ms: u64,
    /// The signed note.
    pub note: Arc<str>,
}

/// A record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Logged {
    /// Its place, from 0.
    pub index: u64,
    /// What of it is hashed into the tree.
    pub entry: Entry,
    /// Its canonical bytes; `None` when it was pruned.
    pub record: Option<Arc<str>>,
}

/// A checkpoint that is kept, with the cosignatures that came for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    /// Records that it covers.
    pub size: u64,
    /// When it was signed, Unix milliseconds.
    pub time_ms: u64,
    /// The signed note, without cosignatures.
    pub note: Arc<str>,
    /// Signature lines of witnesses, each with its line end.
    pub cosignatures: Vec<String>,
}

/// Reading the log. Everything that is written gets into it by being committed.
pub trait Log {
    /// The log's name, and whose signature its checkpoints carry: the newest key last.
    fn log_keys(&self) -> Vec<VerifyingKey>;

    /// The newest checkpoint.
    fn head(&self) -> watch::Receiver<Arc<Head>>;

    /// Records from that index on, in order: at most `limit`, and no more once they weigh `max_bytes`.
    fn log_records(&self, from: u64, limit: u32, max_bytes: usize) -> Pending<'_, Vec<Logged>>;

    /// Where the records of that id are: of a decision or event one, of a call its decision (if any) and its outcomes.
    fn log_find(&self, id: String) -> Pending<'_, Vec<u64>>;

    /// Hashes `first .. first + count` of a level of tiles (level 0: leaves, level `l`: roots of complete subtrees of 256^l
    /// leaves), as tlog-tiles counts them. Shorter where the log ends.
    fn log_hashes(&self, level: u8, first: u64, count: u32) -> Pending<'_, Vec<Hash>>;

    /// The inclusion proof (RFC 6962 §2.1.1) of a leaf in the tree of that size; `None` where there is no such leaf or tree.
    fn inclusion(&self, index: u64, size: u64) -> Pending<'_, Option<Vec<Hash>>>;

    /// The consistency proof (RFC 6962 §2.1.2) between two sizes; `None` where there is no such tree.
    fn consistency(&self, old: u64, new: u64) -> Pending<'_, Option<Vec<Hash>>>;

    /// Kept checkpoints (one a second while the log grows, and each that was cosigned) of more than `after` records, oldest first.
    fn checkpoints(&self, after: u64, limit: u32) -> Pending<'_, Vec<StoredCheckpoint>>;

    /// The oldest kept checkpoint that covers at least so many records; `None`: only the head does.
    fn checkpoint_from(&self, size: u64) -> Pending<'_, Option<StoredCheckpoint>>;

    /// Keeps a cosignature, and the checkpoint that it is of.
    fn keep_cosignature(&self, head: Arc<Head>, line: String) -> Pending<'_, ()>;

    /// How far the follower of that name has come: records before it are done with. `None`: it is new.
    fn cursor(&self, follower: String) -> Pending<'_, Option<u64>>;

    /// Moves it. Durable when the future is ready; never back, unless it is removed with `None`.
    fn move_cursor(&self, follower: String, to: Option<u64>) -> Pending<'_, ()>;

    /// From now on the key with this seed signs; the checkpoint that covers the record of it is signed by the old one, too.
    /// `actor` asked for it. Gives the public key.
    fn rotate_log_key(&self, seed: [u8; 32], actor: String) -> Pending<'_, VerifyingKey>;

    /// Every follower.
    fn cursors(&self) -> Pending<'_, Vec<(String, u64)>>;
}
