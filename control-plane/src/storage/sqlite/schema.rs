//! The schema, and how an older one becomes it.

use crate::storage::OpenError;
use rusqlite::{Connection, TransactionBehavior};
use std::path::Path;

/// Each step brings the schema from version `index` to `index + 1`. Never edit one that was released: add one.
const MIGRATIONS: &[&str] = &[
    include_str!("v1.sql"),
    include_str!("v2.sql"),
    include_str!("v3.sql"),
    include_str!("v4.sql"),
    include_str!("v5.sql"),
    include_str!("v6.sql"),
    include_str!("v7.sql"),
    include_str!("v8.sql"),
    include_str!("v9.sql"),
    include_str!("v10.sql"),
    include_str!("v11.sql"),
];

/// The newest schema that this program knows.
pub(super) fn known() -> i64 {
    i64::try_from(MIGRATIONS.len()).unwrap_or(i64::MAX)
}

/// Brings the database up to date, all of it in one transaction.
pub(super) fn migrate(conn: &mut Connection, directory: &Path) -> Result<(), OpenError> {
    let sqlite = |source| OpenError::Sqlite { path: directory.to_owned(), source };
    let known = known();
    let found: i64 = conn.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(sqlite)?;
    if found > known {
        return Err(OpenError::TooNew { path: directory.to_owned(), found, known });
    }
    if found == known {
        return Ok(());
    }
    let tx = conn.transaction_with_behavior(TransactionBehavior::Immediate).map_err(sqlite)?;
    for (version, step) in (1i64..).zip(MIGRATIONS) {
        if version > found {
            tx.execute_batch(step).map_err(sqlite)?;
        }
    }
    tx.pragma_update(None, "user_version", known).map_err(sqlite)?;
    tx.commit().map_err(sqlite)
}
