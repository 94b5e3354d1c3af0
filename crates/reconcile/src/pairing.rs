//! Pairing calls of ours that have no request id with AWS's, by time.
//!
//! Greedy: of all pairs that fit, the one that is closest in time first, and each call once. Where two pairs are equally close,
//! the earlier call of ours, then the smaller decision id, comes first. So the result depends on nothing but the calls.

use crate::calls::Call;
use crate::model;
use crate::ours::Ours;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// AWS's calls by region and operation, in order of time.
#[derive(Debug, Default)]
pub(crate) struct ByTime(HashMap<Key, Vec<(u64, usize)>>);

/// Region and operation.
type Key = (Arc<str>, Arc<str>);

impl ByTime {
    pub(crate) fn new(calls: &[Call]) -> Self {
        let mut by_time: HashMap<_, Vec<(u64, usize)>> = HashMap::new();
        for (index, call) in calls.iter().enumerate() {
            let key = (Arc::clone(&call.head.region), Arc::clone(&call.head.operation));
            by_time.entry(key).or_default().push((call.head.time_ms, index));
        }
        // They come sorted by time already.
        ByTime(by_time)
    }

    /// AWS's calls in that time that may be this one.
    pub(crate) fn within<'a>(
        &'a self,
        ours: &'a Ours,
        from_ms: u64,
        to_ms: u64,
    ) -> impl Iterator<Item = usize> + 'a {
        let action = ours.action.split_once(':').map_or("", |(_, action)| action);
        let names = [&*ours.operation, action];
        let names = names
            .into_iter()
            .enumerate()
            .filter(move |(place, name)| *place == 0 || *name != &*ours.operation);
        names.flat_map(move |(_, name)| {
            let list = self
                .0
                .get(&(Arc::clone(&ours.region), Arc::from(name)))
                .map(Vec::as_slice)
                .unwrap_or_default();
            let start = list.partition_point(|(time, _)| *time < from_ms);
            let rest = list.get(start..).unwrap_or_default();
            rest.iter().take_while(move |(time, _)| *time <= to_ms).map(|(_, index)| *index)
        })
    }
}

/// When AWS may have seen a call of ours.
pub(crate) fn window(ours: &Ours, tolerance_ms: u64) -> (u64, u64) {
    let end = ours.ended_at_ms.unwrap_or(ours.decided_at_ms).max(ours.decided_at_ms);
    (ours.decided_at_ms.saturating_sub(tolerance_ms), end.saturating_add(tolerance_ms))
}

/// Nothing speaks against it that both are one call.
pub(crate) fn fits(ours: &Ours, call: &Call) -> bool {
    let known = |ours: &Option<Arc<str>>, theirs: Option<&Arc<str>>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => ours == theirs,
        _ => true,
    };
    let key = call.head.access_key_id.as_ref().filter(|_| !call.head.bearer);
    known(&ours.access_key_id, key)
        && (known(&ours.account, call.head.account.as_ref()) || ours.model_account == call.head.account)
        && call.say(|seen| seen.model.as_deref()).is_none_or(|theirs| same_model(ours, theirs) != Some(false))
}

/// One of the models of the call is the one that AWS names.
pub(crate) fn same_model(ours: &Ours, theirs: &str) -> Option<bool> {
    let mut verdict = None;
    for our in &ours.models {
        match model::same(our, theirs) {
            Some(true) => return Some(true),
            None => return None,
            Some(false) => verdict = Some(false),
        }
    }
    verdict
}

/// Pairs: index of ours, index of AWS's call.
pub(crate) fn pair(
    ours: &[Ours],
    calls: &[Call],
    by_time: &ByTime,
    taken: &dyn Fn(usize) -> bool,
    tolerance_ms: u64,
) -> Vec<(usize, usize)> {
    let mut order: Vec<usize> = (0..ours.len()).collect();
    let key =
        |index: &usize| ours.get(*index).map(|ours| (ours.decided_at_ms, Arc::clone(&ours.decision_id)));
    order.sort_by_key(key);
    // Every pair that fits, with how far it is apart.
    let mut pairs: Vec<(u64, usize, usize)> = Vec::new();
    for (rank, index) in order.iter().enumerate() {
        let Some(our) = ours.get(*index) else { continue };
        let (from, to) = window(our, tolerance_ms);
        for candidate in by_time.within(our, from, to).filter(|candidate| !taken(*candidate)) {
            let Some(call) = calls.get(candidate).filter(|call| fits(our, call)) else { continue };
            // CloudTrail cuts its times to seconds: within the same second, nothing is closer than anything else.
            let apart = (our.decided_at_ms / 1_000).abs_diff(call.head.time_ms / 1_000);
            pairs.push((apart, rank, candidate));
        }
    }
    pairs.sort_unstable();
    let (mut ours_taken, mut theirs_taken) = (BTreeMap::new(), BTreeMap::new());
    for (_, rank, candidate) in pairs {
        if !ours_taken.contains_key(&rank) && !theirs_taken.contains_key(&candidate) {
            ours_taken.insert(rank, candidate);
            theirs_taken.insert(candidate, rank);
        }
    }
    ours_taken.into_iter().filter_map(|(rank, candidate)| Some((*order.get(rank)?, candidate))).collect()
}
