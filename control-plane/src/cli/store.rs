//! Opening a store without its server.

use crate::storage::{LogKey, SqliteOptions};
use std::path::{Path, PathBuf};

/// How to open the store of that directory: what is done there is a record, so the key that signs the log is needed, from the
/// same place as the server has it.
pub(super) fn options(directory: &Path) -> SqliteOptions {
    let file = std::env::var_os("PORTCULLIS_LOG_KEY_FILE").filter(|file| !file.is_empty());
    let log_key = file.map_or(LogKey::Directory, |file| LogKey::File(PathBuf::from(file)));
    SqliteOptions { log_key, ..SqliteOptions::new(directory) }
}
