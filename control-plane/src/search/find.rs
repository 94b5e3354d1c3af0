//! Reading the index: which decisions answer a query, chunk by chunk from one end.

use super::facet::Facet;
use super::file::{self, FileError};
use super::index::Index;
use super::pack::{BLOCK_BITS, CHUNK_BITS, chunk_of, hash, index_of, offset_of, posting_row};
use super::query::Query;
use super::text::{glob, is_glob};
use super::words::OTHERS;
use crate::storage::{Order, Seq};
use portcullis_audit::DecisionKind;
use roaring::RoaringBitmap;
use rusqlite::Connection;
use std::collections::HashMap;
use std::sync::Arc;

/// From so many values on, the rows of a facet are read in one go.
const MANY: usize = 8;

/// Candidates: decisions that the index says answer the query.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Index and key, in the order asked for.
    pub(super) places: Vec<(u64, Seq)>,
    /// There may be more.
    pub(super) more: bool,
}

/// How many decisions there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// So many …
    pub decisions: u64,
    /// … exactly; else at most: some have values beyond what is kept of a facet.
    pub exact: bool,
}

/// A value of a facet, and how many decisions have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Value {
    /// The value; `None` for all that are beyond what is kept of a facet, together.
    pub value: Option<Arc<str>>,
    /// Decisions.
    pub decisions: u64,
}

/// A condition, in numbers.
enum Clause {
    /// Any of these values.
    Values(Facet, Vec<u32>),
    /// Any of these keys.
    Keys(Vec<u64>),
}

/// A query, in numbers.
struct Plan {
    clauses: Vec<Clause>,
    /// Decisions that each clause has let through so far: the strictest is asked first.
    seen: Vec<u64>,
    /// The first record, and the one behind the last.
    first: u64,
    end: u64,
}

impl Index {
    /// The next `want` candidates. `after` is the last that was looked at.
    pub(super) fn candidates(
        &self,
        query: &Query,
        after: Option<Seq>,
        want: usize,
    ) -> Result<Found, FileError> {
        self.file.read(|conn| {
            let mut plan = self.plan(conn, query)?;
            match (after, query.order) {
                (Some(seq), Order::Descending) => plan.end = plan.end.min(self.boundary(conn, seq)?),
                (Some(seq), Order::Ascending) => {
                    plan.first = plan.first.max(self.boundary(conn, seq.saturating_add(1))?);
                }
                (None, _) => {}
            }
            let mut found = Found::default();
            let mut indexes = Vec::new();
            for chunk in plan.chunks(query.order) {
                let hits = self.hits(conn, &mut plan, chunk)?;
                let hits: Box<dyn Iterator<Item = u32>> = match query.order {
                    Order::Ascending => Box::new(hits.iter()),
                    Order::Descending => Box::new(hits.iter().rev()),
                };
                indexes.extend(hits.map(|offset| index_of(chunk, offset)).take(want + 1 - indexes.len()));
                if indexes.len() > want {
                    indexes.pop();
                    found.more = true;
                    break;
                }
            }
            found.places = self.keys_of(conn, &indexes)?;
            Ok(found)
        })
    }

    /// How many decisions the index says answer the query, on whatever page.
    pub(super) fn count(&self, query: &Query) -> Result<Count, FileError> {
        self.file.read(|conn| {
            let mut plan = self.plan(conn, query)?;
            let mut count = Count { decisions: 0, exact: true };
            for chunk in plan.chunks(Order::Descending) {
                count.decisions += self.hits(conn, &mut plan, chunk)?.len();
            }
            let vague = plan.clauses.iter().any(
                |clause| matches!(clause, Clause::Values(facet, numbers) if numbers.contains(&OTHERS) && self.words.crowded().contains(facet)),
            );
            count.exact = !vague;
            Ok(count)
        })
    }

    /// The values of a facet among the decisions that answer the query, the most frequent first.
    pub(super) fn values(&self, query: &Query, facet: Facet, limit: usize) -> Result<Vec<Value>, FileError> {
        let counts = self.file.read(|conn| {
            let mut plan = self.plan(conn, query)?;
            let mut counts: HashMap<u32, u64> = HashMap::new();
            for chunk in plan.chunks(Order::Descending) {
                let span = plan.span(chunk);
                let whole = plan.clauses.is_empty() && span == (0, 1 << CHUNK_BITS);
                if whole && !self.delta.chunks.contains(&chunk) && !self.gone.contains_key(&chunk) {
                    self.totals(conn, facet, chunk, &mut counts)?;
                    continue;
                }
                let hits = self.hits(conn, &mut plan, chunk)?;
                if hits.is_empty() {
                    continue;
                }
                self.each(conn, facet, chunk, None, |value, bitmap| {
                    *counts.entry(value).or_default() += bitmap.intersection_len(&hits);
                })?;
            }
            Ok(counts)
        })?;
        let mut values: Vec<_> = counts
            .into_iter()
            .filter(|(_, decisions)| *decisions > 0)
            .map(|(number, decisions)| Value { value: self.words.text(facet, number), decisions })
            .collect();
        values.sort_unstable_by(|one, other| {
            other.decisions.cmp(&one.decisions).then_with(|| one.value.cmp(&other.value))
        });
        values.truncate(limit);
        Ok(values)
    }

    fn plan(&self, conn: &Connection, query: &Query) -> Result<Plan, FileError> {
        let mut clauses = Vec::new();
        for (facet, wanted) in &query.facets {
            let mut numbers = Vec::new();
            for value in wanted {
                if is_glob(value) {
                    numbers.extend(self.words.matching(*facet, |text| glob(value, text)));
                    numbers.push(OTHERS);
                } else {
                    numbers.push(self.words.exact(*facet, value).unwrap_or(OTHERS));
                }
            }
            clauses.push(Clause::Values(*facet, sorted(numbers)));
        }
        for (key, wanted) in &query.keys {
            clauses.push(Clause::Keys(wanted.iter().map(|value| hash(*key, value)).collect()));
        }
        if let Some(text) = &query.text {
            let mut numbers = self.words.matching(Facet::Message, |message| text.is_in(message));
            numbers.push(OTHERS);
            clauses.push(Clause::Values(Facet::Message, sorted(numbers)));
        }
        let first = if query.first() > 0 { self.boundary(conn, query.first())? } else { 0 };
        let end = if query.end() < Seq::MAX { self.boundary(conn, query.end())? } else { self.cursor() };
        Ok(Plan { seen: vec![0; clauses.len()], clauses, first, end })
    }

    /// What of a chunk answers all of it.
    fn hits(&self, conn: &Connection, plan: &mut Plan, chunk: u32) -> Result<RoaringBitmap, FileError> {
        let mut order: Vec<(u64, usize)> = plan.seen.iter().copied().zip(0..).collect();
        order.sort_unstable();
        let mut hits: Option<RoaringBitmap> = None;
        for (_, at) in order {
            let (Some(clause), Some(seen)) = (plan.clauses.get(at), plan.seen.get_mut(at)) else { continue };
            let bitmap = self.clause(conn, clause, chunk)?;
            *seen += bitmap.len();
            hits = Some(match hits {
                Some(hits) => hits & bitmap,
                None => bitmap,
            });
            if hits.as_ref().is_some_and(RoaringBitmap::is_empty) {
                return Ok(RoaringBitmap::new());
            }
        }
        let mut hits = match hits {
            Some(hits) => hits,
            None => {
                let kinds =
                    DecisionKind::ALL.iter().filter_map(|kind| self.words.exact(Facet::Kind, kind.as_str()));
                self.clause(conn, &Clause::Values(Facet::Kind, sorted(kinds.collect())), chunk)?
            }
        };
        let (first, end) = plan.span(chunk);
        hits.remove_range(..first);
        hits.remove_range(end..);
        if let Some(gone) = self.gone.get(&chunk) {
            hits -= gone;
        }
        Ok(hits)
    }

    fn clause(&self, conn: &Connection, clause: &Clause, chunk: u32) -> Result<RoaringBitmap, FileError> {
        let mut all = RoaringBitmap::new();
        match clause {
            Clause::Keys(hashes) => {
                for hash in hashes {
                    all |= self.keyed(conn, chunk, *hash)?;
                }
            }
            Clause::Values(facet, numbers) if numbers.len() < MANY => {
                for number in numbers {
                    let row = posting_row(*facet, chunk, *number);
                    let mut bitmap = file::posting(conn, row)?.unwrap_or_default();
                    if let Some(change) = self.delta.postings.get(&row) {
                        change.apply(&mut bitmap);
                    }
                    all |= bitmap;
                }
            }
            Clause::Values(facet, numbers) => {
                self.each(conn, *facet, chunk, Some(numbers), |_, bitmap| all |= bitmap)?;
            }
        }
        Ok(all)
    }

    /// Tells the decisions of a chunk by value, for all values or some (in order).
    fn each(
        &self,
        conn: &Connection,
        facet: Facet,
        chunk: u32,
        only: Option<&[u32]>,
        mut tell: impl FnMut(u32, &RoaringBitmap),
    ) -> Result<(), FileError> {
        let touched = self.delta.chunks.contains(&chunk);
        let first = only.and_then(|only| only.first()).copied().unwrap_or(0);
        let last = only.and_then(|only| only.last()).copied().unwrap_or(u32::MAX);
        let range = (posting_row(facet, chunk, first), posting_row(facet, chunk, last));
        let wanted = |value: u32| only.is_none_or(|only| only.binary_search(&value).is_ok());
        let mut told = Vec::new();
        file::postings(
            conn,
            range,
            |value, _| wanted(value),
            |value, mut bitmap| {
                if touched && let Some(change) = self.delta.postings.get(&posting_row(facet, chunk, value)) {
                    change.apply(&mut bitmap);
                    told.push(value);
                }
                tell(value, &bitmap);
            },
        )?;
        if touched {
            // Values that the file has not in this chunk.
            let numbers = first..=last.min(self.words.greatest(facet));
            for value in numbers.filter(|value| wanted(*value) && told.binary_search(value).is_err()) {
                if let Some(change) = self.delta.postings.get(&posting_row(facet, chunk, value)) {
                    tell(value, &change.come);
                }
            }
        }
        Ok(())
    }

    /// Adds up the values of a chunk that the file knows all of.
    fn totals(
        &self,
        conn: &Connection,
        facet: Facet,
        chunk: u32,
        counts: &mut HashMap<u32, u64>,
    ) -> Result<(), FileError> {
        let range = (posting_row(facet, chunk, 0), posting_row(facet, chunk, u32::MAX));
        let count = |value, docs| {
            *counts.entry(value).or_default() += docs;
            false
        };
        file::postings(conn, range, count, |_, _| {})
    }

    /// The keys of decisions, block by block.
    fn keys_of(&self, conn: &Connection, indexes: &[u64]) -> Result<Vec<(u64, Seq)>, FileError> {
        let mut found = Vec::with_capacity(indexes.len());
        for group in indexes.chunk_by(|one, other| one >> BLOCK_BITS == other >> BLOCK_BITS) {
            let Some(block) = group.first().map(|index| index >> BLOCK_BITS) else { continue };
            let places = self.places(conn, block)?;
            for index in group {
                let at = places.binary_search_by_key(index, |(index, _)| *index);
                let place = at.ok().and_then(|at| places.get(at)).ok_or(FileError::Broken("places"))?;
                found.push(*place);
            }
        }
        Ok(found)
    }
}

impl Plan {
    /// The chunks that it is about.
    fn chunks(&self, order: Order) -> Box<dyn Iterator<Item = u32>> {
        if self.first >= self.end {
            return Box::new(std::iter::empty());
        }
        let chunks = chunk_of(self.first)..=chunk_of(self.end - 1);
        match order {
            Order::Ascending => Box::new(chunks),
            Order::Descending => Box::new(chunks.rev()),
        }
    }

    /// What of a chunk it is about.
    fn span(&self, chunk: u32) -> (u32, u32) {
        let first = if chunk_of(self.first) == chunk { offset_of(self.first) } else { 0 };
        let end = if chunk_of(self.end) == chunk { offset_of(self.end) } else { 1 << CHUNK_BITS };
        (first, end)
    }
}

fn sorted(mut numbers: Vec<u32>) -> Vec<u32> {
    numbers.sort_unstable();
    numbers.dedup();
    numbers
}
