//! What can go wrong with a store.

use std::path::PathBuf;

/// A read or write that did not happen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// The queue of writes is full.
    #[error("the store is overloaded: {0} writes are waiting")]
    Overloaded(usize),
    /// The medium does not take or give data: full, locked, broken.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The store was shut down.
    #[error("the store is closed")]
    Closed,
    /// This `call_id` belongs to another question.
    #[error("call id `{0}` was already used for a different call")]
    CallIdReused(String),
    /// The approval that the decision rests on is no longer what it was: decide afresh.
    #[error("the approval of this call has changed meanwhile")]
    ApprovalChanged,
    /// Something that should not be: a bug, or a store that somebody edited.
    #[error("the store and the program disagree: {0}")]
    Inconsistent(String),
}

/// A store that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it.
    #[error(
        "another process is using the store in `{0}`; stop it, or give this one its own --data-dir \
         (keys can be managed through the running server: set PORTCULLIS_URL and PORTCULLIS_ADMIN_TOKEN)"
    )]
    InUse(PathBuf),
    /// It was written by a newer version.
    #[error(
        "the store in `{path}` has schema version {found}, this program knows up to {known}; use the newer \
         version, or restore a backup"
    )]
    TooNew {
        /// The data directory.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Newest version known.
        known: i64,
    },
    /// The directory or a file in it is not accessible.
    #[error("cannot use `{path}`: {source}; check that it exists, is writable and has space")]
    Io {
        /// What was accessed.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
    /// The log's signing key is not there, or another one.
    #[error("cannot use the log's key `{path}`: {why}")]
    LogKey {
        /// The key file.
        path: PathBuf,
        /// Why, and what to do.
        why: String,
    },
    /// The log has another name than the one that is asked for.
    #[error(
        "the log in `{path}` has the origin `{found}`, not `{wanted}`: a log keeps its name; set `audit.origin` to it, or \
         leave it out"
    )]
    OtherOrigin {
        /// The data directory.
        path: PathBuf,
        /// Its name.
        found: String,
        /// The name that was asked for.
        wanted: String,
    },
    /// The log is not what it was.
    #[error(
        "the log in `{path}` is damaged: {why}; `portcullis audit verify` tells which records are; restore a backup, and \
         keep this one for whoever looks into it"
    )]
    LogDamaged {
        /// The data directory.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The log is shorter than what was signed.
    #[error(
        "the store in `{path}` was put back to an earlier state: its log has {found} records, and a checkpoint of \
         {signed} was signed (file `checkpoint`); restore the newer state, or, if it is gone, go on under a new name, which \
         leaves a record: `portcullis audit key recover`"
    )]
    RolledBack {
        /// The data directory.
        path: PathBuf,
        /// Records in it.
        found: u64,
        /// Records in the newest checkpoint known.
        signed: u64,
    },
    /// The log is another one than what was signed.
    #[error(
        "the log in `{path}` is not the one whose checkpoint of {size} records (of `{origin}`) is in the file `checkpoint` \
         there; restore the store that belongs to it, or go on under a new name, which leaves a record: \
         `portcullis audit key recover`"
    )]
    Forked {
        /// The data directory.
        path: PathBuf,
        /// Records in that checkpoint.
        size: u64,
        /// Whose it is.
        origin: String,
    },
    /// It was written by an older version, and can only be read once it is up to date.
    #[error(
        "the store in `{path}` has schema version {found}, and is read from version {known} on: `portcullis serve` brings \
         it up to date when it starts"
    )]
    TooOld {
        /// The data directory.
        path: PathBuf,
        /// Version in the file.
        found: i64,
        /// Version needed.
        known: i64,
    },
    /// SQLite refuses it.
    #[error("cannot open the store in `{path}`: {source}")]
    Sqlite {
        /// The data directory.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
}
