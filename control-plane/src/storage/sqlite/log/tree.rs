//! The tree, as it is stored: leaves in `records`, roots of complete subtrees of 256 in `log_nodes`.

use crate::storage::StoreError;
use portcullis_audit::log::{
    Frontier, Hash, complete_root, consistency_proof, frontier_at, inclusion_proof, verify_consistency,
    verify_inclusion,
};
use rusqlite::{Connection, params};

/// Levels of tiles above the leaves.
const LEVELS: u8 = 7;
/// Hashes in a tile.
const TILE: u64 = 256;

/// Hashes `first .. first + count` of a level of tiles; shorter where the log ends.
pub(super) fn hashes(conn: &Connection, level: u8, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
    let (Ok(start), Ok(end)) = (i64::try_from(first), i64::try_from(first.saturating_add(count))) else {
        return Ok(Vec::new());
    };
    let mut found = Vec::new();
    let mut take = |row: &rusqlite::Row<'_>| -> Result<(), StoreError> {
        let expected = start.checked_add(i64::try_from(found.len()).unwrap_or(i64::MAX));
        if expected != Some(row.get(0)?) {
            let message =
                format!("hash {} of level {level} of the log is missing", expected.unwrap_or(start));
            return Err(StoreError::Inconsistent(message));
        }
        found.push(row.get(1)?);
        Ok(())
    };
    if level == 0 {
        let mut statement =
            conn.prepare_cached("SELECT idx, leaf FROM records WHERE idx >= ?1 AND idx < ?2 ORDER BY idx")?;
        let mut rows = statement.query([start, end])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
    } else {
        let mut statement = conn.prepare_cached(
            "SELECT n, hash FROM log_nodes WHERE level = ?1 AND n >= ?2 AND n < ?3 ORDER BY n",
        )?;
        let mut rows = statement.query(params![level, start, end])?;
        while let Some(row) = rows.next()? {
            take(row)?;
        }
    }
    Ok(found)
}

/// The same, all of them.
fn complete(conn: &Connection, level: u8, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
    let found = hashes(conn, level, first, count)?;
    if u64::try_from(found.len()) == Ok(count) {
        return Ok(found);
    }
    let message = format!("hashes {first} to {} of level {level} of the log are missing", first + count);
    Err(StoreError::Inconsistent(message))
}

/// The tree of the first `size` leaves, from what is stored.
pub(super) fn frontier(conn: &Connection, size: u64) -> Result<Frontier, StoreError> {
    frontier_at(size, |height, index| node(conn, height, index))
}

/// The root of the complete subtree of `2^height` leaves with that number.
pub(super) fn node(conn: &Connection, height: u32, index: u64) -> Result<Hash, StoreError> {
    let level = u8::try_from(height / 8).unwrap_or(u8::MAX).min(LEVELS);
    let below = height - 8 * u32::from(level);
    let mut part = Frontier::default();
    for hash in complete(conn, level, index << below, 1 << below)? {
        part.push(hash, |_, _, _| {});
    }
    Ok(part.root())
}

/// [`hashes`] for others: a complete tile is given only if it leads to the hash above it.
pub(super) fn tiles(conn: &Connection, level: u8, first: u64, count: u64) -> Result<Vec<Hash>, StoreError> {
    let end = super::read::head(conn)?.size.checked_shr(8 * u32::from(level)).unwrap_or(0);
    let found = complete(conn, level, first, count.min(end.saturating_sub(first)))?;
    let before = usize::try_from(first.next_multiple_of(TILE) - first).unwrap_or(usize::MAX);
    let whole = found.get(before..).unwrap_or_default().chunks_exact(TILE as usize);
    for (n, tile) in (first.div_ceil(TILE)..).zip(whole) {
        if level < LEVELS && complete_root(tile) != complete(conn, level + 1, n, 1)?.pop() {
            return Err(broken(format!("tile {n} of level {level}")));
        }
    }
    Ok(found)
}

fn broken(what: String) -> StoreError {
    StoreError::Inconsistent(format!(
        "{what} of the log is damaged; `portcullis audit verify` tells where, restore a backup"
    ))
}

/// The inclusion proof of a leaf; `None` where there is none. It is tried out before anybody gets it.
pub(super) fn inclusion(conn: &Connection, index: u64, size: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    let proof = inclusion_proof(index, size, |height, index| node(conn, height, index))?;
    if let Some(proof) = &proof {
        let (leaf, root) = (node(conn, 0, index)?, frontier(conn, size)?.root());
        verify_inclusion(&leaf, index, size, proof, &root)
            .map_err(|error| broken(format!("the path of leaf {index} ({error})")))?;
    }
    Ok(proof)
}

/// The consistency proof between two sizes; `None` where there is none. It is tried out before anybody gets it.
pub(super) fn consistency(conn: &Connection, old: u64, new: u64) -> Result<Option<Vec<Hash>>, StoreError> {
    let proof = consistency_proof(old, new, |height, index| node(conn, height, index))?;
    if let Some(proof) = &proof {
        let (before, after) = (frontier(conn, old)?.root(), frontier(conn, new)?.root());
        verify_consistency(old, new, proof, &before, &after)
            .map_err(|error| broken(format!("the tree between {old} and {new} records ({error})")))?;
    }
    Ok(proof)
}
