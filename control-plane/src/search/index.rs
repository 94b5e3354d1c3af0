//! The index: a file, and in memory what is not in it yet.

use super::delta::Delta;
use super::facet::{Facet, Facts, Key, of_decision, of_outcome};
use super::file::{self, Beside, Block, File, FileError, Mark};
use super::pack::{BLOCK_BITS, chunk_of, find_keys, hash, index_of, key_entry, key_row, offset_of};
use super::words::{Caps, OTHERS, Words};
use crate::storage::{Logged, Seq, StoredDecision, seq_of};
use portcullis_audit::log::{Hash, RecordKind};
use portcullis_audit::{DecisionRecord, OutcomeRecord, OutcomeState};
use roaring::RoaringBitmap;
use rusqlite::Connection;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::path::Path;

/// Outcomes that wait for their decision; of more, the oldest are given up: calls that were let out unaudited have none.
const EARLY: usize = 4_096;

/// See the module's description.
#[derive(Debug)]
pub(super) struct Index {
    pub(super) file: File,
    pub(super) words: Words,
    pub(super) delta: Delta,
    /// Every block that has a decision, in order.
    pub(super) blocks: Vec<Block>,
    /// How far the file goes.
    mark: Mark,
    /// How far file and memory go together.
    next: Mark,
    /// The newest decision.
    newest: Seq,
    states: Vec<(OutcomeState, u32)>,
    /// Outcomes that came before their decision, the oldest first.
    early: VecDeque<OutcomeRecord>,
    /// Decisions whose records were pruned since they were indexed, as far as somebody has looked for them, by chunk.
    pub(super) gone: BTreeMap<u32, RoaringBitmap>,
    /// Chunks of which the file does not know it.
    gone_news: BTreeSet<u32>,
    /// Records that could not be read, since the start.
    pub(super) unread: u64,
}

/// A record, read. Made where nobody waits for it.
#[derive(Debug)]
pub(super) enum Parsed {
    Decision(Seq, Box<DecisionRecord>),
    Outcome(Box<OutcomeRecord>),
    /// Nothing to search for.
    Other,
    /// It was pruned: there is nothing left to search for.
    Pruned,
    /// It is not what its kind says.
    Unread(String),
}

/// Reads a record of the log.
pub(super) fn parse(logged: &Logged) -> Parsed {
    let kind = logged.entry.kind;
    let decision = matches!(kind, RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText);
    if !decision && kind != RecordKind::Outcome {
        return Parsed::Other;
    }
    let Some(json) = &logged.record else { return Parsed::Pruned };
    let unread = |why: String| Parsed::Unread(format!("record {}: {why}", logged.index));
    if !decision {
        return serde_json::from_str(json).map_or_else(|error| unread(error.to_string()), Parsed::Outcome);
    }
    match (seq_of(&logged.entry.id), serde_json::from_str(json)) {
        (Some(seq), Ok(record)) => Parsed::Decision(seq, record),
        (_, Err(error)) => unread(error.to_string()),
        (None, _) => unread(format!("`{}` is no decision id", logged.entry.id)),
    }
}

impl Index {
    /// Opens what is in the directory.
    pub(super) fn open(directory: &Path, caps: Caps) -> Result<Self, FileError> {
        let (file, loaded) = File::open(directory)?;
        let mut index = Index {
            file,
            words: file::words(Words::new(caps), loaded.words),
            delta: Delta::default(),
            blocks: loaded.blocks,
            next: loaded.mark.clone(),
            mark: loaded.mark,
            newest: 0,
            states: Vec::new(),
            early: loaded.early.into(),
            gone: loaded.gone,
            gone_news: BTreeSet::new(),
            unread: 0,
        };
        // The states have numbers before anything else has.
        let news = &mut index.delta.words;
        let number = |state: OutcomeState| (state, index.words.number(Facet::Outcome, state.as_str(), news));
        index.states = OutcomeState::ALL.into_iter().map(number).collect();
        if let Some(last) = index.blocks.last() {
            let places = index.file.read(|conn| file::places(conn, last.number))?;
            index.newest = places.last().map_or(0, |(_, seq)| *seq);
        }
        Ok(index)
    }

    /// Records that are indexed.
    pub(super) fn cursor(&self) -> u64 {
        self.next.cursor
    }

    /// The log that it is of, and its last record.
    pub(super) fn reached(&self) -> &Mark {
        &self.next
    }

    /// Says of which log it is.
    pub(super) fn name(&mut self, origin: &str) {
        origin.clone_into(&mut self.next.origin);
    }

    /// Takes records that follow those it has; `leaf` is that of the last.
    pub(super) fn apply(&mut self, records: &[(u64, Parsed)], leaf: Option<Hash>) -> Result<(), FileError> {
        for (at, parsed) in records {
            match parsed {
                Parsed::Decision(seq, record) => self.decision(*at, *seq, record)?,
                Parsed::Outcome(outcome) => self.outcome(outcome)?,
                Parsed::Other | Parsed::Pruned => {}
                Parsed::Unread(why) => {
                    self.unread += 1;
                    tracing::warn!("not searchable: {why}");
                }
            }
            self.next.cursor = at + 1;
            self.delta.records += 1;
        }
        self.next.leaf = leaf;
        Ok(())
    }

    fn decision(&mut self, at: u64, seq: Seq, record: &DecisionRecord) -> Result<(), FileError> {
        if seq <= self.newest {
            // Pages go by key, and find places by bisection.
            return Err(FileError::Broken("the log, whose decisions are not in the order of their ids"));
        }
        self.newest = seq;
        let number = at >> BLOCK_BITS;
        if self.blocks.last().is_none_or(|last| last.number != number) {
            self.blocks.push(Block { number, first: seq });
        }
        self.delta.places.push((at, seq));
        of_decision(record, &mut Put { words: &mut self.words, delta: &mut self.delta, at });
        let stored = StoredDecision { seq, record: DecisionRecord::default(), outcome: None };
        let stored = StoredDecision {
            record: DecisionRecord { kind: record.kind, verdict: record.verdict.clone(), ..stored.record },
            ..stored
        };
        self.delta.put_state(at, stored.state(), &self.states);
        while let Some(found) = self.early.iter().position(|outcome| outcome.call_id == record.call_id) {
            if let Some(outcome) = self.early.remove(found) {
                self.add(at, &outcome);
            }
        }
        Ok(())
    }

    fn outcome(&mut self, outcome: &OutcomeRecord) -> Result<(), FileError> {
        let known = outcome.decision_id.as_deref().and_then(seq_of);
        let at = match known.map(|seq| self.index_of(seq)).transpose()?.flatten() {
            Some(at) => Some(at),
            None => self.index_of_call(&outcome.call_id)?,
        };
        match at {
            Some(at) => self.add(at, outcome),
            None => {
                // Its decision comes later, or was pruned, or never was: a call that was let out unaudited.
                self.early.push_back(outcome.clone());
                if self.early.len() > EARLY {
                    self.early.pop_front();
                }
            }
        }
        Ok(())
    }

    /// An outcome of the decision there.
    fn add(&mut self, at: u64, outcome: &OutcomeRecord) {
        of_outcome(outcome, &mut Put { words: &mut self.words, delta: &mut self.delta, at });
        if outcome.state != OutcomeState::Pending {
            self.delta.put_state(at, outcome.state, &self.states);
        }
    }

    /// Where the decision of that key is.
    fn index_of(&self, seq: Seq) -> Result<Option<u64>, FileError> {
        if let Some(at) = self.delta.index_of(seq) {
            return Ok(Some(at));
        }
        let Some(block) = self.block_of(seq) else { return Ok(None) };
        let places = self.file.read(|conn| file::places(conn, block))?;
        let found = places.binary_search_by_key(&seq, |(_, seq)| *seq).ok();
        Ok(found.and_then(|at| places.get(at)).map(|(index, _)| *index))
    }

    /// The block whose first decision is that or before it.
    fn block_of(&self, seq: Seq) -> Option<u64> {
        let after = self.blocks.partition_point(|block| block.first <= seq);
        self.blocks.get(after.checked_sub(1)?).map(|block| block.number)
    }

    /// Where the newest decision on that call is: for outcomes of gates that were not told the decision's id.
    fn index_of_call(&self, call_id: &str) -> Result<Option<u64>, FileError> {
        let hash = hash(Key::Call, call_id);
        self.file.read(|conn| {
            for chunk in (0..=chunk_of(self.cursor())).rev() {
                if let Some(offset) = self.keyed(conn, chunk, hash)?.max() {
                    return Ok(Some(index_of(chunk, offset)));
                }
            }
            Ok(None)
        })
    }

    /// The decisions of a chunk with that key.
    pub(super) fn keyed(&self, conn: &Connection, chunk: u32, hash: u64) -> Result<RoaringBitmap, FileError> {
        let row = key_row(chunk, hash);
        let mut found = RoaringBitmap::new();
        if let Some(bytes) = file::keys(conn, row)? {
            find_keys(&bytes, hash, &mut found);
        }
        let wanted = key_entry(hash, 0) >> 16;
        let added = self.delta.keys.get(&row).into_iter().flatten();
        found.extend(added.filter(|entry| **entry >> 16 == wanted).map(|entry| (*entry & 0xffff) as u32));
        Ok(found)
    }

    /// The decisions of a block.
    pub(super) fn places(&self, conn: &Connection, block: u64) -> Result<Vec<(u64, Seq)>, FileError> {
        let mut places = file::places(conn, block)?;
        // The file may have taken meanwhile what memory still has.
        let have = places.last().map_or(0, |(index, _)| *index + 1);
        let first = (block << BLOCK_BITS).max(have);
        places.extend(self.delta.places_in(first, (block + 1) << BLOCK_BITS));
        Ok(places)
    }

    /// The first record from which on decisions have that key or a greater one.
    pub(super) fn boundary(&self, conn: &Connection, seq: Seq) -> Result<u64, FileError> {
        let after = self.blocks.partition_point(|block| block.first < seq);
        let next = self.blocks.get(after).map_or(self.cursor(), |block| block.number << BLOCK_BITS);
        let Some(before) = after.checked_sub(1).and_then(|at| self.blocks.get(at)) else { return Ok(next) };
        let places = self.places(conn, before.number)?;
        Ok(places.iter().find(|(_, found)| *found >= seq).map_or(next, |(index, _)| *index))
    }

    /// These records were pruned: they are looked for no more.
    pub(super) fn forget(&mut self, indexes: &[u64]) {
        for index in indexes {
            let chunk = chunk_of(*index);
            self.gone.entry(chunk).or_default().insert(offset_of(*index));
            self.gone_news.insert(chunk);
        }
    }

    /// Writes to the file what it lacks. What was written stays in memory until [`Index::flushed`].
    pub(super) fn flush(&self) -> Result<(), FileError> {
        let gone = self.gone_news.iter().filter_map(|chunk| Some((*chunk, self.gone.get(chunk)?)));
        let beside = Beside { early: &self.early, gone: gone.collect() };
        self.file.write(&self.delta, &beside, self.mark.cursor, &self.next)
    }

    /// Forgets what the file has now.
    pub(super) fn flushed(&mut self) {
        self.delta = Delta::default();
        self.gone_news.clear();
        self.mark = self.next.clone();
    }
}

/// Puts what a record says into the delta.
struct Put<'a> {
    words: &'a mut Words,
    delta: &'a mut Delta,
    at: u64,
}

impl Facts for Put<'_> {
    fn facet(&mut self, facet: Facet, value: &str) {
        if !value.is_empty() {
            let number = self.words.number(facet, value, &mut self.delta.words);
            debug_assert!(facet != Facet::Outcome || number != OTHERS, "states always have numbers");
            self.delta.put(facet, self.at, number);
        }
    }

    fn key(&mut self, key: Key, value: &str) {
        if !value.is_empty() {
            self.delta.put_key(key, self.at, value);
        }
    }
}
