//! The log, as SQLite keeps it: every record a leaf of a signed tree, in the transaction that records it.

mod clock;
mod columns;
mod guard;
mod keeping;
mod keys;
mod migrate;
mod offline;
mod open;
mod pack;
mod prune;
mod read;
mod reader;
mod rotate;
mod tree;
mod tx;

use super::SqliteStore;
use super::statements::signed;
use crate::storage::{Head, Log, Logged, Pending, StoredCheckpoint};
pub(super) use clock::Clock;
pub(super) use guard::Guard;
pub use keys::LogKey;
pub use offline::{OfflineCheckpoint, OfflineLog, OfflineRow};
pub(super) use open::{Opened, open};
pub(crate) use pack::{Packed, unpack};
use portcullis_audit::log::{Hash, VerifyingKey};
pub use reader::LogReader;
use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, params};
use std::sync::Arc;
use tokio::sync::watch;
pub(crate) use tx::{State, Tx};

impl Log for SqliteStore {
    fn log_keys(&self) -> Vec<VerifyingKey> {
        self.log_keys.load().to_vec()
    }

    fn head(&self) -> watch::Receiver<Arc<Head>> {
        self.head.clone()
    }

    fn log_records(&self, from: u64, limit: u32, max_bytes: usize) -> Pending<'_, Vec<Logged>> {
        self.read(move |conn| read::records(conn, from, limit, max_bytes))
    }

    fn log_find(&self, id: String) -> Pending<'_, Vec<u64>> {
        self.read(move |conn| read::find(conn, &id))
    }

    fn log_hashes(&self, level: u8, first: u64, count: u32) -> Pending<'_, Vec<Hash>> {
        self.read(move |conn| tree::tiles(conn, level, first, u64::from(count)))
    }

    fn inclusion(&self, index: u64, size: u64) -> Pending<'_, Option<Vec<Hash>>> {
        self.read(move |conn| {
            if size > read::head(conn)?.size {
                return Ok(None);
            }
            tree::inclusion(conn, index, size)
        })
    }

    fn consistency(&self, old: u64, new: u64) -> Pending<'_, Option<Vec<Hash>>> {
        self.read(move |conn| {
            if new > read::head(conn)?.size {
                return Ok(None);
            }
            tree::consistency(conn, old, new)
        })
    }

    fn checkpoints(&self, after: u64, limit: u32) -> Pending<'_, Vec<StoredCheckpoint>> {
        self.read(move |conn| read::checkpoints(conn, after, limit))
    }

    fn checkpoint_from(&self, size: u64) -> Pending<'_, Option<StoredCheckpoint>> {
        // Every size is more than one less; the empty log is asked for by nobody.
        self.read(move |conn| Ok(read::checkpoints(conn, size.saturating_sub(1), 1)?.pop()))
    }

    fn keep_cosignature(&self, head: Arc<Head>, line: String) -> Pending<'_, ()> {
        self.write(move |tx| {
            tx.prepare_cached("INSERT OR IGNORE INTO log_checkpoints (size, at, note) VALUES (?1, ?2, ?3)")?
                .execute(params![signed(head.size), signed(head.time_ms), head.note])?;
            tx.prepare_cached("INSERT OR IGNORE INTO log_cosignatures (size, line) VALUES (?1, ?2)")?
                .execute(params![signed(head.size), line])?;
            Ok(())
        })
    }

    fn cursor(&self, follower: String) -> Pending<'_, Option<u64>> {
        self.read(move |conn| read::cursor(conn, &follower))
    }

    fn move_cursor(&self, follower: String, to: Option<u64>) -> Pending<'_, ()> {
        self.write(move |tx| {
            match to {
                Some(to) => tx
                    .prepare_cached(
                        "INSERT INTO cursors (follower, at) VALUES (?1, ?2)
                         ON CONFLICT (follower) DO UPDATE SET at = max(at, excluded.at)",
                    )?
                    .execute(params![follower, signed(to)])?,
                None => tx.prepare_cached("DELETE FROM cursors WHERE follower = ?1")?.execute([&follower])?,
            };
            Ok(())
        })
    }

    fn rotate_log_key(&self, seed: [u8; 32], actor: String) -> Pending<'_, VerifyingKey> {
        Box::pin(rotate::rotate(self, seed, actor))
    }

    fn cursors(&self) -> Pending<'_, Vec<(String, u64)>> {
        self.read(read::cursors)
    }
}

/// Functions of SQL that read records: `unpack(dict, record)` is the JSON of a record, NULL of a pruned one.
pub(super) fn add_functions(conn: &Connection) -> Result<(), rusqlite::Error> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function("unpack", 2, flags, |context| {
        let Some(packed) = context.get_raw(1).as_blob_or_null()? else { return Ok(None) };
        let unpacked = unpack(context.get(0)?, packed);
        unpacked.map(Some).map_err(|why| {
            let why = format!("a record of the log is damaged: {why}; `portcullis audit verify` tells which");
            rusqlite::Error::UserFunctionError(why.into())
        })
    })
}
