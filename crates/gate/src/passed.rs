//! What of an answer's body has come, and what of it has been let out.

use crate::event::Now;
use portcullis_protocol::AnswerFacts;
use sha2::{Digest, Sha256};

/// Counts and hashes the bytes that the client got.
#[derive(Debug, Default)]
pub(crate) struct Passed {
    first_us: Option<u64>,
    bytes: u64,
    hasher: Sha256,
}

impl Passed {
    /// Bytes of the body have come, whether or not they go on at once.
    pub(crate) fn came(&mut self, now: Now) {
        self.first_us.get_or_insert(now.monotonic_us);
    }

    /// The first byte has not come: when it does matters.
    pub(crate) const fn awaits_first(&self) -> bool {
        self.first_us.is_none()
    }

    /// These bytes go on to the client.
    pub(crate) fn out(&mut self, bytes: &[u8]) {
        self.bytes = self.bytes.saturating_add(bytes.len() as u64);
        self.hasher.update(bytes);
    }

    /// What counted as gone on was only held, and is thrown away.
    pub(crate) fn take_back(&mut self) {
        self.bytes = 0;
        self.hasher = Sha256::new();
    }

    /// How many have gone on.
    pub(crate) const fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Writes down what it knows, for an exchange that began at `started_us`.
    pub(crate) fn tell(self, started_us: u64, facts: &mut AnswerFacts) {
        facts.first_byte_ms = self.first_us.map(|first| first.saturating_sub(started_us) / 1_000);
        facts.sha256 = (self.bytes > 0).then(|| hex::encode(self.hasher.finalize()));
    }
}
