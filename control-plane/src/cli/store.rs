//! Opening a store without its server.

use crate::storage::{LogKey, SqliteOptions};
use std::path::Path;

/// How to open the store of that directory: what is done there is a record, so the key that signs the log is needed, from the
/// same place as the server has it.
///
/// # Errors
/// When the key in the environment is none.
pub(super) fn options(directory: &Path) -> anyhow::Result<SqliteOptions> {
    let log_key = LogKey::from_env(|name| std::env::var(name).ok())
        .map_err(|why| anyhow::anyhow!("`PORTCULLIS_LOG_KEY`: {why}"))?;
    Ok(SqliteOptions { log_key, ..SqliteOptions::new(directory) })
}
