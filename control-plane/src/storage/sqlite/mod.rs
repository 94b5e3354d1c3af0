//! The embedded store: SQLite in WAL mode with `synchronous=FULL`, one writer thread that commits in groups,
//! read connections of their own.
//!
//! ```text
//! commit_*() ──try_send──▶ bounded queue ──▶ writer thread: take all that waits → one transaction → fsync → answer all
//!                │ full                        ▲ checkpoint thread copies the WAL into the database meanwhile
//!                └▶ Overloaded
//! decisions() ──▶ read connection (a snapshot; never waits for the writer)
//! ```

mod approvals;
mod attempts;
mod bundles;
mod captured;
mod change;
mod checkpoint;
mod decide;
mod deliveries;
mod history;
mod limits;
mod links;
mod lock;
mod log;
mod read;
mod scan;
mod schema;
mod statements;
mod tools;
mod trace;
mod writer;

use super::error::{OpenError, StoreError};
use super::id::{self, Seq, Sequence};
use super::query::{Page, Query, RecordPage, RecordQuery, StoredDecision, StoredEvent};
use super::{
    ApprovalQuery, Approvals, Attempt, Book, BundleAct, BundleChange, BundleVersion, Commit, Committed,
    Delivery, Event, Head, LetOut, Live, Pending, Reaped, Store, StoredApproval, StoredAwsKey, StoredKeys,
    StoredLimits, StoredSeen, StoredToken, Subscription, Trace, TraceQuery,
};
use approvals::Ledger;
use arc_swap::ArcSwap;
use attempts::Attempts;
use change::Change;
use decide::{Approving, Decide};
use lock::DirectoryLock;
#[cfg(test)]
pub(crate) use log::unpack;
use log::{Clock, Guard, Tx};
pub use log::{LogKey, LogReader, OfflineCheckpoint, OfflineLog, OfflineRow};
use portcullis_approvals::{Approval, ApprovalError, Approver, Grant, Step};
use portcullis_audit::OutcomeRecord;
use portcullis_audit::log::VerifyingKey;
use read::Readers;
use rusqlite::Connection;
pub use scan::Records;
use statements::Row;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};
use writer::{Books, Task, Told, Trouble, Write};

/// How the store runs.
#[derive(Debug, Clone)]
pub struct SqliteOptions {
    /// Where its files are: `portcullis.db` and what SQLite puts next to it, `portcullis.lock`. Made when absent.
    pub directory: PathBuf,
    /// Writes that may wait before new ones are refused.
    pub queue: usize,
    /// Writes in one transaction.
    pub batch: usize,
    /// How long to wait for a lock that somebody else holds.
    pub busy_timeout: Duration,
    /// Largest number of database pages; `None` is SQLite's own limit.
    pub max_pages: Option<u32>,
    /// The log's name; `None`: the one that it has, or one that is made with it.
    pub origin: Option<String>,
    /// Where the key is that signs the log.
    pub log_key: LogKey,
    /// A key that is lost is replaced by a new one, which leaves a record.
    pub replace_lost_key: bool,
    /// A store that was put back to an earlier state goes on under another name, which leaves a record.
    pub recover: bool,
    /// Unix milliseconds.
    pub clock: fn() -> u64,
}

impl SqliteOptions {
    /// The defaults, in that directory.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        SqliteOptions {
            directory: directory.into(),
            queue: 4096,
            batch: 256,
            busy_timeout: Duration::from_secs(1),
            max_pages: None,
            origin: None,
            log_key: LogKey::default(),
            replace_lost_key: false,
            recover: false,
            clock: crate::clock::unix_ms,
        }
    }

    pub(super) fn database(&self) -> PathBuf {
        self.directory.join("portcullis.db")
    }

    /// A connection for writing.
    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let conn = Connection::open(self.database())?;
        conn.busy_timeout(self.busy_timeout)?;
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // FULL: the WAL is synced at every commit. NORMAL would lose acknowledged records in a power cut.
        conn.pragma_update(None, "synchronous", "FULL")?;
        // The checkpoint thread does it, so that no caller waits for it.
        conn.pragma_update_and_check(None, "wal_autocheckpoint", 0, |_| Ok(()))?;
        conn.pragma_update(None, "cache_size", -32_768)?;
        // What is freed inside pages that are written anyway is overwritten: pruned records leave nothing behind.
        conn.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
        if let Some(pages) = self.max_pages {
            conn.pragma_update_and_check(None, "max_page_count", pages, |_| Ok(()))?;
        }
        conn.set_prepared_statement_cache_capacity(64);
        log::add_functions(&conn)?;
        Ok(conn)
    }
}

/// See the module's description.
#[derive(Debug)]
pub struct SqliteStore {
    entry: Mutex<Entry>,
    readers: Arc<Readers>,
    newest: watch::Receiver<Seq>,
    head: watch::Receiver<Arc<Head>>,
    log_keys: Arc<ArcSwap<Vec<VerifyingKey>>>,
    /// The file of the key that signs the log; `None` where it is given otherwise.
    key_file: Option<PathBuf>,
    clock: Clock,
    live: Arc<Live>,
    subscriptions: Arc<ArcSwap<Vec<Subscription>>>,
    trouble: Trouble,
    capacity: usize,
    books: Books,
    attempts: Attempts,
    writer: Option<std::thread::JoinHandle<()>>,
    /// After the writer in the order of fields, so that the file has the last head.
    _guard: Guard,
    _lock: DirectoryLock,
}

/// Where writes come in. Ids are given under the same lock that queues the write, so that the order of ids is the
/// order of commits: who follows the newest ids misses none.
struct Entry {
    sequence: Sequence,
    queue: Option<SyncSender<Box<dyn Task>>>,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Entry").field("sequence", &self.sequence).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// Opens the store, makes it when absent, and brings its schema up to date.
    ///
    /// # Errors
    /// [`OpenError`]: in use by another process, written by a newer version, not accessible.
    pub fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        let directory = options.directory.clone();
        make_directory(&directory)?;
        let lock = DirectoryLock::take(&directory)?;
        let sqlite = |source| OpenError::Sqlite { path: directory.clone(), source };
        let mut conn = options.connect().map_err(sqlite)?;
        schema::migrate(&mut conn, &directory)?;
        let newest: Seq = conn.query_row(statements::NEWEST, [], |row| row.get(0)).map_err(sqlite)?;
        let live = Arc::new(Live::default());
        let unreadable = |error: StoreError| OpenError::Io {
            path: directory.clone(),
            source: std::io::Error::other(error),
        };
        live.apply(approvals::live(&conn).map_err(unreadable)?);
        let log::Opened { state, head } = log::open(&mut conn, &options, newest)?;
        let (newest_sender, newest_watch) = watch::channel(newest);
        let (head_sender, head_watch) = watch::channel(head);
        let log_keys = Arc::new(ArcSwap::from_pointee(state.keys().to_vec()));
        let clock = state.clock().clone();
        let told = Told { newest: newest_sender, head: head_sender, keys: Arc::clone(&log_keys) };
        let trouble = Trouble::default();
        let (queue, tasks) = std::sync::mpsc::sync_channel(options.queue);
        let capacity = options.queue;
        let readers = Arc::new(Readers::new(options.clone()));
        let books = Books::default();
        let io = |source| OpenError::Io { path: directory.clone(), source };
        let key_file = options.log_key.file(&directory);
        let guard = Guard::start(directory.clone(), head_watch.clone()).map_err(io)?;
        let writer =
            writer::spawn(options, conn, tasks, state, told, trouble.clone(), books.clone()).map_err(io)?;
        Ok(SqliteStore {
            entry: Mutex::new(Entry { sequence: Sequence::after(newest), queue: Some(queue) }),
            readers,
            newest: newest_watch,
            head: head_watch,
            log_keys,
            key_file,
            clock,
            live,
            subscriptions: Arc::default(),
            trouble,
            capacity,
            books,
            attempts: Attempts::default(),
            writer: Some(writer),
            _guard: guard,
            _lock: lock,
        })
    }

    /// Queues a write, and gives what becomes of it.
    fn write<T, F>(&self, work: F) -> Pending<'_, T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, writer::Failed> + Send + 'static,
    {
        let (task, answer) = Write::task(work);
        let queued = {
            let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
            self.send(&entry, task)
        };
        Box::pin(settle(queued, answer))
    }

    /// The same for a write that changes approvals; see [`Change`] for `keep`.
    fn change<T, F>(&self, keep: bool, mut work: F) -> Pending<'_, T>
    where
        T: Send + 'static,
        F: FnMut(&mut Ledger<'_>) -> Result<T, writer::Failed> + Send + 'static,
    {
        let subscriptions = Arc::clone(&self.subscriptions);
        let (task, answer) = Change::task(Arc::clone(&self.live), keep, move |tx, changes| {
            work(&mut Ledger { tx, subscriptions: &subscriptions.load(), changes })
        });
        let queued = {
            let entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
            self.send(&entry, task)
        };
        Box::pin(settle(queued, answer))
    }

    fn send(&self, entry: &Entry, task: Box<dyn Task>) -> Result<(), StoreError> {
        let queue = entry.queue.as_ref().ok_or(StoreError::Closed)?;
        queue.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Overloaded(self.capacity),
            TrySendError::Disconnected(_) => StoreError::Closed,
        })
    }

    fn read<T, F>(&self, work: F) -> Pending<'_, T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    {
        let readers = Arc::clone(&self.readers);
        Box::pin(async move {
            tokio::task::spawn_blocking(move || readers.with(work)).await.unwrap_or(Err(StoreError::Closed))
        })
    }

    /// Runs anything on the writer's connection, in its transaction: for tests of faults.
    #[cfg(test)]
    pub(crate) fn on_writer<T, F>(&self, work: F) -> Pending<'_, T>
    where
        T: Send + 'static,
        F: FnMut(&Tx<'_>) -> Result<T, writer::Failed> + Send + 'static,
    {
        self.write(work)
    }
}

async fn settle<T>(
    queued: Result<(), StoreError>,
    answer: oneshot::Receiver<Result<T, StoreError>>,
) -> Result<T, StoreError> {
    queued?;
    // The writer answers every task it takes; only its end leaves one without an answer.
    answer.await.unwrap_or(Err(StoreError::Closed))
}

impl Drop for SqliteStore {
    /// Writes what is queued, then closes.
    fn drop(&mut self) {
        self.entry.lock().unwrap_or_else(PoisonError::into_inner).queue = None;
        self.readers.close();
        if let Some(writer) = self.writer.take() {
            let _ = writer.join();
        }
    }
}

impl Store for SqliteStore {
    fn commit(&self, commit: Commit) -> Pending<'_, Committed> {
        let Commit { mut record, held, approval, captured } = commit;
        let mut random = [0; 8];
        if let Err(error) = getrandom::fill(&mut random) {
            let error = StoreError::Unavailable(format!("no randomness for a decision id: {error}"));
            return Box::pin(std::future::ready(Err(error)));
        }
        let (queued, answer) = {
            let mut entry = self.entry.lock().unwrap_or_else(PoisonError::into_inner);
            // What was durable elsewhere first has been told its id and time.
            let spilled = id::seq_of(&record.decision_id).filter(|_| record.spilled);
            let seq = spilled.unwrap_or_else(|| {
                let seq = entry.sequence.next(self.clock.now());
                // Many in one millisecond run ahead of the clock: what comes after is not dated before them.
                self.clock.seen(id::time_of(seq));
                record.decision_id = id::decision_id(seq, random).to_string();
                record.decided_at_ms = id::time_of(seq);
                seq
            });
            match Row::new(seq, record, captured, &self.attempts) {
                Ok(row) => {
                    let approving = approval.map(|change| Approving {
                        change,
                        live: Arc::clone(&self.live),
                        subscriptions: Arc::clone(&self.subscriptions),
                    });
                    let (task, answer) = Decide::task(row, held, approving, self.books.clone());
                    (self.send(&entry, task), answer)
                }
                Err(error) => (Err(error), oneshot::channel().1),
            }
        };
        Box::pin(settle(queued, answer))
    }

    fn commit_outcomes(&self, outcomes: Vec<OutcomeRecord>, event: Option<Event>) -> Pending<'_, u64> {
        let books = self.books.clone();
        let recorded_at_ms = self.clock.now();
        let told = outcomes
            .into_iter()
            .map(|outcome| statements::Told::new(OutcomeRecord { recorded_at_ms, ..outcome }));
        let told: Vec<_> = match told.collect() {
            Ok(told) => told,
            Err(error) => return Box::pin(std::future::ready(Err(error))),
        };
        self.write(move |tx| {
            let mut news = 0;
            for told in &told {
                if statements::put_outcome(tx, told)? > 0 {
                    books.told(&told.outcome);
                    news += 1;
                }
            }
            if let Some(event) = &event {
                statements::put_event(tx, event)?;
            }
            Ok(news)
        })
    }

    fn commit_event(&self, event: Event) -> Pending<'_, ()> {
        self.write(move |conn| statements::put_event(conn, &event))
    }

    fn probe(&self) -> Pending<'_, ()> {
        self.write(|tx| statements::probe(tx, tx.at()))
    }

    fn decisions(&self, query: Query) -> Pending<'_, Page> {
        self.read(move |conn| read::decisions(conn, &query))
    }

    fn records(&self, query: RecordQuery) -> Pending<'_, RecordPage> {
        self.read(move |conn| scan::records(conn, &query))
    }

    fn count_records(&self, query: RecordQuery) -> Pending<'_, u64> {
        self.read(move |conn| scan::count(conn, &query))
    }

    fn decision(&self, decision_id: String) -> Pending<'_, Option<StoredDecision>> {
        self.read(move |conn| read::decision(conn, &decision_id))
    }

    fn decisions_of(&self, keys: Vec<Seq>) -> Pending<'_, Vec<StoredDecision>> {
        self.read(move |conn| {
            let found = keys.iter().map(|seq| trace::by_seq(conn, *seq));
            Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
        })
    }

    fn events(&self, before: Option<u64>, limit: u32) -> Pending<'_, Vec<StoredEvent>> {
        self.read(move |conn| read::events(conn, before, limit))
    }

    fn trace(&self, query: TraceQuery) -> Pending<'_, Option<Trace>> {
        self.read(move |conn| trace::trace(conn, &query))
    }

    fn reap(&self, before_ms: u64, limit: u32) -> Pending<'_, Reaped> {
        let books = self.books.clone();
        self.write(move |conn| statements::reap(conn, before_ms, limit, |outcome| books.told(outcome)))
    }

    fn keys(&self) -> Pending<'_, StoredKeys> {
        self.read(read::keys)
    }

    fn add_token(&self, token: StoredToken, event: Event) -> Pending<'_, ()> {
        self.write(move |conn| {
            statements::add_token(conn, &token)?;
            statements::put_event(conn, &event)
        })
    }

    fn add_aws_key(&self, key: StoredAwsKey, event: Event) -> Pending<'_, ()> {
        self.write(move |conn| {
            statements::add_aws_key(conn, &key)?;
            statements::put_event(conn, &event)
        })
    }

    fn revoke_key(&self, id: String, event: Event) -> Pending<'_, bool> {
        self.write(move |conn| {
            let revoked = statements::revoke(conn, &id, conn.at())?;
            if revoked {
                statements::put_event(conn, &event)?;
            }
            Ok(revoked)
        })
    }

    fn keep(&self, book: Arc<dyn Book>) {
        self.books.keep(book);
    }

    fn flush(&self) -> Pending<'_, ()> {
        // Every transaction takes the book's changes along.
        self.write(|_| Ok(()))
    }

    fn limits(&self) -> Pending<'_, StoredLimits> {
        self.read(limits::read)
    }

    fn let_out(&self, since_ms: u64, fine_ms: u64) -> Pending<'_, Vec<LetOut>> {
        self.read(move |conn| history::let_out(conn, since_ms, fine_ms))
    }

    fn seen(
        &self,
        principal: String,
        session: Option<String>,
        since_ms: u64,
        limit: u32,
    ) -> Pending<'_, Vec<StoredSeen>> {
        self.read(move |conn| history::seen(conn, &principal, session.as_deref(), since_ms, limit))
    }

    fn tools_of(&self, principal: String, ids: Vec<String>) -> Pending<'_, Vec<Option<String>>> {
        self.read(move |conn| tools::tools_of(conn, &principal, &ids))
    }

    fn change_bundles(&self, change: BundleChange) -> Pending<'_, bool> {
        self.write(move |conn| bundles::change(conn, &change))
    }

    fn bundle_versions(&self, prefix: String, limit: u32) -> Pending<'_, Vec<BundleVersion>> {
        self.read(move |conn| bundles::versions(conn, &prefix, limit))
    }

    fn bundle_version(&self, digest: String) -> Pending<'_, Option<(BundleVersion, Vec<u8>)>> {
        self.read(move |conn| bundles::with_files(conn, &digest))
    }

    fn bundle_pin(&self) -> Pending<'_, Option<BundleAct>> {
        self.read(bundles::pin)
    }

    fn bundle_before(&self, digest: String) -> Pending<'_, Option<BundleAct>> {
        self.read(move |conn| bundles::active_before(conn, &digest))
    }

    fn watch(&self) -> watch::Receiver<Seq> {
        self.newest.clone()
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.get()
    }
}

impl Approvals for SqliteStore {
    fn live(&self) -> &Live {
        &self.live
    }

    fn ask(&self, approval: Approval) -> Pending<'_, Arc<Approval>> {
        let approval = Arc::new(approval);
        self.change(false, move |ledger| match ledger.ask(&approval)? {
            Some(live) => Ok(Arc::new(live)),
            None => Ok(Arc::clone(&approval)),
        })
    }

    fn step(&self, id: String, step: Step, at_ms: u64) -> Pending<'_, Result<Approval, ApprovalError>> {
        self.change(true, move |ledger| ledger.step(&id, &step, at_ms))
    }

    fn expire(&self, at_ms: u64, limit: u32) -> Pending<'_, bool> {
        self.change(true, move |ledger| ledger.expire(at_ms, limit))
    }

    fn approvals(&self, query: ApprovalQuery) -> Pending<'_, Vec<StoredApproval>> {
        self.read(move |conn| approvals::approvals(conn, &query))
    }

    fn approval(&self, id: String) -> Pending<'_, Option<StoredApproval>> {
        self.read(move |conn| approvals::approval(conn, &id))
    }

    fn add_grant(&self, grant: Grant) -> Pending<'_, ()> {
        self.change(true, move |ledger| ledger.add_grant(&grant))
    }

    fn revoke_grant(
        &self,
        id: String,
        by: Approver,
        at_ms: u64,
    ) -> Pending<'_, Result<Grant, ApprovalError>> {
        self.change(true, move |ledger| ledger.revoke_grant(&id, &by, at_ms))
    }

    fn grants(&self, limit: u32) -> Pending<'_, Vec<Grant>> {
        self.read(move |conn| approvals::grants(conn, limit))
    }

    fn subscribe(&self, subscriptions: Vec<Subscription>) {
        self.subscriptions.store(Arc::new(subscriptions));
    }

    fn deliveries(
        &self,
        webhook: String,
        now_ms: u64,
        limit: u32,
    ) -> Pending<'_, (Vec<Delivery>, Option<u64>)> {
        self.read(move |conn| deliveries::due(conn, &webhook, now_ms, limit))
    }

    fn attempted(&self, delivery: String, attempt: Attempt) -> Pending<'_, ()> {
        self.write(move |conn| deliveries::attempted(conn, &delivery, &attempt))
    }
}

/// Makes the data directory, readable by its owner only: records name people and what they did.
fn make_directory(path: &Path) -> Result<(), OpenError> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|source| OpenError::Io { path: path.to_owned(), source })
}
