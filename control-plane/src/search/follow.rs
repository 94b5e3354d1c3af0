//! Keeping the index in step with the log.

use super::file::{File, FileError};
use super::index::{Index, Parsed, parse};
use super::{Progress, Search};
use crate::storage::{Log, StoreError};
use portcullis_audit::log::Hash;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

/// Records taken at once.
const BATCH: u32 = 4_096;
/// Bytes of records taken at once.
const BATCH_BYTES: usize = 8 * 1024 * 1024;
/// From so many records on, what is new is written to the file …
const FLUSH_RECORDS: u64 = 16_384;
/// … while the index is being built, only from so many on …
const BUILD_RECORDS: u64 = 131_072;
/// … and what is new at all after this time.
const FLUSH_AFTER: Duration = Duration::from_secs(5);
/// New records are gathered for so long, unless somebody searches.
const PACE: Duration = Duration::from_millis(100);
/// After trouble.
const PAUSE: Duration = Duration::from_secs(1);
/// How often progress is logged.
const TELL: Duration = Duration::from_secs(10);

/// Why it does not go on.
#[derive(Debug, thiserror::Error)]
enum Trouble {
    #[error("the log cannot be read: {0}")]
    Store(#[from] StoreError),
    #[error("search.db: {0}")]
    File(#[from] FileError),
    #[error("search.db cannot be read")]
    Unreadable,
    #[error("the task was ended")]
    Ended,
}

impl Search {
    /// Keeps the index in step with the log, for ever.
    pub async fn follow<L: Log + Send + Sync + ?Sized>(self: Arc<Self>, log: Arc<L>) {
        let Some(directory) = self.directory.clone() else { return };
        let mut failures = 0u32;
        loop {
            let Err(trouble) = self.run(&directory, &*log, &mut failures).await else { return };
            let indexed = self.progress.borrow().indexed;
            if failures == 0 {
                tracing::warn!(error = %trouble, "searches go to the store itself for now");
            }
            failures += 1;
            let broken = matches!(trouble, Trouble::File(_) | Trouble::Unreadable);
            let indexed = indexed.filter(|_| !broken);
            self.progress.send_replace(Progress { indexed, trouble: Some(trouble.to_string()) });
            if broken && let Err(error) = self.discard(&directory).await {
                tracing::warn!(%error, "search.db cannot be made anew");
            }
            tokio::time::sleep(PAUSE.saturating_mul(failures.min(30))).await;
        }
    }

    async fn run<L: Log + Send + Sync + ?Sized>(
        self: &Arc<Self>,
        directory: &Path,
        log: &L,
        failures: &mut u32,
    ) -> Result<(), Trouble> {
        if self.index.read().unwrap_or_else(PoisonError::into_inner).is_none() {
            self.open(directory, log).await?;
        }
        let mut head = log.head();
        let (mut told, mut flushed) = (Instant::now(), Instant::now());
        loop {
            if self.broken.swap(false, Ordering::SeqCst) {
                return Err(Trouble::Unreadable);
            }
            let size = head.borrow_and_update().size;
            let cursor = self.cursor();
            let records = if cursor < size || *failures > 0 {
                log.log_records(cursor, BATCH, BATCH_BYTES).await?
            } else {
                Vec::new()
            };
            *failures = 0;
            let behind = size.saturating_sub(cursor + records.len() as u64);
            let due = if behind > super::FAR { BUILD_RECORDS } else { FLUSH_RECORDS };
            let late = flushed.elapsed() >= FLUSH_AFTER && behind == 0;
            if !records.is_empty() || late {
                let search = Arc::clone(self);
                let work = tokio::task::spawn_blocking(move || {
                    let leaf = records.last().map(|last| last.entry.leaf());
                    let parsed: Vec<_> = records.iter().map(|logged| (logged.index, parse(logged))).collect();
                    drop(records);
                    search.take(&parsed, leaf, due, late)
                });
                if work.await.map_err(|_| Trouble::Ended)?? {
                    flushed = Instant::now();
                }
            }
            let cursor = self.cursor();
            self.progress.send_replace(Progress { indexed: Some(cursor), trouble: None });
            if behind > 0 {
                if told.elapsed() >= TELL {
                    told = Instant::now();
                    let percent = cursor.saturating_mul(100) / size.max(1);
                    tracing::info!(records = cursor, of = size, percent, "building the search index");
                }
                continue;
            }
            tokio::select! {
                changed = head.changed() => {
                    if changed.is_err() {
                        return Ok(());
                    }
                    // More is likely to follow, and many are cheaper than one; whoever searches does not wait for that.
                    tokio::select! {
                        () = tokio::time::sleep(PACE) => {}
                        () = self.wanted.notified() => {}
                    }
                }
                () = self.wanted.notified() => {}
                () = tokio::time::sleep(FLUSH_AFTER) => {}
            }
        }
    }

    /// Opens the file and compares it with the log; what does not fit is made anew.
    async fn open<L: Log + Send + Sync + ?Sized>(&self, directory: &Path, log: &L) -> Result<(), Trouble> {
        let origin = log.head().borrow().note.lines().next().unwrap_or_default().to_owned();
        if origin.is_empty() {
            return Err(StoreError::Unavailable("the log has no checkpoint yet".to_owned()).into());
        }
        let (path, caps) = (directory.to_owned(), self.caps);
        let opened = tokio::task::spawn_blocking(move || Index::open(&path, caps));
        let mut index = match opened.await.map_err(|_| Trouble::Ended)? {
            Ok(index) => index,
            Err(error) => {
                tracing::warn!(%error, "search.db cannot be used, and is made anew");
                self.anew(directory).await?
            }
        };
        let mark = index.reached().clone();
        if mark.cursor > 0 {
            let last = log.log_records(mark.cursor - 1, 1, usize::MAX).await?;
            let leaf = last.first().map(|last| last.entry.leaf());
            if leaf != mark.leaf || mark.origin != origin {
                tracing::warn!("search.db is of another log, and is made anew");
                drop(index);
                index = self.anew(directory).await?;
            }
        }
        index.name(&origin);
        let cursor = index.cursor();
        *self.index.write().unwrap_or_else(PoisonError::into_inner) = Some(index);
        self.progress.send_replace(Progress { indexed: Some(cursor), trouble: None });
        Ok(())
    }

    async fn anew(&self, directory: &Path) -> Result<Index, Trouble> {
        let (path, caps) = (directory.to_owned(), self.caps);
        let made = tokio::task::spawn_blocking(move || {
            File::remove(&path)?;
            Index::open(&path, caps)
        });
        Ok(made.await.map_err(|_| Trouble::Ended)??)
    }

    /// Closes the file, and removes it.
    async fn discard(self: &Arc<Self>, directory: &Path) -> Result<(), Trouble> {
        let (search, path) = (Arc::clone(self), directory.to_owned());
        let done = tokio::task::spawn_blocking(move || {
            // Waits for whoever reads it.
            *search.index.write().unwrap_or_else(PoisonError::into_inner) = None;
            File::remove(&path)
        });
        Ok(done.await.map_err(|_| Trouble::Ended)??)
    }

    /// Takes records, and writes to the file what is due; `true` when it did.
    fn take(
        &self,
        records: &[(u64, Parsed)],
        leaf: Option<Hash>,
        due: u64,
        late: bool,
    ) -> Result<bool, FileError> {
        let write = || self.index.write().unwrap_or_else(PoisonError::into_inner);
        let waiting = {
            let mut index = write();
            let Some(index) = index.as_mut() else { return Ok(false) };
            if !records.is_empty() {
                index.apply(records, leaf)?;
            }
            index.delta.records
        };
        if waiting == 0 || !(waiting >= due || late) {
            return Ok(false);
        }
        // Those who search go on reading while it is written.
        if let Some(index) = self.index.read().unwrap_or_else(PoisonError::into_inner).as_ref() {
            index.flush()?;
        }
        if let Some(index) = write().as_mut() {
            index.flushed();
        }
        Ok(true)
    }

    fn cursor(&self) -> u64 {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        index.as_ref().map_or(0, Index::cursor)
    }
}
