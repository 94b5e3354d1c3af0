//! The log, as SQLite keeps it.

use super::SqliteStore;
use crate::storage::{Head, Log, Logged, Pending, StoreError, StoredCheckpoint};
use portcullis_audit::log::{Hash, VerifyingKey};
use std::sync::Arc;
use tokio::sync::watch;

fn missing<'a, T: Send + 'a>() -> Pending<'a, T> {
    Box::pin(std::future::ready(Err(StoreError::Unavailable("the log is not built yet".to_owned()))))
}

impl Log for SqliteStore {
    fn log_keys(&self) -> Vec<VerifyingKey> {
        Vec::new()
    }

    fn head(&self) -> watch::Receiver<Arc<Head>> {
        let root = portcullis_audit::log::empty_root();
        watch::channel(Arc::new(Head { size: 0, root, time_ms: 0, note: "".into() })).1
    }

    fn log_records(&self, _from: u64, _limit: u32, _max_bytes: usize) -> Pending<'_, Vec<Logged>> {
        missing()
    }

    fn log_find(&self, _id: String) -> Pending<'_, Vec<u64>> {
        missing()
    }

    fn log_hashes(&self, _level: u8, _first: u64, _count: u32) -> Pending<'_, Vec<Hash>> {
        missing()
    }

    fn inclusion(&self, _index: u64, _size: u64) -> Pending<'_, Option<Vec<Hash>>> {
        missing()
    }

    fn consistency(&self, _old: u64, _new: u64) -> Pending<'_, Option<Vec<Hash>>> {
        missing()
    }

    fn checkpoints(&self, _after: u64, _limit: u32) -> Pending<'_, Vec<StoredCheckpoint>> {
        missing()
    }

    fn checkpoint_from(&self, _size: u64) -> Pending<'_, Option<StoredCheckpoint>> {
        missing()
    }

    fn keep_cosignature(&self, _head: Arc<Head>, _line: String) -> Pending<'_, ()> {
        missing()
    }

    fn cursor(&self, _follower: String) -> Pending<'_, Option<u64>> {
        missing()
    }

    fn move_cursor(&self, _follower: String, _to: Option<u64>) -> Pending<'_, ()> {
        missing()
    }

    fn cursors(&self) -> Pending<'_, Vec<(String, u64)>> {
        missing()
    }
}
