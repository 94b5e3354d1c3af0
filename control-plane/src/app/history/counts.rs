//! How often a principal called: sliding windows of a minute, an hour and a day.

use portcullis_policy::Counts;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60 * SECOND_MS;
const HOUR_MS: u64 = 60 * MINUTE_MS;
const DAY_MS: u64 = 24 * HOUR_MS;
/// Principals counted one by one; those beyond share one count, so that each of them seems to have called more.
const MAX_KEYS: usize = 200_000;

/// By principal, and for tool calls also by principal and tool.
#[derive(Debug, Default)]
pub(super) struct Counters {
    by: HashMap<Arc<str>, Counter>,
    others: Counter,
}

/// Counts by second, of the last minute, and by minute, of the last day. A slice counts as long as some of it is in the
/// window: never too little.
#[derive(Debug, Default)]
struct Counter {
    seconds: Slices,
    minutes: Slices,
}

/// (Start, count), ascending.
#[derive(Debug, Default)]
struct Slices {
    slices: VecDeque<(u64, u64)>,
    sum: u64,
}

impl Counters {
    pub(super) fn add(&mut self, principal: &str, tool: &str, time_ms: u64, count: u64) {
        self.counter(principal, tool).add(time_ms, count);
    }

    /// Those before `now_ms`.
    pub(super) fn counts(&mut self, principal: &str, tool: &str, now_ms: u64) -> Counts {
        let known = name(principal, tool, |name| self.by.contains_key(name));
        if !known && self.by.len() < MAX_KEYS {
            return Counts::default();
        }
        self.counter(principal, tool).counts(now_ms)
    }

    fn counter(&mut self, principal: &str, tool: &str) -> &mut Counter {
        name(principal, tool, |name| {
            if !self.by.contains_key(name) {
                if self.by.len() >= MAX_KEYS {
                    return &mut self.others;
                }
                self.by.insert(name.into(), Counter::default());
            }
            self.by.get_mut(name).unwrap_or(&mut self.others)
        })
    }

    /// Forgets those that have not called for a day.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.by.retain(|_, counter| {
            counter.forget(now_ms);
            !counter.minutes.slices.is_empty()
        });
        self.others.forget(now_ms);
    }
}

/// The name of a count: calls of a principal have none of a tool.
fn name<T>(principal: &str, tool: &str, with: impl FnOnce(&str) -> T) -> T {
    if tool.is_empty() { with(principal) } else { with(&format!("{principal}\n{tool}")) }
}

impl Counter {
    fn add(&mut self, time_ms: u64, count: u64) {
        self.seconds.add(time_ms - time_ms % SECOND_MS, count);
        self.minutes.add(time_ms - time_ms % MINUTE_MS, count);
        self.forget(time_ms);
    }

    fn forget(&mut self, now_ms: u64) {
        self.seconds.forget(now_ms.saturating_sub(MINUTE_MS + SECOND_MS));
        self.minutes.forget(now_ms.saturating_sub(DAY_MS + MINUTE_MS));
    }

    fn counts(&mut self, now_ms: u64) -> Counts {
        self.forget(now_ms);
        Counts {
            minute: self.seconds.sum,
            hourly: self.minutes.since(now_ms.saturating_sub(HOUR_MS + MINUTE_MS)),
            daily: self.minutes.sum,
        }
    }
}

impl Slices {
    fn add(&mut self, start_ms: u64, count: u64) {
        self.sum = self.sum.saturating_add(count);
        // Mostly the last.
        match self.slices.iter().rposition(|(own, _)| *own <= start_ms) {
            Some(at) => match self.slices.get_mut(at) {
                Some((own, sum)) if *own == start_ms => *sum = sum.saturating_add(count),
                _ => self.slices.insert(at + 1, (start_ms, count)),
            },
            None => self.slices.push_front((start_ms, count)),
        }
    }

    /// Forgets the slices that began here or before.
    fn forget(&mut self, start_ms: u64) {
        while let Some((own, count)) = self.slices.front()
            && *own <= start_ms
        {
            self.sum = self.sum.saturating_sub(*count);
            self.slices.pop_front();
        }
    }

    /// What is in the slices that began after this.
    fn since(&self, start_ms: u64) -> u64 {
        self.slices.iter().rev().take_while(|(own, _)| *own > start_ms).map(|(_, count)| count).sum()
    }
}
