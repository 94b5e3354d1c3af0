//! Opening the log: is it what it was when it was closed?

use super::super::SqliteOptions;
use super::super::statements::{put_event, signed};
use super::super::writer::Failed;
use super::clock::Clock;
use super::keys::{self, LogKey};
use super::tx::{State, Tx};
use super::{guard, migrate, read, tree};
use crate::storage::id::{self, Seq};
use crate::storage::{Event, EventKind, Head, OpenError, StoreError};
use portcullis_audit::log::{Checkpoint, SignedNote, SigningKey, VerifyingKey};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The log of a store that was opened.
pub(in super::super) struct Opened {
    pub(in super::super) state: State,
    pub(in super::super) head: Arc<Head>,
}

/// A clock that is so far ahead of the machine's is worth a word, milliseconds.
const AHEAD_MS: u64 = 60_000;

/// Checks the log, makes it when absent, and writes to it what an older store has recorded. `newest` is the newest decision.
pub(in super::super) fn open(
    conn: &mut Connection,
    options: &SqliteOptions,
    newest: Seq,
) -> Result<Opened, OpenError> {
    let log = Opening { conn, options, directory: &options.directory };
    let stored = conn.query_row("SELECT 1 FROM log_head", [], |_| Ok(())).optional();
    let stored = stored.map_err(|source| OpenError::Sqlite { path: options.directory.clone(), source })?;
    let opened = match stored {
        None => log.make(newest)?,
        Some(()) => log.check(newest)?,
    };
    match migrate::run(conn, &opened.state).map_err(|failed| log.failed(failed))? {
        Some(state) => {
            let head = Arc::new(read::head(conn).map_err(|error| log.damaged(error))?);
            Ok(Opened { state, head })
        }
        None => Ok(opened),
    }
}

struct Opening<'a> {
    conn: &'a Connection,
    options: &'a SqliteOptions,
    directory: &'a Path,
}

impl Opening<'_> {
    fn damaged(&self, why: impl std::fmt::Display) -> OpenError {
        OpenError::LogDamaged { path: self.directory.to_owned(), why: why.to_string() }
    }

    fn failed(&self, failed: Failed) -> OpenError {
        match failed {
            Failed::Medium(source) => OpenError::Sqlite { path: self.directory.to_owned(), source },
            Failed::Task(error) => self.damaged(error),
        }
    }

    fn clock(&self, last: u64) -> Clock {
        let now = (self.options.clock)();
        if last > now.saturating_add(AHEAD_MS) {
            tracing::warn!(
                ahead_ms = last - now,
                "the clock of this machine is behind what the store has recorded: until it has caught up, records carry \
                 the newest time on record"
            );
        }
        Clock::new(self.options.clock, last)
    }

    /// Where the seed of the key is, for messages.
    fn key_path(&self) -> PathBuf {
        match &self.options.log_key {
            LogKey::File(path) => path.clone(),
            LogKey::Directory | LogKey::Seed(_) => keys::file(self.directory),
        }
    }

    /// Nothing says that there was a log before: else this is damage, or a database that somebody has exchanged.
    fn fresh(&self) -> Result<Option<OpenError>, OpenError> {
        let used: bool = self
            .conn
            .query_row(
                "SELECT EXISTS (SELECT 1 FROM records) OR EXISTS (SELECT 1 FROM log_keys) OR EXISTS (SELECT 1 FROM log_nodes)
                     OR EXISTS (SELECT 1 FROM decisions) OR EXISTS (SELECT 1 FROM outcomes) OR EXISTS (SELECT 1 FROM events)",
                [],
                |row| row.get(0),
            )
            .map_err(|source| OpenError::Sqlite { path: self.directory.to_owned(), source })?;
        if used {
            return Err(self.damaged("it has no head"));
        }
        match guard::read(self.directory)?.map(|text| guard::size(&text)) {
            Some(signed) if signed != Some(0) => {
                let (path, signed) = (self.directory.to_owned(), signed.unwrap_or(0));
                Ok(Some(OpenError::RolledBack { path, found: 0, signed }))
            }
            _ => Ok(None),
        }
    }

    /// A log without records.
    fn make(&self, newest: Seq) -> Result<Opened, OpenError> {
        let before = self.fresh()?;
        let gone = match before {
            Some(error) if !self.options.recover => return Err(error),
            gone => gone,
        };
        let origin = match &self.options.origin {
            Some(origin) => origin.clone(),
            None => {
                let [a, b, c, d, ..] = keys::random_seed()?;
                format!("portcullis.local/{}", hex::encode([a, b, c, d]))
            }
        };
        let seed = match keys::seed(&self.options.log_key, self.directory)? {
            Some(seed) => seed,
            None => {
                let seed = keys::random_seed()?;
                // Durable before anything is signed with it.
                keys::write(&keys::file(self.directory), &seed)?;
                seed
            }
        };
        let key = keys::signing(&origin, &seed, &self.key_path())?;
        let clock = self.clock(id::time_of(newest));
        self.in_transaction(|| {
            let at = clock.now();
            keys::add(self.conn, &key.verifying_key(), 0, at)?;
            let root = portcullis_audit::log::empty_root();
            let text = Checkpoint { origin: origin.clone(), size: 0, root }.to_text();
            let note = SignedNote::sign(text, &key).to_text();
            self.conn.execute(
                "INSERT INTO log_head (one, size, root, at, note) VALUES (1, 0, ?1, ?2, ?3)",
                params![root, signed(at), note],
            )?;
            Ok(())
        })?;
        let state = State::load(self.conn, 0, Arc::new(key), clock).map_err(|error| self.damaged(error))?;
        let head = Arc::new(read::head(self.conn).map_err(|error| self.damaged(error))?);
        let opened = Opened { state, head };
        match gone {
            Some(why) => self.recover(&opened, &[opened.state.key().verifying_key()], &why),
            None => Ok(opened),
        }
    }

    fn in_transaction<T>(&self, work: impl FnOnce() -> Result<T, Failed>) -> Result<T, OpenError> {
        let begun = self.conn.execute_batch("BEGIN IMMEDIATE").map_err(Failed::from);
        let done = begun.and_then(|()| work()).and_then(|value| {
            self.conn.execute_batch("COMMIT")?;
            Ok(value)
        });
        if done.is_err() && !self.conn.is_autocommit() {
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        done.map_err(|failed| self.failed(failed))
    }

    /// The log that is there.
    fn check(&self, newest: Seq) -> Result<Opened, OpenError> {
        let head = read::head(self.conn).map_err(|error| self.damaged(error))?;
        let known = keys::known(self.conn).map_err(|error| self.damaged(error))?;
        let Some(public) = known.last() else { return Err(self.damaged("it has no public key")) };
        if let Some(wanted) = self.options.origin.as_deref().filter(|wanted| *wanted != public.name()) {
            let (path, found) = (self.directory.to_owned(), public.name().to_owned());
            return Err(OpenError::OtherOrigin { path, found, wanted: wanted.to_owned() });
        }
        self.sound(&head, &known)?;
        let clock = self.clock(head.time_ms.max(id::time_of(newest)));
        let load = |key| {
            State::load(self.conn, head.size, Arc::new(key), clock.clone())
                .map_err(|error| self.damaged(error))
        };
        let (state, lost) = match self.own_key(public) {
            Ok(key) => (load(key)?, None),
            Err(error @ OpenError::LogKey { .. }) if self.options.replace_lost_key => {
                // It signs nothing: the new one does, from the record of its loss on.
                let key = keys::signing(public.name(), &keys::random_seed()?, &self.key_path())?;
                (load(key)?, Some(error))
            }
            Err(error) => return Err(error),
        };
        let opened = Opened { state, head: Arc::new(head) };
        let opened = match guard::check(self.conn, self.directory, &opened.head, &known) {
            Ok(()) => opened,
            Err(error @ (OpenError::RolledBack { .. } | OpenError::Forked { .. }))
                if self.options.recover =>
            {
                self.recover(&opened, &known, &error)?
            }
            Err(error) => return Err(error),
        };
        match lost {
            Some(_) => self.replace_key(&opened, public),
            None => Ok(opened),
        }
    }

    /// Its head is signed, and is that of the records.
    fn sound(&self, head: &Head, known: &[VerifyingKey]) -> Result<(), OpenError> {
        let note =
            SignedNote::parse(&head.note).map_err(|error| self.damaged(format!("its head: {error}")))?;
        note.verify(known).map_err(|error| self.damaged(format!("its head: {error}")))?;
        let said =
            Checkpoint::parse(&note.text).map_err(|error| self.damaged(format!("its head: {error}")))?;
        if (said.size, said.root) != (head.size, head.root) {
            return Err(self.damaged("its head is not what was signed"));
        }
        let last: Option<i64> = self
            .conn
            .query_row("SELECT max(idx) FROM records", [], |row| row.get(0))
            .map_err(|source| OpenError::Sqlite { path: self.directory.to_owned(), source })?;
        let count = last.map_or(0, |last| last.saturating_add(1));
        if count != signed(head.size) {
            return Err(self.damaged(format!("it has {count} records, and {} were signed", head.size)));
        }
        let root = tree::frontier(self.conn, head.size).map_err(|error| self.damaged(error))?.root();
        if root != head.root {
            return Err(self.damaged("its records lead to another root than was signed"));
        }
        // What was written last is what a fault of the disk hits first.
        let from = head.size - head.size % 256;
        read::records(self.conn, from, 256, usize::MAX).map_err(|error| self.damaged(error))?;
        Ok(())
    }

    /// The key that belongs to the newest public key.
    fn own_key(&self, public: &VerifyingKey) -> Result<SigningKey, OpenError> {
        let path = self.key_path();
        let lost = |why: &str| {
            keys::problem(
                &path,
                format!(
                    "{why}, and the log `{}` is signed with the key {}; restore that file, or, if the key is lost, \
                     go on with a new one: `portcullis audit key rotate --lost`",
                    public.name(),
                    hex::encode(public.id())
                ),
            )
        };
        let own = |seed: &[u8; 32]| {
            keys::signing(public.name(), seed, &path)
                .map(|key| (key.verifying_key() == *public).then_some(key))
        };
        let seed = keys::seed(&self.options.log_key, self.directory)?;
        if let Some(key) = seed.as_ref().map(own).transpose()?.flatten() {
            return Ok(key);
        }
        // The rotation to it is on record; the power failed before its file was in place.
        let next = keys::next_of(&path);
        if let Some(key) = keys::read(&next)?.as_ref().map(own).transpose()?.flatten() {
            keys::replace(&next, &path)?;
            return Ok(key);
        }
        Err(lost(if seed.is_some() { "it holds another key" } else { "it is not there" }))
    }

    /// Goes on with the key of the state, which is new: the old one is lost.
    fn replace_key(&self, opened: &Opened, old: &VerifyingKey) -> Result<Opened, OpenError> {
        let seed = keys::random_seed()?;
        let path = self.key_path();
        let key = keys::signing(old.name(), &seed, &path)?;
        keys::write(&keys::next_of(&path), &seed)?;
        let detail = json!({
            "what": "log_key_rotated", "old": old.to_string(), "new": key.verifying_key().to_string(), "lost": true,
        });
        let opened = self.record(opened, key, detail)?;
        keys::replace(&keys::next_of(&path), &path)?;
        Ok(opened)
    }

    /// The log was rolled back or forked: it goes on under another name, and its first record under it says so.
    fn recover(&self, opened: &Opened, known: &[VerifyingKey], why: &OpenError) -> Result<Opened, OpenError> {
        let Some(old) = known.last() else { return Err(self.damaged("it has no public key")) };
        let origin = next_name(old.name());
        // The same seed under another name is another key of signed-note: nothing signed with it can be taken for the old log.
        let seed = keys::seed(&self.options.log_key, self.directory)?;
        let seed = seed.ok_or_else(|| keys::problem(&self.key_path(), "it is not there".to_owned()))?;
        let key = keys::signing(&origin, &seed, &self.key_path())?;
        let detail = json!({
            "what": "log_recovered", "why": why.to_string(), "old_origin": old.name(), "origin": origin,
            "records": opened.head.size, "last_checkpoint": guard::read(self.directory)?,
            "checkpoint": &*opened.head.note,
        });
        let opened = self.record(opened, key, detail)?;
        guard::write(self.directory, &opened.head.note)
            .map_err(|source| OpenError::Io { path: self.directory.to_owned(), source })?;
        Ok(opened)
    }

    /// Records something about the log itself, from which on `key` signs alone.
    fn record(
        &self,
        opened: &Opened,
        key: SigningKey,
        detail: serde_json::Value,
    ) -> Result<Opened, OpenError> {
        let event = Event { kind: EventKind::Admin, actor: "cli".to_owned(), detail };
        let sealed = self.in_transaction(|| {
            let tx = Tx::new(self.conn, &opened.state);
            tx.sign_with(key, true)?;
            put_event(&tx, &event)?;
            tx.seal()
        })?;
        let (state, head) =
            sealed.ok_or_else(|| self.damaged(StoreError::Inconsistent("nothing was signed".to_owned())))?;
        Ok(Opened { state, head })
    }
}

/// `name`, `name/2`, `name/3` …
fn next_name(name: &str) -> String {
    let numbered = name.rsplit_once('/').and_then(|(stem, number)| Some((stem, number.parse::<u32>().ok()?)));
    match numbered {
        // Eight digits that happen to be decimal are part of a name that was made with a store.
        Some((stem, number)) if number < 10_000 => format!("{stem}/{}", number.saturating_add(1)),
        _ => format!("{name}/2"),
    }
}
