//! What is found.

use serde::{Deserialize, Serialize};

/// What is wrong, or not complete. Its name is stable: programs and run books rely on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Code {
    /// A record, its kind or its time is not what the tree holds.
    ChangedRecord,
    /// The entry beside a record says something else than the record.
    ChangedEntry,
    /// A stored hash of the tree is not that of the records, which are right.
    ChangedHash,
    /// A record is not there.
    MissingRecord,
    /// A record is there twice.
    DuplicateRecord,
    /// Something stands where another record belongs.
    InsertedRecord,
    /// A record stands in another's place.
    ReorderedRecord,
    /// Its times contradict each other, or those of its neighbours.
    BackDated,
    /// Bytes that are no record of a log.
    Malformed,
    /// A record that is not in canonical form.
    NotCanonical,
    /// The records do not give the root that was signed.
    RootMismatch,
    /// A checkpoint that is none.
    MalformedCheckpoint,
    /// A signature that does not verify.
    BadSignature,
    /// Signed, by none of the given keys.
    UnknownKey,
    /// A checkpoint of another log.
    WrongOrigin,
    /// A checkpoint in the place of another.
    MisplacedCheckpoint,
    /// The key has signed two logs that contradict each other.
    Forked,
    /// The log is shorter than a checkpoint says that it was.
    Shrunk,
    /// Records that no checkpoint covers.
    UnsignedRecord,
    /// A record was pruned, and no record says that it was to be.
    PrunedWithoutRetention,
    /// What a search finds of a record is not what the record says.
    ChangedIndex,
    /// The manifest of an export says something else than its files.
    ChangedManifest,
    /// A decision that let a call out, and nobody said what became of it.
    DecisionWithoutOutcome,
    /// An outcome of a call that was let out, without an open decision on it.
    OutcomeWithoutDecision,
    /// The deadline passed and no outcome came.
    OutcomeUnknown,
    /// A gate let calls out without a record, or lost outcomes.
    Gap,
    /// A checkpoint that a witness should have cosigned, and has not.
    NotCosigned,
}

/// What a [`Code`] means for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The log is not what was written.
    Integrity,
    /// The log is what was written; what it says is not everything that happened.
    Completeness,
}

impl Code {
    /// Every code, for documentation and tests.
    pub const ALL: [Code; 27] = [
        Code::ChangedRecord,
        Code::ChangedEntry,
        Code::ChangedHash,
        Code::MissingRecord,
        Code::DuplicateRecord,
        Code::InsertedRecord,
        Code::ReorderedRecord,
        Code::BackDated,
        Code::Malformed,
        Code::NotCanonical,
        Code::RootMismatch,
        Code::MalformedCheckpoint,
        Code::BadSignature,
        Code::UnknownKey,
        Code::WrongOrigin,
        Code::MisplacedCheckpoint,
        Code::Forked,
        Code::Shrunk,
        Code::UnsignedRecord,
        Code::PrunedWithoutRetention,
        Code::ChangedIndex,
        Code::ChangedManifest,
        Code::DecisionWithoutOutcome,
        Code::OutcomeWithoutDecision,
        Code::OutcomeUnknown,
        Code::Gap,
        Code::NotCosigned,
    ];

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Code::ChangedRecord => "changed_record",
            Code::ChangedEntry => "changed_entry",
            Code::ChangedHash => "changed_hash",
            Code::MissingRecord => "missing_record",
            Code::DuplicateRecord => "duplicate_record",
            Code::InsertedRecord => "inserted_record",
            Code::ReorderedRecord => "reordered_record",
            Code::BackDated => "back_dated",
            Code::Malformed => "malformed",
            Code::NotCanonical => "not_canonical",
            Code::RootMismatch => "root_mismatch",
            Code::MalformedCheckpoint => "malformed_checkpoint",
            Code::BadSignature => "bad_signature",
            Code::UnknownKey => "unknown_key",
            Code::WrongOrigin => "wrong_origin",
            Code::MisplacedCheckpoint => "misplaced_checkpoint",
            Code::Forked => "forked",
            Code::Shrunk => "shrunk",
            Code::UnsignedRecord => "unsigned_record",
            Code::PrunedWithoutRetention => "pruned_without_retention",
            Code::ChangedIndex => "changed_index",
            Code::ChangedManifest => "changed_manifest",
            Code::DecisionWithoutOutcome => "decision_without_outcome",
            Code::OutcomeWithoutDecision => "outcome_without_decision",
            Code::OutcomeUnknown => "outcome_unknown",
            Code::Gap => "gap",
            Code::NotCosigned => "not_cosigned",
        }
    }

    /// What it means for the log.
    #[must_use]
    pub const fn severity(self) -> Severity {
        match self {
            Code::DecisionWithoutOutcome
            | Code::OutcomeWithoutDecision
            | Code::OutcomeUnknown
            | Code::Gap
            | Code::NotCosigned => Severity::Completeness,
            _ => Severity::Integrity,
        }
    }
}

/// Something that was found, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// What.
    pub code: Code,
    /// The record, counted from 0; the first of them where `end` is there. Of a checkpoint: its size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// It is one of the records before this one, from `index` on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u64>,
    /// The id of the record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// A sentence.
    pub detail: String,
}

impl Finding {
    /// About a record.
    #[must_use]
    pub fn at(code: Code, index: u64, id: &str, detail: impl Into<String>) -> Self {
        let id = (!id.is_empty()).then(|| id.to_owned());
        Finding { code, index: Some(index), end: None, id, detail: detail.into() }
    }

    /// About something between two records.
    #[must_use]
    pub fn between(code: Code, index: u64, end: u64, detail: impl Into<String>) -> Self {
        Finding { code, index: Some(index), end: Some(end), id: None, detail: detail.into() }
    }

    /// About the log as a whole.
    #[must_use]
    pub fn of_log(code: Code, detail: impl Into<String>) -> Self {
        Finding { code, index: None, end: None, id: None, detail: detail.into() }
    }

    /// It is about that record, or about records of which it is one.
    #[must_use]
    pub fn covers(&self, index: u64) -> bool {
        self.index.is_some_and(|first| match self.end {
            Some(end) => (first..end).contains(&index),
            None => first == index,
        })
    }
}
