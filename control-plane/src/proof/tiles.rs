//! The bytes of the public layout.

use crate::storage::{Store, StoreError};
use portcullis_audit::log::{TilePath, bundle_bytes};

/// The bytes of a tile or entry bundle that the log has.
///
/// # Errors
/// As the store; [`StoreError::Inconsistent`] where the log has less than it says.
pub async fn tile_bytes(store: &dyn Store, tile: &TilePath) -> Result<Vec<u8>, StoreError> {
    let short = || StoreError::Inconsistent(format!("the log has no whole `{tile}`"));
    let width = usize::try_from(tile.width).unwrap_or(usize::MAX);
    if let Some(level) = tile.level {
        let hashes = store.log_hashes(level, tile.first(), tile.width).await?;
        return if hashes.len() == width { Ok(hashes.concat()) } else { Err(short()) };
    }
    let mut entries = Vec::with_capacity(width);
    let (mut next, end) = (tile.first(), tile.first() + u64::from(tile.width));
    while next < end {
        let limit = u32::try_from(end - next).unwrap_or(u32::MAX);
        let records = store.log_records(next, limit, PAGE).await?;
        if records.is_empty() {
            return Err(short());
        }
        next += u64::try_from(records.len()).unwrap_or(0);
        entries.extend(records.into_iter().map(|record| record.entry.to_json()));
    }
    bundle_bytes(entries.iter().map(String::as_bytes))
        .map_err(|error| StoreError::Inconsistent(error.to_string()))
}

/// Records read at once, bytes.
const PAGE: usize = 4 * 1024 * 1024;
