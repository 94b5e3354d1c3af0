//! The writer thread: takes everything that waits, commits it in one transaction, answers all.

use super::checkpoint::Checkpointer;
use super::limits;
use super::log::{State, Tx};
use super::{SqliteOptions, statements};
use crate::storage::id::Seq;
use crate::storage::{Backlog, Book, Head, StoreError};
use arc_swap::ArcSwap;
use portcullis_audit::log::VerifyingKey;
use rusqlite::{Connection, ErrorCode};
use std::sync::mpsc::Receiver;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use tokio::sync::{oneshot, watch};

/// Why a task did not succeed.
#[derive(Debug)]
pub(crate) enum Failed {
    /// It alone: the rest of its group may go on without it.
    Task(StoreError),
    /// The medium: nothing of the group can be committed now.
    Medium(rusqlite::Error),
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Failed::Task(error)
    }
}

impl From<rusqlite::Error> for Failed {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            // What a task itself can be guilty of. Everything else is the medium's fault.
            Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) | None => {
                Failed::Task(StoreError::Inconsistent(error.to_string()))
            }
            Some(_) => Failed::Medium(error),
        }
    }
}

/// Something to write. May be run more than once before it is committed: when another task of its group fails, the
/// group is rolled back and run again without that one.
pub(super) trait Task: Send {
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failed>;
    /// Nobody waits for it any more.
    fn abandoned(&self) -> bool;
    fn answer(self: Box<Self>, result: Result<(), StoreError>);
}

/// A [`Task`] from a closure.
pub(super) struct Write<F, T> {
    work: F,
    value: Option<T>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<F, T> Write<F, T>
where
    T: Send + 'static,
    F: FnMut(&Tx<'_>) -> Result<T, Failed> + Send + 'static,
{
    /// The task, and where its answer will be.
    pub(super) fn task(work: F) -> (Box<dyn Task>, oneshot::Receiver<Result<T, StoreError>>) {
        let (reply, answer) = oneshot::channel();
        (Box::new(Write { work, value: None, reply }), answer)
    }
}

impl<F, T> Task for Write<F, T>
where
    T: Send,
    F: FnMut(&Tx<'_>) -> Result<T, Failed> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> Result<(), Failed> {
        self.value = Some((self.work)(tx)?);
        Ok(())
    }

    fn abandoned(&self) -> bool {
        self.reply.is_closed()
    }

    fn answer(self: Box<Self>, result: Result<(), StoreError>) {
        let Write { value, reply, .. } = *self;
        let _ = reply.send(result.and_then(|()| value.ok_or(StoreError::Closed)));
    }
}

/// What went wrong last, while it has not gone right since. Shared with readiness and metrics.
#[derive(Debug, Clone, Default)]
pub(super) struct Trouble(Arc<Mutex<Option<String>>>);

impl Trouble {
    pub(super) fn get(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, message: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = message;
    }
}

/// The book that every transaction takes along, once there is one.
#[derive(Debug, Clone, Default)]
pub(super) struct Books(Arc<OnceLock<Arc<dyn Book>>>);

impl Books {
    pub(super) fn keep(&self, book: Arc<dyn Book>) {
        let _ = self.0.set(book);
    }

    pub(super) fn told(&self, outcome: &portcullis_audit::OutcomeRecord) {
        if let Some(book) = self.0.get() {
            book.told(outcome);
        }
    }

    fn take(&self) -> Backlog {
        self.0.get().map(|book| book.take()).unwrap_or_default()
    }

    fn give_back(&self, backlog: Backlog) {
        if let Some(book) = self.0.get() {
            book.give_back(backlog);
        }
    }
}

/// Starts the thread. It ends when every sender is gone, after it has written what is queued.
pub(super) fn spawn(
    options: SqliteOptions,
    conn: Connection,
    tasks: Receiver<Box<dyn Task>>,
    log: State,
    told: Told,
    trouble: Trouble,
    books: Books,
) -> std::io::Result<std::thread::JoinHandle<()>> {
    let checkpointer = Checkpointer::start(&options)?;
    let writer =
        Writer { options, conn: Some(conn), log, told, trouble, troubled: false, checkpointer, books };
    std::thread::Builder::new().name("store-writer".to_owned()).spawn(move || writer.run(&tasks))
}

/// What others are told of after each commit.
pub(super) struct Told {
    pub(super) newest: watch::Sender<Seq>,
    pub(super) head: watch::Sender<Arc<Head>>,
    pub(super) keys: Arc<ArcSwap<Vec<VerifyingKey>>>,
}

/// The newest decision, and the log if it has grown.
type Done = (Seq, Option<(State, Arc<Head>)>);

struct Writer {
    options: SqliteOptions,
    /// `None` after the medium failed: the next group starts with a fresh connection.
    conn: Option<Connection>,
    /// The log as of the last commit.
    log: State,
    told: Told,
    trouble: Trouble,
    troubled: bool,
    checkpointer: Checkpointer,
    books: Books,
}

impl Writer {
    fn run(mut self, tasks: &Receiver<Box<dyn Task>>) {
        while let Ok(first) = tasks.recv() {
            let mut group = vec![first];
            group.extend(tasks.try_iter().take(self.options.batch.saturating_sub(1)));
            // A decision that nobody waits for any more was answered with a refusal; an `allow` on record would lie.
            group.retain(|task| !task.abandoned());
            let size = group.len();
            self.commit(group);
            if let Some(conn) = &self.conn {
                self.checkpointer.wrote(size, conn);
            }
        }
    }

    /// Commits a group, or as much of it as can be.
    fn commit(&mut self, mut group: Vec<Box<dyn Task>>) {
        while !group.is_empty() {
            match self.attempt(&mut group) {
                Ok((newest, sealed)) => {
                    self.recovered();
                    if let Some((log, head)) = sealed {
                        self.grown(log, head);
                    }
                    for task in group {
                        task.answer(Ok(()));
                    }
                    self.told.newest.send_if_modified(|old| std::mem::replace(old, newest) != newest);
                    return;
                }
                Err((culprit, Failed::Task(error))) if culprit < group.len() => {
                    group.remove(culprit).answer(Err(error));
                }
                Err((_, error)) => {
                    let message = match error {
                        Failed::Medium(error) => error.to_string(),
                        Failed::Task(error) => error.to_string(),
                    };
                    self.broke(&message);
                    for task in group {
                        task.answer(Err(StoreError::Unavailable(message.clone())));
                    }
                    return;
                }
            }
        }
    }

    /// One transaction. Fails with the index of the culprit. Whatever fails, nothing of it stays.
    fn attempt(&mut self, group: &mut [Box<dyn Task>]) -> Result<Done, (usize, Failed)> {
        let nobody = group.len();
        if self.conn.is_none() {
            self.connect().map_err(|failed| (nobody, failed))?;
        }
        let Some(conn) = &self.conn else { return Err((nobody, StoreError::Closed.into())) };
        let result = transaction(conn, group, &self.log, &self.books);
        if result.is_err() && !conn.is_autocommit() {
            // After an I/O error SQLite has rolled back already, hence the check.
            let _ = conn.execute_batch("ROLLBACK");
        }
        result
    }

    /// A new connection after a fault. The transaction that failed may be in the database all the same: where its records are
    /// durable, they are in the log, though nobody was told.
    fn connect(&mut self) -> Result<(), Failed> {
        let conn = self.options.connect()?;
        let (log, head) = self.log.reload(&conn)?;
        if head.size != self.told.head.borrow().size {
            self.grown(log, head);
        }
        self.conn = Some(conn);
        Ok(())
    }

    /// The log is that now. Told before anybody hears of his record.
    fn grown(&mut self, log: State, head: Arc<Head>) {
        if !Arc::ptr_eq(log.keys(), self.log.keys()) {
            self.told.keys.store(Arc::new(log.keys().to_vec()));
        }
        self.log = log;
        self.told.head.send_replace(head);
    }

    fn recovered(&mut self) {
        if self.troubled {
            self.troubled = false;
            self.trouble.set(None);
            tracing::info!("the store takes records again");
        }
    }

    /// Says so once, and starts afresh with the next group: a connection that has seen an I/O error is not trusted.
    fn broke(&mut self, message: &str) {
        if !self.troubled {
            tracing::error!(
                error = message,
                "the store does not take records: every call is refused until it does"
            );
        }
        self.troubled = true;
        self.trouble.set(Some(message.to_owned()));
        self.conn = None;
    }
}

fn transaction(
    conn: &Connection,
    group: &mut [Box<dyn Task>],
    log: &State,
    books: &Books,
) -> Result<Done, (usize, Failed)> {
    let nobody = group.len();
    let medium = |error| (nobody, Failed::Medium(error));
    let execute =
        |sql| conn.prepare_cached(sql).and_then(|mut statement| statement.execute([])).map_err(medium);
    execute("BEGIN IMMEDIATE")?;
    let tx = Tx::new(conn, log);
    for (index, task) in group.iter_mut().enumerate() {
        task.run(&tx).map_err(|failed| (index, failed))?;
    }
    let sealed = tx.seal().map_err(|failed| (nobody, failed))?;
    let newest = conn
        .prepare_cached(statements::NEWEST)
        .and_then(|mut statement| statement.query_row([], |row| row.get(0)))
        .map_err(medium)?;
    // After the tasks: what they change in the book is durable with them.
    let backlog = books.take();
    let written = limits::write(conn, &backlog).map_err(|failed| (nobody, failed));
    if let Err(failed) = written.and_then(|()| execute("COMMIT").map(drop)) {
        books.give_back(backlog);
        return Err(failed);
    }
    Ok((newest, sealed))
}
