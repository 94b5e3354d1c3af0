//! The public layout of a log: tiles of 256 hashes, and bundles of 256 entries, at paths that are computed.
//!
//! Format: <https://c2sp.org/tlog-tiles>.

use super::tree::{Hash, node_hash};
use std::fmt;
use std::str::FromStr;

/// Hashes in a full tile, entries in a full bundle.
pub const TILE_WIDTH: u32 = 256;
/// Heights of the tree in one tile.
pub const TILE_HEIGHT: u32 = 8;
/// The highest level that a path may name.
const MAX_LEVEL: u8 = 63;

/// What a path of the layout names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TilePath {
    /// Level of a tile of hashes: 0 for those of leaves, `l` for roots of complete subtrees of `256^l` leaves. `None`: a
    /// bundle of entries.
    pub level: Option<u8>,
    /// Its place in the level, from 0.
    pub index: u64,
    /// How many hashes or entries it has: 1 to 256; below 256 it is partial.
    pub width: u32,
}

/// A path that names no tile.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TilePathError {
    /// It is neither `tile/<level>/<index>` nor `tile/entries/<index>`.
    #[error(
        "a tile's path is `tile/<level>/<index>` or `tile/entries/<index>`, with `.p/<width>` behind it for a partial one"
    )]
    Form,
    /// The level is no number from 0 to 63 without leading zeros.
    #[error("the level of a tile is a number from 0 to 63")]
    Level,
    /// The index is not in groups of three digits.
    #[error(
        "the index of a tile is written in groups of three digits, all but the last with `x` before: `x001/x234/067`"
    )]
    Index,
    /// The width is no number from 1 to 255 without leading zeros.
    #[error("the width of a partial tile is a number from 1 to 255")]
    Width,
}

impl TilePath {
    /// The tile of that level (`None`: the bundle) and index as it is in a log of that size; `None` where nothing of it is
    /// there yet.
    #[must_use]
    pub fn in_log(level: Option<u8>, index: u64, size: u64) -> Option<Self> {
        let there = size.checked_shr(TILE_HEIGHT * u32::from(level.unwrap_or(0))).unwrap_or(0);
        let rest = there.checked_sub(index.checked_mul(u64::from(TILE_WIDTH))?)?;
        let width = u32::try_from(rest.min(u64::from(TILE_WIDTH))).ok()?;
        (width > 0).then_some(TilePath { level, index, width })
    }

    /// Its first hash, counted in its level (of a bundle: its first entry).
    #[must_use]
    pub const fn first(&self) -> u64 {
        self.index.saturating_mul(TILE_WIDTH as u64)
    }

    /// It has fewer than 256.
    #[must_use]
    pub const fn is_partial(&self) -> bool {
        self.width < TILE_WIDTH
    }

    /// A log of that size has as much of it.
    #[must_use]
    pub fn is_in(&self, size: u64) -> bool {
        Self::in_log(self.level, self.index, size).is_some_and(|there| there.width >= self.width)
    }
}

impl fmt::Display for TilePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level {
            Some(level) => write!(f, "tile/{level}/")?,
            None => write!(f, "tile/entries/")?,
        }
        let mut groups = vec![self.index % 1_000];
        let mut rest = self.index / 1_000;
        while rest > 0 {
            groups.push(rest % 1_000);
            rest /= 1_000;
        }
        while let Some(group) = groups.pop() {
            if groups.is_empty() {
                write!(f, "{group:03}")?;
            } else {
                write!(f, "x{group:03}/")?;
            }
        }
        if self.is_partial() { write!(f, ".p/{}", self.width) } else { Ok(()) }
    }
}

impl FromStr for TilePath {
    type Err = TilePathError;

    fn from_str(path: &str) -> Result<Self, TilePathError> {
        let rest = path.strip_prefix("tile/").ok_or(TilePathError::Form)?;
        let (level, rest) = rest.split_once('/').ok_or(TilePathError::Form)?;
        let level = match level {
            "entries" => None,
            level => Some(
                number(level)
                    .and_then(|level| u8::try_from(level).ok())
                    .filter(|level| *level <= MAX_LEVEL)
                    .ok_or(TilePathError::Level)?,
            ),
        };
        let (index, width) = match rest.split_once(".p/") {
            Some((index, width)) => {
                let width = number(width).and_then(|width| u32::try_from(width).ok());
                (index, width.filter(|width| (1..TILE_WIDTH).contains(width)).ok_or(TilePathError::Width)?)
            }
            None => (rest, TILE_WIDTH),
        };
        Ok(TilePath { level, index: tile_index(index).ok_or(TilePathError::Index)?, width })
    }
}

/// A decimal number as it is written in one way only.
fn number(text: &str) -> Option<u64> {
    let plain = text == "0" || !text.starts_with('0');
    text.bytes().all(|byte| byte.is_ascii_digit()).then_some(())?;
    text.parse().ok().filter(|_| plain)
}

/// `x001/x234/067` is 1,234,067.
fn tile_index(text: &str) -> Option<u64> {
    let (above, last) = text.rsplit_once('/').map_or((None, text), |(above, last)| (Some(above), last));
    let group = |digits: &str| {
        (digits.len() == 3 && digits.bytes().all(|byte| byte.is_ascii_digit())).then_some(())?;
        digits.parse::<u64>().ok()
    };
    let mut index = 0_u64;
    for (at, digits) in above.into_iter().flat_map(|above| above.split('/')).enumerate() {
        let group = group(digits.strip_prefix('x')?)?;
        // One index, one path: no group of zeros in front.
        if at == 0 && group == 0 {
            return None;
        }
        index = index.checked_mul(1_000)?.checked_add(group)?;
    }
    index.checked_mul(1_000)?.checked_add(group(last)?)
}

/// The hashes of a tile as they are served.
#[must_use]
pub fn tile_bytes(hashes: &[Hash]) -> Vec<u8> {
    hashes.concat()
}

/// Reads a tile; `None` where the bytes are not 1 to 256 hashes.
#[must_use]
pub fn parse_tile(bytes: &[u8]) -> Option<Vec<Hash>> {
    let (hashes, rest) = bytes.as_chunks::<32>();
    let count = hashes.len();
    (rest.is_empty() && (1..=TILE_WIDTH as usize).contains(&count)).then(|| hashes.to_vec())
}

/// The root of a complete subtree from its leaves or from the roots of equal subtrees of it; `None` where their number is no power of two.
#[must_use]
pub fn complete_root(hashes: &[Hash]) -> Option<Hash> {
    if !hashes.len().is_power_of_two() {
        return None;
    }
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        let (pairs, _) = level.as_chunks::<2>();
        level = pairs.iter().map(|[left, right]| node_hash(left, right)).collect();
    }
    level.first().copied()
}

/// The root of the complete subtree of that height and index (at that height), where only the hashes of tiles can be read:
/// `read(level, first, count)` gives hashes `first .. first + count` of a level, all of one tile. `None` where it gave another number.
///
/// # Errors
/// Those of `read`.
pub fn node_from_tiles<E>(
    height: u32,
    index: u64,
    read: impl FnOnce(u8, u64, u32) -> Result<Vec<Hash>, E>,
) -> Result<Option<Hash>, E> {
    let (level, above) = (height / TILE_HEIGHT, height % TILE_HEIGHT);
    let (Ok(level), count) = (u8::try_from(level), 1_u32 << above) else { return Ok(None) };
    let Some(first) = index.checked_mul(u64::from(count)) else { return Ok(None) };
    let hashes = read(level, first, count)?;
    Ok(if hashes.len() == count as usize { complete_root(&hashes) } else { None })
}

/// An entry that no bundle can hold: longer than 65,535 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an entry of {0} bytes is too long for a bundle: at most 65,535")]
pub struct EntryTooLong(pub usize);

/// Bytes that are no bundle of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// They end inside an entry or its length.
    #[error("the bundle ends inside entry {0}")]
    Cut(usize),
    /// There are more than 256.
    #[error("the bundle has more than 256 entries")]
    TooMany,
}

/// Entries as a bundle of them is served: each behind its length, 16 bits, big-endian.
///
/// # Errors
/// [`EntryTooLong`].
pub fn bundle_bytes<'e>(entries: impl IntoIterator<Item = &'e [u8]>) -> Result<Vec<u8>, EntryTooLong> {
    let mut bytes = Vec::new();
    for entry in entries {
        let length = u16::try_from(entry.len()).map_err(|_| EntryTooLong(entry.len()))?;
        bytes.extend_from_slice(&length.to_be_bytes());
        bytes.extend_from_slice(entry);
    }
    Ok(bytes)
}

/// The entries of a bundle.
///
/// # Errors
/// [`BundleError`].
pub fn parse_bundle(mut bytes: &[u8]) -> Result<Vec<&[u8]>, BundleError> {
    let mut entries = Vec::new();
    while !bytes.is_empty() {
        if entries.len() == TILE_WIDTH as usize {
            return Err(BundleError::TooMany);
        }
        let cut = BundleError::Cut(entries.len());
        let (length, rest) = bytes.split_first_chunk::<2>().ok_or(cut)?;
        let (entry, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or(cut)?;
        entries.push(entry);
        bytes = rest;
    }
    Ok(entries)
}

#[cfg(test)]
mod tests;
