//! What was let out before, for rules that ask: how often a principal called, and what was seen in a session.
//!
//! Counts are always kept (they cost a lookup and two additions a call) and read from the store's indexes at start.
//! Sessions are kept only while a bundle has sequence rules: the first call of a session reads what was recorded of it,
//! later ones find it here. So a bundle that begins to ask needs no warm-up, and a session that was forgotten for lack of
//! room is only read again.

mod counts;
mod sessions;
#[cfg(test)]
mod tests;

use crate::clock;
use crate::redaction::Redactor;
use crate::storage::{Committed, Held, LetOut, Store, StoreError};
use counts::Counters;
use portcullis_policy::{Bundle, Call, Counts, Seen};
use sessions::{Found, Key, Sessions};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// Entries that a rule sees of a session, the newest.
pub(super) const REMEMBERED: usize = 256;

/// See the module's description. One per process, shared.
#[derive(Debug, Default)]
pub struct History(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    counters: Counters,
    sessions: Sessions,
}

/// A call on its way out: counted when its record stands.
#[derive(Debug, Clone)]
pub(super) struct Leaving {
    history: Arc<History>,
    key: Key,
    seen: Seen,
}

impl History {
    /// With the counts of the last 24 hours.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(store: &dyn Store) -> Result<Arc<Self>, StoreError> {
        let now_ms = clock::unix_ms();
        let mut state = State::default();
        for LetOut { principal, tool, start_ms, count } in
            store.let_out(now_ms.saturating_sub(DAY_MS), now_ms.saturating_sub(2 * 60 * 1_000)).await?
        {
            state.counters.add(&principal, &tool, start_ms, count);
        }
        Ok(Arc::new(History(Mutex::new(state))))
    }

    /// Fills in what the bundle's rules ask about.
    ///
    /// # Errors
    /// When the store cannot be read: such a rule cannot be decided then.
    pub(super) async fn fill(
        &self,
        store: &dyn Store,
        redactor: &Redactor,
        bundle: &Bundle,
        call: &mut Call,
    ) -> Result<(), StoreError> {
        if bundle.wants_counts() {
            let tool = call.tool.as_ref().and_then(|tool| tool.names.first()).map_or("", String::as_str);
            // What was read from records is counted under the name that they have.
            let names = redactor.principals(&call.principal.name);
            let mut state = self.lock();
            call.counts = names.iter().fold(Counts::default(), |sum, name| {
                let own = state.counters.counts(name, tool, call.time);
                Counts {
                    minute: sum.minute + own.minute,
                    hourly: sum.hourly + own.hourly,
                    daily: sum.daily + own.daily,
                }
            });
        }
        if let Some(back_ms) = bundle.wants_history() {
            let since_ms = call.time.saturating_sub(back_ms);
            call.history = self.seen(store, redactor, &Key::of(call), (since_ms, call.time)).await?;
        }
        Ok(())
    }

    async fn seen(
        &self,
        store: &dyn Store,
        redactor: &Redactor,
        key: &Key,
        (since_ms, now_ms): (u64, u64),
    ) -> Result<Vec<Seen>, StoreError> {
        loop {
            let number = match self.lock().sessions.find(key, since_ms, now_ms) {
                Found::Here(seen) => return Ok(seen),
                Found::Elsewhere(number) => number,
            };
            // What is let out meanwhile is added to what is read.
            let limit = u32::try_from(REMEMBERED).unwrap_or(u32::MAX);
            let mut stored = Vec::new();
            for (principal, session) in recorded(redactor, key) {
                stored.extend(store.seen(principal, session, since_ms, limit).await?);
            }
            self.lock().sessions.complete(key, number, since_ms, stored);
        }
    }

    /// Counts this call when its record stands; texts are not counted.
    pub(super) fn hold(self: &Arc<Self>, call: &Call) -> Option<Leaving> {
        if call.response.is_some() {
            return None;
        }
        let tools = call.tool.as_ref().map(|tool| tool.names.clone()).unwrap_or_default();
        let operation = if tools.is_empty() { call.operation.clone() } else { String::new() };
        let arguments = call.tool.as_ref().map(|tool| tool.arguments.clone()).unwrap_or_default();
        let seen = Seen { tools, operation, arguments, time: call.time };
        Some(Leaving { history: Arc::clone(self), key: Key::of(call), seen })
    }

    /// Forgets what no rule can ask about. To be called now and then.
    pub fn sweep(&self, now_ms: u64) {
        let mut state = self.lock();
        state.counters.sweep(now_ms);
        state.sessions.sweep(now_ms);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Under which names a session may be on record.
fn recorded(redactor: &Redactor, key: &Key) -> Vec<(String, Option<String>)> {
    let sessions = key.session().map_or_else(
        || vec![None],
        |session| redactor.sessions(&session).into_iter().map(Some).collect::<Vec<_>>(),
    );
    let principals = redactor.principals(&key.principal);
    principals
        .into_iter()
        .flat_map(|principal| sessions.iter().map(move |session| (principal.clone(), session.clone())))
        .collect()
}

impl Held for Leaving {
    fn again(&self) -> Option<Box<dyn Held>> {
        Some(Box::new(self.clone()))
    }

    fn recorded(self: Box<Self>, committed: &Committed) {
        if committed.repeated {
            return;
        }
        let Leaving { history, key, seen } = *self;
        let mut state = history.lock();
        let tool = seen.tools.first().map_or("", String::as_str);
        state.counters.add(&key.principal, tool, seen.time, 1);
        state.sessions.push(&key, committed.seq, seen);
    }
}
