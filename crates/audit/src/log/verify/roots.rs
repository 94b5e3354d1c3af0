//! The tree over the records, beside that over the stored hashes; and what was signed, which says which of them is right.
//!
//! As long as everything agrees there is one frontier. From the first contradiction on there are three: from the records,
//! from the stored leaf hashes, and from the stored roots of tiles. The next checkpoint that one of them gives tells what
//! was changed: the records, or the hashes.

use super::super::proof::{complete_subtrees, verify_consistency};
use super::super::tiles::complete_root;
use super::super::tree::{Frontier, Hash};
use super::digest::Digest;
use super::finding::{Code, Finding};
use super::order::Stretch;
use super::tile::{Tile, back, search};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap};

/// So many changed records are kept to find out whether they are elsewhere.
const MAX_CHANGED: usize = 100_000;

/// Where a checkpoint comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Whose {
    /// It is kept beside the records.
    Kept,
    /// Somebody kept it elsewhere.
    Given,
}

/// What was signed.
#[derive(Debug)]
pub(super) enum Expected {
    /// The root of the tree.
    Root(Hash),
    /// The root of a larger tree, and the proof that leads to it.
    Ahead { size: u64, root: Hash, proof: Vec<Hash> },
}

impl Expected {
    fn is(&self, own: u64, found: Option<Hash>) -> bool {
        found.is_some_and(|found| match self {
            Expected::Root(root) => *root == found,
            Expected::Ahead { size, root, proof } => {
                verify_consistency(own, *size, proof, &found, root).is_ok()
            }
        })
    }
}

/// A stored root of a complete subtree of `256^level` leaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Node {
    /// 1 and up.
    pub level: u8,
    /// Its place in the level.
    pub index: u64,
    /// The hash.
    pub hash: Hash,
}

/// Something that contradicts something else; who is right is not known yet.
#[derive(Debug)]
enum Suspect {
    /// The leaf of a record is not the stored one.
    Leaf(Changed),
    /// The stored root of a tile is not that of its leaves.
    Tile(Tile),
}

/// A record whose leaf is not the stored one.
#[derive(Debug)]
struct Changed {
    index: u64,
    id: Box<str>,
    leaf: Hash,
    stored: Hash,
}

impl Suspect {
    /// The tree of so many records shows who is right.
    fn end(&self) -> u64 {
        match self {
            Suspect::Leaf(changed) => changed.index.saturating_add(1),
            Suspect::Tile(tile) => tile.end,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Right {
    Records,
    Leaves,
    Nodes,
    Unknown,
}

#[derive(Debug)]
struct Forks {
    records: Option<Frontier>,
    leaves: Option<Frontier>,
    nodes: Option<Frontier>,
}

#[derive(Debug)]
pub(super) struct Roots {
    trunk: Frontier,
    forks: Option<Forks>,
    /// Stored nodes that are not compared yet.
    nodes: BTreeMap<(u8, u64), Hash>,
    /// The source keeps nodes up to this level; 0: none.
    levels: u8,
    expected: BTreeMap<u64, Vec<(Expected, Whose)>>,
    suspects: Vec<Suspect>,
    /// Checkpoints that nothing here gives, until one is given that covers more.
    wrong: Vec<(u64, Whose)>,
    /// The largest checkpoint that the records give.
    good: u64,
    /// How many checkpoints they gave.
    checked: u64,
    /// Records that are not what the tree holds: whether they are elsewhere is known at the end.
    changed: Vec<Changed>,
    size: u64,
    /// The largest size that anybody has signed.
    signed: Option<u64>,
}

impl Roots {
    pub(super) fn new(trunk: Frontier, levels: u8) -> Self {
        let size = trunk.size();
        Roots {
            trunk,
            forks: None,
            nodes: BTreeMap::new(),
            levels,
            expected: BTreeMap::new(),
            suspects: Vec::new(),
            wrong: Vec::new(),
            good: size,
            checked: 0,
            changed: Vec::new(),
            size,
            signed: None,
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.size
    }

    /// Everything agrees so far: then this is all there is to know of the records so far.
    pub(super) fn agreed(&self) -> Option<&Frontier> {
        (self.forks.is_none() && self.wrong.is_empty()).then_some(&self.trunk)
    }

    pub(super) fn expect(&mut self, size: u64, expected: Expected, whose: Whose) {
        self.expected.entry(size).or_default().push((expected, whose));
        self.signed = self.signed.max(Some(size));
    }

    /// The largest size that anybody has signed.
    pub(super) fn signed(&self) -> Option<u64> {
        self.signed
    }

    pub(super) fn node(&mut self, node: Node) {
        self.nodes.insert((node.level, node.index), node.hash);
    }

    /// Goes on by a stretch of records.
    pub(super) fn push(&mut self, stretch: &Stretch, found: &mut Vec<Finding>) {
        let places = places(stretch);
        // Checkpoints of sizes that were passed before: of the very beginning.
        self.stop_before(stretch.first, found);
        if self.forks.is_none() && !self.straight(&places, found) {
            let trunk = || Some(self.trunk.clone());
            self.forks = Some(Forks { records: trunk(), leaves: trunk(), nodes: trunk() });
        }
        if let Some(forks) = self.forks.take() {
            self.apart(forks, stretch, &places, found);
        }
        self.size = stretch.end;
    }

    fn stop_before(&mut self, size: u64, found: &mut Vec<Finding>) {
        if self.forks.is_none() && self.size == size && self.expected.contains_key(&size) && self.good == size
        {
            let root = self.trunk.root();
            self.stop(size, [Some(root), None, None], found);
        }
    }

    /// The ordinary way: all hashes agree. `false`: they do not, and nothing was done.
    fn straight(&mut self, places: &[Option<&Digest>], found: &mut Vec<Finding>) -> bool {
        let mut frontier = self.trunk.clone();
        let (mut made, mut roots) = (Vec::new(), Vec::new());
        for place in places {
            let Some(record) = place else { return false };
            if record.stored.is_some_and(|stored| stored != record.leaf) {
                return false;
            }
            frontier.push(record.leaf, |height, index, hash| note_node(&mut made, height, index, hash));
            if self.expected.contains_key(&frontier.size()) {
                roots.push((frontier.size(), frontier.root()));
            }
        }
        made.retain(|(level, ..)| *level <= self.levels);
        if made.iter().any(|(level, index, hash)| self.nodes.get(&(*level, *index)) != Some(hash)) {
            return false;
        }
        for (level, index, _) in made {
            self.nodes.remove(&(level, index));
        }
        self.trunk = frontier;
        for (size, root) in roots {
            self.stop(size, [Some(root), None, None], found);
        }
        true
    }

    /// The long way: each candidate by itself.
    fn apart(
        &mut self,
        mut forks: Forks,
        stretch: &Stretch,
        places: &[Option<&Digest>],
        found: &mut Vec<Finding>,
    ) {
        let Stretch { first, end, .. } = *stretch;
        self.suspect_leaves(places);
        let tile = (first.is_multiple_of(256) && end - first == 256).then_some(first / 256);
        let node = tile.and_then(|tile| self.nodes.remove(&(1, tile)));
        if let Some(tile) = tile {
            self.suspect_tile(tile, node, places, found);
        }
        let whole = forks.nodes.clone();
        let (mut by_records, mut by_nodes) = (Vec::new(), Vec::new());
        let mut size = first;
        for place in places {
            size += 1;
            let leaf = place.map(|record| record.leaf);
            let stored = place.and_then(|record| record.stored);
            grow(&mut forks.records, leaf, &mut by_records);
            grow(&mut forks.leaves, stored, &mut Vec::new());
            grow(&mut forks.nodes, stored.or(leaf), &mut by_nodes);
            if size == end
                && let (Some(whole), Some(node)) = (&whole, node)
            {
                by_nodes.clear();
                let mut nodes = whole.clone();
                let pushed = nodes.push_subtree(8, node, |height, index, hash| {
                    note_node(&mut by_nodes, height, index, hash);
                });
                forks.nodes = pushed.then_some(nodes);
            }
            if self.expected.contains_key(&size) {
                let root = |frontier: &Option<Frontier>| frontier.as_ref().map(Frontier::root);
                let roots = [root(&forks.records), root(&forks.leaves), root(&forks.nodes)];
                let winner = match self.stop(size, roots, found) {
                    Right::Records => forks.records.clone(),
                    Right::Leaves => forks.leaves.clone(),
                    Right::Nodes => forks.nodes.clone(),
                    Right::Unknown => None,
                };
                if winner.is_some() {
                    forks = Forks { records: winner.clone(), leaves: winner.clone(), nodes: winner };
                }
            }
        }
        self.compare_higher(&by_records, &by_nodes, found);
        match (&forks.records, self.suspects.is_empty()) {
            (Some(records), true) if forks.nodes.as_ref() == Some(records) => self.trunk = records.clone(),
            _ => self.forks = Some(forks),
        }
    }

    /// Stored nodes above those of tiles follow from those, or from the records.
    fn compare_higher(
        &mut self,
        by_records: &[(u8, u64, Hash)],
        by_nodes: &[(u8, u64, Hash)],
        found: &mut Vec<Finding>,
    ) {
        for made in by_nodes.iter().filter(|(level, ..)| (2..=self.levels).contains(level)) {
            let (level, index, hash) = *made;
            let stored = self.nodes.remove(&(level, index));
            let other =
                by_records.iter().find(|(l, i, _)| (*l, *i) == (level, index)).map(|(.., hash)| *hash);
            if stored.is_none() || (stored != Some(hash) && stored != other) {
                let (first, end) = span(level, index);
                let why =
                    format!("the stored node {index} of level {level} is not that of the nodes below it");
                found.push(Finding::between(Code::ChangedHash, first, end, why));
            }
        }
    }

    fn suspect_leaves(&mut self, places: &[Option<&Digest>]) {
        for record in places.iter().flatten() {
            if let Some(stored) = record.stored.filter(|stored| *stored != record.leaf) {
                let (index, id, leaf) = (record.index, record.id.clone(), record.leaf);
                self.suspects.push(Suspect::Leaf(Changed { index, id, leaf, stored }));
            }
        }
    }

    fn suspect_tile(
        &mut self,
        tile: u64,
        node: Option<Hash>,
        places: &[Option<&Digest>],
        found: &mut Vec<Finding>,
    ) {
        let (first, end) = span(1, tile);
        let Some(node) = node else {
            if self.levels > 0 {
                let why = format!("the stored node {tile} of level 1 is not there");
                found.push(Finding::between(Code::ChangedHash, first, end, why));
            }
            return;
        };
        let leaves: Vec<_> = places.iter().map(|place| place.map(|record| record.leaf)).collect();
        let stored: Option<Vec<_>> =
            places.iter().map(|place| place.and_then(|record| record.stored)).collect();
        let root =
            leaves.iter().copied().collect::<Option<Vec<_>>>().and_then(|leaves| complete_root(&leaves));
        if root != Some(node) {
            let stored = stored.and_then(|stored| complete_root(&stored));
            let wrong = |record: &Digest| record.stored.is_some_and(|stored| stored != record.leaf);
            let explained = places.iter().any(|place| place.is_none_or(wrong));
            let back = back(places);
            self.suspects.push(Suspect::Tile(Tile { first, end, node, stored, leaves, explained, back }));
        }
    }

    /// Compares with what was signed for that size: what the records give, the stored leaves, the stored nodes.
    fn stop(&mut self, size: u64, roots: [Option<Hash>; 3], found: &mut Vec<Finding>) -> Right {
        let Some(expected) = self.expected.remove(&size) else { return Right::Unknown };
        let [records, leaves, nodes] = roots;
        let gives = |root: Option<Hash>| expected.iter().any(|(signed, _)| signed.is(size, root));
        let right = if gives(records) {
            Right::Records
        } else if gives(nodes) {
            Right::Nodes
        } else if gives(leaves) {
            Right::Leaves
        } else {
            Right::Unknown
        };
        if right == Right::Unknown {
            // Where records are missing nothing can be said; they are told.
            if roots.iter().any(Option::is_some) {
                self.wrong.extend(expected.iter().map(|(_, whose)| (size, *whose)));
            }
            return right;
        }
        let root = match right {
            Right::Records => records,
            Right::Nodes => nodes,
            _ => leaves,
        };
        let forked =
            expected.iter().filter(|(signed, _)| !signed.is(size, root)).map(|(_, whose)| (size, *whose));
        let earlier = std::mem::take(&mut self.wrong);
        // Inside of a tile that was changed along with its leaves, checkpoints say from where on.
        let (inside, wrong): (Vec<_>, Vec<_>) = earlier.into_iter().partition(|(wrong, whose)| {
            *whose == Whose::Kept && right == Right::Nodes && self.suspected(*wrong, size)
        });
        for (size, whose) in wrong.into_iter().chain(forked) {
            found.push(fork(size, whose));
        }
        self.checked += 1;
        let inside: Vec<_> = inside.into_iter().map(|(size, _)| size).collect();
        self.resolve(right, size, &inside, found);
        self.good = size;
        right
    }

    /// A tile of suspect leaves has that size inside, and ends before the other one.
    fn suspected(&self, size: u64, before: u64) -> bool {
        self.suspects.iter().any(|suspect| match suspect {
            Suspect::Tile(tile) => tile.first < size && size < tile.end && tile.end <= before,
            Suspect::Leaf(_) => false,
        })
    }

    fn resolve(&mut self, right: Right, before: u64, inside: &[u64], found: &mut Vec<Finding>) {
        let (known, later): (Vec<_>, Vec<_>) =
            std::mem::take(&mut self.suspects).into_iter().partition(|suspect| suspect.end() <= before);
        self.suspects = later;
        for suspect in known {
            match suspect {
                Suspect::Leaf(Changed { index, id, .. }) if right == Right::Records => {
                    let why =
                        "the stored leaf hash is not that of the record, which is the one that was signed";
                    found.push(Finding::at(Code::ChangedHash, index, &id, why));
                }
                Suspect::Leaf(changed) => {
                    self.changed.push(changed);
                    if self.changed.len() >= MAX_CHANGED {
                        self.tell_changed(found);
                    }
                }
                Suspect::Tile(tile) => {
                    let Tile { first, end, node, stored, explained, .. } = tile;
                    let other = stored.is_some_and(|stored| stored != node);
                    if right == Right::Records || (right == Right::Leaves && other) {
                        let why =
                            format!("the stored node {} of level 1 is not that of its records", first / 256);
                        found.push(Finding::between(Code::ChangedHash, first, end, why));
                    } else if !explained || other {
                        let changed = inside.iter().copied().find(|size| first < *size && *size < end);
                        let from = self.good.max(first);
                        let from =
                            inside.iter().copied().take_while(|size| *size <= first).fold(from, u64::max);
                        search(&tile, changed.map(|size| (from, size)), found);
                    }
                }
            }
        }
    }

    /// A record that is not what the tree holds may be what it holds elsewhere.
    fn tell_changed(&mut self, found: &mut Vec<Finding>) {
        let changed = std::mem::take(&mut self.changed);
        let places: HashMap<Hash, u64> =
            changed.iter().map(|changed| (changed.stored, changed.index)).collect();
        for Changed { index, id, leaf, .. } in changed {
            found.push(match places.get(&leaf) {
                Some(place) => {
                    let why = format!("the record is the one that belongs at {place}");
                    Finding::at(Code::ReorderedRecord, index, &id, why)
                }
                None => {
                    let why = "the record, its kind or its time is not what the tree holds";
                    Finding::at(Code::ChangedRecord, index, &id, why)
                }
            });
        }
    }

    /// Ends the log: how many records there were, how many checkpoints they gave.
    pub(super) fn finish(mut self, found: &mut Vec<Finding>) -> Ended {
        self.stop_before(self.size, found);
        let size = self.size;
        let mut unchecked = Vec::new();
        let mut short: Option<u64> = None;
        for (ahead, expected) in std::mem::take(&mut self.expected) {
            if ahead <= size {
                unchecked.push(ahead);
                continue;
            }
            for (_, whose) in expected {
                match whose {
                    Whose::Kept => short = short.max(Some(ahead)),
                    Whose::Given => {
                        let why = format!(
                            "the log had {ahead} records and has {size}: it was cut, or is an old copy"
                        );
                        found.push(Finding::between(Code::Shrunk, size, ahead, why));
                    }
                }
            }
        }
        if let Some(ahead) = short {
            let why = format!("a checkpoint covers {ahead} records, the log has {size}");
            found.push(Finding::between(Code::MissingRecord, size, ahead, why));
            if self.good < size {
                let why =
                    "no signature that the records lead to covers these: the one that did is of more records";
                found.push(Finding::between(Code::UnsignedRecord, self.good, size, why));
            }
        }
        let mut wrong = std::mem::take(&mut self.wrong);
        // Kept checkpoints say where the records were changed; a given one that contradicts them is another log's.
        if let Some((first, _)) = wrong.iter().find(|(_, whose)| *whose == Whose::Kept).copied() {
            let why = format!("the records do not give the root that was signed for {first} records");
            found.push(Finding::between(Code::RootMismatch, self.good, first, why));
            if first < size {
                let why = "the tree goes on from there: nothing shows whether these records are those that were signed";
                found.push(Finding::between(Code::RootMismatch, first, size, why));
            }
            wrong.retain(|(_, whose)| *whose == Whose::Given);
        }
        for (size, whose) in wrong {
            found.push(fork(size, whose));
        }
        self.resolve(Right::Unknown, u64::MAX, &[], found);
        self.tell_changed(found);
        if let Some(signed) = self.signed.filter(|signed| *signed < size) {
            let why = format!("no checkpoint covers these records: the newest one is of {signed}");
            found.push(Finding::between(Code::UnsignedRecord, signed, size, why));
        }
        for (level, index) in self.nodes.into_keys() {
            let (first, end) = span(level, index);
            if end > self.signed.unwrap_or(size).max(size) {
                let why =
                    format!("there is a stored node {index} of level {level}, and not all of its records");
                found.push(Finding::between(Code::ChangedHash, first, end, why));
            }
        }
        Ended { size, checked: self.checked, unchecked }
    }
}

/// How it ended.
pub(super) struct Ended {
    pub(super) size: u64,
    /// Checkpoints that the records gave.
    pub(super) checked: u64,
    /// Checkpoints of sizes that were not passed.
    pub(super) unchecked: Vec<u64>,
}

fn fork(size: u64, whose: Whose) -> Finding {
    let why = match whose {
        Whose::Kept => format!("the key has signed another root for {size} records than these give"),
        Whose::Given => format!("the given checkpoint of {size} records is of another history of this log"),
    };
    Finding::at(Code::Forked, size, "", why)
}

/// A place for each index of a stretch.
fn places(stretch: &Stretch) -> Vec<Option<&Digest>> {
    let mut records = stretch.records.iter().peekable();
    (stretch.first..stretch.end).map(|index| records.next_if(|record| record.index == index)).collect()
}

fn note_node(made: &mut Vec<(u8, u64, Hash)>, height: u32, index: u64, hash: &Hash) {
    if height > 0
        && height.is_multiple_of(8)
        && let Ok(level) = u8::try_from(height / 8)
    {
        made.push((level, index, *hash));
    }
}

fn grow(frontier: &mut Option<Frontier>, leaf: Option<Hash>, made: &mut Vec<(u8, u64, Hash)>) {
    match (frontier.as_mut(), leaf) {
        (Some(frontier), Some(leaf)) => {
            frontier.push(leaf, |height, index, hash| note_node(made, height, index, hash));
        }
        _ => *frontier = None,
    }
}

/// The leaves under a node.
fn span(level: u8, index: u64) -> (u64, u64) {
    let width = 1_u64.checked_shl(8 * u32::from(level)).unwrap_or(u64::MAX);
    (index.saturating_mul(width), index.saturating_add(1).saturating_mul(width))
}

/// The frontier as hexadecimal, to be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kept {
    size: u64,
    roots: Vec<String>,
}

impl Kept {
    pub(super) fn of(frontier: &Frontier) -> Self {
        Kept { size: frontier.size(), roots: frontier.roots().iter().map(hex::encode).collect() }
    }

    pub(super) fn frontier(&self) -> Option<Frontier> {
        let hash = |text: &String| hex::decode(text).ok()?.try_into().ok();
        let roots = self.roots.iter().map(hash).collect::<Option<Vec<Hash>>>()?;
        (roots.len() == complete_subtrees(self.size).len()).then_some(())?;
        Frontier::new(self.size, roots)
    }
}
