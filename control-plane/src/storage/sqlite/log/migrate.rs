//! What a store recorded before it had a log: written to it as the first leaves, in the order of their times.
//!
//! A slice at a time, each in one transaction that also deletes what it has written from the old tables: after a power cut the
//! next start goes on where the last slice ended, and the database hardly grows.

use super::super::statements::{signed, unsigned};
use super::super::writer::Failed;
use super::pack::Packed;
use super::tx::{State, Tx};
use crate::storage::StoreError;
use crate::storage::id::{self, Seq};
use portcullis_audit::log::RecordKind;
use portcullis_audit::{EventRecord, SCHEMA};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Records in one transaction.
const SLICE: usize = 1_000;
/// How often progress is told.
const TELL: Duration = Duration::from_secs(5);

/// An old record: in the order of time, what happened at the same time in the order of the kinds.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Old {
    Decision(Seq),
    Event(i64),
    Outcome(String),
}

/// Writes everything that waits; gives the state of the log after it. Gives nothing where nothing waited.
pub(super) fn run(conn: &Connection, state: &State) -> Result<Option<State>, Failed> {
    let waiting = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'decisions_v8'";
    if !conn.prepare(waiting)?.exists([])? {
        return Ok(None);
    }
    let (mut state, mut done, mut told) = (state.clone(), 0_u64, Instant::now());
    loop {
        let next = next(conn)?;
        let Some((last, _)) = next.last() else { break };
        let (last, count) = (*last, next.len());
        conn.execute_batch("BEGIN IMMEDIATE")?;
        let tx = Tx::new(conn, &state);
        let sealed = write(&tx, &next).and_then(|()| tx.seal());
        let committed = sealed.and_then(|sealed| {
            conn.execute_batch("COMMIT")?;
            Ok(sealed)
        });
        match committed {
            Ok(Some((after, _))) => state = after,
            Ok(None) => {}
            Err(error) => {
                if !conn.is_autocommit() {
                    conn.execute_batch("ROLLBACK")?;
                }
                return Err(error);
            }
        }
        state.clock().seen(last);
        done += u64::try_from(count).unwrap_or(0);
        if told.elapsed() > TELL {
            told = Instant::now();
            tracing::info!(records = done, reached_ms = last, "writing what was recorded before to the log");
        }
        conn.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))?;
    }
    conn.execute_batch(
        "BEGIN IMMEDIATE; DROP TABLE decisions_v8; DROP TABLE outcomes_v8; DROP TABLE events_v8; COMMIT",
    )?;
    if done > 0 {
        tracing::info!(records = done, "everything recorded before is in the log");
    }
    Ok(Some(state))
}

/// The oldest that wait, with their times.
fn next(conn: &Connection) -> Result<Vec<(u64, Old)>, Failed> {
    let mut next = Vec::new();
    let limit = i64::try_from(SLICE).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached("SELECT seq FROM decisions_v8 ORDER BY seq LIMIT ?1")?;
    let mut rows = statement.query([limit])?;
    while let Some(row) = rows.next()? {
        let seq = row.get(0)?;
        next.push((id::time_of(seq), Old::Decision(seq)));
    }
    let mut statement = conn.prepare_cached(
        "SELECT recorded_at, call_id FROM outcomes_v8 ORDER BY recorded_at, call_id LIMIT ?1",
    )?;
    let mut rows = statement.query([limit])?;
    while let Some(row) = rows.next()? {
        next.push((unsigned(row.get(0)?), Old::Outcome(row.get(1)?)));
    }
    let mut statement = conn.prepare_cached("SELECT at, seq FROM events_v8 ORDER BY at, seq LIMIT ?1")?;
    let mut rows = statement.query([limit])?;
    while let Some(row) = rows.next()? {
        next.push((unsigned(row.get(0)?), Old::Event(row.get(1)?)));
    }
    next.sort();
    next.truncate(SLICE);
    Ok(next)
}

fn write(tx: &Tx<'_>, slice: &[(u64, Old)]) -> Result<(), Failed> {
    let last: Option<i64> = tx
        .prepare_cached("SELECT at FROM records ORDER BY idx DESC LIMIT 1")?
        .query_row([], |row| row.get(0))
        .optional()?;
    let last = last.map(unsigned).unwrap_or(0);
    for (time, old) in slice {
        let at = last.max(*time);
        match old {
            Old::Decision(seq) => decision(tx, *seq, at)?,
            Old::Outcome(call_id) => outcome(tx, call_id, at)?,
            Old::Event(seq) => event(tx, *seq, at)?,
        }
    }
    Ok(())
}

fn unreadable(what: &str, error: impl std::fmt::Display) -> Failed {
    StoreError::Inconsistent(format!("{what} of the older store cannot be read: {error}")).into()
}

fn decision(tx: &Tx<'_>, seq: Seq, at: u64) -> Result<(), Failed> {
    let what = format!("decision {seq}");
    let (json, kind): (String, String) = tx
        .prepare_cached("SELECT record, kind FROM decisions_v8 WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let record: Value = serde_json::from_str(&json).map_err(|error| unreadable(&what, error))?;
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str);
    let id = text("/decision_id").ok_or_else(|| unreadable(&what, "it has no id"))?;
    let kind = match kind.as_str() {
        "tool_call" => RecordKind::ToolCall,
        "answer_text" => RecordKind::AnswerText,
        _ => RecordKind::Decision,
    };
    let correlation = text("/correlation_id").filter(|correlation| *correlation != id);
    let idx = tx.append_at(&Packed::new(kind, id, &record)?, at)?;
    tx.prepare_cached(
        "INSERT INTO decisions (seq, call_id, principal, operation, model, model_base, verdict, session, kind, tool,
             correlation, shadowed, idx)
         SELECT seq, call_id, principal, operation, model, model_base, verdict, session, kind, tool, ?2, ?3, ?4
         FROM decisions_v8 WHERE seq = ?1",
    )?
    .execute(params![seq, correlation, text("/policy/shadow").is_some(), idx])?;
    tx.prepare_cached("DELETE FROM decisions_v8 WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}

fn outcome(tx: &Tx<'_>, call_id: &str, at: u64) -> Result<(), Failed> {
    let json: String = tx
        .prepare_cached("SELECT record FROM outcomes_v8 WHERE call_id = ?1")?
        .query_row([call_id], |row| row.get(0))?;
    let record: Value = serde_json::from_str(&json)
        .map_err(|error| unreadable(&format!("the outcome of `{call_id}`"), error))?;
    let idx = tx.append_at(&Packed::new(RecordKind::Outcome, call_id, &record)?, at)?;
    tx.prepare_cached(
        "INSERT INTO outcomes (call_id, state, recorded_at, idx)
         SELECT call_id, state, recorded_at, ?2 FROM outcomes_v8 WHERE call_id = ?1",
    )?
    .execute(params![call_id, idx])?;
    tx.prepare_cached("DELETE FROM outcomes_v8 WHERE call_id = ?1")?.execute([call_id])?;
    Ok(())
}

fn event(tx: &Tx<'_>, seq: i64, at: u64) -> Result<(), Failed> {
    let (time, kind, actor, detail): (i64, String, String, String) = tx
        .prepare_cached("SELECT at, kind, actor, detail FROM events_v8 WHERE seq = ?1")?
        .query_row([seq], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?)))?;
    let detail = serde_json::from_str(&detail).map_err(|error| unreadable(&format!("event {seq}"), error))?;
    let event_id = super::super::statements::event_id(unsigned(time))?;
    let kind_of = RecordKind::parse(&kind).unwrap_or(RecordKind::Admin);
    let record = EventRecord { schema: SCHEMA, event_id, kind, at_ms: unsigned(time), actor, detail };
    let idx = tx.append_at(&Packed::new(kind_of, &record.event_id, &record)?, at)?;
    tx.prepare_cached("INSERT INTO events (seq, at, kind, actor, id, idx) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?
        .execute(params![seq, signed(record.at_ms), record.kind, record.actor, record.event_id, idx])?;
    tx.prepare_cached("DELETE FROM events_v8 WHERE seq = ?1")?.execute([seq])?;
    Ok(())
}
