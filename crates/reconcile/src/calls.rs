//! From AWS's events to calls: CloudTrail and the invocation logs tell of the same call, and CloudTrail delivers at least once.

use crate::seen::{Seen, Source};

/// A call, as AWS's logs describe it.
#[derive(Debug)]
pub(crate) struct Call {
    /// The first event about it: CloudTrail's, where there is one, for it knows who and from where.
    pub(crate) head: Seen,
    /// The others.
    pub(crate) more: Vec<Seen>,
}

impl Call {
    pub(crate) fn all(&self) -> impl Iterator<Item = &Seen> {
        std::iter::once(&self.head).chain(&self.more)
    }

    /// What the first event that says it says.
    pub(crate) fn say<'a, T>(&'a self, field: impl Fn(&'a Seen) -> Option<T>) -> Option<T> {
        self.all().find_map(field)
    }
}

/// Groups events by request id, and within it by what makes a call another one. Sorted by time. The number is that of events
/// which were delivered more than once.
pub(crate) fn group(mut seen: Vec<Seen>, tolerance_ms: u64) -> (Vec<Call>, u64) {
    seen.sort_by(|one, other| {
        (&one.request_id, one.source, one).cmp(&(&other.request_id, other.source, other))
    });
    let mut calls: Vec<Call> = Vec::new();
    let mut repeated = 0;
    // Where the calls of the request id at hand begin.
    let mut start = 0;
    for event in seen {
        let same_id = calls.last().is_some_and(|call| call.head.request_id == event.request_id);
        if !same_id || event.request_id.is_none() {
            start = calls.len();
        }
        // Without a request id only the same event is the same call; such events are next to each other.
        if event.request_id.is_none() {
            let last = calls.last().filter(|call| call.head.request_id.is_none());
            if event.event_id.is_some() && last.is_some_and(|call| call.head.event_id == event.event_id) {
                repeated += 1;
                continue;
            }
        }
        let of_this_id = calls.get_mut(start..).unwrap_or_default();
        match of_this_id.iter_mut().find(|call| belongs(call, &event, tolerance_ms)) {
            Some(call) if call.all().any(|known| repeats(known, &event)) => repeated += 1,
            Some(call) => call.more.push(event),
            None => calls.push(Call { head: event, more: Vec::new() }),
        }
    }
    calls.sort_by(|one, other| (&one.head, &one.more).cmp(&(&other.head, &other.more)));
    (calls, repeated)
}

/// Both tell of the same call. Request ids are unique, as AWS makes them; two calls under one are shown as two.
fn belongs(call: &Call, event: &Seen, tolerance_ms: u64) -> bool {
    let head = &call.head;
    if head.shared_event_id.is_some() && head.shared_event_id == event.shared_event_id {
        return true;
    }
    let accounts = match (&head.account, &event.account) {
        (Some(one), Some(other)) => one == other,
        _ => true,
    };
    let models = match (&head.model, &event.model) {
        (Some(one), Some(other)) => crate::model::same(one, other) != Some(false),
        _ => true,
    };
    let apart = head.time_ms.abs_diff(event.time_ms);
    accounts
        && models
        && head.operation == event.operation
        && head.region == event.region
        && apart <= tolerance_ms
}

/// The same event once more.
fn repeats(known: &Seen, event: &Seen) -> bool {
    known.source == event.source
        && match known.source {
            Source::CloudTrail => known.event_id.is_some() && known.event_id == event.event_id,
            // Delivered to S3 and to CloudWatch Logs, and both were given.
            Source::InvocationLog => known.time_ms == event.time_ms,
        }
}
