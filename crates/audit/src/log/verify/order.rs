//! Records in the order of their arrival, put into that of the log; and what is wrong with the former.

use super::digest::Digest;
use super::finding::{Code, Finding};
use std::collections::{BTreeMap, BTreeSet};

/// So many records are looked at together when they are out of order.
const WINDOW: usize = 2_048;
/// So many of them stay for the next look: what belongs before them may still come.
const BEHIND: usize = 512;

/// Puts records in order.
#[derive(Debug)]
pub(super) struct Order {
    /// The next record of the log that was not given out.
    next: u64,
    /// Records that came in order, from `next` on.
    run: Vec<Digest>,
    /// All that came since something was out of order, by arrival; then `run` is empty.
    window: Vec<Digest>,
    /// Places that were given out as empty.
    missing: BTreeSet<u64>,
}

/// A stretch of the log: a tile or what there is of it, a place for each index.
pub(super) struct Stretch {
    pub(super) first: u64,
    pub(super) end: u64,
    /// In order of their indexes; fewer than there are places where some are missing.
    pub(super) records: Vec<Digest>,
}

impl Order {
    pub(super) fn new(next: u64) -> Self {
        Order { next, run: Vec::new(), window: Vec::new(), missing: BTreeSet::new() }
    }

    /// Takes a record. `limit`: where the log ends, as far as one knows.
    pub(super) fn push(&mut self, record: Digest, limit: u64, found: &mut Vec<Finding>) -> Vec<Stretch> {
        let expected = self.next.saturating_add(self.run.len() as u64);
        if self.window.is_empty() && record.index == expected {
            self.run.push(record);
            let end = tile_end(self.next);
            if expected.saturating_add(1) < end {
                return Vec::new();
            }
            let stretch = Stretch { first: self.next, end, records: std::mem::take(&mut self.run) };
            self.next = end;
            return vec![stretch];
        }
        if self.window.is_empty() {
            self.window.append(&mut self.run);
        }
        self.window.push(record);
        if self.window.len() < WINDOW { Vec::new() } else { self.settle(false, limit, found) }
    }

    /// Gives out what is left.
    pub(super) fn finish(&mut self, limit: u64, found: &mut Vec<Finding>) -> Vec<Stretch> {
        if self.window.is_empty() {
            let records = std::mem::take(&mut self.run);
            let (first, end) = (self.next, self.next.saturating_add(records.len() as u64));
            self.next = end;
            return if first < end { vec![Stretch { first, end, records }] } else { Vec::new() };
        }
        self.settle(true, limit, found)
    }

    fn settle(&mut self, last: bool, limit: u64, found: &mut Vec<Finding>) -> Vec<Stretch> {
        let mut window = std::mem::take(&mut self.window);
        self.renumber(&mut window, found);
        let displaced = displaced(&window);
        let mut copies: BTreeMap<u64, u32> = BTreeMap::new();
        for record in &window {
            *copies.entry(record.index).or_default() += 1;
        }
        let mut places: BTreeMap<u64, Digest> = BTreeMap::new();
        let highest = window.iter().map(|record| record.index).filter(|index| *index < limit).max();
        for (at, record) in window.into_iter().enumerate() {
            let (index, id) = (record.index, record.id.clone());
            let mut tell = |code, why: &str| found.push(Finding::at(code, index, &id, why));
            if index >= limit && index > highest.unwrap_or(self.next).saturating_add(WINDOW as u64) {
                tell(Code::InsertedRecord, "the log has no such place");
            } else if index < self.next {
                if self.missing.remove(&index) {
                    tell(Code::ReorderedRecord, "the record stands far behind its place");
                } else {
                    tell(Code::DuplicateRecord, "there is a record in its place already");
                }
            } else if let Some(there) = places.get(&index) {
                if there.leaf == record.leaf {
                    tell(Code::DuplicateRecord, "the record is there twice");
                } else {
                    tell(Code::InsertedRecord, "another record claims the same place");
                }
                // Rather the one that has nothing wrong with itself.
                if !there.flaws.is_empty() && record.flaws.is_empty() {
                    places.insert(index, record);
                }
            } else {
                if displaced.contains(&at) && copies.get(&index) == Some(&1) {
                    tell(Code::ReorderedRecord, "the record does not stand in its place");
                }
                places.insert(index, record);
            }
        }
        self.give_out(places, last, found)
    }

    /// A record that stands exactly where one is missing, between its neighbours, and claims another place: its index was
    /// changed.
    fn renumber(&self, window: &mut [Digest], found: &mut Vec<Finding>) {
        let there: BTreeSet<u64> = window.iter().map(|record| record.index).collect();
        let claimed: Vec<u64> = window.iter().map(|record| record.index).collect();
        for (at, record) in window.iter_mut().enumerate() {
            let before = match at.checked_sub(1) {
                Some(before) => claimed.get(before).copied(),
                None => self.next.checked_sub(1),
            };
            let place = before.map_or(0, |before| before.saturating_add(1));
            let after = claimed.get(at + 1).is_some_and(|after| *after == place.saturating_add(1));
            if record.index != place && after && place >= self.next && !there.contains(&place) {
                let why = format!("it stands in its place and claims to be record {}", record.index);
                found.push(Finding::at(Code::ChangedEntry, place, &record.id, why));
                record.index = place;
            }
        }
    }

    fn give_out(
        &mut self,
        mut places: BTreeMap<u64, Digest>,
        last: bool,
        found: &mut Vec<Finding>,
    ) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        while let Some(&highest) = places.keys().next_back() {
            let tile = tile_end(self.next);
            let whole = places.range(..tile).count() as u64 == tile - self.next;
            if !last && !whole && places.range(tile..).count() < BEHIND {
                break;
            }
            let end = if last && highest < tile { highest.saturating_add(1) } else { tile };
            let rest = places.split_off(&end);
            let records: Vec<_> = std::mem::replace(&mut places, rest).into_values().collect();
            self.tell_missing(&records, end, found);
            stretches.push(Stretch { first: self.next, end, records });
            self.next = end;
        }
        // Back to the fast way, where the rest is in order.
        let in_order = places.keys().copied().eq(self.next..self.next.saturating_add(places.len() as u64));
        let rest: Vec<_> = places.into_values().collect();
        if in_order {
            self.run = rest
        } else {
            self.window = rest
        }
        stretches
    }

    fn tell_missing(&mut self, records: &[Digest], end: u64, found: &mut Vec<Finding>) {
        let mut next = self.next;
        let ends = records.iter().map(|record| record.index).chain([end]);
        for index in ends {
            if next < index {
                self.missing.extend(next..index);
                // One finding for a stretch, also across tiles.
                match found.last_mut() {
                    Some(Finding { code: Code::MissingRecord, index: Some(_), end: stretch, .. })
                        if *stretch == Some(next) =>
                    {
                        *stretch = Some(index);
                    }
                    _ => {
                        found.push(Finding::between(Code::MissingRecord, next, index, missing(index - next)))
                    }
                }
            }
            next = index.saturating_add(1);
        }
        // Far behind its place is far: memory is bounded.
        while self.missing.len() > 1 << 20 {
            self.missing.pop_first();
        }
    }
}

fn missing(count: u64) -> String {
    if count == 1 { "the record is not there".to_owned() } else { "these records are not there".to_owned() }
}

/// Where the tile of that record ends.
fn tile_end(index: u64) -> u64 {
    (index / 256).saturating_add(1).saturating_mul(256)
}

/// Those that one must take away so that the rest is in order: all that are not in a longest increasing subsequence.
fn displaced(window: &[Digest]) -> BTreeSet<usize> {
    // Patience sorting: `tails` has, for each length, the position whose index is the smallest that ends such a sequence.
    let index = |at: &usize| window.get(*at).map_or(0, |record| record.index);
    let mut tails: Vec<usize> = Vec::new();
    let mut before: Vec<Option<usize>> = Vec::with_capacity(window.len());
    for (at, record) in window.iter().enumerate() {
        let length = tails.partition_point(|tail| index(tail) < record.index);
        before.push(length.checked_sub(1).and_then(|shorter| tails.get(shorter).copied()));
        match tails.get_mut(length) {
            Some(tail) => *tail = at,
            None => tails.push(at),
        }
    }
    let mut out: BTreeSet<usize> = (0..window.len()).collect();
    let mut at = tails.last().copied();
    while let Some(here) = at {
        out.remove(&here);
        at = before.get(here).copied().flatten();
    }
    out
}
