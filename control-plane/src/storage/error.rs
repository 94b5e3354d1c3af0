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
    /// SQLite refuses it.
    #[error("cannot open the store in `{path}`: {source}")]
    Sqlite {
        /// The data directory.
        path: PathBuf,
        /// Why it failed.
        source: rusqlite::Error,
    },
}
