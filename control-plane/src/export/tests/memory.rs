//! A log in memory.

use crate::storage::{Head, Log, Logged, Pending, StoreError, StoredCheckpoint};
use portcullis_audit::log::{
    Checkpoint, Entry, Frontier, Hash, RecordKind, SignedNote, SigningKey, VerifyingKey, complete_root,
    consistency_proof, inclusion_proof,
};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// See the module's description.
#[derive(Debug)]
pub(crate) struct MemoryLog {
    records: Mutex<Vec<Logged>>,
    leaves: Mutex<Vec<Hash>>,
    frontier: Mutex<Frontier>,
    head: watch::Sender<Arc<Head>>,
    cursors: Mutex<BTreeMap<String, u64>>,
    key: SigningKey,
    /// Every question fails.
    pub(crate) broken: AtomicBool,
}

impl MemoryLog {
    pub(crate) fn new() -> Arc<Self> {
        let key = SigningKey::new("example.com/log", &[7; 32]).unwrap();
        let frontier = Frontier::default();
        let head = watch::channel(head(&key, &frontier, 0)).0;
        Arc::new(MemoryLog {
            records: Mutex::default(),
            leaves: Mutex::default(),
            frontier: Mutex::new(frontier),
            head,
            cursors: Mutex::default(),
            key,
            broken: AtomicBool::new(false),
        })
    }

    /// Appends so many records, a second apart; every fourth is an outcome.
    pub(crate) fn append(&self, count: u64) {
        let mut frontier = self.frontier.lock().unwrap();
        let mut records = self.records.lock().unwrap();
        for _ in 0..count {
            let index = records.len() as u64;
            let kind = if index % 4 == 3 { RecordKind::Outcome } else { RecordKind::Decision };
            let (id, time_ms) = (format!("id-{index}"), 1_763_758_800_000 + index * 1_000);
            let member = kind.id_member();
            let record = format!("{{\"{member}\":\"{id}\",\"n\":{index},\"schema\":1}}");
            let entry = Entry::new(id, kind, time_ms, record.as_bytes());
            frontier.push(entry.leaf(), |_, _, _| {});
            self.leaves.lock().unwrap().push(entry.leaf());
            records.push(Logged { index, entry, record: Some(record.into()) });
        }
        let time_ms = records.last().map_or(0, |record| record.entry.time_ms);
        drop(records);
        self.head.send_replace(head(&self.key, &frontier, time_ms));
    }

    /// Appends records as they are, with times a second apart.
    pub(crate) fn append_records(&self, made: impl IntoIterator<Item = (RecordKind, String, String)>) {
        let mut frontier = self.frontier.lock().unwrap();
        let mut records = self.records.lock().unwrap();
        for (kind, id, record) in made {
            let index = records.len() as u64;
            let time_ms = 1_763_758_800_000 + index * 1_000;
            let entry = Entry::new(id, kind, time_ms, record.as_bytes());
            frontier.push(entry.leaf(), |_, _, _| {});
            self.leaves.lock().unwrap().push(entry.leaf());
            records.push(Logged { index, entry, record: Some(record.into()) });
        }
        let time_ms = records.last().map_or(0, |record| record.entry.time_ms);
        drop(records);
        self.head.send_replace(head(&self.key, &frontier, time_ms));
    }

    /// Forgets the bytes of a record.
    pub(crate) fn prune(&self, index: usize) {
        self.records.lock().unwrap()[index].record = None;
    }

    /// Replaces a record by another, as somebody would who can write to the store.
    pub(crate) fn tamper(&self, index: usize) {
        let mut records = self.records.lock().unwrap();
        let entry = &mut records[index].entry;
        entry.time_ms += 1;
    }

    pub(crate) fn all(&self) -> Vec<Logged> {
        self.records.lock().unwrap().clone()
    }

    fn leaves(&self) -> Vec<Hash> {
        self.leaves.lock().unwrap().clone()
    }

    fn ready<'a, T: Send + 'a>(&self, value: T) -> Pending<'a, T> {
        let broken = self.broken.load(Ordering::SeqCst);
        let result =
            if broken { Err(StoreError::Unavailable("the disk is full".to_owned())) } else { Ok(value) };
        Box::pin(std::future::ready(result))
    }
}

fn head(key: &SigningKey, frontier: &Frontier, time_ms: u64) -> Arc<Head> {
    let (size, root) = (frontier.size(), frontier.root());
    let text = Checkpoint { origin: key.name().to_owned(), size, root }.to_text();
    Arc::new(Head { size, root, time_ms, note: SignedNote::sign(text, key).to_text().into() })
}

fn node(leaves: &[Hash], height: u32, index: u64) -> Hash {
    let width = 1_usize << height;
    let start = usize::try_from(index).unwrap() * width;
    complete_root(&leaves[start..start + width]).unwrap()
}

impl Log for MemoryLog {
    fn log_keys(&self) -> Vec<VerifyingKey> {
        vec![self.key.verifying_key()]
    }

    fn head(&self) -> watch::Receiver<Arc<Head>> {
        self.head.subscribe()
    }

    fn log_records(&self, from: u64, limit: u32, max_bytes: usize) -> Pending<'_, Vec<Logged>> {
        let mut bytes = 0;
        let records = self.records.lock().unwrap();
        let page =
            records.iter().skip(usize::try_from(from).unwrap()).take(limit as usize).take_while(|record| {
                let fits = bytes < max_bytes;
                bytes += record.record.as_ref().map_or(0, |record| record.len());
                fits
            });
        let page = page.cloned().collect();
        self.ready(page)
    }

    fn log_find(&self, id: String) -> Pending<'_, Vec<u64>> {
        let records = self.records.lock().unwrap();
        let found =
            records.iter().filter(|record| record.entry.id == id).map(|record| record.index).collect();
        self.ready(found)
    }

    fn log_hashes(&self, level: u8, first: u64, count: u32) -> Pending<'_, Vec<Hash>> {
        let leaves = self.leaves();
        let width = 1_u64 << (8 * u32::from(level));
        let complete = leaves.len() as u64 / width;
        let last = complete.min(first + u64::from(count));
        self.ready((first..last).map(|index| node(&leaves, 8 * u32::from(level), index)).collect())
    }

    fn inclusion(&self, index: u64, size: u64) -> Pending<'_, Option<Vec<Hash>>> {
        let leaves = self.leaves();
        let read = |height, index| Ok::<_, StoreError>(node(&leaves, height, index));
        self.ready(inclusion_proof(index, size, read).unwrap())
    }

    fn consistency(&self, old: u64, new: u64) -> Pending<'_, Option<Vec<Hash>>> {
        let leaves = self.leaves();
        let read = |height, index| Ok::<_, StoreError>(node(&leaves, height, index));
        self.ready(consistency_proof(old, new, read).unwrap())
    }

    fn checkpoints(&self, _after: u64, _limit: u32) -> Pending<'_, Vec<StoredCheckpoint>> {
        self.ready(Vec::new())
    }

    fn checkpoint_from(&self, _size: u64) -> Pending<'_, Option<StoredCheckpoint>> {
        self.ready(None)
    }

    fn keep_cosignature(&self, _head: Arc<Head>, _line: String) -> Pending<'_, ()> {
        self.ready(())
    }

    fn cursor(&self, follower: String) -> Pending<'_, Option<u64>> {
        let found = self.cursors.lock().unwrap().get(&follower).copied();
        self.ready(found)
    }

    fn rotate_log_key(&self, _seed: [u8; 32], _actor: String) -> Pending<'_, VerifyingKey> {
        self.ready(self.key.verifying_key())
    }

    fn move_cursor(&self, follower: String, to: Option<u64>) -> Pending<'_, ()> {
        if !self.broken.load(Ordering::SeqCst) {
            let mut cursors = self.cursors.lock().unwrap();
            match to {
                Some(to) => {
                    let at = cursors.entry(follower).or_insert(to);
                    *at = to.max(*at);
                }
                None => drop(cursors.remove(&follower)),
            }
        }
        self.ready(())
    }

    fn cursors(&self) -> Pending<'_, Vec<(String, u64)>> {
        let all = self.cursors.lock().unwrap().clone().into_iter().collect();
        self.ready(all)
    }
}
