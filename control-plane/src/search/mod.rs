//! Search: an index of the log's decisions in a file of its own, `search.db`, that can be lost at any time.
//!
//! ```text
//! log ──records, in order──▶ Index: bitmaps per facet, value and 65,536 records ─┬─▶ search.db, now and then, with its cursor
//!      (beside the calls)     (what is not in the file yet is in memory)          └─▶ candidates ──▶ records ──▶ checked ──▶ page
//! ```
//! Nothing of it is on the path of a call. The index only proposes: each record that it leads to is read and compared with
//! the query before it is shown, so an index that is wrong can hide a record for a while, but never shows a wrong one. A
//! search waits until the index has what was committed before it; while the index is being built, the store itself is searched.

mod delta;
mod facet;
mod file;
mod find;
mod follow;
mod health;
mod index;
mod pack;
mod query;
#[cfg(test)]
mod speed;
#[cfg(test)]
mod tests;
mod text;
mod words;

pub use facet::{Facet, Key};
pub use find::{Count, Value};
pub use health::SearchHealth;
pub use query::Query;
pub use text::Text;

use crate::storage::{Log, Order, Page, Seq, Store, StoreError, StoredDecision};
use file::FileError;
use index::Index;
use std::collections::HashSet;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use words::Caps;

/// How long a search waits for the index to have what was committed before it.
const CATCH_UP: Duration = Duration::from_secs(1);
/// An index that lacks more records than this is not waited for.
const FAR: u64 = 50_000;
/// How long a search may take.
const DEADLINE: Duration = Duration::from_secs(20);
/// Records asked for at once where many turn out to be pruned.
const SPARSE: usize = 4_096;
/// Records read at once where the store itself is searched.
const PAGE: u32 = 500;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum SearchError {
    /// The store does not answer.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Too many records had to be read.
    #[error("{0}")]
    Slow(String),
    /// The index is not there, or not yet.
    #[error("{0}")]
    NoIndex(String),
}

/// What the index has, and what is the matter with it.
#[derive(Debug, Clone, Default)]
struct Progress {
    /// Records that are indexed; `None` while there is no index.
    indexed: Option<u64>,
    trouble: Option<String>,
}

/// See the module's description.
#[derive(Debug)]
pub struct Search {
    /// Where `search.db` is; `None`: there is no index, and the store itself is searched.
    directory: Option<PathBuf>,
    caps: Caps,
    index: RwLock<Option<Index>>,
    progress: watch::Sender<Progress>,
    /// Somebody waits for the newest records.
    wanted: Notify,
    /// Somebody could not read the index: whoever follows the log makes it anew.
    broken: AtomicBool,
}

impl Search {
    /// A search with an index in that directory, once [`Search::follow`] runs; without one, the store itself is searched.
    #[must_use]
    pub fn new(directory: Option<PathBuf>) -> Self {
        let progress = watch::Sender::default();
        Search {
            directory,
            caps: Caps::default(),
            index: RwLock::default(),
            progress,
            wanted: Notify::new(),
            broken: AtomicBool::new(false),
        }
    }

    /// Finds decisions.
    ///
    /// # Errors
    /// [`SearchError::Store`], [`SearchError::Slow`].
    pub async fn find(self: &Arc<Self>, store: &Arc<dyn Store>, query: &Query) -> Result<Page, SearchError> {
        // The store's own order and index serve these, and need not be caught up.
        let one_call = query.keys.get(&Key::Call).is_some_and(|calls| calls.len() == 1);
        let direct = query.is_open() || one_call;
        if direct || !self.is_current(&**store).await {
            return self.scan(store, query).await;
        }
        let load = |keys: Vec<Seq>| {
            let store = Arc::clone(store);
            async move { store.decisions_of(keys).await }
        };
        match self.page(query, load).await {
            Err(SearchError::NoIndex(_)) => self.scan(store, query).await,
            page => page,
        }
    }

    /// How many decisions there are; `None` while there is no index.
    ///
    /// # Errors
    /// None while the index can be read: what cannot is told as `None`.
    pub async fn count(self: &Arc<Self>, store: &Arc<dyn Store>, query: &Query) -> Option<Count> {
        if !self.is_current(&**store).await {
            return None;
        }
        let query = query.clone();
        self.with(move |index| index.count(&query)).await.ok()
    }

    /// The values of a facet among the decisions that answer the query, the most frequent first.
    ///
    /// # Errors
    /// [`SearchError::NoIndex`] while there is none.
    pub async fn values(
        self: &Arc<Self>,
        store: &Arc<dyn Store>,
        query: &Query,
        facet: Facet,
        limit: usize,
    ) -> Result<Vec<Value>, SearchError> {
        if !self.is_current(&**store).await {
            return Err(SearchError::NoIndex(self.why_not(&**store)));
        }
        let query = query.clone();
        self.with(move |index| index.values(&query, facet, limit)).await
    }

    /// A page out of the index.
    async fn page<F>(
        self: &Arc<Self>,
        query: &Query,
        load: impl Fn(Vec<Seq>) -> F,
    ) -> Result<Page, SearchError>
    where
        F: Future<Output = Result<Vec<StoredDecision>, StoreError>>,
    {
        let limit = usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX);
        let deadline = Instant::now() + DEADLINE;
        let (mut page, mut after, mut sparse) = (Page::default(), query.after, false);
        loop {
            let want = if sparse { SPARSE } else { (limit + 1 - page.decisions.len()).min(SPARSE) };
            let asked = query.clone();
            let found = self.with(move |index| index.candidates(&asked, after, want)).await?;
            let keys: Vec<Seq> = found.places.iter().map(|(_, seq)| *seq).collect();
            after = keys.last().copied().or(after);
            let loaded = if keys.is_empty() { Vec::new() } else { load(keys).await? };
            sparse = loaded.len() * 2 < found.places.len();
            if loaded.len() < found.places.len() {
                self.forget(&found.places, &loaded).await;
            }
            page.decisions.extend(loaded.into_iter().filter(|found| query.matches(found)));
            if page.decisions.len() > limit {
                page.decisions.truncate(limit);
                page.more = true;
                return Ok(page);
            }
            if !found.more {
                return Ok(page);
            }
            if Instant::now() >= deadline {
                return Err(slow(query, after));
            }
        }
    }

    /// What was looked for and is no more was pruned: it is not looked for again.
    async fn forget(self: &Arc<Self>, places: &[(u64, Seq)], loaded: &[StoredDecision]) {
        let there: HashSet<Seq> = loaded.iter().map(|found| found.seq).collect();
        let gone = places.iter().filter(|(_, seq)| !there.contains(seq)).map(|(index, _)| *index);
        let (search, gone) = (Arc::clone(self), gone.collect::<Vec<_>>());
        let done = tokio::task::spawn_blocking(move || {
            if let Some(index) = search.index.write().unwrap_or_else(PoisonError::into_inner).as_mut() {
                index.forget(&gone);
            }
        });
        let _ = done.await;
    }

    /// Searches the store itself: it looks for what it can, and the rest is compared here.
    async fn scan(&self, store: &Arc<dyn Store>, query: &Query) -> Result<Page, SearchError> {
        let (mut narrowed, all) = query.narrowed();
        if all {
            return Ok(store.decisions(narrowed).await?);
        }
        narrowed.limit = PAGE;
        let limit = usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX);
        let deadline = Instant::now() + DEADLINE;
        let mut page = Page::default();
        loop {
            let part = store.decisions(narrowed.clone()).await?;
            narrowed.after = part.decisions.last().map(|found| found.seq).or(narrowed.after);
            page.decisions.extend(part.decisions.into_iter().filter(|found| query.matches(found)));
            if page.decisions.len() > limit {
                page.decisions.truncate(limit);
                page.more = true;
                return Ok(page);
            }
            if !part.more {
                return Ok(page);
            }
            if Instant::now() >= deadline {
                return Err(slow(query, narrowed.after));
            }
        }
    }

    /// Reads the index on a thread that may wait.
    async fn with<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Index) -> Result<T, FileError> + Send + 'static,
    ) -> Result<T, SearchError> {
        let search = Arc::clone(self);
        let done = tokio::task::spawn_blocking(move || {
            let index = search.index.read().unwrap_or_else(PoisonError::into_inner);
            let index = index.as_ref().ok_or_else(|| SearchError::NoIndex("there is no index".to_owned()))?;
            work(index).map_err(|error| {
                search.broken.store(true, Ordering::SeqCst);
                let trouble = Some(format!("search.db cannot be read: {error}"));
                search.progress.send_replace(Progress { indexed: None, trouble });
                search.wanted.notify_one();
                SearchError::NoIndex(error.to_string())
            })
        });
        done.await.unwrap_or_else(|_| Err(SearchError::Store(StoreError::Closed)))
    }

    /// The index has all that the log had just now, or has it soon.
    async fn is_current(&self, log: &(impl Log + ?Sized)) -> bool {
        let size = log.head().borrow().size;
        let mut progress = self.progress.subscribe();
        let indexed = progress.borrow_and_update().indexed;
        match indexed {
            Some(indexed) if indexed >= size => return true,
            Some(indexed) if size - indexed <= FAR => {}
            _ => return false,
        }
        self.wanted.notify_one();
        let caught_up = progress.wait_for(|now| now.indexed.is_none_or(|indexed| indexed >= size));
        let caught_up = tokio::time::timeout(CATCH_UP, caught_up).await;
        caught_up.is_ok_and(|now| now.is_ok_and(|now| now.indexed.is_some()))
    }

    fn why_not(&self, log: &(impl Log + ?Sized)) -> String {
        let health = self.health(log);
        match (&health.error, self.directory.is_some()) {
            (Some(error), _) => format!("the search index is out of order: {error}"),
            (None, true) => format!(
                "the search index is being built: it has {} of {} records; try again later",
                health.indexed, health.records
            ),
            (None, false) => "there is no search index here".to_owned(),
        }
    }
}

fn slow(query: &Query, after: Option<Seq>) -> SearchError {
    let reached = after.map_or_else(String::new, |seq| {
        format!(", and came to {}", crate::http::show_time(crate::storage::time_of(seq)))
    });
    let side = match query.order {
        Order::Descending => "since",
        Order::Ascending => "until",
    };
    SearchError::Slow(format!(
        "the search took longer than {} s{reached}; narrow it down, with `{side}` for instance",
        DEADLINE.as_secs()
    ))
}
