//! The bytes of a guarded stream that have not gone on, in the order in which they came.

use super::matters::{Mark, Matters};
use std::collections::VecDeque;

/// Room that an empty line keeps: an ordinary stream's pieces come and go without another allocation.
const KEPT: usize = 16 * 1_024;

/// What waits, strictly first in, first out: SDKs put an answer together in the order of its pieces, so a piece that nobody
/// minds waits behind one that is undecided.
#[derive(Debug, Default)]
pub(super) struct Line {
    bytes: Vec<u8>,
    units: VecDeque<Unit>,
    /// Bytes of `units`; what is beyond is a piece that is not whole.
    whole: usize,
    edge: Edge,
}

/// Bytes that go on together.
#[derive(Debug)]
struct Unit {
    len: usize,
    mark: Mark,
    end: Edge,
}

/// What the last byte that went on was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Edge {
    /// The end of a piece.
    #[default]
    Whole,
    /// Within one: nobody else's words fit there.
    Within,
}

impl Line {
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    pub(super) fn push(&mut self, slice: &[u8]) {
        self.bytes.extend_from_slice(slice);
    }

    /// The next `len` bytes are a piece, and this is open about it.
    pub(super) fn piece(&mut self, len: usize, mark: Mark) {
        self.unit(len, mark, Edge::Whole);
    }

    /// The next `len` bytes are a part of a piece that says nothing.
    pub(super) fn part(&mut self, len: usize) {
        self.unit(len, Mark::default(), Edge::Within);
    }

    fn unit(&mut self, len: usize, mark: Mark, end: Edge) {
        self.whole = self.whole.saturating_add(len);
        self.units.push_back(Unit { len, mark, end });
    }

    /// Forgets the piece that is not whole: nothing of it may be believed.
    pub(super) fn drop_rest(&mut self) {
        self.bytes.truncate(self.whole);
    }

    /// Nothing is open about anything that waits.
    pub(super) fn is_free(&self, matters: &Matters) -> bool {
        self.whole == self.bytes.len() && self.units.iter().all(|unit| matters.are_settled(&unit.mark))
    }

    /// Whether words of somebody else may follow what has gone on.
    pub(super) fn takes_words(&self) -> bool {
        self.edge == Edge::Whole
    }

    /// How many bytes may not go on yet.
    pub(super) fn waiting(&self, matters: &Matters) -> usize {
        let settled = self.units.iter().take_while(|unit| matters.are_settled(&unit.mark));
        self.bytes.len().saturating_sub(settled.map(|unit| unit.len).sum())
    }

    /// Takes out what may go on: everything up to the first piece about which something is open.
    pub(super) fn release(&mut self, matters: &Matters) -> Vec<u8> {
        let mut len = 0_usize;
        while let Some(unit) = self.units.pop_front_if(|unit| matters.are_settled(&unit.mark)) {
            len = len.saturating_add(unit.len);
            self.edge = unit.end;
        }
        // The sieve counts what it was given; were it ever wrong, nothing beyond goes out.
        let len = len.min(self.bytes.len());
        self.whole = self.whole.saturating_sub(len);
        if len == 0 {
            return Vec::new();
        }
        let rest = self.bytes.split_off(len);
        let released = std::mem::replace(&mut self.bytes, rest);
        if self.bytes.is_empty() {
            self.bytes.shrink_to(KEPT);
            self.units.shrink_to(KEPT / size_of::<Unit>());
        }
        released
    }
}
