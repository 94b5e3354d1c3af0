//! Texts of calls, encrypted, beside the log.

use super::SqliteStore;
use super::writer::Failed;
use crate::redaction::SealedText;
use crate::storage::id::{self, Seq};
use crate::storage::{CapturedTexts, Pending, StoreError};
use rusqlite::{Connection, params};

/// Writes the texts that go with a decision, in its transaction.
pub(super) fn put(conn: &Connection, seq: Seq, texts: &[SealedText]) -> Result<(), Failed> {
    for SealedText { kind, key_id, nonce, bytes } in texts {
        conn.prepare_cached(
            "INSERT INTO captured (seq, kind, key_id, nonce, bytes) VALUES (?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![seq, kind, key_id, nonce, bytes])?;
    }
    Ok(())
}

fn read(conn: &Connection, seq: Seq) -> Result<Vec<SealedText>, StoreError> {
    let mut statement =
        conn.prepare_cached("SELECT kind, key_id, nonce, bytes FROM captured WHERE seq = ?1 ORDER BY id")?;
    let rows = statement.query_map([seq], |row| {
        Ok(SealedText { kind: row.get(0)?, key_id: row.get(1)?, nonce: row.get(2)?, bytes: row.get(3)? })
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

impl CapturedTexts for SqliteStore {
    fn captured(&self, decision_id: String) -> Pending<'_, Vec<SealedText>> {
        self.read(move |conn| id::seq_of(&decision_id).map_or_else(|| Ok(Vec::new()), |seq| read(conn, seq)))
    }

    fn drop_captured(&self, before_ms: u64, limit: u32) -> Pending<'_, u64> {
        self.write(move |tx| {
            let dropped = tx
                .prepare_cached(
                    "DELETE FROM captured WHERE id IN (SELECT id FROM captured WHERE seq < ?1 ORDER BY seq LIMIT ?2)",
                )?
                .execute(params![id::first_of(before_ms), limit])?;
            Ok(u64::try_from(dropped).unwrap_or(0))
        })
    }
}
