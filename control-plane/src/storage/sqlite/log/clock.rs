//! The one clock of a store: what it gives as a time is never less than what it gave before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// See the module's description. Shared by all who date records.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    source: fn() -> u64,
    last: Arc<AtomicU64>,
}

impl Clock {
    /// Reads `source` (Unix milliseconds), beginning no earlier than `last`.
    pub(crate) fn new(source: fn() -> u64, last: u64) -> Self {
        Clock { source, last: Arc::new(AtomicU64::new(last)) }
    }

    /// Now, Unix milliseconds.
    pub(crate) fn now(&self) -> u64 {
        let now = (self.source)();
        self.last.fetch_max(now, Ordering::Relaxed).max(now)
    }

    /// Something was dated so: nothing is dated earlier from now on.
    pub(crate) fn seen(&self, time_ms: u64) {
        self.last.fetch_max(time_ms, Ordering::Relaxed);
    }
}
