//! The rows of the ledger of limits.

use super::statements::{from_json, signed, to_json, unsigned};
use super::writer::Failed;
use crate::storage::book::{Backlog, OpenCall};
use crate::storage::{StoreError, StoredLimits};
use portcullis_limits::{OpenRow, Snapshot, UseRow};
use rusqlite::{Connection, params};
use std::sync::Arc;

/// Writes what has changed, in the transaction of whatever goes with it.
pub(super) fn write(conn: &Connection, backlog: &Backlog) -> Result<(), Failed> {
    for (limit, slice_end) in &backlog.expired {
        conn.prepare_cached("DELETE FROM limit_use WHERE limit_id = ?1 AND slice_end <= ?2")?
            .execute(params![limit, signed(*slice_end)])?;
    }
    for ((limit, key, slice_end), delta) in &backlog.uses {
        if *delta == 0 {
            continue;
        }
        conn.prepare_cached(
            "INSERT INTO limit_use (limit_id, key, slice_end, amount) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (limit_id, key, slice_end) DO UPDATE SET amount = amount + excluded.amount",
        )?
        .execute(params![limit, key, signed(*slice_end), delta])?;
        if *delta < 0 {
            conn.prepare_cached(
                "DELETE FROM limit_use WHERE limit_id = ?1 AND key = ?2 AND slice_end = ?3 AND amount <= 0",
            )?
            .execute(params![limit, key, signed(*slice_end)])?;
        }
    }
    for (call, change) in &backlog.calls {
        match change {
            OpenCall::New(row) | OpenCall::Changed(row) => conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO limit_open (call_id, at, kept, entries) VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![call, signed(row.at_ms), row.kept, to_json(&row.entries)?])?,
            OpenCall::Closed => {
                conn.prepare_cached("DELETE FROM limit_open WHERE call_id = ?1")?.execute([call])?
            }
        };
    }
    for ((limit, key, founder), row) in &backlog.groups {
        match row {
            Some(row) => conn
                .prepare_cached(
                    "INSERT OR REPLACE INTO limit_groups (limit_id, key, founder, record)
                     VALUES (?1, ?2, ?3, ?4)",
                )?
                .execute(params![limit, key, founder, to_json(row)?])?,
            None => conn
                .prepare_cached("DELETE FROM limit_groups WHERE limit_id = ?1 AND key = ?2 AND founder = ?3")?
                .execute(params![limit, key, founder])?,
        };
    }
    Ok(())
}

/// Every row, and the calls whose rows no record stands behind.
pub(super) fn read(conn: &Connection) -> Result<StoredLimits, StoreError> {
    // One snapshot for all of it.
    let conn = conn.unchecked_transaction()?;
    let mut stored = StoredLimits { rows: Snapshot::default(), stray: Vec::new() };
    let mut statement = conn.prepare("SELECT limit_id, key, slice_end, amount FROM limit_use")?;
    let mut rows = statement.query([])?;
    let mut last: Option<(Arc<str>, Arc<str>)> = None;
    while let Some(row) = rows.next()? {
        let (limit, key): (Arc<str>, Arc<str>) = (row.get(0)?, row.get(1)?);
        // A million rows of a few limits need not hold as many copies of a name.
        let (limit, key) = match &last {
            Some((l, k)) if *l == limit => (Arc::clone(l), if *k == key { Arc::clone(k) } else { key }),
            _ => (limit, key),
        };
        last = Some((Arc::clone(&limit), Arc::clone(&key)));
        let (slice_end, amount) = (unsigned(row.get(2)?), unsigned(row.get(3)?));
        stored.rows.uses.push(UseRow { limit, key, slice_end, amount });
    }
    // An outcome settles its call in its own transaction; so one that is final and a row that is open do not belong
    // together, and neither do a row and a call that was not let out.
    let mut statement = conn.prepare(
        "SELECT l.call_id, l.at, l.kept, l.entries,
                d.verdict IS NOT 'allow' OR (o.state IS NOT NULL AND o.state <> 'unknown')
         FROM limit_open l LEFT JOIN decisions d ON d.call_id = l.call_id
         LEFT JOIN outcomes o ON o.call_id = l.call_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let open = OpenRow {
            call: row.get(0)?,
            at_ms: unsigned(row.get(1)?),
            kept: row.get(2)?,
            entries: from_json(&row.get::<_, String>(3)?)?,
        };
        if row.get(4)? {
            stored.stray.push(Arc::clone(&open.call));
        }
        stored.rows.open.push(open);
    }
    let mut statement = conn.prepare("SELECT record FROM limit_groups")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        stored.rows.groups.push(from_json(&row.get::<_, String>(0)?)?);
    }
    Ok(stored)
}
