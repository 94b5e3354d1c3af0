//! The log of a data directory, read beside the process that writes it or without one: for exports.

use super::super::{SqliteOptions, schema};
use super::{add_functions, keys, read, tree};
use crate::storage::{Head, LogKey, Logged, OpenError, StoreError};
use portcullis_audit::log::{Hash, SigningKey, VerifyingKey, consistency_proof, inclusion_proof};
use rusqlite::{Connection, OpenFlags};
use std::path::{Path, PathBuf};

/// A log that is only read. What is read is what the tree holds, or an error.
#[derive(Debug)]
pub struct LogReader {
    conn: Connection,
    directory: PathBuf,
}

impl LogReader {
    /// Opens it; nothing is written.
    ///
    /// # Errors
    /// When there is no such database, it cannot be read, or another version of the program has written it.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let options = SqliteOptions::new(directory);
        let sqlite = |source| OpenError::Sqlite { path: directory.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(options.database(), flags).map_err(sqlite)?;
        conn.busy_timeout(options.busy_timeout).map_err(sqlite)?;
        let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        let known = schema::known();
        if found > known {
            return Err(OpenError::TooNew { path: directory.to_owned(), found, known });
        }
        if found < known {
            return Err(OpenError::TooOld { path: directory.to_owned(), found, known });
        }
        add_functions(&conn).map_err(sqlite)?;
        Ok(LogReader { conn, directory: directory.to_owned() })
    }

    /// The newest checkpoint.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn head(&self) -> Result<Head, StoreError> {
        read::head(&self.conn)
    }

    /// Its public keys, the newest last.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn keys(&self) -> Result<Vec<VerifyingKey>, StoreError> {
        keys::known(&self.conn)
    }

    /// Records from that index on: at most `limit`, and no more once they weigh `max_bytes`.
    ///
    /// # Errors
    /// When the database cannot be read, or a record is damaged.
    pub fn records(&self, from: u64, limit: u32, max_bytes: usize) -> Result<Vec<Logged>, StoreError> {
        read::records(&self.conn, from, limit, max_bytes)
    }

    /// Hashes of a level of tiles, see [`crate::storage::Log::log_hashes`].
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn hashes(&self, level: u8, first: u64, count: u32) -> Result<Vec<Hash>, StoreError> {
        tree::hashes(&self.conn, level, first, u64::from(count))
    }

    /// The consistency proof between two sizes; `None` where there is no such tree.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn consistency(&self, old: u64, new: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        if new > self.head()?.size {
            return Ok(None);
        }
        consistency_proof(old, new, |height, index| tree::node(&self.conn, height, index))
    }

    /// The inclusion proof of a record in the tree of that size; `None` where there is no such record or tree.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn inclusion(&self, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
        if size > self.head()?.size {
            return Ok(None);
        }
        inclusion_proof(index, size, |height, index| tree::node(&self.conn, height, index))
    }

    /// The key that signs it now, from a file or that of the data directory.
    ///
    /// # Errors
    /// When there is no such file, or it is not that key.
    pub fn signing_key(&self, key: &LogKey) -> Result<SigningKey, OpenError> {
        let path = key.file(&self.directory).unwrap_or_else(|| self.directory.clone());
        let missing = |why: &str| keys::problem(&path, why.to_owned());
        let newest = self.keys().ok().and_then(|keys| keys.last().cloned());
        let newest = newest.ok_or_else(|| missing("the log has no key"))?;
        let seed = keys::seed(key, &self.directory)?;
        let seed = seed
            .ok_or_else(|| missing("there is no such file; give the one with the key that signs the log"))?;
        let key = keys::signing(newest.name(), &seed, &path)?;
        if key.verifying_key() == newest {
            Ok(key)
        } else {
            Err(missing("it is not the key that signs the log now"))
        }
    }
}
