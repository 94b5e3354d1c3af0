//! The outbox of the webhooks.

use super::log::Tx;
use super::statements::{from_json, put_event, signed};
use super::writer::Failed;
use crate::storage::approvals::{Attempt, Delivery};
use crate::storage::{Event, EventKind, StoreError};
use rusqlite::{Connection, OptionalExtension, params};

/// What is due, of each subject the oldest only; and when something is due next.
pub(super) fn due(
    conn: &Connection,
    webhook: &str,
    now_ms: u64,
    limit: u32,
) -> Result<(Vec<Delivery>, Option<u64>), StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT id, event, created_at, attempts FROM deliveries d WHERE webhook = ?1 AND next_at <= ?2 AND NOT EXISTS (
             SELECT 1 FROM deliveries e WHERE e.webhook = d.webhook AND e.subject = d.subject AND e.seq < d.seq
         ) ORDER BY seq LIMIT ?3",
    )?;
    let mut rows = statement.query(params![webhook, signed(now_ms), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(Delivery {
            id: row.get(0)?,
            event: from_json(&row.get::<_, String>(1)?)?,
            created_at_ms: u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            attempts: row.get(3)?,
        });
    }
    // What stands behind another is due when that one is: its own time says nothing.
    let next: Option<i64> = conn
        .prepare_cached(
            "SELECT min(next_at) FROM deliveries d WHERE webhook = ?1 AND NOT EXISTS (
                 SELECT 1 FROM deliveries e WHERE e.webhook = d.webhook AND e.subject = d.subject AND e.seq < d.seq)",
        )?
        .query_row([webhook], |row| row.get(0))?;
    Ok((found, next.and_then(|next| u64::try_from(next).ok())))
}

pub(super) fn attempted(tx: &Tx<'_>, id: &str, attempt: &Attempt) -> Result<(), Failed> {
    match attempt {
        Attempt::Delivered => {
            tx.prepare_cached("DELETE FROM deliveries WHERE id = ?1")?.execute([id])?;
        }
        Attempt::Again { at_ms, error } => {
            tx.prepare_cached(
                "UPDATE deliveries SET attempts = attempts + 1, next_at = ?2, error = ?3 WHERE id = ?1",
            )?
            .execute(params![id, signed(*at_ms), error])?;
        }
        Attempt::GaveUp { error } => {
            let found: Option<(String, String)> = tx
                .prepare_cached("DELETE FROM deliveries WHERE id = ?1 RETURNING webhook, subject")?
                .query_row([id], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()?;
            if let Some((webhook, subject)) = found {
                let detail = serde_json::json!({
                    "what": "webhook_gave_up", "id": subject, "webhook": webhook, "delivery": id, "why": error,
                });
                let event = Event { kind: EventKind::Approval, actor: "portcullis".to_owned(), detail };
                put_event(tx, &event)?;
            }
        }
    }
    Ok(())
}
