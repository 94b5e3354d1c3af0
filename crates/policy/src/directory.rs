//! The bundle's directory of principals.

use crate::identity::{Assurance, Claim, Principal};
use std::collections::HashMap;

/// Principals and what they are recognised by.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    entries: Vec<Entry>,
    by_name: HashMap<String, usize>,
    by_key: HashMap<Key, usize>,
}

/// One principal.
#[derive(Debug, Clone)]
pub(crate) struct Entry {
    pub(crate) name: String,
    pub(crate) tenant: Option<String>,
    pub(crate) roles: Vec<String>,
}

/// What a principal is recognised by.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Key {
    AccessKeyId(String),
    SecretSha256(String),
    Account(String),
}

impl Directory {
    /// Adds a principal; `None` when its name is taken.
    pub(crate) fn add(&mut self, entry: Entry) -> Option<usize> {
        let number = self.entries.len();
        if self.by_name.contains_key(&entry.name) {
            return None;
        }
        self.by_name.insert(entry.name.clone(), number);
        self.entries.push(entry);
        Some(number)
    }

    /// Binds a key to a principal; the name of the principal that already has it, if one does.
    pub(crate) fn bind(&mut self, key: Key, number: usize) -> Option<&str> {
        let owner = *self.by_key.entry(key).or_insert(number);
        if owner == number { None } else { self.entries.get(owner).map(|entry| entry.name.as_str()) }
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.name.as_str())
    }

    /// Who a claim is. A verified name wins; then the most specific key: API key, access key, account.
    pub(crate) fn identify(&self, claim: &Claim<'_>) -> Principal {
        if let Some(name) = claim.verified {
            let entry = self.by_name.get(name).and_then(|number| self.entries.get(*number));
            return principal(name, entry, Assurance::Verified);
        }
        let keys = [
            claim.secret_sha256.map(|hash| Key::SecretSha256(hash.to_ascii_lowercase())),
            claim.access_key_id.map(|id| Key::AccessKeyId(id.to_owned())),
            claim.account_hint.map(|account| Key::Account(account.to_owned())),
        ];
        let number = keys.iter().flatten().find_map(|key| self.by_key.get(key));
        match number.and_then(|number| self.entries.get(*number)) {
            Some(entry) => principal(&entry.name, Some(entry), Assurance::Claimed),
            None => principal(&derived_name(claim), None, Assurance::Claimed),
        }
    }
}

fn principal(name: &str, entry: Option<&Entry>, assurance: Assurance) -> Principal {
    Principal {
        name: name.to_owned(),
        assurance,
        tenant: entry.and_then(|entry| entry.tenant.clone()),
        roles: entry.map(|entry| entry.roles.clone()).unwrap_or_default(),
        known: entry.is_some(),
    }
}

/// The name of a caller that the directory does not know. Cannot clash with a name of the directory.
fn derived_name(claim: &Claim<'_>) -> String {
    match (claim.access_key_id, claim.secret_sha256) {
        (Some(id), _) => format!("aws:{}:{id}", claim.account_hint.unwrap_or("unknown")),
        (None, Some(hash)) => format!("api-key:{}", hash.get(..12).unwrap_or(hash)),
        (None, None) => "anonymous".to_owned(),
    }
}
