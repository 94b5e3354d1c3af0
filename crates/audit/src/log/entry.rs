//! What of a record is hashed into the tree.

use super::kind::RecordKind;
use super::tree::{Hash, leaf_hash};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A leaf's data: canonical JSON such as
/// `{"id":"0199…","kind":"decision","sha256":"9f86…","time_ms":1763758800000}`. Stays when the record is pruned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// Decision id, call id or event id: the member [`RecordKind::id_member`] of the record.
    pub id: String,
    /// The kind of the record.
    pub kind: RecordKind,
    /// Hex SHA-256 of the record's canonical bytes.
    #[serde(with = "hash")]
    #[cfg_attr(feature = "openapi", schema(value_type = String))]
    pub sha256: Hash,
    /// When it was written to the log, Unix milliseconds, by the clock of the log: never less than that of the entry before.
    pub time_ms: u64,
}

/// Bytes that are no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// They are not JSON of that form.
    #[error("not an entry: {0}")]
    Form(String),
    /// They are an entry, written otherwise than RFC 8785 writes it.
    #[error("the entry is not in canonical form")]
    NotCanonical,
}

impl Entry {
    /// The entry of a record, given its canonical bytes.
    #[must_use]
    pub fn new(id: impl Into<String>, kind: RecordKind, time_ms: u64, record: &[u8]) -> Self {
        Entry { id: id.into(), kind, sha256: Sha256::digest(record).into(), time_ms }
    }

    /// The leaf's data. Written by hand for speed; equal to [`super::canonical`] of the entry.
    #[must_use]
    pub fn to_json(&self) -> String {
        // The escapes of serde_json are those of RFC 8785 §3.2.2.2.
        // Ids that need none are written as they stand: one entry is written for each record that is verified.
        let plain = self.id.bytes().all(|byte| byte >= b' ' && byte != b'"' && byte != b'\\');
        let escaped = (!plain).then(|| serde_json::Value::String(self.id.clone()).to_string());
        let (quote, id) = match &escaped {
            Some(escaped) => ("", escaped.as_str()),
            None => ("\"", self.id.as_str()),
        };
        let (kind, sha256) = (self.kind.as_str(), hex::encode(self.sha256));
        format!(
            "{{\"id\":{quote}{id}{quote},\"kind\":\"{kind}\",\"sha256\":\"{sha256}\",\"time_ms\":{}}}",
            self.time_ms
        )
    }

    /// Reads it back.
    ///
    /// # Errors
    /// [`EntryError`].
    pub fn parse(data: &[u8]) -> Result<Self, EntryError> {
        let entry: Entry =
            serde_json::from_slice(data).map_err(|error| EntryError::Form(error.to_string()))?;
        if entry.to_json().as_bytes() == data { Ok(entry) } else { Err(EntryError::NotCanonical) }
    }

    /// Its leaf hash.
    #[must_use]
    pub fn leaf(&self) -> Hash {
        leaf_hash(self.to_json().as_bytes())
    }
}

/// A hash as hexadecimal digits.
mod hash {
    use super::Hash;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(hash: &Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(hash))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Hash, D::Error> {
        let text = String::deserialize(deserializer)?;
        let bytes = hex::decode(text).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("not 32 bytes"))
    }
}

#[cfg(test)]
mod tests;
