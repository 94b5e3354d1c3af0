//! The approvals and grants that may still decide a call, in memory: what the path of a call reads.
//!
//! The store's writer brings this up to date after each commit, before anybody hears of it; so it is the store as of the
//! last commit. Whoever decides by it decides again when the commit of that decision finds the store changed.

use portcullis_approvals::{Approval, Grant, GrantState, State};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::watch;

/// See the module's description.
#[derive(Debug, Default)]
pub struct Live {
    inner: RwLock<Inner>,
    asked: watch::Sender<u64>,
    outbox: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Inner {
    approvals: HashMap<Key, Entry>,
    keys: HashMap<String, Key>,
    grants: HashMap<(String, String), Vec<Arc<Grant>>>,
    pending: HashMap<String, usize>,
}

/// Digest of the call, and rule.
type Key = (String, String);

#[derive(Debug)]
struct Entry {
    approval: Arc<Approval>,
    /// Made when somebody waits.
    changed: Option<watch::Sender<State>>,
}

/// What one transaction has changed.
#[derive(Debug, Clone, Default)]
pub(super) struct Changes {
    pub(super) approvals: Vec<Arc<Approval>>,
    /// Denials whose time is over: they stay `denied`, and deny nothing any more.
    pub(super) lapsed: Vec<String>,
    pub(super) grants: Vec<Arc<Grant>>,
    /// Grants whose time is over.
    pub(super) ended: Vec<Arc<Grant>>,
    /// Something is in the outbox.
    pub(super) outbox: bool,
}

impl Live {
    /// The approval that is live for a call (by its digest) and a rule. Its time may be over.
    #[must_use]
    pub fn find(&self, digest: &str, rule: &str) -> Option<Arc<Approval>> {
        let key = (digest.to_owned(), rule.to_owned());
        self.read(|inner| inner.approvals.get(&key).map(|entry| Arc::clone(&entry.approval)))
    }

    /// The live approval of that id.
    #[must_use]
    pub fn get(&self, id: &str) -> Option<Arc<Approval>> {
        self.read(|inner| {
            let entry = inner.approvals.get(inner.keys.get(id)?)?;
            Some(Arc::clone(&entry.approval))
        })
    }

    /// The grants of a rule for a principal, the one that ends first at the front. Their time may be over.
    #[must_use]
    pub fn grants(&self, rule: &str, principal: &str) -> Vec<Arc<Grant>> {
        let key = (rule.to_owned(), principal.to_owned());
        self.read(|inner| inner.grants.get(&key).cloned().unwrap_or_default())
    }

    /// How many approvals of that principal wait for an answer.
    #[must_use]
    pub fn pending_of(&self, principal: &str) -> usize {
        self.read(|inner| inner.pending.get(principal).copied().unwrap_or(0))
    }

    /// How many approvals wait for an answer.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.read(|inner| inner.pending.values().sum())
    }

    /// Some approval or grant is overdue at `at_ms`, and not marked yet.
    #[must_use]
    pub fn overdue(&self, at_ms: u64) -> bool {
        self.read(|inner| {
            inner.approvals.values().any(|entry| entry.approval.overdue(at_ms))
                || inner.grants.values().flatten().any(|grant| grant.state(at_ms) == GrantState::Expired)
        })
    }

    /// Follows an approval; `None` when it is not pending. The receiver wakes when it changes, and when a grant that fits
    /// its call is made.
    #[must_use]
    pub fn follow(&self, id: &str) -> Option<watch::Receiver<State>> {
        let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
        let Inner { approvals, keys, .. } = &mut *inner;
        let entry = approvals.get_mut(keys.get(id)?)?;
        if entry.approval.state != State::Pending {
            return None;
        }
        Some(entry.changed.get_or_insert_with(|| watch::Sender::new(State::Pending)).subscribe())
    }

    /// How many follow that approval.
    #[must_use]
    pub fn waiting(&self, id: &str) -> usize {
        self.read(|inner| {
            let entry = inner.keys.get(id).and_then(|key| inner.approvals.get(key));
            entry.and_then(|entry| entry.changed.as_ref()).map_or(0, watch::Sender::receiver_count)
        })
    }

    /// Wakes whenever something is asked.
    #[must_use]
    pub fn asked(&self) -> watch::Receiver<u64> {
        self.asked.subscribe()
    }

    /// Wakes whenever something comes into the outbox.
    #[must_use]
    pub fn outbox(&self) -> watch::Receiver<u64> {
        self.outbox.subscribe()
    }

    /// Takes over what a transaction has changed.
    pub(super) fn apply(&self, changes: Changes) {
        let Changes { approvals, lapsed, grants, ended, outbox } = changes;
        let asked = approvals.iter().any(|approval| approval.state == State::Pending);
        if !(approvals.is_empty() && lapsed.is_empty() && grants.is_empty() && ended.is_empty()) {
            let mut inner = self.inner.write().unwrap_or_else(PoisonError::into_inner);
            // First: a new question about the same call may stand in the place of a denial whose time is over.
            for id in lapsed {
                inner.remove(&id);
            }
            for approval in approvals {
                inner.put(approval);
            }
            for grant in grants {
                inner.put_grant(grant);
            }
            for grant in ended {
                inner.drop_grant(&grant);
            }
        }
        if asked {
            self.asked.send_modify(|n| *n = n.wrapping_add(1));
        }
        if outbox {
            self.outbox.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    fn read<T>(&self, read: impl FnOnce(&Inner) -> T) -> T {
        read(&self.inner.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Inner {
    fn put(&mut self, approval: Arc<Approval>) {
        let old = self.remove(&approval.id);
        if let Some(changed) = &old {
            changed.send_replace(approval.state);
        }
        if matches!(approval.state, State::Expired | State::Consumed) {
            return;
        }
        let key = (approval.digest.clone(), approval.rule.clone());
        if approval.state == State::Pending {
            *self.pending.entry(approval.call.principal.clone()).or_default() += 1;
        }
        self.keys.insert(approval.id.clone(), key.clone());
        self.approvals.insert(key, Entry { approval, changed: old });
    }

    fn remove(&mut self, id: &str) -> Option<watch::Sender<State>> {
        let key = self.keys.remove(id)?;
        let Entry { approval, changed } = self.approvals.remove(&key)?;
        if approval.state == State::Pending
            && let Some(n) = self.pending.get_mut(&approval.call.principal)
        {
            *n = n.saturating_sub(1);
            if *n == 0 {
                self.pending.remove(&approval.call.principal);
            }
        }
        changed
    }

    fn put_grant(&mut self, grant: Arc<Grant>) {
        let key = (grant.rule.clone(), grant.principal.clone());
        // At time 0 nothing is expired: that is looked at when it is used.
        let usable = grant.state(0) == GrantState::Active;
        let grants = self.grants.entry(key.clone()).or_default();
        grants.retain(|other| other.id != grant.id);
        if usable {
            grants.push(grant);
            grants.sort_by_key(|grant| grant.expires_at_ms);
            for entry in self.approvals.values() {
                if entry.approval.rule == key.0
                    && entry.approval.call.principal == key.1
                    && let Some(changed) = &entry.changed
                {
                    changed.send_modify(|_| {});
                }
            }
        } else if grants.is_empty() {
            self.grants.remove(&key);
        }
    }

    /// Drops a grant whose time is over.
    fn drop_grant(&mut self, grant: &Grant) {
        let key = (grant.rule.clone(), grant.principal.clone());
        if let Some(grants) = self.grants.get_mut(&key) {
            grants.retain(|other| other.id != grant.id);
            if grants.is_empty() {
                self.grants.remove(&key);
            }
        }
    }
}
