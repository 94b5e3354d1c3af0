//! Reading the log.

use super::super::statements::{signed, unsigned};
use super::pack::unpack;
use crate::storage::id;
use crate::storage::{Head, Logged, StoreError, StoredCheckpoint};
use portcullis_audit::log::{Entry, Hash, RecordKind};
use rusqlite::{Connection, OptionalExtension, Row, params};
use serde::Deserialize;
use std::borrow::Cow;
use std::sync::Arc;

/// The newest checkpoint.
pub(super) fn head(conn: &Connection) -> Result<Head, StoreError> {
    let found = conn
        .prepare_cached("SELECT size, root, at, note FROM log_head")?
        .query_row([], |row| {
            Ok(Head {
                size: unsigned(row.get(0)?),
                root: row.get(1)?,
                time_ms: unsigned(row.get(2)?),
                note: row.get(3)?,
            })
        })
        .optional()?;
    found.ok_or_else(|| StoreError::Inconsistent("the log has no head".to_owned()))
}

/// What names a record, of any kind.
#[derive(Deserialize)]
struct Ids<'a> {
    #[serde(borrow)]
    decision_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    call_id: Option<Cow<'a, str>>,
    #[serde(borrow)]
    event_id: Option<Cow<'a, str>>,
}

/// The id of a record, by the member that names records of that kind.
pub(super) fn id_of(kind: RecordKind, json: &str) -> Result<String, String> {
    let ids: Ids<'_> = serde_json::from_str(json).map_err(|error| error.to_string())?;
    let id = match kind.id_member() {
        "decision_id" => ids.decision_id,
        "call_id" => ids.call_id,
        _ => ids.event_id,
    };
    Ok(id.ok_or_else(|| format!("it has no `{}`", kind.id_member()))?.into_owned())
}

/// Records from that index on. What is not what the tree says is an error, and never given.
pub(super) fn records(
    conn: &Connection,
    from: u64,
    limit: u32,
    max_bytes: usize,
) -> Result<Vec<Logged>, StoreError> {
    let mut statement = conn.prepare_cached(
        "SELECT idx, kind, at, leaf, dict, record, entry FROM records WHERE idx >= ?1 ORDER BY idx LIMIT ?2",
    )?;
    let mut rows = statement.query(params![signed(from), limit])?;
    let (mut found, mut bytes) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        let expected = from.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
        let index = unsigned(row.get(0)?);
        if index != expected {
            return Err(damage(expected, "it is missing"));
        }
        let logged = logged(index, row)?.map_err(|why| damage(expected, &why))?;
        bytes += logged.record.as_deref().map_or(0, str::len);
        found.push(logged);
        if bytes >= max_bytes {
            return Ok(found);
        }
    }
    // A page that ends early ends where the log ends; or a page of the database is damaged, and hides what follows.
    let next = from.saturating_add(u64::try_from(found.len()).unwrap_or(u64::MAX));
    if found.len() < usize::try_from(limit).unwrap_or(usize::MAX) && next < head(conn)?.size {
        return Err(damage(next, "it is missing"));
    }
    Ok(found)
}

fn damage(index: u64, why: &str) -> StoreError {
    StoreError::Inconsistent(format!(
        "record {index} of the log is damaged: {why}; `portcullis audit verify` lists all such records"
    ))
}

pub(super) fn logged(index: u64, row: &Row<'_>) -> Result<Result<Logged, String>, StoreError> {
    let (kind, at): (u8, i64) = (row.get(1)?, row.get(2)?);
    let (leaf, dict): (Hash, i64) = (row.get(3)?, row.get(4)?);
    let (record, entry) = (row.get_ref(5)?, row.get_ref(6)?);
    let (Ok(record), Ok(entry)) = (record.as_blob_or_null(), entry.as_str_or_null()) else {
        return Ok(Err("its columns have other types".to_owned()));
    };
    Ok(check(index, (kind, unsigned(at), leaf), record.map(|record| (dict, record)), entry))
}

fn check(
    index: u64,
    (kind, at, leaf): (u8, u64, Hash),
    record: Option<(i64, &[u8])>,
    entry: Option<&str>,
) -> Result<Logged, String> {
    let kind = RecordKind::from_code(kind).ok_or_else(|| format!("there is no kind {kind}"))?;
    let (entry, record) = match (record, entry) {
        (Some((dict, packed)), _) => {
            let json = unpack(dict, packed)?;
            let entry = Entry::new(id_of(kind, &json)?, kind, at, json.as_bytes());
            (entry, Some(Arc::from(json)))
        }
        (None, Some(entry)) => (Entry::parse(entry.as_bytes()).map_err(|error| error.to_string())?, None),
        (None, None) => return Err("neither record nor entry is there".to_owned()),
    };
    if entry.leaf() != leaf {
        return Err("it is not what the tree holds".to_owned());
    }
    Ok(Logged { index, entry, record })
}

/// Where the records of an id are.
pub(super) fn find(conn: &Connection, wanted: &str) -> Result<Vec<u64>, StoreError> {
    let mut found: Vec<i64> = Vec::new();
    if let Some(seq) = id::seq_of(wanted) {
        let idx: Option<i64> = conn
            .prepare_cached("SELECT idx FROM decisions WHERE seq = ?1")?
            .query_row([seq], |row| row.get(0))
            .optional()?;
        found.extend(idx);
    }
    for sql in [
        "SELECT idx, NULL FROM decisions WHERE call_id = ?1",
        "SELECT idx, replaced FROM outcomes WHERE call_id = ?1",
        "SELECT idx, NULL FROM events WHERE id = ?1",
    ] {
        let row: Option<(i64, Option<i64>)> =
            conn.prepare_cached(sql)?.query_row([wanted], |row| Ok((row.get(0)?, row.get(1)?))).optional()?;
        found.extend(row.into_iter().flat_map(|(idx, replaced)| std::iter::once(idx).chain(replaced)));
    }
    found.sort_unstable();
    found.dedup();
    let mut sure = Vec::new();
    for index in found.into_iter().map(unsigned) {
        // Half of a decision id is the key; the other half must agree as well.
        let record = records(conn, index, 1, 1)?;
        let named = |id: &str| id.eq_ignore_ascii_case(wanted);
        let fits = record.first().is_some_and(|logged| {
            named(&logged.entry.id)
                || (logged.entry.kind.id_member() == "decision_id"
                    && logged
                        .record
                        .as_deref()
                        .and_then(|json| id_of(RecordKind::Outcome, json).ok())
                        .is_some_and(|id| id == wanted))
        });
        if fits {
            sure.push(index);
        }
    }
    Ok(sure)
}

const CHECKPOINT: &str = "SELECT size, at, note FROM log_checkpoints WHERE";

/// Kept checkpoints of more than `after` records, oldest first.
pub(super) fn checkpoints(
    conn: &Connection,
    after: u64,
    limit: u32,
) -> Result<Vec<StoredCheckpoint>, StoreError> {
    let mut statement = conn.prepare_cached(&format!("{CHECKPOINT} size > ?1 ORDER BY size LIMIT ?2"))?;
    let mut rows = statement.query(params![signed(after), limit])?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        let size: i64 = row.get(0)?;
        let mut lines =
            conn.prepare_cached("SELECT line FROM log_cosignatures WHERE size = ?1 ORDER BY line")?;
        let lines = lines.query_map([size], |row| row.get(0))?;
        found.push(StoredCheckpoint {
            size: unsigned(size),
            time_ms: unsigned(row.get(1)?),
            note: row.get(2)?,
            cosignatures: lines.collect::<Result<_, _>>()?,
        });
    }
    Ok(found)
}

pub(super) fn cursor(conn: &Connection, follower: &str) -> Result<Option<u64>, StoreError> {
    let found: Option<i64> = conn
        .prepare_cached("SELECT at FROM cursors WHERE follower = ?1")?
        .query_row([follower], |row| row.get(0))
        .optional()?;
    Ok(found.map(unsigned))
}

pub(super) fn cursors(conn: &Connection) -> Result<Vec<(String, u64)>, StoreError> {
    let mut statement = conn.prepare_cached("SELECT follower, at FROM cursors ORDER BY follower")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, unsigned(row.get(1)?))))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
