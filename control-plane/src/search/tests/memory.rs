//! A log in memory.

use crate::storage::{Head, Log, Logged, Pending, StoreError, StoredCheckpoint};
use portcullis_audit::log::{Entry, Hash, RecordKind, VerifyingKey, canonical, empty_root};
use portcullis_audit::{DecisionRecord, OutcomeRecord};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use tokio::sync::watch;

/// See the module's description.
#[derive(Debug)]
pub(in crate::search) struct MemoryLog {
    records: Mutex<Vec<Logged>>,
    head: watch::Sender<Arc<Head>>,
    origin: String,
    pub(in crate::search) down: AtomicBool,
}

impl MemoryLog {
    pub(in crate::search) fn new(origin: &str) -> Self {
        let head = Head { size: 0, root: empty_root(), time_ms: 0, note: format!("{origin}\n0\n").into() };
        MemoryLog {
            records: Mutex::default(),
            head: watch::channel(Arc::new(head)).0,
            origin: origin.to_owned(),
            down: AtomicBool::new(false),
        }
    }

    fn push(&self, kind: RecordKind, id: &str, record: String) {
        let mut records = self.records.lock().unwrap();
        let index = records.len() as u64;
        let entry = Entry::new(id, kind, index, record.as_bytes());
        records.push(Logged { index, entry, record: Some(record.into()) });
        let note = format!("{}\n{}\n", self.origin, index + 1).into();
        self.head.send_replace(Arc::new(Head { size: index + 1, root: empty_root(), time_ms: index, note }));
    }

    pub(in crate::search) fn decision(&self, record: &DecisionRecord) {
        self.push(RecordKind::Decision, &record.decision_id, canonical(record).unwrap());
    }

    pub(in crate::search) fn outcome(&self, record: &OutcomeRecord) {
        self.push(RecordKind::Outcome, &record.call_id, canonical(record).unwrap());
    }
}

fn none<'a, T: Send + 'a>() -> Pending<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Closed)))
}

impl Log for MemoryLog {
    fn log_keys(&self) -> Vec<VerifyingKey> {
        Vec::new()
    }

    fn rotate_log_key(&self, _: [u8; 32], _: String) -> Pending<'_, VerifyingKey> {
        none()
    }

    fn head(&self) -> watch::Receiver<Arc<Head>> {
        self.head.subscribe()
    }

    fn log_records(&self, from: u64, limit: u32, _: usize) -> Pending<'_, Vec<Logged>> {
        if self.down.load(Ordering::SeqCst) {
            return none();
        }
        let records = self.records.lock().unwrap();
        let part =
            records.iter().skip(usize::try_from(from).unwrap()).take(limit as usize).cloned().collect();
        Box::pin(std::future::ready(Ok(part)))
    }

    fn log_find(&self, _: String) -> Pending<'_, Vec<u64>> {
        none()
    }

    fn log_hashes(&self, _: u8, _: u64, _: u32) -> Pending<'_, Vec<Hash>> {
        none()
    }

    fn inclusion(&self, _: u64, _: u64) -> Pending<'_, Option<Vec<Hash>>> {
        none()
    }

    fn consistency(&self, _: u64, _: u64) -> Pending<'_, Option<Vec<Hash>>> {
        none()
    }

    fn checkpoints(&self, _: u64, _: u32) -> Pending<'_, Vec<StoredCheckpoint>> {
        none()
    }

    fn checkpoint_from(&self, _: u64) -> Pending<'_, Option<StoredCheckpoint>> {
        none()
    }

    fn keep_cosignature(&self, _: Arc<Head>, _: String) -> Pending<'_, ()> {
        none()
    }

    fn cursor(&self, _: String) -> Pending<'_, Option<u64>> {
        none()
    }

    fn move_cursor(&self, _: String, _: Option<u64>) -> Pending<'_, ()> {
        none()
    }

    fn cursors(&self) -> Pending<'_, Vec<(String, u64)>> {
        none()
    }
}
