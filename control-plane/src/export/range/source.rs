//! Where the records come from.

use crate::storage::{Log, LogKey, LogReader, Logged};
use anyhow::Context;
use portcullis_audit::dsse::{Envelope, IN_TOTO};
use portcullis_audit::log::{Checkpoint, Frontier, Hash, SignedNote, complete_root, complete_subtrees};
use std::sync::Arc;

/// How much one page of records weighs, in bytes.
const PAGE_BYTES: usize = 8 * 1024 * 1024;

/// A checkpoint that an export leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Anchor {
    /// Its size, root and origin.
    pub checkpoint: Checkpoint,
    /// The signed note.
    pub note: String,
}

impl Anchor {
    /// Reads a note. Whose signature it carries is for `audit verify` to check.
    ///
    /// # Errors
    /// When it is no checkpoint.
    pub fn parse(note: String) -> anyhow::Result<Self> {
        let checkpoint = SignedNote::parse(&note).and_then(|note| Checkpoint::parse(&note.text));
        Ok(Anchor { checkpoint: checkpoint.context("the log has no checkpoint that can be read")?, note })
    }
}

/// Signs a statement.
pub type Signer = Box<dyn Fn(&[u8]) -> Envelope>;

/// A log to export from.
///
/// # Errors
/// All methods: when the log cannot be read, for people.
pub trait Source: Send {
    /// The newest checkpoint.
    fn anchor(&mut self) -> anyhow::Result<Anchor>;

    /// Records from that index on, at most so many, perhaps fewer; none only where the log ends. They are what their entries say.
    fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>>;

    /// Hashes of a level of tiles, see [`Log::log_hashes`]; `size` is that of a checkpoint.
    fn hashes(&mut self, level: u8, first: u64, count: u32, size: u64) -> anyhow::Result<Vec<Hash>>;

    /// The consistency proof between two sizes.
    fn consistency(&mut self, old: u64, new: u64) -> anyhow::Result<Vec<Hash>>;

    /// The inclusion proof of a record in the tree of that size.
    fn inclusion(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Hash>>;

    /// What signs statements about records with the log's key.
    fn signer(&self) -> anyhow::Result<Signer>;
}

/// The tree of the first `at` records of a log of that size.
pub(super) fn frontier(source: &mut dyn Source, at: u64, size: u64) -> anyhow::Result<Frontier> {
    let mut roots = Vec::new();
    for (height, index) in complete_subtrees(at) {
        let (level, count) = (u8::try_from(height / 8)?, 1_u32 << (height % 8));
        let hashes = source.hashes(level, index * u64::from(count), count, size)?;
        let whole = (hashes.len() == count as usize).then(|| complete_root(&hashes)).flatten();
        roots.push(whole.with_context(|| format!("the log has no tree of {at} records"))?);
    }
    Frontier::new(at, roots).context("the log's tree is not whole")
}

/// A log of this process.
#[derive(Debug)]
pub struct LogSource<L: ?Sized> {
    /// The log.
    pub log: Arc<L>,
    /// What waits for it.
    pub runtime: tokio::runtime::Handle,
}

impl<L: Log + Send + Sync + ?Sized> Source for LogSource<L> {
    fn anchor(&mut self) -> anyhow::Result<Anchor> {
        let note = self.log.head().borrow().note.to_string();
        Anchor::parse(note)
    }

    fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>> {
        Ok(self.runtime.block_on(self.log.log_records(from, limit, PAGE_BYTES))?)
    }

    fn hashes(&mut self, level: u8, first: u64, count: u32, _: u64) -> anyhow::Result<Vec<Hash>> {
        Ok(self.runtime.block_on(self.log.log_hashes(level, first, count))?)
    }

    fn consistency(&mut self, old: u64, new: u64) -> anyhow::Result<Vec<Hash>> {
        let proof = self.runtime.block_on(self.log.consistency(old, new))?;
        proof.with_context(|| format!("the log never had {old} or {new} records"))
    }

    fn inclusion(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Hash>> {
        let proof = self.runtime.block_on(self.log.inclusion(index, size))?;
        proof.with_context(|| format!("the log has no record {index} among {size}"))
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        anyhow::bail!("this log signs nothing but its checkpoints")
    }
}

/// The log of a data directory.
#[derive(Debug)]
pub struct StoreSource {
    /// It.
    pub reader: LogReader,
    /// Where the key is that signs it: statements are signed with it.
    pub key: LogKey,
}

impl Source for StoreSource {
    fn anchor(&mut self) -> anyhow::Result<Anchor> {
        Anchor::parse(self.reader.head()?.note.to_string())
    }

    fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>> {
        Ok(self.reader.records(from, limit, PAGE_BYTES)?)
    }

    fn hashes(&mut self, level: u8, first: u64, count: u32, _: u64) -> anyhow::Result<Vec<Hash>> {
        Ok(self.reader.hashes(level, first, count)?)
    }

    fn consistency(&mut self, old: u64, new: u64) -> anyhow::Result<Vec<Hash>> {
        self.reader
            .consistency(old, new)?
            .with_context(|| format!("the log never had {old} or {new} records"))
    }

    fn inclusion(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Hash>> {
        let proof = self.reader.inclusion(index, size)?;
        proof.with_context(|| format!("the log has no record {index} among {size}"))
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        let key = self.reader.signing_key(&self.key)?;
        Ok(Box::new(move |statement| Envelope::sign(IN_TOTO, statement, &key)))
    }
}
