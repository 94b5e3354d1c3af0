//! What was seen in a session, as far as anybody has asked.

use super::REMEMBERED;
use crate::storage::{Seq, StoredSeen};
use portcullis_policy::{Call, Seen};
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Sessions remembered; beyond, those not used for longest are read again when they are.
const MAX_SESSIONS: usize = 10_000;

/// A session: an agent's, else all that the principal does outside of one. Sessions have names that callers choose, so they
/// are told apart by principal as well. (The SDK's invocation id is one call, not a session.)
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    pub(super) principal: Arc<str>,
    session: Option<Arc<str>>,
}

impl Key {
    pub(super) fn of(call: &Call) -> Self {
        let session = call.agent.session.as_deref().filter(|session| !session.is_empty());
        Key { principal: call.principal.name.as_str().into(), session: session.map(Arc::from) }
    }

    pub(super) fn session(&self) -> Option<String> {
        self.session.as_deref().map(str::to_owned)
    }
}

#[derive(Debug, Default)]
pub(super) struct Sessions {
    by: HashMap<Key, Session>,
    /// Numbers the sessions, so that what was read for one that was forgotten meanwhile is not taken for another.
    made: u64,
}

#[derive(Debug, Default)]
struct Session {
    number: u64,
    /// Ascending.
    entries: VecDeque<(Seq, Seen)>,
    /// All since this moment is here; `None` while it is read from the store for the first time.
    since_ms: Option<u64>,
    used_ms: u64,
}

/// What is known of a session.
pub(super) enum Found {
    /// This.
    Here(Vec<Seen>),
    /// The store knows; what is let out from now on is remembered under this number.
    Elsewhere(u64),
}

impl Sessions {
    pub(super) fn find(&mut self, key: &Key, since_ms: u64, now_ms: u64) -> Found {
        if let Some(session) = self.by.get_mut(key) {
            session.used_ms = now_ms;
            if session.since_ms.is_some_and(|from| from <= since_ms) {
                let entries = session.entries.iter().filter(|(_, seen)| seen.time >= since_ms);
                return Found::Here(entries.map(|(_, seen)| seen.clone()).collect());
            }
            return Found::Elsewhere(session.number);
        }
        if self.by.len() >= MAX_SESSIONS {
            self.forget_half();
        }
        self.made += 1;
        let session = Session { number: self.made, used_ms: now_ms, ..Session::default() };
        self.by.insert(key.clone(), session);
        Found::Elsewhere(self.made)
    }

    /// Adds what the store has. A session that was forgotten meanwhile is not there any more: it is asked for again.
    pub(super) fn complete(&mut self, key: &Key, number: u64, since_ms: u64, stored: Vec<StoredSeen>) {
        let Some(session) = self.by.get_mut(key).filter(|session| session.number == number) else { return };
        session.since_ms = Some(since_ms);
        for StoredSeen { seq, time_ms, operation, tools } in stored {
            session.add(seq, Seen { tools, operation, time: time_ms, ..Seen::default() });
        }
    }

    pub(super) fn push(&mut self, key: &Key, seq: Seq, seen: Seen) {
        if let Some(session) = self.by.get_mut(key) {
            session.add(seq, seen);
        }
    }

    /// Forgets those that nobody has asked about for an hour.
    pub(super) fn sweep(&mut self, now_ms: u64) {
        self.by.retain(|_, session| now_ms.saturating_sub(session.used_ms) < 60 * 60 * 1_000);
    }

    fn forget_half(&mut self) {
        let mut used: Vec<u64> = self.by.values().map(|session| session.used_ms).collect();
        let middle = used.len() / 2;
        let (_, middle, _) = used.select_nth_unstable(middle);
        let middle = *middle;
        self.by.retain(|_, session| session.used_ms > middle);
    }
}

impl Session {
    fn add(&mut self, seq: Seq, seen: Seen) {
        let at = self.entries.partition_point(|(own, _)| *own < seq);
        if self.entries.get(at).is_none_or(|(own, _)| *own != seq) {
            self.entries.insert(at, (seq, seen));
        }
        if self.entries.len() > REMEMBERED {
            self.entries.pop_front();
        }
    }
}
