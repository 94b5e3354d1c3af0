//! Reading many records as they are stored, page by page: for exports and for replays.

use super::SqliteOptions;
use crate::storage::id;
use crate::storage::query::{RecordPage, RecordQuery};
use crate::storage::{OpenError, StoreError};
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, params_from_iter};
use std::path::Path;

/// The records that match, oldest first. A page ends early once its records weigh `query.max_bytes`.
pub(super) fn records(conn: &Connection, query: &RecordQuery) -> Result<RecordPage, StoreError> {
    let (condition, mut values) = conditions(query);
    values.push(Value::Integer(i64::from(query.limit.max(1)) + 1));
    let sql = format!(
        "SELECT d.seq, unpack(r.dict, r.record) FROM decisions d JOIN records r ON r.idx = d.idx
             WHERE r.record IS NOT NULL{condition} ORDER BY d.seq ASC LIMIT ?"
    );
    let mut statement = conn.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut page = RecordPage::default();
    let mut bytes = 0;
    while let Some(row) = rows.next()? {
        let full = page.records.len() == usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX);
        if full || bytes >= query.max_bytes {
            page.more = true;
            break;
        }
        let record: String = row.get(1)?;
        bytes += record.len();
        page.last = Some(row.get(0)?);
        page.records.push(record);
    }
    Ok(page)
}

/// How many records match.
pub(super) fn count(conn: &Connection, query: &RecordQuery) -> Result<u64, StoreError> {
    let (condition, values) = conditions(query);
    let sql = format!("SELECT count(*) FROM decisions d WHERE 1{condition}");
    let count: i64 = conn.prepare_cached(&sql)?.query_row(params_from_iter(values), |row| row.get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

fn conditions(query: &RecordQuery) -> (String, Vec<Value>) {
    let RecordQuery { since_ms, until_ms, principal, operation, shadowed, after, limit: _, max_bytes: _ } =
        query;
    let mut sql = String::new();
    let mut values: Vec<Value> = Vec::new();
    let mut and = |condition: &str, value: Option<Value>| {
        sql.push_str(" AND ");
        sql.push_str(condition);
        values.extend(value);
    };
    if let Some(ms) = since_ms {
        and("d.seq >= ?", Some(id::first_of(*ms).into()));
    }
    if let Some(ms) = until_ms {
        and("d.seq < ?", Some(id::first_of(*ms).into()));
    }
    if let Some(seq) = after {
        and("d.seq > ?", Some((*seq).into()));
    }
    if let Some(principal) = principal {
        and("d.principal = ?", Some(principal.clone().into()));
    }
    if let Some(operation) = operation {
        and("d.operation = ?", Some(operation.clone().into()));
    }
    if *shadowed {
        and("d.shadowed = 1", None);
    }
    (sql, values)
}

/// The records of a data directory, read beside the process that writes them or without one.
#[derive(Debug)]
pub struct Records {
    conn: Connection,
}

impl Records {
    /// Opens them; nothing is written.
    ///
    /// # Errors
    /// When there is no such database, it cannot be read, or another version of the program has written it.
    pub fn open(directory: &Path) -> Result<Self, OpenError> {
        let options = SqliteOptions::new(directory);
        let sqlite = |source| OpenError::Sqlite { path: directory.to_owned(), source };
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let conn = Connection::open_with_flags(options.database(), flags).map_err(sqlite)?;
        conn.busy_timeout(options.busy_timeout).map_err(sqlite)?;
        let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
        let known = super::schema::known();
        if found > known {
            return Err(OpenError::TooNew { path: directory.to_owned(), found, known });
        }
        let unfinished = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = 'decisions_v8'";
        if found < known || conn.prepare(unfinished).and_then(|mut found| found.exists([])).map_err(sqlite)? {
            return Err(OpenError::TooOld { path: directory.to_owned(), found, known });
        }
        super::log::add_functions(&conn).map_err(sqlite)?;
        Ok(Records { conn })
    }

    /// A page of them, oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn page(&self, query: &RecordQuery) -> Result<RecordPage, StoreError> {
        records(&self.conn, query)
    }

    /// How many there are.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn count(&self, query: &RecordQuery) -> Result<u64, StoreError> {
        count(&self.conn, query)
    }
}
