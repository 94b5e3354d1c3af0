//! A stretch of the log on its way out.

use super::config::Export;
use super::formats::jsonl;
use crate::storage::{Head, Logged};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Frontier, Hash, RecordKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Records of the log without a gap, and what proves that they are.
#[derive(Debug, Clone)]
pub struct Chunk {
    /// The log's name.
    pub origin: String,
    /// Its records, of all kinds; never none.
    pub records: Vec<Logged>,
    /// The tree before the first.
    pub frontier: Frontier,
    /// A checkpoint that covers the last.
    pub head: Arc<Head>,
    /// That the tree after the last is the beginning of that of the checkpoint; empty where it is its equal.
    pub consistency: Vec<Hash>,
}

impl Chunk {
    /// Index of its first record.
    #[must_use]
    pub fn first(&self) -> u64 {
        self.frontier.size()
    }

    /// Index of the record after its last.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.records.last().map_or(self.first(), |record| record.index + 1)
    }

    /// `000000000000-000000000099`: the indexes of its first and its last record. The same at every attempt.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{:012}-{:012}", self.first(), self.end().saturating_sub(1))
    }

    /// Its records of these kinds; all where there are none.
    pub fn of_kinds<'a>(&'a self, kinds: &'a [RecordKind]) -> impl Iterator<Item = &'a Logged> {
        self.records.iter().filter(|record| wanted(kinds, record))
    }

    /// What lies beside its files.
    #[must_use]
    pub fn manifest(&self, export: &Export, format: &str, files: Vec<ManifestFile>) -> Manifest {
        let base64 = |hashes: &[Hash]| hashes.iter().map(|hash| STANDARD.encode(hash)).collect();
        let time = |record: Option<&Logged>| record.map_or(0, |record| record.entry.time_ms);
        Manifest {
            version: 1,
            origin: self.origin.clone(),
            export: export.name.clone(),
            format: format.to_owned(),
            kinds: export.kinds.clone(),
            first: self.first(),
            end: self.end(),
            first_time_ms: time(self.records.first()),
            last_time_ms: time(self.records.last()),
            files,
            frontier: base64(self.frontier.roots()),
            checkpoint: self.head.note.to_string(),
            consistency: base64(&self.consistency),
            partial: None,
        }
    }
}

/// Is the record of one of these kinds?
pub(super) fn wanted(kinds: &[RecordKind], record: &Logged) -> bool {
    kinds.is_empty() || kinds.contains(&record.entry.kind)
}

/// What lies beside the files of a chunk, `manifest-FIRST-LAST.json`: with it and the public key alone the chunk can be checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// 1.
    pub version: u32,
    /// The log's name.
    pub origin: String,
    /// The export's name; none of a range that somebody asked for.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub export: String,
    /// What its files hold: `jsonl`, `ocsf`, `parquet`, `in-toto`.
    pub format: String,
    /// The kinds whose records are in it; empty: all. In `jsonl` the others have their entries, too.
    pub kinds: Vec<RecordKind>,
    /// Index of its first record.
    pub first: u64,
    /// Index of the record after its last.
    pub end: u64,
    /// Time of its first record in the log, Unix milliseconds.
    pub first_time_ms: u64,
    /// Time of its last.
    pub last_time_ms: u64,
    /// Its files.
    pub files: Vec<ManifestFile>,
    /// Roots of the complete subtrees of the tree before its first record, the largest first, base64.
    pub frontier: Vec<String>,
    /// A checkpoint of `end` records or more, a signed note.
    pub checkpoint: String,
    /// The consistency proof (RFC 6962 §2.1.2) from `end` to the checkpoint's size, base64; empty where they are equal.
    pub consistency: Vec<String>,
    /// What of it cannot be verified from its files, and how it can; absent where all can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partial: Option<String>,
}

/// A file of a chunk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ManifestFile {
    /// Its name.
    pub name: String,
    /// Bytes.
    pub bytes: u64,
    /// Hex SHA-256 of them.
    pub sha256: String,
    /// Lines or rows.
    pub records: u64,
}

/// A record as a line of JSON Lines, without the line end; without `record` where it is not wanted.
pub(super) fn line(logged: &Logged, whole: bool) -> String {
    let mut line = String::new();
    match whole {
        true => jsonl::line(logged, &mut line),
        false => jsonl::line(&Logged { record: None, ..logged.clone() }, &mut line),
    }
    line.pop();
    line
}
