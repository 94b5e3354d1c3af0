//! Pruning: the bytes of a record go, its entry and its leaf stay.

use super::super::statements::{put_event, signed, unsigned};
use super::super::writer::Failed;
use super::read;
use super::tx::Tx;
use crate::storage::id;
use crate::storage::{Event, Holds, LinkKey, Logged, Prune, Release, Released, StoreError, StoredHold};
use portcullis_audit::log::RecordKind;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::BTreeSet;

const VERSION: &str = "SELECT coalesce(max(seq), 0) FROM holds";

pub(super) fn holds(conn: &Connection) -> Result<Holds, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT name, scope, reason, actor, at, released_at, released_by, released_why FROM holds ORDER BY seq",
    )?;
    let rows = statement.query_map([], |row| {
        let released = match row.get::<_, Option<i64>>(5)? {
            Some(at) => Some(Released { at_ms: unsigned(at), actor: row.get(6)?, why: row.get(7)? }),
            None => None,
        };
        Ok(StoredHold {
            name: row.get(0)?,
            scope: row.get(1)?,
            reason: row.get(2)?,
            actor: row.get(3)?,
            at_ms: unsigned(row.get(4)?),
            released,
        })
    })?;
    let holds = rows.collect::<Result<_, _>>()?;
    Ok(Holds { holds, version: conn.prepare_cached(VERSION)?.query_row([], |row| row.get(0))? })
}

pub(super) fn place(tx: &Tx<'_>, hold: &StoredHold, event: &Event) -> Result<bool, Failed> {
    let placed = tx
        .prepare_cached(
            "INSERT INTO holds (name, scope, reason, actor, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO NOTHING",
        )?
        .execute(params![hold.name, hold.scope, hold.reason, hold.actor, signed(tx.at())])?;
    if placed > 0 {
        put_event(tx, event)?;
    }
    Ok(placed > 0)
}

pub(super) fn release(
    tx: &Tx<'_>,
    name: &str,
    actor: &str,
    why: &str,
    event: &Event,
) -> Result<Release, Failed> {
    let released: Option<bool> = tx
        .prepare_cached("SELECT released_at IS NOT NULL FROM holds WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    match released {
        None => return Ok(Release::Unknown),
        Some(true) => return Ok(Release::Before),
        Some(false) => {}
    }
    tx.prepare_cached(
        "UPDATE holds SET released_at = ?2, released_by = ?3, released_why = ?4 WHERE name = ?1",
    )?
    .execute(params![name, signed(tx.at()), actor, why])?;
    // What it held is looked at again.
    tx.prepare_cached("DELETE FROM cursors WHERE substr(follower, 1, 10) = 'retention/'")?.execute([])?;
    put_event(tx, event)?;
    Ok(Release::Done)
}

/// Times in the log never go back, so that a search by halves finds it.
pub(super) fn first_at(conn: &Connection, time_ms: u64) -> Result<u64, StoreError> {
    let mut at = conn.prepare_cached("SELECT at FROM records WHERE idx = ?1")?;
    let (mut low, mut high) = (0, read::head(conn)?.size);
    while low < high {
        let middle = low + (high - low) / 2;
        let time: i64 = at.query_row([signed(middle)], |row| row.get(0))?;
        if unsigned(time) < time_ms {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(low)
}

pub(super) fn prunable(
    conn: &Connection,
    kinds: &BTreeSet<RecordKind>,
    (from, end): (u64, u64),
    limit: u32,
    max_bytes: usize,
) -> Result<Vec<Logged>, StoreError> {
    // Codes of our own: nothing of it comes from outside.
    let codes: Vec<String> = kinds.iter().map(|kind| kind.code().to_string()).collect();
    let mut statement = conn.prepare_cached(&format!(
        "SELECT idx, kind, at, leaf, dict, record, entry FROM records
         WHERE idx >= ?1 AND idx < ?2 AND kind IN ({}) AND record IS NOT NULL ORDER BY idx LIMIT ?3",
        codes.join(",")
    ))?;
    let mut rows = statement.query(params![signed(from), signed(end), limit])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let index = unsigned(row.get(0)?);
        // What is damaged is evidence, and stays.
        let logged = read::logged(index, row)?.map_err(|why| {
            StoreError::Inconsistent(format!(
                "record {index} of the log is damaged, and nothing from it on is pruned: {why}; see `portcullis audit verify`"
            ))
        })?;
        bytes += logged.record.as_deref().map_or(0, str::len);
        found.push(logged);
        if bytes >= max_bytes {
            break;
        }
    }
    Ok(found)
}

/// Writes the entries in the place of the records.
pub(super) fn prune(tx: &Tx<'_>, records: &[Prune], version: i64) -> Result<Option<u64>, Failed> {
    let now: i64 = tx.prepare_cached(VERSION)?.query_row([], |row| row.get(0))?;
    if now != version {
        return Ok(None);
    }
    // Pages that become free as a whole are overwritten, too: those of long records.
    tx.pragma_update_and_check(None, "secure_delete", "ON", |_| Ok(()))?;
    let pruned = prune_all(tx, records);
    tx.pragma_update_and_check(None, "secure_delete", "FAST", |_| Ok(()))?;
    pruned.map(Some)
}

fn prune_all(tx: &Tx<'_>, records: &[Prune]) -> Result<u64, Failed> {
    let mut pruned = 0;
    for Prune { index, kind, id, entry, leaf } in records {
        let changed = tx
            .prepare_cached(
                "UPDATE records SET record = NULL, entry = ?2, dict = 0 WHERE idx = ?1 AND leaf = ?3 AND record IS NOT NULL",
            )?
            .execute(params![signed(*index), entry, leaf])?;
        if changed == 0 {
            continue;
        }
        pruned += 1;
        match (kind.id_member(), id::seq_of(id)) {
            ("decision_id", Some(seq)) => {
                tx.prepare_cached(
                    "UPDATE decisions SET principal = '', operation = '', model = NULL, model_base = NULL, session = NULL,
                         tool = NULL, correlation = NULL
                     WHERE seq = ?1 AND idx = ?2",
                )?
                .execute(params![seq, signed(*index)])?;
            }
            ("event_id", _) => {
                tx.prepare_cached("UPDATE events SET actor = '' WHERE id = ?1 AND idx = ?2")?
                    .execute(params![id, signed(*index)])?;
            }
            // Of an outcome no more is known to the search than of which call it is.
            _ => {}
        }
    }
    Ok(pruned)
}

/// Deletes links of pruned decisions: those have no principal. A slice of the table, in its order.
pub(super) fn prune_links(
    tx: &Tx<'_>,
    after: Option<&LinkKey>,
    limit: u32,
) -> Result<Option<LinkKey>, Failed> {
    let none =
        LinkKey { kind: String::new(), id: String::new(), principal: String::new(), seq: 0, quoted: 0 };
    let from = after.unwrap_or(&none);
    let mut statement = tx.prepare_cached(
        "SELECT l.kind, l.id, l.principal, l.seq, l.quoted, d.principal IS '' FROM links l LEFT JOIN decisions d ON d.seq = l.seq
         WHERE (l.kind, l.id, l.principal, l.seq, l.quoted) > (?1, ?2, ?3, ?4, ?5)
         ORDER BY l.kind, l.id, l.principal, l.seq, l.quoted LIMIT ?6",
    )?;
    let rows = statement.query_map(
        params![from.kind, from.id, from.principal, from.seq, from.quoted, limit],
        |row| {
            let key = LinkKey {
                kind: row.get(0)?,
                id: row.get(1)?,
                principal: row.get(2)?,
                seq: row.get(3)?,
                quoted: row.get(4)?,
            };
            Ok((key, row.get::<_, bool>(5)?))
        },
    )?;
    let slice = rows.collect::<Result<Vec<(LinkKey, bool)>, _>>()?;
    for (key, _) in slice.iter().filter(|(_, pruned)| *pruned) {
        tx.prepare_cached(
            "DELETE FROM links WHERE kind = ?1 AND id = ?2 AND principal = ?3 AND seq = ?4 AND quoted = ?5",
        )?
        .execute(params![key.kind, key.id, key.principal, key.seq, key.quoted])?;
    }
    let whole = slice.len() == usize::try_from(limit).unwrap_or(usize::MAX);
    Ok(slice.into_iter().next_back().map(|(key, _)| key).filter(|_| whole))
}
