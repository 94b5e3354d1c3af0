//! Which calls were made a moment ago, so that a retry of one is known as such.
//!
//! In memory, because every call of an AWS SDK names its invocation: an index on disk would be paid for by each of them, for
//! the few that come again. A retry after a restart begins a correlation of its own; reading unites what it can.

use portcullis_audit::DecisionRecord;
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};

/// Calls kept: at 1,000 calls per second, those of the last half minute to minute.
const GENERATION: usize = 32 * 1024;

/// Names a call over its retries: who, the SDK's invocation id, path and body, hashed with two keys of this process.
pub(super) type Key = (u64, u64);

/// See the module's description.
#[derive(Debug, Clone, Default)]
pub(super) struct Attempts(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    hashers: (RandomState, RandomState),
    generations: Mutex<Generations>,
}

#[derive(Debug, Default)]
struct Generations {
    new: HashMap<Key, Box<str>>,
    old: HashMap<Key, Box<str>>,
}

impl Attempts {
    /// The name of a call; `None` where the SDK gives none, or the body is not known.
    pub(super) fn key(&self, record: &DecisionRecord) -> Option<Key> {
        let invocation = record.sdk.invocation_id.as_deref().filter(|id| !id.is_empty())?;
        let sha256 = record.request.sha256.as_deref()?;
        let named = (&record.principal.name, invocation, sha256, &record.request.path);
        Some((self.0.hashers.0.hash_one(named), self.0.hashers.1.hash_one(named)))
    }

    /// The correlation of the attempt before.
    pub(super) fn find(&self, key: Key) -> Option<String> {
        let generations = self.0.generations.lock().unwrap_or_else(PoisonError::into_inner);
        let found = generations.new.get(&key).or_else(|| generations.old.get(&key))?;
        Some(found.to_string())
    }

    /// An attempt was recorded.
    pub(super) fn put(&self, key: Key, correlation: &str) {
        let mut generations = self.0.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if generations.new.len() >= GENERATION {
            generations.old = std::mem::take(&mut generations.new);
        }
        generations.new.insert(key, correlation.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_audit::{Principal, Request, Sdk};

    fn record(principal: &str, invocation: Option<&str>, sha256: Option<&str>) -> DecisionRecord {
        DecisionRecord {
            principal: Principal { name: principal.to_owned(), ..Principal::default() },
            sdk: Sdk { invocation_id: invocation.map(str::to_owned), ..Sdk::default() },
            request: Request { sha256: sha256.map(str::to_owned), ..Request::default() },
            ..DecisionRecord::default()
        }
    }

    #[test]
    fn a_retry_is_the_same_body_of_the_same_caller() {
        let attempts = Attempts::default();
        let key = attempts.key(&record("a", Some("i"), Some("ab"))).unwrap();
        attempts.put(key, "first");
        for (principal, invocation, sha256, expected) in [
            ("a", Some("i"), Some("ab"), Some("first")),
            ("b", Some("i"), Some("ab"), None),
            ("a", Some("j"), Some("ab"), None),
            ("a", Some("i"), Some("cd"), None),
            ("a", Some(""), Some("ab"), None),
            ("a", None, Some("ab"), None),
            ("a", Some("i"), None, None),
        ] {
            let found =
                attempts.key(&record(principal, invocation, sha256)).and_then(|key| attempts.find(key));
            println!("{principal} {invocation:?} {sha256:?} -> {found:?}");
            assert_eq!(found.as_deref(), expected);
        }
    }

    #[test]
    fn the_oldest_are_forgotten() {
        let attempts = Attempts::default();
        attempts.put((0, 0), "first");
        for at in 1..=3 * GENERATION as u64 {
            attempts.put((at, 0), "later");
        }
        assert_eq!(attempts.find((0, 0)), None);
        assert_eq!(attempts.find((3 * GENERATION as u64, 0)).as_deref(), Some("later"));
        let held = attempts.0.generations.lock().unwrap();
        assert!(held.new.len() + held.old.len() <= 2 * GENERATION);
    }
}
