//! Outcomes on their way to the control plane: kept until acknowledged, in a bounded queue.

use portcullis_protocol::{Outcome, OutcomeAck, OutcomeBatch, VERSION};
use std::collections::VecDeque;

/// Outcomes in one batch, at most.
pub const MAX_BATCH: usize = 256;

/// Outcomes that wait, at most; more are counted as lost.
pub const MAX_QUEUED: usize = 16_384;

/// First wait after a batch failed; doubled with each further failure.
const BACKOFF_US: u64 = 200_000;

/// Longest wait after a failed batch.
const MAX_BACKOFF_US: u64 = 30_000_000;

/// The queue. One batch is under way at a time, so that order is kept and a repeat is the same batch or more.
#[derive(Debug, Default)]
pub struct Outbox {
    queue: VecDeque<Outcome>,
    under_way: Option<UnderWay>,
    unaudited: u64,
    lost: u64,
    failures: u32,
    not_before_us: u64,
}

/// What the batch under way holds: that much is settled by its acknowledgement.
#[derive(Debug, Clone, Copy)]
struct UnderWay {
    outcomes: usize,
    unaudited: u64,
    lost: u64,
}

impl Outbox {
    /// Takes an outcome. `false`: the queue was full, and it is lost (and counted).
    pub fn push(&mut self, outcome: Outcome) -> bool {
        if self.queue.len() >= MAX_QUEUED {
            self.lost = self.lost.saturating_add(1);
            return false;
        }
        self.queue.push_back(outcome);
        true
    }

    /// Counts a call that left without a record.
    pub fn unaudited(&mut self) {
        self.unaudited = self.unaudited.saturating_add(1);
    }

    /// Nothing waits and nothing is under way.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.queue.is_empty() && self.under_way.is_none() && self.unaudited == 0 && self.lost == 0
    }

    /// Outcomes that wait, those under way included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// A whole batch waits: worth sending at once.
    #[must_use]
    pub fn has_full_batch(&self) -> bool {
        self.queue.len() >= MAX_BATCH
    }

    /// The next batch as JSON, when there is one to send now. Settle it with [`Outbox::answered`].
    pub fn next_batch(&mut self, now_us: u64, gate: &str) -> Option<Vec<u8>> {
        if self.under_way.is_some() || self.is_empty() || now_us < self.not_before_us {
            return None;
        }
        let batch = OutcomeBatch {
            version: VERSION,
            gate: gate.to_owned(),
            outcomes: self.queue.iter().take(MAX_BATCH).cloned().collect(),
            unaudited: self.unaudited,
            lost: self.lost,
        };
        let body = serde_json::to_vec(&batch).ok()?;
        self.under_way =
            Some(UnderWay { outcomes: batch.outcomes.len(), unaudited: batch.unaudited, lost: batch.lost });
        Some(body)
    }

    /// The batch under way has been answered: with an HTTP status and body, or not at all. Returns how many outcomes were
    /// acknowledged; `None` means that the batch will be repeated.
    pub fn answered(&mut self, answer: Option<(u16, &[u8])>, now_us: u64) -> Option<usize> {
        let sent = self.under_way.take()?;
        let taken = answer
            .filter(|(status, _)| *status == 200)
            .and_then(|(_, body)| serde_json::from_slice::<OutcomeAck>(body).ok())
            .is_some_and(|ack| ack.accepted >= sent.outcomes as u64);
        if !taken {
            let wait = BACKOFF_US.saturating_mul(1 << self.failures.min(16)).min(MAX_BACKOFF_US);
            self.failures = self.failures.saturating_add(1);
            self.not_before_us = now_us.saturating_add(wait);
            return None;
        }
        self.queue.drain(..sent.outcomes.min(self.queue.len()));
        self.unaudited = self.unaudited.saturating_sub(sent.unaudited);
        self.lost = self.lost.saturating_sub(sent.lost);
        self.failures = 0;
        self.not_before_us = 0;
        // A burst must not keep its memory for ever: Wasm never gives it back to the host, but others may use it.
        if self.queue.is_empty() {
            self.queue.shrink_to(MAX_BATCH);
        }
        Some(sent.outcomes)
    }
}

#[cfg(test)]
mod tests;
