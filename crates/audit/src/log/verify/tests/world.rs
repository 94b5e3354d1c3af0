//! A log as a store keeps it, and as an export, small enough to be changed a thousand times.

use crate::log::verify::*;
use crate::log::{
    Checkpoint, Entry, Frontier, Hash, RecordKind, SignedNote, SigningKey, WitnessKey, canonical,
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

pub(super) const ORIGIN: &str = "portcullis.local/0123abcd";
const START: u64 = 1_763_758_800_000;
/// One checkpoint is kept for so many records.
const KEEP: u64 = 50;

#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredRow {
    pub(super) index: u64,
    pub(super) kind: RecordKind,
    pub(super) time_ms: u64,
    pub(super) leaf: Hash,
    pub(super) record: Option<String>,
    pub(super) entry: String,
}

impl StoredRow {
    /// Makes leaf and entry those of the record.
    pub(super) fn hash_again(&mut self) {
        let Some(record) = &self.record else { return };
        let id = serde_json::from_str::<Value>(record).unwrap()[self.kind.id_member()]
            .as_str()
            .unwrap()
            .to_owned();
        let entry = Entry::new(id, self.kind, self.time_ms, record.as_bytes());
        (self.leaf, self.entry) = (entry.leaf(), entry.to_json());
    }

    pub(super) fn prune(&mut self) {
        self.record = None;
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct World {
    pub(super) rows: Vec<StoredRow>,
    pub(super) nodes: BTreeMap<(u8, u64), Hash>,
    pub(super) head: String,
    pub(super) kept: Vec<String>,
}

/// xorshift64*: the same numbers on every machine.
pub(super) struct Random(pub(super) u64);

impl Random {
    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % end
    }
}

pub(super) fn key(seed: u8) -> SigningKey {
    SigningKey::new(ORIGIN, &[seed; 32]).unwrap()
}

pub(super) fn uuid(time_ms: u64, number: u64) -> String {
    format!("{:08x}-{:04x}-7{:03x}-8000-{number:012x}", time_ms >> 16, time_ms & 0xffff, number % 4096)
}

pub(super) fn decision(number: u64, time_ms: u64, verdict: &str) -> (RecordKind, Value) {
    let record = json!({
        "schema": 1, "decision_id": uuid(time_ms, number), "call_id": format!("call-{number}"), "decided_at_ms": time_ms,
        "gate": "gate-1", "entrance": "pass_through", "operation": "Converse", "action": "bedrock:InvokeModel",
        "principal": {"name": "billing", "assurance": "verified"}, "request": {"bytes": 650 + number % 7},
        "policy": {"bundle": "b", "digest": "00", "rule": "r-\u{e9}\"\\"}, "verdict": {"kind": verdict},
    });
    (RecordKind::Decision, record)
}

pub(super) fn outcome(number: u64, time_ms: u64, state: &str) -> (RecordKind, Value) {
    let record = json!({
        "schema": 1, "call_id": format!("call-{number}"), "gate": "gate-1", "state": state, "forwarded": state != "unknown",
        "recorded_at_ms": time_ms, "status": 200, "response_bytes": 1000 + number,
    });
    (RecordKind::Outcome, record)
}

pub(super) fn event(kind: RecordKind, number: u64, time_ms: u64, detail: Value) -> (RecordKind, Value) {
    let record = json!({
        "schema": 1, "event_id": uuid(time_ms, number), "kind": kind.as_str(), "at_ms": time_ms, "actor": "cli", "detail": detail,
    });
    (kind, record)
}

impl World {
    /// A log of decisions, each with its outcome, and now and then something else.
    pub(super) fn of(size: u64) -> Self {
        let records = (0..size).map(|index| {
            let time = START + index * 10;
            let record = match index % 40 {
                38 => event(RecordKind::Admin, index, time, json!({"what": "token_created"})),
                39 => event(RecordKind::Bundle, index, time, json!({"what": "bundle_active"})),
                n if n % 2 == 0 => decision(index, time, "allow"),
                _ => outcome(index - 1, time, "completed"),
            };
            (record, time + 3)
        });
        World::with(records)
    }

    /// A log of these records, each with the time of its entry.
    pub(super) fn with(records: impl IntoIterator<Item = ((RecordKind, Value), u64)>) -> Self {
        let mut rows = Vec::new();
        for (index, ((kind, record), time_ms)) in (0..).zip(records) {
            let record = Some(canonical(&record).unwrap());
            let mut row = StoredRow { index, kind, time_ms, leaf: [0; 32], record, entry: String::new() };
            row.hash_again();
            rows.push(row);
        }
        let mut world = World { rows, nodes: BTreeMap::new(), head: String::new(), kept: Vec::new() };
        world.build(&key(1));
        world
    }

    /// Makes nodes and checkpoints from the leaves.
    pub(super) fn build(&mut self, key: &SigningKey) {
        let mut frontier = Frontier::default();
        (self.nodes, self.kept) = (BTreeMap::new(), Vec::new());
        let sign = |frontier: &Frontier| {
            let (size, root) = (frontier.size(), frontier.root());
            SignedNote::sign(Checkpoint { origin: key.name().to_owned(), size, root }.to_text(), key)
                .to_text()
        };
        for row in &self.rows {
            frontier.push(row.leaf, |height, index, hash| {
                if height > 0 && height % 8 == 0 {
                    self.nodes.insert(((height / 8) as u8, index), *hash);
                }
            });
            if frontier.size() % KEEP == 0 {
                self.kept.push(sign(&frontier));
            }
        }
        self.head = sign(&frontier);
    }

    /// Makes nodes from the leaves, and leaves what is signed alone.
    pub(super) fn build_nodes(&mut self) {
        let (head, kept) = (self.head.clone(), self.kept.clone());
        self.build(&key(1));
        (self.head, self.kept) = (head, kept);
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let line = |row: &StoredRow| match &row.record {
            Some(record) => {
                format!("{{\"entry\":{},\"index\":{},\"record\":{record}}}", row.entry, row.index)
            }
            None => format!("{{\"entry\":{},\"index\":{}}}", row.entry, row.index),
        };
        self.rows.iter().map(line).collect()
    }

    /// Verifies it as the rows of a store.
    pub(super) fn verify(&self) -> (Summary, Vec<Finding>) {
        self.verify_with(&[], &[])
    }

    pub(super) fn verify_with(&self, given: &[&str], _witnesses: &[WitnessKey]) -> (Summary, Vec<Finding>) {
        let mut verifier = Verifier::new(Frontier::default(), 7);
        let notes = self.kept.iter().chain([&self.head]).map(|note| (note.as_str(), Whose::Kept));
        let mut found = expect(&mut verifier, notes.chain(given.iter().map(|note| (*note, Whose::Given))));
        for ((level, index), hash) in &self.nodes {
            verifier.node(Node { level: *level, index: *index, hash: *hash });
        }
        verifier.push(self.rows.iter().map(|row| match &row.record {
            Some(record) => {
                let StoredRow { index, kind, time_ms, leaf, .. } = *row;
                Digest::of_row(&Row { index, kind, time_ms, leaf, record: record.as_bytes() }, true)
            }
            None => Digest::of_pruned(row.index, row.leaf, row.entry.as_bytes()),
        }));
        let (summary, more) = verifier.finish();
        found.extend(more);
        (summary, found)
    }

    /// Verifies lines of an export under a checkpoint, with the roots of its tiles or without.
    pub(super) fn verify_lines(
        lines: &[String],
        checkpoint: &str,
        nodes: Option<&BTreeMap<(u8, u64), Hash>>,
    ) -> (Summary, Vec<Finding>) {
        let mut verifier = Verifier::new(Frontier::default(), u8::from(nodes.is_some()));
        let mut found = expect(&mut verifier, [(checkpoint, Whose::Kept)]);
        for ((level, index), hash) in nodes.into_iter().flatten().filter(|((level, _), _)| *level == 1) {
            verifier.node(Node { level: *level, index: *index, hash: *hash });
        }
        for line in lines {
            match Line::parse(line.as_bytes()) {
                Ok(line) => verifier.push([Digest::of_line(&line, true)]),
                Err(error) => found.push(Finding::of_log(Code::Malformed, error.to_string())),
            }
        }
        let (summary, more) = verifier.finish();
        found.extend(more);
        (summary, found)
    }
}

fn expect<'n>(verifier: &mut Verifier, notes: impl IntoIterator<Item = (&'n str, Whose)>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (note, whose) in notes {
        match check_checkpoint(note, ORIGIN, &[key(1).verifying_key()]) {
            Ok((checkpoint, _)) => verifier.expect(checkpoint.size, checkpoint.root, whose),
            Err(finding) => found.push(finding),
        }
    }
    found
}
