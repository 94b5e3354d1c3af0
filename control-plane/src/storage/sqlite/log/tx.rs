//! Appending to the log, inside the transaction of a group.
//!
//! ```text
//! begin(state) ─▶ tasks: append(packed) ─▶ row of `records`, complete nodes ─▶ seal: sign, `log_head` ─▶ COMMIT ─▶ the new state
//! ```
//! The state that a transaction begins with is not touched: a group that is rolled back and run again begins with it again.

use super::super::statements::signed;
use super::super::writer::Failed;
use super::clock::Clock;
use super::pack::Packed;
use super::{keys, tree};
use crate::storage::{Head, StoreError};
use portcullis_audit::log::{Checkpoint, Frontier, SignedNote, SigningKey, VerifyingKey};
use rusqlite::{Connection, params};
use std::cell::RefCell;
use std::ops::Deref;
use std::sync::Arc;

/// One checkpoint in so many milliseconds is kept for good.
const KEEP_EVERY_MS: u64 = 1_000;
/// Between a record's own time and its entry's there is never more: it would look back-dated. What takes longer was given up
/// by whoever asked, long ago.
const LONGEST_WAIT_MS: u64 = 30_000;

/// The log as of the last commit: what the next transaction goes on from.
#[derive(Debug, Clone)]
pub(crate) struct State {
    frontier: Frontier,
    /// When the newest of the kept checkpoints was signed.
    kept_at: Option<u64>,
    key: Arc<SigningKey>,
    keys: Arc<[VerifyingKey]>,
    clock: Clock,
}

impl State {
    /// The log that the database holds, to be gone on with under that key.
    pub(super) fn load(
        conn: &Connection,
        size: u64,
        key: Arc<SigningKey>,
        clock: Clock,
    ) -> Result<Self, StoreError> {
        let kept_at: Option<i64> =
            conn.prepare_cached("SELECT max(at) FROM log_checkpoints")?.query_row([], |row| row.get(0))?;
        Ok(State {
            frontier: tree::frontier(conn, size)?,
            kept_at: kept_at.and_then(|at| u64::try_from(at).ok()),
            keys: keys::known(conn)?.into(),
            key,
            clock,
        })
    }

    /// The same after a fault, whatever became of the last transaction: it may have been committed all the same.
    pub(crate) fn reload(&self, conn: &Connection) -> Result<(Self, Arc<Head>), StoreError> {
        let head = super::read::head(conn)?;
        let state = State::load(conn, head.size, Arc::clone(&self.key), self.clock.clone())?;
        Ok((state, Arc::new(head)))
    }

    /// Whose signature checkpoints carry.
    pub(super) fn key(&self) -> &SigningKey {
        &self.key
    }

    pub(crate) fn keys(&self) -> &Arc<[VerifyingKey]> {
        &self.keys
    }

    pub(crate) fn clock(&self) -> &Clock {
        &self.clock
    }
}

/// A transaction of the writer: the connection, and the log that grows with it.
pub(crate) struct Tx<'a> {
    conn: &'a Connection,
    at: u64,
    inner: RefCell<Growing>,
}

struct Growing {
    state: State,
    before: u64,
    /// The key that is replaced, where it signs along.
    old_key: Option<Arc<SigningKey>>,
    keep: bool,
}

impl Deref for Tx<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.conn
    }
}

impl<'a> Tx<'a> {
    /// Begins with that state. The connection is in a transaction.
    pub(crate) fn new(conn: &'a Connection, state: &State) -> Self {
        let state = state.clone();
        let (at, before) = (state.clock.now(), state.frontier.size());
        Tx { conn, at, inner: RefCell::new(Growing { state, before, old_key: None, keep: false }) }
    }

    /// The time of everything in it, Unix milliseconds.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// A record of that time can still be written.
    pub(crate) fn in_time(&self, time_ms: u64) -> Result<(), StoreError> {
        if self.at.saturating_sub(time_ms) <= LONGEST_WAIT_MS {
            return Ok(());
        }
        Err(StoreError::Unavailable("the record waited too long for the disk".to_owned()))
    }

    /// The place of the next record.
    pub(crate) fn next(&self) -> i64 {
        signed(self.inner.borrow().state.frontier.size())
    }

    /// Appends a record; gives its place.
    pub(crate) fn append(&self, packed: &Packed) -> Result<i64, Failed> {
        self.append_at(packed, self.at)
    }

    /// The same for one whose entry has an earlier time, such as it had in a store without a log.
    pub(super) fn append_at(&self, packed: &Packed, at: u64) -> Result<i64, Failed> {
        let idx = self.next();
        let leaf = packed.entry(at).leaf();
        self.conn
            .prepare_cached(
                "INSERT INTO records (idx, kind, at, leaf, dict, record) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            )?
            .execute(params![idx, packed.kind.code(), signed(at), leaf, packed.dict, packed.bytes])?;
        let mut complete = Vec::new();
        self.inner.borrow_mut().state.frontier.push(leaf, |height, index, hash| {
            if height > 0 && height % 8 == 0 {
                complete.push((height / 8, signed(index), *hash));
            }
        });
        for (level, n, hash) in complete {
            self.conn
                .prepare_cached("INSERT INTO log_nodes (level, n, hash) VALUES (?1, ?2, ?3)")?
                .execute(params![level, n, hash])?;
        }
        Ok(idx)
    }

    /// From this transaction's checkpoint on another key signs; the old one signs this checkpoint along, unless it is lost.
    pub(super) fn sign_with(&self, key: SigningKey, lost: bool) -> Result<(), Failed> {
        let mut inner = self.inner.borrow_mut();
        keys::add(self.conn, &key.verifying_key(), inner.state.frontier.size(), self.at)?;
        let old = std::mem::replace(&mut inner.state.key, Arc::new(key));
        inner.old_key = (!lost).then_some(old);
        inner.keep = true;
        inner.state.keys = keys::known(self.conn)?.into();
        Ok(())
    }

    /// Whose signature checkpoints carry now.
    pub(super) fn key(&self) -> Arc<SigningKey> {
        Arc::clone(&self.inner.borrow().state.key)
    }

    /// Signs what was appended, if anything was. Gives the state after the commit, with its head.
    pub(crate) fn seal(self) -> Result<Option<(State, Arc<Head>)>, Failed> {
        let Growing { mut state, before, old_key, keep } = self.inner.into_inner();
        let size = state.frontier.size();
        if size == before && !keep {
            return Ok(None);
        }
        let root = state.frontier.root();
        let text = Checkpoint { origin: state.key.name().to_owned(), size, root }.to_text();
        let mut note = SignedNote::sign(text.clone(), &state.key);
        if let Some(old) = old_key {
            note.signatures.extend(SignedNote::sign(text, &old).signatures);
        }
        let note: Arc<str> = note.to_text().into();
        self.conn
            .prepare_cached(
                "INSERT OR REPLACE INTO log_head (one, size, root, at, note) VALUES (1, ?1, ?2, ?3, ?4)",
            )?
            .execute(params![signed(size), root, signed(self.at), note])?;
        if keep || state.kept_at.is_none_or(|kept| self.at >= kept.saturating_add(KEEP_EVERY_MS)) {
            self.conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO log_checkpoints (size, at, note) VALUES (?1, ?2, ?3)",
                )?
                .execute(params![signed(size), signed(self.at), note])?;
            state.kept_at = Some(self.at);
        }
        let head = Head { size, root, time_ms: self.at, note };
        Ok(Some((state, Arc::new(head))))
    }
}
