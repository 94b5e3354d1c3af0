//! Records in, findings out.

use super::super::kind::RecordKind;
use super::super::tree::{Frontier, Hash};
use super::calls::Calls;
use super::digest::{Digest, Said};
use super::facts::{Gap, Pruned};
use super::finding::{Code, Finding};
use super::order::{Order, Stretch};
use super::ranges::Ranges;
use super::roots::{Ended, Expected, Kept, Node, Roots, Whose};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How far beyond what was read a record may claim to be, where no checkpoint says how long the log is.
const FAR: u64 = 1 << 20;

/// Verifies a log, or a part of it, record by record.
#[derive(Debug)]
pub struct Verifier {
    order: Order,
    roots: Roots,
    calls: Calls,
    tally: Tally,
    /// Times of the last two records, the older first.
    times: [u64; 2],
    last_id: Box<str>,
    findings: Vec<Finding>,
}

/// What is counted and collected.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Tally {
    first: u64,
    records: u64,
    gaps: u64,
    gap: Gap,
    /// Empty: all.
    only: Vec<RecordKind>,
    pruned: BTreeMap<RecordKind, Ranges>,
    retention: BTreeMap<RecordKind, Ranges>,
}

/// What was read, when it is all over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// The first record that was read.
    pub first: u64,
    /// The one after the last.
    pub end: u64,
    /// Records that were read.
    pub records: u64,
    /// Those of them of which the entry alone is left.
    pub pruned: u64,
    /// Checkpoints whose root the records give.
    pub checkpoints: u64,
    /// Sizes of checkpoints that could not be compared: they end before the part that was read.
    pub unchecked: Vec<u64>,
    /// Records of gaps.
    pub gaps: u64,
    /// Calls that gates let out without a record, and outcomes that they lost, by those records.
    pub gap: Gap,
}

/// How far a verification has come: enough to go on from there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    frontier: Kept,
    calls: Calls,
    tally: Tally,
    times: [u64; 2],
    last_id: Box<str>,
}

impl Progress {
    /// Records before this one are done with.
    #[must_use]
    pub fn next(&self) -> Option<u64> {
        self.frontier.frontier().map(|frontier| frontier.size())
    }
}

impl Verifier {
    /// For the records that follow on that tree: the empty one for a whole log. `levels`: the source keeps roots of
    /// complete subtrees up to that level (0: none), and each is given ([`Verifier::node`]) before the last of its records.
    #[must_use]
    pub fn new(before: Frontier, levels: u8) -> Self {
        let first = before.size();
        Verifier {
            order: Order::new(first),
            roots: Roots::new(before, levels),
            calls: Calls::default(),
            tally: Tally { first, ..Tally::default() },
            times: [0; 2],
            last_id: "".into(),
            findings: Vec::new(),
        }
    }

    /// Goes on where another one has stopped; `None` where that is damaged.
    #[must_use]
    pub fn resume(progress: Progress, levels: u8) -> Option<Self> {
        let frontier = progress.frontier.frontier()?;
        let Progress { calls, tally, times, last_id, .. } = progress;
        Some(Verifier { calls, tally, times, last_id, ..Verifier::new(frontier, levels) })
    }

    /// How far it has come, where everything agrees so far.
    #[must_use]
    pub fn progress(&self) -> Option<Progress> {
        let (calls, tally, times) = (self.calls.clone(), self.tally.clone(), self.times);
        let last_id = self.last_id.clone();
        self.roots.agreed().map(|frontier| Progress {
            frontier: Kept::of(frontier),
            calls,
            tally,
            times,
            last_id,
        })
    }

    /// Records before this one are done with.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.roots.size()
    }

    /// A checkpoint whose signature is good: the records must give its root. Before the records that it covers last.
    pub fn expect(&mut self, size: u64, root: Hash, whose: Whose) {
        self.roots.expect(size, Expected::Root(root), whose);
    }

    /// A checkpoint of more records than are there, whose signature is good, and the consistency proof that leads to it from
    /// the first `end` of them.
    pub fn expect_ahead(&mut self, size: u64, root: Hash, end: u64, proof: Vec<Hash>) {
        self.roots.expect(end, Expected::Ahead { size, root, proof }, Whose::Kept);
    }

    /// Records of other kinds than these were left out, and were not pruned.
    pub fn only(&mut self, kinds: Vec<RecordKind>) {
        self.tally.only = kinds;
    }

    /// A stored node of the tree.
    pub fn node(&mut self, node: Node) {
        self.roots.node(node);
    }

    /// Takes records, in the order in which they come.
    pub fn push(&mut self, records: impl IntoIterator<Item = Digest>) {
        for record in records {
            let limit = self.limit();
            for stretch in self.order.push(record, limit, &mut self.findings) {
                self.take(stretch);
            }
        }
    }

    /// What was found since this was asked last.
    pub fn found(&mut self) -> Vec<Finding> {
        std::mem::take(&mut self.findings)
    }

    /// Ends the log.
    #[must_use]
    pub fn finish(mut self) -> (Summary, Vec<Finding>) {
        let limit = self.limit();
        for stretch in self.order.finish(limit, &mut self.findings) {
            self.take(stretch);
        }
        let Ended { size: end, checked: checkpoints, unchecked } = self.roots.finish(&mut self.findings);
        let Tally { first, records, gaps, gap, pruned, retention, .. } = self.tally;
        let nothing = Ranges::default();
        for (kind, pruned) in &pruned {
            for (first, end) in pruned.without(retention.get(kind).unwrap_or(&nothing)) {
                let why = format!(
                    "only the entry of the {} is left, and no record of retention covers it",
                    kind.as_str()
                );
                self.findings.push(Finding::between(Code::PrunedWithoutRetention, first, end, why));
            }
        }
        self.findings.extend(self.calls.finish(first == 0));
        let pruned = pruned.values().map(Ranges::count).sum();
        (Summary { first, end, records, pruned, checkpoints, unchecked, gaps, gap }, self.findings)
    }

    fn limit(&self) -> u64 {
        self.roots.signed().unwrap_or_else(|| self.roots.size().saturating_add(FAR))
    }

    fn take(&mut self, mut stretch: Stretch) {
        for record in &mut stretch.records {
            self.findings.append(&mut record.flaws);
            self.tally.records += 1;
            self.date(record);
            if record.pruned
                && let Some(kind) = record.kind
                && (self.tally.only.is_empty() || self.tally.only.contains(&kind))
            {
                self.tally.pruned.entry(kind).or_default().push(record.index);
            }
            match std::mem::replace(&mut record.says, Said::Nothing) {
                Said::Nothing => {}
                Said::Allowed(call) => self.calls.allowed(call, record.index),
                Said::Outcome { call, unknown, forwarded } => {
                    self.calls.outcome(call, record.index, unknown, forwarded);
                }
                Said::Gap(gap) => {
                    self.tally.gaps += 1;
                    self.tally.gap.unaudited = self.tally.gap.unaudited.saturating_add(gap.unaudited);
                    self.tally.gap.lost = self.tally.gap.lost.saturating_add(gap.lost);
                    let why = format!("{} calls without a record, {} outcomes lost", gap.unaudited, gap.lost);
                    self.findings.push(Finding::at(Code::Gap, record.index, &record.id, why));
                }
                Said::Pruned(Pruned { kinds, first, end }) => {
                    let kinds = if kinds.is_empty() { RecordKind::ALL.to_vec() } else { kinds };
                    for kind in kinds {
                        self.tally.retention.entry(kind).or_default().extend([(first, end)]);
                    }
                }
            }
        }
        self.roots.push(&stretch, &mut self.findings);
    }

    /// Entries are never earlier than those before them.
    fn date(&mut self, record: &Digest) {
        let [before, last] = self.times;
        if record.time_ms < last {
            // Whichever of the two does not fit to the one before them.
            let (index, id) = if before <= record.time_ms && self.tally.records > 2 {
                (record.index.saturating_sub(1), &self.last_id)
            } else {
                (record.index, &record.id)
            };
            let why = format!(
                "the time of its entry does not fit to those beside it: {last}, then {}",
                record.time_ms
            );
            self.findings.push(Finding::at(Code::BackDated, index, id, why));
        }
        self.times = [last, record.time_ms];
        self.last_id = record.id.clone();
    }
}

/// How often each code was found.
#[must_use]
pub fn count(findings: &[Finding]) -> BTreeMap<Code, u64> {
    let mut counts = BTreeMap::new();
    for finding in findings {
        *counts.entry(finding.code).or_default() += 1;
    }
    counts
}
