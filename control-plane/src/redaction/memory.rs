//! Calls in flight as they were asked: what is found in their answers is decided on facts that their records do not have.

use portcullis_audit::DecisionRecord;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Calls kept; beyond, the oldest goes, and what is found in its answer cannot be decided any more.
const MOST: usize = 65_536;

/// See the module's description. By call id; a call is forgotten when its outcome is told.
#[derive(Debug, Default)]
pub struct InFlight(Mutex<Calls>);

#[derive(Debug, Default)]
struct Calls {
    by_id: HashMap<String, Arc<DecisionRecord>>,
    /// The oldest first; those that were forgotten are still in it.
    order: VecDeque<String>,
}

impl InFlight {
    /// Keeps a call: its record as it was before it was redacted.
    pub fn put(&self, record: DecisionRecord) {
        let mut calls = self.lock();
        let id = record.call_id.clone();
        if calls.by_id.insert(id.clone(), Arc::new(record)).is_none() {
            calls.order.push_back(id);
        }
        while calls.by_id.len() > MOST
            && let Some(oldest) = calls.order.pop_front()
        {
            calls.by_id.remove(&oldest);
        }
        if calls.order.len() > 2 * MOST {
            let Calls { by_id, order } = &mut *calls;
            order.retain(|id| by_id.contains_key(id));
        }
    }

    /// The call of that id, while it is in flight.
    #[must_use]
    pub fn get(&self, call_id: &str) -> Option<Arc<DecisionRecord>> {
        self.lock().by_id.get(call_id).cloned()
    }

    /// Its outcome was told: nothing of its answer is asked about any more.
    pub fn forget(&self, call_id: &str) {
        self.lock().by_id.remove(call_id);
    }

    fn lock(&self) -> MutexGuard<'_, Calls> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
