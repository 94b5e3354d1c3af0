//! What is searched for, and whether a decision is that.

use super::facet::{Facet, Facts, Key, of_stored};
use super::text::{Text, glob, is_glob};
use crate::storage::{self, Order, Seq, StoredDecision, first_of};
use portcullis_audit::{DecisionKind, OutcomeState, VerdictKind};
use std::collections::BTreeMap;

/// Which decisions. All conditions must hold; of several values of one, any.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Query {
    /// Decided at or after, Unix milliseconds.
    pub since_ms: Option<u64>,
    /// Decided before, Unix milliseconds.
    pub until_ms: Option<u64>,
    /// Values by facet: exact, or globs with `*` and `?`.
    pub facets: BTreeMap<Facet, Vec<String>>,
    /// Values of what is found by its exact value only.
    pub keys: BTreeMap<Key, Vec<String>>,
    /// What the caller was told has all these words and phrases.
    pub text: Option<Text>,
    /// At most so many, from 1.
    pub limit: u32,
    /// Where the page before ended.
    pub after: Option<Seq>,
    /// Which end to begin at.
    pub order: Order,
}

impl Query {
    /// No condition but on time.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.facets.is_empty() && self.keys.is_empty() && self.text.is_none()
    }

    /// Decisions have this key or a greater one …
    pub(super) fn first(&self) -> Seq {
        self.since_ms.map_or(0, first_of)
    }

    /// … and a smaller one than this.
    pub(super) fn end(&self) -> Seq {
        self.until_ms.map_or(Seq::MAX, first_of)
    }

    /// The decision is one of them.
    #[must_use]
    pub fn matches(&self, found: &StoredDecision) -> bool {
        if found.seq < self.first() || found.seq >= self.end() {
            return false;
        }
        let mut check = Check { query: self, facets: Vec::new(), keys: Vec::new() };
        of_stored(found, &mut check);
        let Check { facets, keys, .. } = check;
        self.facets.keys().all(|facet| facets.contains(facet))
            && self.keys.keys().all(|key| keys.contains(key))
            && self.text.as_ref().is_none_or(|text| text.is_in(&found.record.verdict.message))
    }

    /// What of it the store can look for by itself, and whether that is all of it.
    pub(super) fn narrowed(&self) -> (storage::Query, bool) {
        let mut told = 0;
        let mut one = |facet: Facet| -> Option<String> {
            let [value] = self.facets.get(&facet)?.as_slice() else { return None };
            let taken = facet == Facet::Model || !is_glob(value);
            taken.then(|| {
                told += 1;
                value.clone()
            })
        };
        let mut query = storage::Query {
            since_ms: self.since_ms,
            until_ms: self.until_ms,
            principal: one(Facet::Principal),
            model: one(Facet::Model),
            operation: one(Facet::Operation),
            verdict: one(Facet::Verdict).as_deref().and_then(VerdictKind::parse),
            outcome: one(Facet::Outcome).as_deref().and_then(OutcomeState::parse),
            kind: None,
            call_id: None,
            limit: self.limit,
            after: self.after,
            order: self.order,
        };
        if let Some(kind) = one(Facet::Kind) {
            query.kind = DecisionKind::ALL.into_iter().find(|known| known.as_str() == kind);
        }
        let mut all = self.text.is_none() && told == self.facets.len();
        match self.keys.get(&Key::Call).map(Vec::as_slice) {
            Some([call]) => {
                query.call_id = Some(call.clone());
                all &= self.keys.len() == 1;
            }
            _ => all &= self.keys.is_empty(),
        }
        (query, all)
    }
}

/// Which conditions were met.
struct Check<'a> {
    query: &'a Query,
    facets: Vec<Facet>,
    keys: Vec<Key>,
}

impl Facts for Check<'_> {
    fn facet(&mut self, facet: Facet, value: &str) {
        let Some(wanted) = self.query.facets.get(&facet).filter(|_| !value.is_empty()) else { return };
        if wanted.iter().any(|pattern| glob(pattern, value)) {
            self.facets.push(facet);
        }
    }

    fn key(&mut self, key: Key, value: &str) {
        let Some(wanted) = self.query.keys.get(&key).filter(|_| !value.is_empty()) else { return };
        if wanted.iter().any(|wanted| wanted == value) {
            self.keys.push(key);
        }
    }
}
