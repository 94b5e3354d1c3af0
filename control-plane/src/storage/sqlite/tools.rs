//! Of which tool a tool result is: most APIs name in it the id of the tool call alone.

use super::statements::from_json;
use crate::storage::StoreError;
use portcullis_audit::OutcomeRecord;
use rusqlite::{Connection, OptionalExtension, params};

/// For each id the tool of the tool call that was proposed to this principal under it last, by its first name.
pub(super) fn tools_of(
    conn: &Connection,
    principal: &str,
    ids: &[String],
) -> Result<Vec<Option<String>>, StoreError> {
    let conn = conn.unchecked_transaction()?;
    let mut proposed = conn.prepare_cached(
        "SELECT d.call_id, unpack(s.dict, s.record) FROM links l JOIN decisions d ON d.seq = l.seq
         LEFT JOIN outcomes o ON o.call_id = d.call_id LEFT JOIN records s ON s.idx = o.idx
         WHERE l.kind = 'tool' AND l.id = ?1 AND l.principal = ?2 AND l.quoted = 0 ORDER BY l.seq DESC LIMIT 1",
    )?;
    // What was found in an answer has the call's id with `#` and a number behind it; `$` comes after `#`.
    let mut decided = conn.prepare_cached(
        "SELECT d.tool FROM decisions d JOIN records r ON r.idx = d.idx
         WHERE d.call_id > ?1 || '#' AND d.call_id < ?1 || '$' AND d.kind = 'tool_call'
             AND unpack(r.dict, r.record) ->> '$.tool.id' = ?2
         LIMIT 1",
    )?;
    let mut tools = Vec::with_capacity(ids.len());
    for id in ids {
        let found: Option<(String, Option<String>)> =
            proposed.query_row(params![id, principal], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        let Some((call_id, outcome)) = found else {
            tools.push(None);
            continue;
        };
        let name: Option<Option<String>> =
            decided.query_row(params![call_id, id], |row| row.get(0)).optional()?;
        tools.push(match name.flatten() {
            Some(name) => Some(name),
            None => outcome.map(|json| told(&json, id)).transpose()?.flatten(),
        });
    }
    Ok(tools)
}

/// What the answer's outcome calls it.
fn told(outcome: &str, id: &str) -> Result<Option<String>, StoreError> {
    let outcome: OutcomeRecord = from_json(outcome)?;
    let calls = outcome.answer.map(|answer| answer.tool_calls).unwrap_or_default();
    Ok(calls.into_iter().find(|call| call.id.as_deref() == Some(id)).map(|call| call.name))
}
