//! Reading: snapshots on connections of their own.

use super::SqliteOptions;
use super::log;
use super::statements::{from_json, unsigned};
use crate::storage::id::{self, Seq};
use crate::storage::query::{Order, Page, Query, StoredDecision, StoredEvent};
use crate::storage::{StoreError, StoredAgent, StoredAwsKey, StoredKeys, StoredToken};
use portcullis_audit::{DecisionKind, DecisionRecord, EventRecord, OutcomeRecord, OutcomeState, VerdictKind};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::sync::{Mutex, PoisonError};

/// Idle connections kept.
const IDLE: usize = 4;

/// Read connections, made when needed.
#[derive(Debug)]
pub(super) struct Readers {
    options: SqliteOptions,
    idle: Mutex<Vec<Connection>>,
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        StoreError::Unavailable(error.to_string())
    }
}

impl Readers {
    pub(super) fn new(options: SqliteOptions) -> Self {
        Readers { options, idle: Mutex::default() }
    }

    /// Closes those that are idle. The last connection that is closed copies the write-ahead log into the database, unless it
    /// may only read: so the writer's is to be the last.
    pub(super) fn close(&self) {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    /// Runs a read. A connection that has seen an error is not used again.
    pub(super) fn with<T>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let conn = match idle {
            Some(conn) => conn,
            None => self.connect()?,
        };
        let value = work(&conn)?;
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(conn);
        }
        Ok(value)
    }

    fn connect(&self) -> Result<Connection, rusqlite::Error> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(self.options.database(), flags)?;
        conn.busy_timeout(self.options.busy_timeout)?;
        log::add_functions(&conn)?;
        Ok(conn)
    }
}

/// Decisions with their records and outcomes. A pruned record (`r.record` is NULL) is none.
pub(super) const STORED: &str = "SELECT d.seq, unpack(r.dict, r.record), unpack(s.dict, s.record)
    FROM decisions d JOIN records r ON r.idx = d.idx
    LEFT JOIN outcomes o ON o.call_id = d.call_id LEFT JOIN records s ON s.idx = o.idx";

/// A `WHERE` clause under construction. Only constants become SQL; everything from outside is a parameter.
struct Conditions {
    sql: String,
    values: Vec<Value>,
}

impl Conditions {
    fn and(&mut self, condition: &str) {
        self.sql.push_str(" AND ");
        self.sql.push_str(condition);
    }

    fn and_with(&mut self, condition: &str, value: impl Into<Value>) {
        self.and(condition);
        self.values.push(value.into());
    }
}

pub(super) fn decisions(conn: &Connection, query: &Query) -> Result<Page, StoreError> {
    let mut conditions = Conditions { sql: String::new(), values: Vec::new() };
    where_clause(query, &mut conditions);
    let direction = match query.order {
        Order::Descending => "DESC",
        Order::Ascending => "ASC",
    };
    let limit = query.limit.max(1);
    let Conditions { sql, mut values } = conditions;
    values.push(Value::Integer(i64::from(limit) + 1));
    let sql = format!("{STORED} WHERE r.record IS NOT NULL{sql} ORDER BY d.seq {direction} LIMIT ?");
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = Page::default();
    while let Some(row) = rows.next()? {
        if page.decisions.len() == usize::try_from(limit).unwrap_or(usize::MAX) {
            page.more = true;
            break;
        }
        page.decisions.push(stored(row)?);
    }
    Ok(page)
}

fn where_clause(query: &Query, conditions: &mut Conditions) {
    if let Some(ms) = query.since_ms {
        conditions.and_with("d.seq >= ?", id::first_of(ms));
    }
    if let Some(ms) = query.until_ms {
        conditions.and_with("d.seq < ?", id::first_of(ms));
    }
    if let Some(seq) = query.after {
        let condition = match query.order {
            Order::Descending => "d.seq < ?",
            Order::Ascending => "d.seq > ?",
        };
        conditions.and_with(condition, seq);
    }
    if let Some(principal) = &query.principal {
        conditions.and_with("d.principal = ?", principal.clone());
    }
    if let Some(operation) = &query.operation {
        conditions.and_with("d.operation = ?", operation.clone());
    }
    match query.kind {
        Some(DecisionKind::Call) => conditions.and("d.kind = 'call'"),
        // Said twice, so that the planner sees that the partial index serves.
        Some(kind) => {
            conditions.and("d.kind <> 'call'");
            conditions.and_with("d.kind = ?", kind.as_str().to_owned());
        }
        None => {}
    }
    if let Some(call_id) = &query.call_id {
        conditions.and_with("d.call_id = ?", call_id.clone());
    }
    if let Some(model) = &query.model {
        if model.contains(['*', '?']) {
            // SQLite's GLOB also knows character classes; ours does not, so `[` stands for itself.
            let pattern = model.replace('[', "[[]");
            conditions.and_with("(d.model_base GLOB ?", pattern.clone());
            conditions.sql.push_str(" OR d.model GLOB ?)");
            conditions.values.push(pattern.into());
        } else {
            conditions.and_with("(d.model_base = ?", model.clone());
            conditions.sql.push_str(" OR d.model = ?)");
            conditions.values.push(model.clone().into());
        }
    }
    match query.verdict {
        // Said twice, so that the planner sees that the partial index of refusals serves.
        Some(verdict) if verdict != VerdictKind::Allow => {
            conditions.and("d.verdict <> 'allow'");
            conditions.and_with("d.verdict = ?", verdict.as_str().to_owned());
        }
        Some(verdict) => conditions.and_with("d.verdict = ?", verdict.as_str().to_owned()),
        None => {}
    }
    match query.outcome {
        Some(OutcomeState::Pending) => {
            conditions.and("d.kind = 'call' AND d.verdict = 'allow' AND o.call_id IS NULL");
        }
        Some(OutcomeState::Completed) => {
            conditions.and("(o.state = 'completed' OR (d.kind <> 'call' AND d.verdict = 'allow'))");
        }
        Some(OutcomeState::Blocked) => {
            conditions.and("(o.state = 'blocked' OR (d.verdict <> 'allow' AND o.call_id IS NULL))");
        }
        Some(state) => conditions.and_with("o.state = ?", state.as_str().to_owned()),
        None => {}
    }
}

pub(super) fn decision(conn: &Connection, decision_id: &str) -> Result<Option<StoredDecision>, StoreError> {
    let Some(seq) = id::seq_of(decision_id) else {
        return Ok(None);
    };
    let mut statement = conn.prepare_cached(&format!("{STORED} WHERE r.record IS NOT NULL AND d.seq = ?"))?;
    let mut rows = statement.query([seq])?;
    let Some(row) = rows.next()? else {
        return Ok(None);
    };
    // The key is in the id, the random part must agree as well.
    Ok(Some(stored(row)?).filter(|found| found.record.decision_id.eq_ignore_ascii_case(decision_id)))
}

pub(super) fn stored(row: &rusqlite::Row<'_>) -> Result<StoredDecision, StoreError> {
    let seq: Seq = row.get(0)?;
    let record: DecisionRecord = from_json(&row.get::<_, String>(1)?)?;
    // A row that leads to another record is damage, and must not be taken for an answer.
    if id::seq_of(&record.decision_id) != Some(seq) {
        let message = format!("decision {seq} leads to the record of `{}`", record.decision_id);
        return Err(StoreError::Inconsistent(message));
    }
    let outcome: Option<OutcomeRecord> =
        row.get::<_, Option<String>>(2)?.map(|json| from_json(&json)).transpose()?;
    if let Some(other) = outcome.as_ref().filter(|outcome| outcome.call_id != record.call_id) {
        let message = format!("the outcome of `{}` leads to that of `{}`", record.call_id, other.call_id);
        return Err(StoreError::Inconsistent(message));
    }
    Ok(StoredDecision { seq, record, outcome })
}

pub(super) fn events(
    conn: &Connection,
    before: Option<u64>,
    limit: u32,
) -> Result<Vec<StoredEvent>, StoreError> {
    let before = before.and_then(|seq| i64::try_from(seq).ok()).unwrap_or(i64::MAX);
    let mut statement = conn.prepare_cached(
        "SELECT e.seq, unpack(r.dict, r.record) FROM events e JOIN records r ON r.idx = e.idx
         WHERE e.seq < ?1 AND r.record IS NOT NULL ORDER BY e.seq DESC LIMIT ?2",
    )?;
    let mut rows = statement.query([before, i64::from(limit)])?;
    let mut events = Vec::new();
    while let Some(row) = rows.next()? {
        // What the record says counts; the columns beside it are for finding it.
        let EventRecord { at_ms, kind, actor, detail, .. } = from_json(&row.get::<_, String>(1)?)?;
        events.push(StoredEvent { seq: unsigned(row.get(0)?), at_ms, kind, actor, detail });
    }
    Ok(events)
}

pub(super) fn keys(conn: &Connection) -> Result<StoredKeys, StoreError> {
    let mut keys = StoredKeys::default();
    let mut statement = conn.prepare(
        "SELECT id, kind, name, sha256, principal, created_at, revoked_at, expires_at, agent, tenant, tools FROM tokens
         ORDER BY created_at, id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.tokens.push(StoredToken {
            id: row.get(0)?,
            kind: row.get(1)?,
            name: row.get(2)?,
            sha256: row.get(3)?,
            principal: row.get(4)?,
            agent: agent(row)?,
            created_at_ms: unsigned(row.get(5)?),
            expires_at_ms: row.get::<_, Option<i64>>(7)?.map(unsigned),
            revoked_at_ms: row.get::<_, Option<i64>>(6)?.map(unsigned),
        });
    }
    let mut statement = conn.prepare(
        "SELECT access_key_id, sealed_secret, name, principal, tenant, created_at, revoked_at FROM aws_keys
         ORDER BY created_at, access_key_id",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        keys.aws_keys.push(StoredAwsKey {
            access_key_id: row.get(0)?,
            sealed_secret: row.get(1)?,
            name: row.get(2)?,
            principal: row.get(3)?,
            tenant: row.get(4)?,
            created_at_ms: unsigned(row.get(5)?),
            revoked_at_ms: row.get::<_, Option<i64>>(6)?.map(unsigned),
        });
    }
    Ok(keys)
}

/// What a token covers, from the last columns of [`keys`].
fn agent(row: &rusqlite::Row<'_>) -> Result<Option<StoredAgent>, StoreError> {
    let (Some(id), Some(tools)) = (row.get(8)?, row.get::<_, Option<String>>(10)?) else { return Ok(None) };
    Ok(Some(StoredAgent { id, tenant: row.get(9)?, tools: from_json(&tools)? }))
}
