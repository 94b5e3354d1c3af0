//! What AWS's files cover, as far as they show it themselves.
//!
//! An hour of an account, region and class of operations counts as covered when there is an event of it in that hour, whoever
//! made the call. Nothing tells a trail that was off from an hour without calls; so a call of ours in an hour without any is
//! reported as not covered, rather than as one that AWS does not know.

use crate::class::Class;
use crate::ours::Ours;
use crate::report::Covered;
use crate::seen::{Seen, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

const HOUR_MS: u64 = 3_600_000;

/// Of one source and account, in one region, of one class.
#[derive(Debug, Default)]
struct Cover {
    hours: BTreeSet<u64>,
    first_ms: u64,
    last_ms: u64,
    events: u64,
}

type Key = (Source, Arc<str>, Class, Option<Arc<str>>);

/// What is covered.
#[derive(Debug, Default)]
pub(crate) struct Coverage(BTreeMap<Key, Cover>);

impl Coverage {
    pub(crate) fn add(&mut self, seen: &Seen) {
        let key = (
            seen.source,
            Arc::clone(&seen.region),
            seen.class,
            seen.recipient.clone().or_else(|| seen.account.clone()),
        );
        let cover = self.0.entry(key).or_default();
        cover.first_ms = if cover.events == 0 { seen.time_ms } else { cover.first_ms.min(seen.time_ms) };
        cover.last_ms = cover.last_ms.max(seen.time_ms);
        cover.events += 1;
        cover.hours.insert(seen.time_ms / HOUR_MS);
    }

    /// Some source covers the time at which the call began, between the first and the last of its events.
    pub(crate) fn covers(&self, ours: &Ours, class: Class) -> Result<(), &'static str> {
        let cloudtrail = self.covers_in(Source::CloudTrail, ours, class);
        let Err(one) = cloudtrail else { return Ok(()) };
        let other = match self.covers_in(Source::InvocationLog, ours, class) {
            Ok(()) => return Ok(()),
            Err(why) => why,
        };
        // The one that is closest to covering it says most.
        let rank = |why: &str| ["none", "edge", "hour"].iter().position(|known| *known == why);
        Err(if rank(one) >= rank(other) { one } else { other })
    }

    /// The same of one source.
    pub(crate) fn covers_in(&self, which: Source, ours: &Ours, class: Class) -> Result<(), &'static str> {
        let mut best = "none";
        for ((source, region, of, account), cover) in &self.0 {
            let same_account = match (account, &ours.account) {
                (Some(theirs), Some(our)) => theirs == our || ours.model_account.as_ref() == Some(theirs),
                _ => true,
            };
            if *source != which || *region != ours.region || *of != class || !same_account {
                continue;
            }
            // Seconds in CloudTrail are cut off: the second of the first event is covered as a whole.
            let within = cover.first_ms <= ours.decided_at_ms && ours.decided_at_ms <= cover.last_ms + 999;
            if within && cover.hours.contains(&(ours.decided_at_ms / HOUR_MS)) {
                return Ok(());
            }
            best = if within || best == "hour" { "hour" } else { "edge" };
        }
        Err(best)
    }

    /// For the report.
    pub(crate) fn list(&self) -> Vec<Covered> {
        let list = self.0.iter().map(|((source, region, class, account), cover)| Covered {
            source: *source,
            account: account.clone(),
            region: Arc::clone(region),
            class: *class,
            first_ms: cover.first_ms,
            last_ms: cover.last_ms,
            hours: cover.hours.len() as u64,
            hours_between: cover.last_ms / HOUR_MS - cover.first_ms / HOUR_MS + 1,
            events: cover.events,
        });
        list.collect()
    }
}
