//! What was let out before: counts and sessions.

use super::statements::from_json;
use crate::storage::id::{self, Seq};
use crate::storage::{LetOut, StoreError, StoredSeen};
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

/// Calls and tool calls let out by principal, tool and slice. The indexes hold the key of the row beside their own columns; so
/// what was refused, and what is no call, is taken from what there is, and no record is read.
pub(super) fn let_out(conn: &Connection, since_ms: u64, fine_ms: u64) -> Result<Vec<LetOut>, StoreError> {
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
    let mut counts = Vec::new();
    let mut no_calls = HashSet::new();
    tool_calls(&conn, since, |seq, found| {
        no_calls.insert(seq);
        if let Some((principal, tool)) = found
            && !refused.contains(&seq)
        {
            counts.push(LetOut { principal, tool, start_ms: slice(id::time_of(seq)), count: 1 });
        }
    })?;
    let mut next = conn.prepare_cached(
        "SELECT principal FROM decisions INDEXED BY decisions_principal WHERE principal > ?1
         ORDER BY principal LIMIT 1",
    )?;
    let mut times = conn.prepare_cached(
        "SELECT seq FROM decisions INDEXED BY decisions_principal WHERE principal = ?1 AND seq >= ?2",
    )?;
    // A principal without a name is one as well.
    let mut principal: Option<String> = Some(String::new());
    while let Some(name) = principal {
        let mut slices: BTreeMap<u64, u64> = BTreeMap::new();
        let mut rows = times.query(params![name, since])?;
        while let Some(row) = rows.next()? {
            let seq: Seq = row.get(0)?;
            if !refused.contains(&seq) && !no_calls.contains(&seq) {
                *slices.entry(slice(id::time_of(seq))).or_default() += 1;
            }
        }
        principal = next.query_row([&name], |row| row.get(0)).optional()?;
        let name: Arc<str> = name.into();
        let tool: Arc<str> = "".into();
        counts.extend(slices.into_iter().map(|(start_ms, count)| LetOut {
            principal: Arc::clone(&name),
            tool: Arc::clone(&tool),
            start_ms,
            count,
        }));
    }
    Ok(counts)
}

/// Tells of everything that is no call; of tool calls with principal and tool.
fn tool_calls(
    conn: &Connection,
    since: Seq,
    mut tell: impl FnMut(Seq, Option<(Arc<str>, Arc<str>)>),
) -> Result<(), StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT seq, principal, tool FROM decisions INDEXED BY decisions_found 
         WHERE kind <> 'call' AND kind IN ('tool_call', 'answer_text') AND seq >= ?1",
    )?;
    let mut rows = statement.query([since])?;
    let mut names: HashSet<Arc<str>> = HashSet::new();
    let mut name = |text: String| match names.get(text.as_str()) {
        Some(known) => Arc::clone(known),
        None => {
            let text: Arc<str> = text.into();
            names.insert(Arc::clone(&text));
            text
        }
    };
    while let Some(row) = rows.next()? {
        let tool: Option<String> = row.get(2)?;
        let found = match tool {
            Some(tool) => Some((name(row.get(1)?), name(tool))),
            None => None,
        };
        tell(row.get(0)?, found);
    }
    Ok(())
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
            "SELECT seq, operation, CASE kind WHEN 'tool_call' THEN (SELECT unpack(r.dict, r.record) ->> '$.tool.names' FROM records r WHERE r.idx = d.idx) END
             FROM decisions d INDEXED BY decisions_session
             WHERE session = ?3 AND principal = ?1 AND verdict = 'allow' AND kind <> 'answer_text' AND seq >= ?2
             ORDER BY seq DESC LIMIT ?4"
        }
        None => {
            "SELECT seq, operation, CASE kind WHEN 'tool_call' THEN (SELECT unpack(r.dict, r.record) ->> '$.tool.names' FROM records r WHERE r.idx = d.idx) END
             FROM decisions d INDEXED BY decisions_principal
             WHERE principal = ?1 AND session IS ?3 AND verdict = 'allow' AND kind <> 'answer_text' AND seq >= ?2
             ORDER BY seq DESC LIMIT ?4"
        }
    };
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params![principal, id::first_of(since_ms), session, limit])?;
    let mut seen = Vec::new();
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        let names: Option<String> = row.get(2)?;
        let tools: Vec<String> = names.map(|names| from_json(&names)).transpose()?.unwrap_or_default();
        let operation = if tools.is_empty() { row.get(1)? } else { String::new() };
        seen.push(StoredSeen { seq, time_ms: id::time_of(seq), operation, tools });
    }
    seen.reverse();
    Ok(seen)
}
