//! `search.db`: the part of the index that is on disk. It can be thrown away at any time.

use super::delta::Delta;
use super::facet::Facet;
use super::pack::{
    BLOCK_BITS, chunk_of, key_chunk, pack_bitmap, pack_keys, pack_places, posting_of, unpack_bitmap,
    unpack_keys, unpack_places,
};
use super::words::{NewWord, Words};
use crate::storage::Seq;
use portcullis_audit::OutcomeRecord;
use portcullis_audit::log::Hash;
use roaring::RoaringBitmap;
use rusqlite::{Connection, OpenFlags, OptionalExtension, Transaction, params};
use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The form of the file; another one is rebuilt.
const FORM: i64 = 1;
/// Idle connections kept.
const IDLE: usize = 4;

const SCHEMA: &str = "
CREATE TABLE meta (one INTEGER PRIMARY KEY CHECK (one = 1), origin TEXT NOT NULL, cursor INTEGER NOT NULL, leaf BLOB) STRICT;
CREATE TABLE words (facet INTEGER, number INTEGER, text TEXT NOT NULL, PRIMARY KEY (facet, number)) STRICT, WITHOUT ROWID;
CREATE TABLE postings (row INTEGER PRIMARY KEY, docs INTEGER NOT NULL, bitmap BLOB NOT NULL) STRICT;
CREATE TABLE keys (row INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
CREATE TABLE places (block INTEGER PRIMARY KEY, first INTEGER NOT NULL, places BLOB NOT NULL) STRICT;
CREATE TABLE early (outcome TEXT NOT NULL) STRICT;
CREATE TABLE gone (chunk INTEGER PRIMARY KEY, bitmap BLOB NOT NULL) STRICT;
";

/// Why the index cannot be read or written.
#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    /// SQLite says so.
    #[error("{0}")]
    Sqlite(#[from] rusqlite::Error),
    /// A row is not what we write.
    #[error("a row of `{0}` is broken")]
    Broken(&'static str),
    /// The file cannot be removed, to be made anew.
    #[error("cannot remove `{0}`: {1}")]
    Remove(PathBuf, std::io::Error),
}

/// How far the index goes, and of which log it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Mark {
    /// The log's name.
    pub(super) origin: String,
    /// Records that are indexed.
    pub(super) cursor: u64,
    /// The leaf hash of the last of them. Every entry has a random id: of two logs that agree in one of them, one is the
    /// beginning of the other.
    pub(super) leaf: Option<Hash>,
}

/// A row of places: its number and its first decision.
#[derive(Debug, Clone, Copy)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) first: Seq,
}

/// The file.
#[derive(Debug)]
pub(super) struct File {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Behind the readers, so that it is closed last: it then copies the write-ahead log into the file, which they cannot.
    writer: Mutex<Connection>,
}

/// What is read from it at the beginning.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) mark: Mark,
    pub(super) words: Vec<NewWord>,
    pub(super) blocks: Vec<Block>,
    pub(super) early: Vec<OutcomeRecord>,
    pub(super) gone: BTreeMap<u32, RoaringBitmap>,
}

/// What is written whole, beside the delta.
#[derive(Debug)]
pub(super) struct Beside<'a> {
    /// Outcomes without their decision.
    pub(super) early: &'a VecDeque<OutcomeRecord>,
    /// Pruned decisions of these chunks.
    pub(super) gone: Vec<(u32, &'a RoaringBitmap)>,
}

impl File {
    /// Opens the file, makes it when absent.
    pub(super) fn open(directory: &Path) -> Result<(Self, Loaded), FileError> {
        let path = directory.join("search.db");
        let mut conn = Connection::open(&path)?;
        conn.busy_timeout(std::time::Duration::from_secs(5))?;
        conn.pragma_update(None, "page_size", 16_384)?;
        conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(()))?;
        // What a power cut takes is indexed again.
        conn.pragma_update(None, "synchronous", "NORMAL")?;
        conn.pragma_update(None, "cache_size", -16_384)?;
        let form: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0))?;
        if form == 0 {
            let tx = conn.transaction()?;
            tx.execute_batch(SCHEMA)?;
            tx.pragma_update(None, "user_version", FORM)?;
            tx.commit()?;
        } else if form != FORM {
            return Err(FileError::Broken("user_version"));
        }
        let loaded = load(&conn)?;
        Ok((File { path, writer: Mutex::new(conn), idle: Mutex::default() }, loaded))
    }

    /// Removes what is there. Nobody may have it open.
    pub(super) fn remove(directory: &Path) -> Result<(), FileError> {
        for name in ["search.db", "search.db-wal", "search.db-shm"] {
            let path = directory.join(name);
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(FileError::Remove(path, error));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Runs a read on a snapshot.
    pub(super) fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, FileError>,
    ) -> Result<T, FileError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => {
                let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
                let conn = Connection::open_with_flags(&self.path, flags)?;
                conn.busy_timeout(std::time::Duration::from_secs(5))?;
                conn.pragma_update(None, "cache_size", -16_384)?;
                conn
            }
        };
        let snapshot = conn.unchecked_transaction()?;
        let value = work(&snapshot)?;
        snapshot.finish()?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(conn);
        }
        Ok(value)
    }

    /// Writes what is new: all of it or nothing. `before` is how far the file goes now.
    pub(super) fn write(
        &self,
        delta: &Delta,
        beside: &Beside<'_>,
        before: u64,
        mark: &Mark,
    ) -> Result<(), FileError> {
        let mut conn = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let tx = conn.transaction()?;
        // Rows of chunks that the file knows nothing of need not be looked up.
        let known = |chunk: u32| before > 0 && chunk <= chunk_of(before - 1);
        write_words(&tx, &delta.words)?;
        write_postings(&tx, delta, known)?;
        write_keys(&tx, delta, known)?;
        write_places(&tx, &delta.places, before)?;
        write_early(&tx, beside.early)?;
        for (chunk, bitmap) in &beside.gone {
            let bitmap = pack_bitmap(&mut (*bitmap).clone());
            tx.execute(
                "INSERT OR REPLACE INTO gone (chunk, bitmap) VALUES (?1, ?2)",
                params![chunk, bitmap],
            )?;
        }
        tx.execute(
            "INSERT INTO meta (one, origin, cursor, leaf) VALUES (1, ?1, ?2, ?3)
             ON CONFLICT DO UPDATE SET origin = excluded.origin, cursor = excluded.cursor, leaf = excluded.leaf",
            params![mark.origin, mark.cursor as i64, mark.leaf],
        )?;
        tx.commit()?;
        Ok(())
    }

    /// Its size in bytes.
    pub(super) fn bytes(&self) -> u64 {
        std::fs::metadata(&self.path).map_or(0, |found| found.len())
    }
}

fn load(conn: &Connection) -> Result<Loaded, FileError> {
    let mut loaded = Loaded::default();
    let mark = conn.query_row("SELECT origin, cursor, leaf FROM meta", [], |row| {
        Ok(Mark { origin: row.get(0)?, cursor: row.get::<_, i64>(1)? as u64, leaf: row.get(2)? })
    });
    loaded.mark = mark.optional()?.unwrap_or_default();
    let mut statement = conn.prepare("SELECT facet, number, text FROM words ORDER BY facet, number")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let facet = Facet::from_code(row.get(0)?).ok_or(FileError::Broken("words"))?;
        let text: String = row.get(2)?;
        loaded.words.push(NewWord { facet, number: row.get(1)?, text: text.into() });
    }
    let mut statement = conn.prepare("SELECT block, first FROM places ORDER BY block")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        loaded.blocks.push(Block { number: row.get::<_, i64>(0)? as u64, first: row.get(1)? });
    }
    let mut statement = conn.prepare("SELECT outcome FROM early ORDER BY rowid")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let json: String = row.get(0)?;
        loaded.early.push(serde_json::from_str(&json).map_err(|_| FileError::Broken("early"))?);
    }
    let mut statement = conn.prepare("SELECT chunk, bitmap FROM gone")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let bytes: Vec<u8> = row.get(1)?;
        loaded.gone.insert(row.get(0)?, unpack_bitmap(&bytes).ok_or(FileError::Broken("gone"))?);
    }
    Ok(loaded)
}

fn write_words(tx: &Transaction<'_>, words: &[NewWord]) -> Result<(), FileError> {
    let mut put =
        tx.prepare_cached("INSERT OR REPLACE INTO words (facet, number, text) VALUES (?1, ?2, ?3)")?;
    for word in words {
        put.execute(params![word.facet.code(), word.number, word.text])?;
    }
    Ok(())
}

fn write_postings(tx: &Transaction<'_>, delta: &Delta, known: impl Fn(u32) -> bool) -> Result<(), FileError> {
    let mut put =
        tx.prepare_cached("INSERT OR REPLACE INTO postings (row, docs, bitmap) VALUES (?1, ?2, ?3)")?;
    let mut rows: Vec<_> = delta.postings.iter().collect();
    rows.sort_unstable_by_key(|(row, _)| **row);
    for (row, change) in rows {
        let (_, chunk, _) = posting_of(*row).ok_or(FileError::Broken("postings"))?;
        let old = if known(chunk) { posting(tx, *row)? } else { None };
        let new = old.is_none();
        let mut bitmap = old.unwrap_or_default();
        change.apply(&mut bitmap);
        if !(new && bitmap.is_empty()) {
            put.execute(params![row, bitmap.len() as i64, pack_bitmap(&mut bitmap)])?;
        }
    }
    Ok(())
}

fn write_keys(tx: &Transaction<'_>, delta: &Delta, known: impl Fn(u32) -> bool) -> Result<(), FileError> {
    let mut put = tx.prepare_cached("INSERT OR REPLACE INTO keys (row, entries) VALUES (?1, ?2)")?;
    let mut rows: Vec<_> = delta.keys.iter().collect();
    rows.sort_unstable_by_key(|(row, _)| **row);
    for (row, added) in rows {
        let mut entries = added.clone();
        if known(key_chunk(*row))
            && let Some(old) = keys(tx, *row)?
        {
            entries.extend(unpack_keys(&old));
        }
        entries.sort_unstable();
        entries.dedup();
        put.execute(params![row, pack_keys(&entries)])?;
    }
    Ok(())
}

fn write_places(tx: &Transaction<'_>, new: &[(u64, Seq)], before: u64) -> Result<(), FileError> {
    let mut put =
        tx.prepare_cached("INSERT OR REPLACE INTO places (block, first, places) VALUES (?1, ?2, ?3)")?;
    for group in new.chunk_by(|(one, _), (other, _)| one >> BLOCK_BITS == other >> BLOCK_BITS) {
        let Some((index, first)) = group.first() else { continue };
        let block = index >> BLOCK_BITS;
        let mut all = if block << BLOCK_BITS < before { places(tx, block)? } else { Vec::new() };
        let first = all.first().map_or(*first, |(_, first)| *first);
        all.extend(group);
        put.execute(params![block as i64, first, pack_places(block, &all)])?;
    }
    Ok(())
}

fn write_early(tx: &Transaction<'_>, early: &VecDeque<OutcomeRecord>) -> Result<(), FileError> {
    tx.execute("DELETE FROM early", [])?;
    let mut put = tx.prepare_cached("INSERT INTO early (outcome) VALUES (?1)")?;
    for outcome in early {
        put.execute([serde_json::to_string(outcome).map_err(|_| FileError::Broken("early"))?])?;
    }
    Ok(())
}

/// The postings of a row.
pub(super) fn posting(conn: &Connection, row: i64) -> Result<Option<RoaringBitmap>, FileError> {
    let mut get = conn.prepare_cached("SELECT bitmap FROM postings WHERE row = ?1")?;
    let mut rows = get.query([row])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let bytes = row.get_ref(0)?.as_blob().map_err(|_| FileError::Broken("postings"))?;
    unpack_bitmap(bytes).map(Some).ok_or(FileError::Broken("postings"))
}

/// The rows of a facet in a chunk, from the first value to the last: told as value, number of members, and the bitmap for
/// those that `wanted` says so.
pub(super) fn postings(
    conn: &Connection,
    (first, last): (i64, i64),
    mut wanted: impl FnMut(u32, u64) -> bool,
    mut tell: impl FnMut(u32, RoaringBitmap),
) -> Result<(), FileError> {
    let mut get = conn
        .prepare_cached("SELECT row, docs, bitmap FROM postings WHERE row BETWEEN ?1 AND ?2 ORDER BY row")?;
    let mut rows = get.query([first, last])?;
    while let Some(row) = rows.next()? {
        let (_, _, value) = posting_of(row.get(0)?).ok_or(FileError::Broken("postings"))?;
        if wanted(value, row.get::<_, i64>(1)? as u64) {
            let bytes = row.get_ref(2)?.as_blob().map_err(|_| FileError::Broken("postings"))?;
            tell(value, unpack_bitmap(bytes).ok_or(FileError::Broken("postings"))?);
        }
    }
    Ok(())
}

/// The keys of a row, as bytes.
pub(super) fn keys(conn: &Connection, row: i64) -> Result<Option<Vec<u8>>, FileError> {
    let mut get = conn.prepare_cached("SELECT entries FROM keys WHERE row = ?1")?;
    Ok(get.query_row([row], |row| row.get(0)).optional()?)
}

/// The decisions of a block.
pub(super) fn places(conn: &Connection, block: u64) -> Result<Vec<(u64, Seq)>, FileError> {
    let mut get = conn.prepare_cached("SELECT places FROM places WHERE block = ?1")?;
    let mut rows = get.query([block as i64])?;
    let Some(row) = rows.next()? else { return Ok(Vec::new()) };
    let bytes = row.get_ref(0)?.as_blob().map_err(|_| FileError::Broken("places"))?;
    unpack_places(block, bytes).ok_or(FileError::Broken("places"))
}

/// Puts the dictionary together.
pub(super) fn words(mut words: Words, loaded: Vec<NewWord>) -> Words {
    for word in loaded {
        words.load(word);
    }
    words
}
