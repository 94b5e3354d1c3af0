//! Records as they are stored: canonical JSON, packed with a dictionary that is part of the program.
//!
//! A record is short (about 1.4 KB) and much like the one before, so that a compressor which begins with nothing finds little
//! in it. Dictionaries are numbered and never changed: a store holds records of every version that has written to it.

use crate::storage::StoreError;
use portcullis_audit::log::{Entry, Hash, RecordKind, canonical};
use serde::Serialize;
use sha2::{Digest, Sha256};
use std::cell::RefCell;
use std::sync::OnceLock;
use zstd::bulk::{Compressor, Decompressor};
use zstd::dict::{DecoderDictionary, EncoderDictionary};

/// Every dictionary, number 1 first. Never change one that was released: add one (`pack/tests.rs` says how they are made).
pub(super) const DICTIONARIES: &[&[u8]] = &[include_bytes!("records-1.dict")];
/// Fast: what a higher level saves on such short texts is a tenth.
const LEVEL: i32 = 1;
/// Longest record that is unpacked, bytes. A question is at most some megabytes; more is damage.
const LONGEST: u64 = 256 * 1024 * 1024;

/// A record, ready to be written. Made on the thread of whoever records it, so that the writer has little to do.
#[derive(Debug, Clone)]
pub(crate) struct Packed {
    pub(super) kind: RecordKind,
    pub(super) id: String,
    pub(super) sha256: Hash,
    pub(super) dict: i64,
    pub(super) bytes: Vec<u8>,
    json: String,
}

impl Packed {
    /// Packs a record of that kind and id.
    pub(crate) fn new<T: Serialize>(kind: RecordKind, id: &str, record: &T) -> Result<Self, StoreError> {
        let json = canonical(record)
            .map_err(|error| StoreError::Inconsistent(format!("cannot write a record: {error}")))?;
        let (dict, bytes) = pack(json.as_bytes());
        let sha256 = Sha256::digest(json.as_bytes()).into();
        Ok(Packed { kind, id: id.to_owned(), sha256, dict, bytes, json })
    }

    /// Its canonical bytes.
    pub(crate) fn json(&self) -> &str {
        &self.json
    }

    /// Its entry, were it written at that time.
    pub(super) fn entry(&self, time_ms: u64) -> Entry {
        Entry { id: self.id.clone(), kind: self.kind, sha256: self.sha256, time_ms }
    }
}

fn encoder() -> &'static EncoderDictionary<'static> {
    static NEWEST: OnceLock<EncoderDictionary<'static>> = OnceLock::new();
    NEWEST.get_or_init(|| EncoderDictionary::copy(DICTIONARIES.last().copied().unwrap_or_default(), LEVEL))
}

fn decoder(dict: usize) -> Option<&'static DecoderDictionary<'static>> {
    static ALL: OnceLock<Vec<DecoderDictionary<'static>>> = OnceLock::new();
    ALL.get_or_init(|| DICTIONARIES.iter().map(|bytes| DecoderDictionary::copy(bytes)).collect()).get(dict)
}

fn compressor() -> std::io::Result<Compressor<'static>> {
    let mut compressor = Compressor::with_prepared_dictionary(encoder())?;
    // A flipped bit must not read as another record; the hash in the tree is looked at where proofs are made.
    compressor.include_checksum(true)?;
    compressor.include_dictid(false)?;
    Ok(compressor)
}

/// Packs with the newest dictionary; gives its number, 0 where the bytes stay as they are.
fn pack(bytes: &[u8]) -> (i64, Vec<u8>) {
    thread_local!(static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) });
    let packed = COMPRESSOR.with_borrow_mut(|slot| {
        if slot.is_none() {
            *slot = compressor().ok();
        }
        slot.as_mut()?.compress(bytes).ok()
    });
    match packed {
        Some(packed) => (i64::try_from(DICTIONARIES.len()).unwrap_or(0), packed),
        None => (0, bytes.to_vec()),
    }
}

/// What was packed. Says why it cannot be.
pub(crate) fn unpack(dict: i64, bytes: &[u8]) -> Result<String, String> {
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned());
    if dict == 0 {
        return text(bytes.to_vec());
    }
    let known = usize::try_from(dict - 1).ok().and_then(decoder);
    let dictionary = known.ok_or_else(|| format!("no dictionary has the number {dict}"))?;
    let size = zstd::zstd_safe::get_frame_content_size(bytes).ok().flatten();
    let size = size.filter(|size| *size <= LONGEST).ok_or("it does not say how long it is")?;
    // Making one takes longer than unpacking a record.
    thread_local!(static UNPACKER: RefCell<Option<(i64, Decompressor<'static>)>> = const { RefCell::new(None) });
    let size = usize::try_from(size).map_err(|error| error.to_string())?;
    let unpacked = UNPACKER.with_borrow_mut(|slot| {
        if slot.as_ref().is_none_or(|(made_for, _)| *made_for != dict) {
            *slot = Some((dict, Decompressor::with_prepared_dictionary(dictionary)?));
        }
        slot.as_mut().map_or_else(|| Ok(Vec::new()), |(_, unpacker)| unpacker.decompress(bytes, size))
    });
    text(unpacked.map_err(|error| error.to_string())?)
}

#[cfg(test)]
mod tests;
