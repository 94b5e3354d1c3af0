//! Calls that gates keep waiting.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Longest time that a call is kept waiting: less than the 60 s after which SDKs give up.
pub(in crate::app) const LONGEST: Duration = Duration::from_secs(50);

/// Until when which call is kept: from when it asked first, however often it asks. In memory only; a call that asks again
/// after a restart waits anew, as long as its gate does.
#[derive(Debug, Default)]
pub(in crate::app) struct Holds(Mutex<HashMap<String, Instant>>);

impl Holds {
    /// Until when this call waits, if it asks for the first time now.
    pub(in crate::app) fn until(&self, call_id: &str, hold: Duration) -> Instant {
        let now = Instant::now();
        let mut holds = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if holds.len() >= 1_024 && holds.len().is_power_of_two() {
            holds.retain(|_, until| *until + LONGEST > now);
        }
        *holds.entry(call_id.to_owned()).or_insert(now + hold.min(LONGEST))
    }

    /// The call has its verdict.
    pub(in crate::app) fn forget(&self, call_id: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(call_id);
    }
}
