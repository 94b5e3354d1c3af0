//! What records are searched by, compared with the records: for `audit verify --deep`.

use super::super::statements::signed;
use super::pack::unpack;
use crate::storage::id;
use portcullis_audit::{DecisionRecord, EventRecord, OutcomeRecord};
use rusqlite::{Connection, OptionalExtension, Row, params};

/// Compares every row of `decisions`, `outcomes` and `events` with the record that it points to, and counts them against the
/// records that there are.
pub(super) fn compare(conn: &Connection, found: &mut dyn FnMut(u64, String)) -> rusqlite::Result<()> {
    let decisions = "SELECT idx, call_id, principal, operation, model, model_base, verdict, kind, shadowed, session, tool,
                         correlation, seq FROM decisions";
    each(conn, decisions, &[1, 2, 3], found, |row, json| {
        let Ok(record) = serde_json::from_str::<DecisionRecord>(json) else { return Ok(None) };
        let model = record.model.as_ref();
        let base = model.map(|model| model.base.clone().unwrap_or_else(|| model.id.clone()));
        let session = record.agent.and_then(|agent| agent.session).filter(|session| !session.is_empty());
        let own = record.correlation_id.as_ref() == Some(&record.decision_id);
        let columns = [
            ("call_id", text(row, 1)?, Some(record.call_id)),
            ("principal", text(row, 2)?, Some(record.principal.name)),
            ("operation", text(row, 3)?, Some(record.operation)),
            ("model", text(row, 4)?, model.map(|model| model.id.clone())),
            ("model_base", text(row, 5)?, base),
            ("verdict", text(row, 6)?, Some(record.verdict.kind.as_str().to_owned())),
            ("kind", text(row, 7)?, Some(record.kind.as_str().to_owned())),
            ("session", text(row, 9)?, session),
            ("tool", text(row, 10)?, record.tool.and_then(|tool| tool.names.into_iter().next())),
        ];
        let shadowed = row.get::<_, i64>(8)? != i64::from(record.policy.shadow.is_some());
        let correlation = text(row, 11)?;
        let loose = record.correlation_id.is_some() && correlation != record.correlation_id.filter(|_| !own);
        let seq = id::seq_of(&record.decision_id) != Some(row.get(12)?);
        let rest = [(shadowed, "shadowed"), (loose, "correlation"), (seq, "seq")];
        let rest = rest.iter().find(|(wrong, _)| *wrong).map(|(_, name)| (*name).to_owned());
        Ok(different(&columns).or(rest))
    })?;
    let outcomes = "SELECT idx, call_id, state, recorded_at FROM outcomes";
    each(conn, outcomes, &[4], found, |row, json| {
        let Ok(record) = serde_json::from_str::<OutcomeRecord>(json) else { return Ok(None) };
        let time = row.get::<_, i64>(3)? != signed(record.recorded_at_ms);
        let columns = [
            ("call_id", text(row, 1)?, Some(record.call_id)),
            ("state", text(row, 2)?, Some(record.state.as_str().to_owned())),
        ];
        Ok(different(&columns).or_else(|| time.then(|| "recorded_at".to_owned())))
    })?;
    let events = "SELECT idx, id, kind, actor, at FROM events";
    each(conn, events, &[5, 6, 7, 8], found, |row, json| {
        let Ok(record) = serde_json::from_str::<EventRecord>(json) else { return Ok(None) };
        let time = row.get::<_, i64>(4)? != signed(record.at_ms);
        let columns = [
            ("id", text(row, 1)?, Some(record.event_id)),
            ("kind", text(row, 2)?, Some(record.kind)),
            ("actor", text(row, 3)?, Some(record.actor)),
        ];
        Ok(different(&columns).or_else(|| time.then(|| "at".to_owned())))
    })?;
    missing(conn, found)
}

fn text(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<String>> {
    row.get(column)
}

fn different(columns: &[(&str, Option<String>, Option<String>)]) -> Option<String> {
    columns.iter().find(|(_, found, expected)| found != expected).map(|(name, ..)| (*name).to_owned())
}

/// `differs` names the first column that is not what the record says.
fn each(
    conn: &Connection,
    sql: &str,
    kinds: &[u8],
    found: &mut dyn FnMut(u64, String),
    mut differs: impl FnMut(&Row<'_>, &str) -> rusqlite::Result<Option<String>>,
) -> rusqlite::Result<()> {
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query([])?;
    let mut record = conn.prepare("SELECT kind, dict, record FROM records WHERE idx = ?1")?;
    while let Some(row) = rows.next()? {
        let index: i64 = row.get(0)?;
        let mut tell = |why: String| found(u64::try_from(index).unwrap_or(u64::MAX), why);
        type Stored = (u8, i64, Option<Vec<u8>>);
        let stored: Option<Stored> =
            record.query_row([index], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?))).optional()?;
        match stored {
            None => tell("what is searched by points to a record that is not there".to_owned()),
            Some((kind, ..)) if !kinds.contains(&kind) => {
                tell("what is searched by points to a record of another kind".to_owned());
            }
            Some((_, dict, Some(packed))) => {
                // One that cannot be read is found without this.
                if let Ok(json) = unpack(dict, &packed)
                    && let Some(column) = differs(row, &json)?
                {
                    tell(format!("what is searched by, `{column}`, is not what the record says"));
                }
            }
            Some((_, _, None)) => {}
        }
    }
    Ok(())
}

/// Records that no search finds.
fn missing(conn: &Connection, found: &mut dyn FnMut(u64, String)) -> rusqlite::Result<()> {
    let sql = "SELECT idx FROM records WHERE record IS NOT NULL AND idx NOT IN (SELECT idx FROM decisions)
                   AND idx NOT IN (SELECT idx FROM outcomes) AND idx NOT IN (SELECT replaced FROM outcomes WHERE replaced IS NOT NULL)
                   AND idx NOT IN (SELECT idx FROM events) ORDER BY idx";
    let mut statement = conn.prepare(sql)?;
    let mut rows = statement.query(params![])?;
    while let Some(row) = rows.next()? {
        found(
            u64::try_from(row.get::<_, i64>(0)?).unwrap_or(u64::MAX),
            "no search finds the record".to_owned(),
        );
    }
    Ok(())
}
