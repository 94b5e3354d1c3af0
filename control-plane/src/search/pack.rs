//! How the index's rows are written: numbers of rows, bitmaps, keys, and where which decision is.

use super::facet::{Facet, Key};
use crate::storage::Seq;
use roaring::RoaringBitmap;
use sha2::{Digest, Sha256};

/// Records in a chunk, as a power of two: what a bitmap of postings is about.
pub(super) const CHUNK_BITS: u32 = 16;
/// Records in a block, as a power of two: what a row of places is about.
pub(super) const BLOCK_BITS: u32 = 10;
/// A bitmap with no more members than this is written as a plain list, which is shorter than any other form.
const LIST: usize = 16;

/// The chunk of a record.
pub(super) fn chunk_of(index: u64) -> u32 {
    u32::try_from(index >> CHUNK_BITS).unwrap_or(u32::MAX)
}

/// Its place in the chunk.
pub(super) fn offset_of(index: u64) -> u32 {
    (index & ((1 << CHUNK_BITS) - 1)) as u32
}

/// The record at that place.
pub(super) fn index_of(chunk: u32, offset: u32) -> u64 {
    (u64::from(chunk) << CHUNK_BITS) | u64::from(offset)
}

/// The row of a value's postings in a chunk: 6 bits of facet, 25 of chunk, 32 of value.
pub(super) fn posting_row(facet: Facet, chunk: u32, value: u32) -> i64 {
    (i64::from(facet.code()) << 57) | (i64::from(chunk & 0x1ff_ffff) << 32) | i64::from(value)
}

/// Facet, chunk and value of a row.
pub(super) fn posting_of(row: i64) -> Option<(Facet, u32, u32)> {
    let code = u8::try_from(row >> 57).ok()?;
    Some((Facet::from_code(code)?, ((row >> 32) & 0x1ff_ffff) as u32, (row & 0xffff_ffff) as u32))
}

/// The hash by which a key is found; 56 bits of it count.
pub(super) fn hash(key: Key, value: &str) -> u64 {
    let digest = Sha256::new().chain_update([key.code()]).chain_update(value).finalize();
    digest.iter().take(8).fold(0, |hash, byte| (hash << 8) | u64::from(*byte))
}

/// The row that has the keys of a chunk whose hashes begin alike.
pub(super) fn key_row(chunk: u32, hash: u64) -> i64 {
    (i64::from(chunk) << 8) | ((hash >> 56) as i64)
}

/// The chunk of such a row.
pub(super) fn key_chunk(row: i64) -> u32 {
    (row >> 8) as u32
}

/// What stands in it: 48 more bits of the hash, and the place in the chunk.
pub(super) fn key_entry(hash: u64, offset: u32) -> u64 {
    ((hash >> 8) << 16) | u64::from(offset & 0xffff)
}

/// Sorted entries as bytes.
pub(super) fn pack_keys(entries: &[u64]) -> Vec<u8> {
    entries.iter().flat_map(|entry| entry.to_be_bytes()).collect()
}

/// All entries of a row.
pub(super) fn unpack_keys(bytes: &[u8]) -> Vec<u64> {
    bytes.as_chunks::<8>().0.iter().map(|entry| u64::from_be_bytes(*entry)).collect()
}

/// Places of that hash in a row, found by bisection.
pub(super) fn find_keys(bytes: &[u8], hash: u64, found: &mut RoaringBitmap) {
    let (entries, _) = bytes.as_chunks::<8>();
    let first = key_entry(hash, 0);
    let from = entries.partition_point(|entry| u64::from_be_bytes(*entry) < first);
    for entry in entries.iter().skip(from) {
        let entry = u64::from_be_bytes(*entry);
        if entry >> 16 != first >> 16 {
            break;
        }
        found.insert((entry & 0xffff) as u32);
    }
}

/// A bitmap as bytes.
pub(super) fn pack_bitmap(bitmap: &mut RoaringBitmap) -> Vec<u8> {
    if bitmap.len() <= LIST as u64 / 2 {
        return bitmap.iter().flat_map(|place| (place as u16).to_be_bytes()).collect();
    }
    bitmap.optimize();
    if bitmap.serialized_size() <= LIST {
        // One run of neighbours: it would be taken for a list.
        bitmap.remove_run_compression();
    }
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    // Writing to memory does not fail.
    let _ = bitmap.serialize_into(&mut bytes);
    bytes
}

/// Reads it back; `None` for bytes that are none.
pub(super) fn unpack_bitmap(bytes: &[u8]) -> Option<RoaringBitmap> {
    if bytes.len() <= LIST {
        let (places, rest) = bytes.as_chunks::<2>();
        let all = places.iter().map(|place| u32::from(u16::from_be_bytes(*place)));
        return rest.is_empty().then(|| all.collect());
    }
    RoaringBitmap::deserialize_from(bytes).ok()
}

/// Where decisions are: their index and key, in order, as differences.
pub(super) fn pack_places(block: u64, places: &[(u64, Seq)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(places.len() * 4);
    let (mut index, mut seq) = (block << BLOCK_BITS, 0);
    for (at, key) in places {
        varint(&mut bytes, at.saturating_sub(index));
        varint(&mut bytes, u64::try_from(key.saturating_sub(seq)).unwrap_or(0));
        (index, seq) = (*at, *key);
    }
    bytes
}

/// Reads them back; `None` for bytes that are none.
pub(super) fn unpack_places(block: u64, mut bytes: &[u8]) -> Option<Vec<(u64, Seq)>> {
    let mut places = Vec::with_capacity(bytes.len() / 3);
    let (mut index, mut seq) = (block << BLOCK_BITS, 0i64);
    while !bytes.is_empty() {
        index = index.checked_add(take(&mut bytes)?)?;
        seq = seq.checked_add(i64::try_from(take(&mut bytes)?).ok()?)?;
        places.push((index, seq));
    }
    Some(places)
}

/// LEB128.
fn varint(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push((number as u8) | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn rows_are_read_back(chunk in 0u32..0x1ff_ffff, value: u32, text: String, offsets in prop::collection::btree_set(0u32..65_536, 0..200)) {
            for facet in Facet::ALL {
                let row = posting_row(facet, chunk, value);
                prop_assert!(row > 0);
                prop_assert_eq!(posting_of(row), Some((facet, chunk, value)));
            }
            let hash = hash(Key::Session, &text);
            prop_assert_eq!(key_chunk(key_row(chunk, hash)), chunk);
            let mut entries: Vec<_> = offsets.iter().map(|offset| key_entry(hash, *offset)).collect();
            entries.extend((0..50).map(|other| key_entry(hash.wrapping_add(other << 8).wrapping_add(256), 7)));
            entries.sort_unstable();
            prop_assert_eq!(&unpack_keys(&pack_keys(&entries)), &entries);
            let mut found = RoaringBitmap::new();
            find_keys(&pack_keys(&entries), hash, &mut found);
            prop_assert_eq!(found.iter().collect::<Vec<_>>(), offsets.iter().copied().collect::<Vec<_>>());
            let mut bitmap: RoaringBitmap = offsets.iter().collect();
            prop_assert_eq!(unpack_bitmap(&pack_bitmap(&mut bitmap)), Some(bitmap));
            let mut run: RoaringBitmap = (value % 1000..value % 1000 + chunk % 100).collect();
            prop_assert_eq!(unpack_bitmap(&pack_bitmap(&mut run)), Some(run));
        }

        #[test]
        fn places_are_read_back(block in 0u64..1 << 40, steps in prop::collection::vec((0u64..3, 1i64..1 << 40), 0..100)) {
            let (mut index, mut seq) = (block << BLOCK_BITS, 5);
            let places: Vec<_> = steps.iter().map(|(step, more)| { index += step; seq += more; (index, seq) }).collect();
            prop_assert_eq!(unpack_places(block, &pack_places(block, &places)), Some(places));
        }

        #[test]
        fn broken_rows_are_refused_and_not_believed(bytes: Vec<u8>) {
            let _ = unpack_bitmap(&bytes);
            let _ = unpack_places(3, &bytes);
            find_keys(&bytes, 1, &mut RoaringBitmap::new());
        }
    }
}
