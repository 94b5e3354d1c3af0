//! Copying the write-ahead log into the database, off the path of callers.
//!
//! SQLite's automatic checkpoint runs inside the commit that fills the log: every thousandth caller would wait for
//! megabytes of random writes and two syncs. Here a thread with a connection of its own copies while the writer goes
//! on; what is left after that is little, and the writer copies it between two groups, so that the log starts again
//! at its beginning instead of growing for ever.

use super::SqliteOptions;
use rusqlite::Connection;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{SyncSender, sync_channel};

/// Tasks between two checkpoints: about 8–20 MiB of log.
const EVERY: usize = 1_000;

pub(super) struct Checkpointer {
    written: usize,
    copied: Arc<AtomicBool>,
    wake: Option<SyncSender<()>>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Checkpointer {
    pub(super) fn start(options: &SqliteOptions) -> std::io::Result<Self> {
        let copied = Arc::new(AtomicBool::new(false));
        let (wake, wakes) = sync_channel(1);
        let (options, done) = (options.clone(), Arc::clone(&copied));
        let thread = std::thread::Builder::new().name("store-checkpoint".to_owned()).spawn(move || {
            while wakes.recv().is_ok() {
                // A fresh connection each time: this is rare, and it cannot hold on to a broken file.
                match options.connect().and_then(|conn| checkpoint(&conn)) {
                    Ok(()) => done.store(true, Ordering::Release),
                    Err(error) => tracing::warn!(%error, "cannot checkpoint the store; will try again"),
                }
            }
        })?;
        Ok(Checkpointer { written: 0, copied, wake: Some(wake), thread: Some(thread) })
    }

    /// The writer has committed so many tasks, and is between two groups.
    pub(super) fn wrote(&mut self, tasks: usize, writer: &Connection) {
        self.written += tasks;
        if self.copied.swap(false, Ordering::Acquire) {
            if let Err(error) = checkpoint(writer) {
                tracing::warn!(%error, "cannot finish a checkpoint of the store; will try again");
            }
        } else if self.written >= EVERY {
            self.written = 0;
            if let Some(wake) = &self.wake {
                let _ = wake.try_send(());
            }
        }
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        self.wake = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// PASSIVE: copies what it can without waiting for anybody.
fn checkpoint(conn: &Connection) -> Result<(), rusqlite::Error> {
    conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
}
