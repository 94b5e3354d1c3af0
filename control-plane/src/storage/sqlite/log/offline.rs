//! The log of a store as it lies there, for `portcullis audit verify`: nothing is believed, nothing is locked, nothing is written.

use super::super::statements::signed;
use super::super::{SqliteOptions, schema};
use super::pack::unpack;
use crate::storage::OpenError;
use portcullis_audit::log::{Hash, RecordKind, verify};
use rusqlite::{Connection, OpenFlags, OptionalExtension, params};
use std::path::{Path, PathBuf};

/// A log that is read as of one moment, also while another process writes it.
#[derive(Debug)]
pub struct OfflineLog {
    conn: Connection,
    directory: PathBuf,
}

/// A checkpoint as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfflineCheckpoint {
    /// The size beside it.
    pub size: u64,
    /// The note, with its cosignatures.
    pub note: String,
    /// The root beside it.
    pub root: Option<Hash>,
}

/// A row of the log, not looked at yet: that is done on other threads.
#[derive(Debug)]
pub struct OfflineRow {
    index: u64,
    kind: u8,
    at: u64,
    leaf: Option<Hash>,
    dict: i64,
    record: Option<Vec<u8>>,
    entry: Option<String>,
}

impl OfflineRow {
    /// Its place in the log.
    #[must_use]
    pub fn index(&self) -> u64 {
        self.index
    }

    /// What is left of it when it was looked at. `deep`: also whether it is in canonical form.
    #[must_use]
    pub fn digest(&self, deep: bool) -> verify::Digest {
        let OfflineRow { index, at: time_ms, .. } = *self;
        // A leaf that is none is not that of the record.
        let leaf = self.leaf.unwrap_or_default();
        let nothing = |why: &str| verify::Digest::of_nothing(index, time_ms, leaf, why);
        match (&self.record, &self.entry) {
            (Some(packed), None) => {
                let Some(kind) = RecordKind::from_code(self.kind) else {
                    return nothing(&format!("there is no kind {}", self.kind));
                };
                match unpack(self.dict, packed) {
                    Ok(json) => {
                        let row = verify::Row { index, kind, time_ms, leaf, record: json.as_bytes() };
                        verify::Digest::of_row(&row, deep)
                    }
                    Err(why) => nothing(&why),
                }
            }
            (None, Some(entry)) => {
                let row = (self.kind, time_ms);
                verify::Digest::of_pruned(index, leaf, entry.as_bytes())
                    .beside(RecordKind::from_code(row.0), row.1)
            }
            (None, None) => nothing("neither record nor entry is there"),
            (Some(_), Some(_)) => nothing("it is pruned and it is not"),
        }
    }
}

impl OfflineLog {
    /// Opens it.
    ///
    /// # Errors
    /// When there is no such store, it cannot be read, or another version of the program has written it.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let options = SqliteOptions::new(directory);
        let sqlite = |source| OpenError::Sqlite { path: directory.to_owned(), source };
        let conn = connect(&options.database()).map_err(sqlite)?;
        conn.busy_timeout(options.busy_timeout).map_err(sqlite)?;
        let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        let known = schema::known();
        if found > known {
            return Err(OpenError::TooNew { path: directory.to_owned(), found, known });
        }
        if found < known {
            return Err(OpenError::TooOld { path: directory.to_owned(), found, known });
        }
        // One moment for everything that follows.
        conn.execute_batch("BEGIN").map_err(sqlite)?;
        Ok(OfflineLog { conn, directory: directory.to_owned() })
    }

    /// The newest checkpoint; `None` where there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn head(&self) -> rusqlite::Result<Option<OfflineCheckpoint>> {
        let mut statement = self.conn.prepare_cached("SELECT size, note, root FROM log_head")?;
        statement
            .query_row([], |row| {
                let root: Vec<u8> = row.get(2)?;
                Ok(OfflineCheckpoint {
                    size: number(row.get(0)?),
                    note: row.get(1)?,
                    root: root.try_into().ok(),
                })
            })
            .optional()
    }

    /// The text of the file `checkpoint` beside the database.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn guard(&self) -> std::io::Result<Option<String>> {
        match std::fs::read(self.directory.join("checkpoint")) {
            Ok(text) => Ok(Some(String::from_utf8_lossy(&text).into_owned())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Kept checkpoints of more than `after` and at most `to` records, with the cosignatures of each.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn checkpoints(&self, after: Option<u64>, to: u64) -> rusqlite::Result<Vec<OfflineCheckpoint>> {
        let sql = "SELECT size, note FROM log_checkpoints WHERE size > ?1 AND size <= ?2 ORDER BY size";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![after.map_or(-1, signed), signed(to)])?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            let (size, mut note): (i64, String) = (row.get(0)?, row.get(1)?);
            let sql = "SELECT line FROM log_cosignatures WHERE size = ?1 ORDER BY line";
            let mut lines = self.conn.prepare_cached(sql)?;
            let mut lines = lines.query([size])?;
            while let Some(line) = lines.next()? {
                note.push_str(&line.get::<_, String>(0)?);
            }
            found.push(OfflineCheckpoint { size: number(size), note, root: None });
        }
        Ok(found)
    }

    /// Rows from that index on, at most so many.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rows(&self, from: u64, limit: u32) -> rusqlite::Result<Vec<OfflineRow>> {
        let sql = "SELECT idx, kind, at, leaf, dict, record, entry FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2";
        let mut statement = self.conn.prepare_cached(sql)?;
        let mut rows = statement.query(params![signed(from), limit])?;
        let mut found = Vec::with_capacity(limit as usize);
        while let Some(row) = rows.next()? {
            // Whoever writes to the file itself is held by no type.
            let leaf = row.get_ref(3)?.as_blob().ok().and_then(|leaf| leaf.try_into().ok());
            let record = row.get_ref(5)?.as_blob_or_null().ok().flatten().map(<[u8]>::to_vec);
            let entry = row.get_ref(6)?.as_str_or_null().ok().flatten().map(str::to_owned);
            found.push(OfflineRow {
                index: number(row.get(0)?),
                kind: row.get::<_, i64>(1).ok().and_then(|kind| u8::try_from(kind).ok()).unwrap_or(0),
                at: number(row.get(2).unwrap_or(-1)),
                leaf,
                dict: row.get(4).unwrap_or(-1),
                record,
                entry,
            });
        }
        Ok(found)
    }

    /// A stored node.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn node(&self, level: u8, index: u64) -> rusqlite::Result<Option<verify::Node>> {
        let mut statement =
            self.conn.prepare_cached("SELECT hash FROM log_nodes WHERE level = ?1 AND n = ?2")?;
        let hash: Option<Vec<u8>> =
            statement.query_row(params![level, signed(index)], |row| row.get(0)).optional()?;
        let hash = hash.and_then(|hash| Hash::try_from(hash).ok());
        Ok(hash.map(|hash| verify::Node { level, index, hash }))
    }

    /// Stored nodes that a log of that size has no records for.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn nodes_beyond(&self, size: u64) -> rusqlite::Result<Vec<verify::Node>> {
        let mut found = Vec::new();
        for level in 1_u8..=7 {
            let sql = "SELECT n FROM log_nodes WHERE level = ?1 AND n >= ?2 LIMIT 1000";
            let mut statement = self.conn.prepare_cached(sql)?;
            let rows = statement.query_map(params![level, signed(size >> (8 * level))], |row| row.get(0))?;
            for index in rows.collect::<rusqlite::Result<Vec<i64>>>()? {
                found.extend(self.node(level, number(index))?);
            }
        }
        Ok(found)
    }

    /// What is searched by that is not what the records say: of each row its table, the index that it points to, and why.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn wrong_columns(&self, mut found: impl FnMut(u64, String)) -> rusqlite::Result<()> {
        super::columns::compare(&self.conn, &mut found)
    }
}

/// Read-only. A copy on a medium that cannot be written has no `-shm` file, and needs none when nothing is in its `-wal`.
fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || {
        let conn = Connection::open_with_flags(path, flags)?;
        conn.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(())).optional()?;
        Ok(conn)
    };
    open().or_else(|error: rusqlite::Error| {
        let wal = path.with_extension("db-wal");
        let empty = std::fs::metadata(&wal).is_ok_and(|wal| wal.len() == 0);
        if wal.exists() && !empty {
            return Err(error);
        }
        let escaped = path.to_string_lossy().replace('%', "%25").replace('?', "%3f").replace('#', "%23");
        let conn = Connection::open_with_flags(
            format!("file:{escaped}?immutable=1"),
            flags | OpenFlags::SQLITE_OPEN_URI,
        )?;
        conn.query_row("SELECT 1 FROM sqlite_schema LIMIT 1", [], |_| Ok(())).optional()?;
        Ok(conn)
    })
}

/// A negative number stands for nothing that there is.
fn number(stored: i64) -> u64 {
    u64::try_from(stored).unwrap_or(u64::MAX)
}
