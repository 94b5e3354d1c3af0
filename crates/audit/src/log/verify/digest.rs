//! One record by itself: its leaf, and whether it says what its entry says. A pure function, to be run on every core.

use super::super::canonical;
use super::super::entry::{Entry, EntryError};
use super::super::kind::RecordKind;
use super::super::tree::{Hash, leaf_hash};
use super::facts::{self, Facts, Gap, Pruned, Says};
use super::finding::{Code, Finding};
use super::line::Line;
use sha2::{Digest as _, Sha256};

/// An entry is written at most so long after its record got its own time.
pub const MAX_WAIT_MS: u64 = 60_000;

/// A record as a store keeps it: the entry follows from it, and the leaf is there to compare with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'a> {
    /// Its place in the log.
    pub index: u64,
    /// Its kind.
    pub kind: RecordKind,
    /// The time of its entry, Unix milliseconds.
    pub time_ms: u64,
    /// Its leaf hash, as stored.
    pub leaf: Hash,
    /// Its canonical bytes.
    pub record: &'a [u8],
}

/// What is left of a record when it was looked at.
#[derive(Debug)]
pub struct Digest {
    pub(super) index: u64,
    /// Of the entry as it is.
    pub(super) leaf: Hash,
    /// As stored.
    pub(super) stored: Option<Hash>,
    pub(super) time_ms: u64,
    pub(super) kind: Option<RecordKind>,
    pub(super) id: Box<str>,
    pub(super) pruned: bool,
    pub(super) says: Said,
    pub(super) flaws: Vec<Finding>,
}

/// [`Says`], without borrowing.
#[derive(Debug)]
pub(super) enum Said {
    Nothing,
    Allowed(u64),
    Outcome { call: u64, unknown: bool, forwarded: bool },
    Gap(Gap),
    Pruned(Pruned),
}

impl Digest {
    /// Its place in the log.
    #[must_use]
    pub const fn index(&self) -> u64 {
        self.index
    }

    /// Of a line of an export. `deep`: also whether the record is in canonical form.
    #[must_use]
    pub fn of_line(line: &Line<'_>, deep: bool) -> Self {
        let (mut digest, entry) = Digest::of_entry(line.index, line.entry);
        digest.pruned = line.record.is_none();
        if let (Some(record), Some(entry)) = (line.record, entry) {
            digest.compare(&entry, record);
            if deep {
                digest.form(record);
            }
        }
        digest
    }

    /// Of a row of a store. `deep`: also whether the record is in canonical form.
    #[must_use]
    pub fn of_row(row: &Row<'_>, deep: bool) -> Self {
        let mut digest = Digest::empty(row.index, row.time_ms);
        digest.stored = Some(row.leaf);
        match facts::read(row.kind, row.record) {
            Ok(facts) => {
                let entry = Entry::new(facts.id.as_ref(), row.kind, row.time_ms, row.record);
                digest.leaf = entry.leaf();
                digest.take(row.kind, row.time_ms, facts);
            }
            Err(why) => {
                // No entry follows from it, so nothing that is in the tree.
                let why = format!("the record cannot be read: {why}");
                digest.flaws.push(Finding::at(Code::ChangedRecord, row.index, "", why));
            }
        }
        if deep {
            digest.form(row.record);
        }
        digest
    }

    /// Of a row of a store whose record was pruned: its entry is all there is.
    #[must_use]
    pub fn of_pruned(index: u64, leaf: Hash, entry: &[u8]) -> Self {
        Digest { stored: Some(leaf), ..Digest::of_entry(index, entry).0 }
    }

    /// The kind and the time that stand beside it must be those of its entry.
    #[must_use]
    pub fn beside(mut self, kind: Option<RecordKind>, time_ms: u64) -> Self {
        if self.flaws.is_empty() && (kind != self.kind || time_ms != self.time_ms) {
            let why = "the kind or the time beside the entry is not what the entry says";
            self.flaws.push(Finding::at(Code::ChangedRecord, self.index, &self.id, why));
        }
        self
    }

    /// Of a row of a store that holds neither.
    #[must_use]
    pub fn of_nothing(index: u64, time_ms: u64, leaf: Hash, why: &str) -> Self {
        let mut digest = Digest { stored: Some(leaf), ..Digest::empty(index, time_ms) };
        digest.flaws.push(Finding::at(
            Code::ChangedRecord,
            index,
            "",
            format!("the record cannot be read: {why}"),
        ));
        digest
    }

    fn empty(index: u64, time_ms: u64) -> Self {
        let (leaf, stored, pruned) = ([0; 32], None, false);
        Digest {
            index,
            leaf,
            stored,
            time_ms,
            kind: None,
            id: "".into(),
            pruned,
            says: Said::Nothing,
            flaws: Vec::new(),
        }
    }

    fn of_entry(index: u64, data: &[u8]) -> (Self, Option<Entry>) {
        let mut digest = Digest { leaf: leaf_hash(data), pruned: true, ..Digest::empty(index, 0) };
        let entry = match Entry::parse(data) {
            Ok(entry) => {
                digest.time_ms = entry.time_ms;
                digest.kind = Some(entry.kind);
                digest.id = entry.id.as_str().into();
                Some(entry)
            }
            Err(EntryError::NotCanonical) => {
                let why = "the entry is not in canonical form";
                digest.flaws.push(Finding::at(Code::ChangedEntry, index, "", why));
                None
            }
            Err(EntryError::Form(why)) => {
                digest.flaws.push(Finding::at(
                    Code::ChangedEntry,
                    index,
                    "",
                    format!("the entry cannot be read: {why}"),
                ));
                None
            }
        };
        (digest, entry)
    }

    /// Compares a record with the entry beside it.
    fn compare(&mut self, entry: &Entry, record: &[u8]) {
        let sha256: Hash = Sha256::digest(record).into();
        if sha256 != entry.sha256 {
            let why = "the record is not the one that the entry was written for: its SHA-256 is another";
            self.flaws.push(Finding::at(Code::ChangedRecord, self.index, &entry.id, why));
            // What it says is nobody's word.
            return;
        }
        match facts::read(entry.kind, record) {
            Ok(facts) => {
                if facts.id != entry.id {
                    let why = format!("the entry names `{}`, the record `{}`", entry.id, facts.id);
                    self.flaws.push(Finding::at(Code::ChangedEntry, self.index, &entry.id, why));
                }
                self.take(entry.kind, entry.time_ms, facts);
            }
            Err(why) => {
                let why = format!("the record is no {}: {why}", entry.kind.as_str());
                self.flaws.push(Finding::at(Code::ChangedEntry, self.index, &entry.id, why));
            }
        }
    }

    fn take(&mut self, kind: RecordKind, time_ms: u64, facts: Facts<'_>) {
        let own = facts.time_ms;
        let mut dated = |why: String| {
            self.flaws.push(Finding::at(Code::BackDated, self.index, &facts.id, why));
        };
        if own > time_ms {
            dated(format!("the record says {own}, and was written to the log before, at {time_ms}"));
        } else if time_ms - own > MAX_WAIT_MS && !facts.late {
            dated(format!("the record says {own}, and was written to the log {} ms later", time_ms - own));
        }
        if let (RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText, Some(at)) =
            (kind, uuid_time(&facts.id))
            && at != own
        {
            dated(format!("the record says {own}, its id was given at {at}"));
        }
        self.says = match facts.says {
            Says::Nothing => Said::Nothing,
            Says::Allowed { call_id } => Said::Allowed(short(&call_id)),
            Says::Outcome { call_id, unknown, forwarded } => {
                Said::Outcome { call: short(&call_id), unknown, forwarded }
            }
            Says::Gap(gap) => Said::Gap(gap),
            Says::Pruned(pruned) => Said::Pruned(pruned),
        };
        if self.id.is_empty() {
            self.id = facts.id.into();
        }
    }

    fn form(&mut self, record: &[u8]) {
        let text = serde_json::from_slice::<serde_json::Value>(record);
        let same = text.is_ok_and(|value| canonical(&value).is_ok_and(|text| text.as_bytes() == record));
        if !same {
            let why = "the record is not in canonical form (RFC 8785)";
            self.flaws.push(Finding::at(Code::NotCanonical, self.index, &self.id, why));
        }
    }
}

/// A call's id, cut to 64 bits of its SHA-256: open calls are kept by it.
fn short(call_id: &str) -> u64 {
    let hash: Hash = Sha256::digest(call_id).into();
    hash.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

/// The Unix milliseconds in a `UUIDv7`; `None` for other ids.
fn uuid_time(id: &str) -> Option<u64> {
    let (high, rest) = id.split_at_checked(8)?;
    let (low, rest) = rest.strip_prefix('-')?.split_at_checked(4)?;
    rest.starts_with("-7").then_some(())?;
    Some(u64::from_str_radix(high, 16).ok()? << 16 | u64::from_str_radix(low, 16).ok()?)
}
