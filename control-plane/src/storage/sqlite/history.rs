//! What was let out before: counts and sessions.

use crate::storage::id::{self, Seq};
use crate::storage::{StoreError, StoredSeen};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Calls let out by principal and slice. Both indexes hold the key of the row beside their own column; so what was refused
/// is taken from what there is, and no record is read.
pub(super) fn let_out(
    conn: &Connection,
    since_ms: u64,
    fine_ms: u64,
) -> Result<Vec<(Arc<str>, u64, u64)>, StoreError> {
    let slice = |time_ms: u64| time_ms - time_ms % if time_ms >= fine_ms { 1_000 } else { 60_000 };
    let conn = conn.unchecked_transaction()?;
    let since = id::first_of(since_ms);
    let mut refused = HashSet::new();
    for verdict in ["deny", "throttle", "pending_approval"] {
        let mut statement = conn.prepare_cached(
            "SELECT seq FROM decisions INDEXED BY decisions_refused
             WHERE verdict <> 'allow' AND verdict = ?1 AND seq >= ?2",
        )?;
        let mut rows = statement.query(params![verdict, since])?;
        while let Some(row) = rows.next()? {
            refused.insert(row.get::<_, Seq>(0)?);
        }
    }
    let mut next = conn.prepare_cached(
        "SELECT principal FROM decisions INDEXED BY decisions_principal WHERE principal > ?1
         ORDER BY principal LIMIT 1",
    )?;
    let mut times = conn.prepare_cached(
        "SELECT seq FROM decisions INDEXED BY decisions_principal WHERE principal = ?1 AND seq >= ?2",
    )?;
    let mut counts = Vec::new();
    // A principal without a name is one as well.
    let mut principal: Option<String> = Some(String::new());
    while let Some(name) = principal {
        let mut slices: BTreeMap<u64, u64> = BTreeMap::new();
        let mut rows = times.query(params![name, since])?;
        while let Some(row) = rows.next()? {
            let seq: Seq = row.get(0)?;
            if !refused.contains(&seq) {
                *slices.entry(slice(id::time_of(seq))).or_default() += 1;
            }
        }
        principal = next.query_row([&name], |row| row.get(0)).optional()?;
        let name: Arc<str> = name.into();
        counts.extend(slices.into_iter().map(|(start_ms, count)| (Arc::clone(&name), start_ms, count)));
    }
    Ok(counts)
}

pub(super) fn seen(
    conn: &Connection,
    principal: &str,
    session: Option<&str>,
    since_ms: u64,
    limit: u32,
) -> Result<Vec<StoredSeen>, StoreError> {
    let sql = match session {
        Some(_) => {
            "SELECT seq, operation FROM decisions INDEXED BY decisions_session
             WHERE session = ?3 AND principal = ?1 AND verdict = 'allow' AND seq >= ?2 ORDER BY seq DESC LIMIT ?4"
        }
        None => {
            "SELECT seq, operation FROM decisions INDEXED BY decisions_principal
             WHERE principal = ?1 AND session IS ?3 AND verdict = 'allow' AND seq >= ?2 ORDER BY seq DESC LIMIT ?4"
        }
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![principal, id::first_of(since_ms), session, limit])?;
    let mut seen = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        seen.push(StoredSeen { seq, time_ms: id::time_of(seq), operation: row.get(1)? });
    }
    seen.reverse();
    Ok(seen)
}
