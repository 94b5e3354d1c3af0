//! How the index is.

use super::Search;
use crate::storage::Log;
use serde::Serialize;
use std::sync::TryLockError;

/// The state of the search index. Calls do not need it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SearchHealth {
    /// `ready`, `building` (searches are slow meanwhile), `failed` or `off`.
    pub state: String,
    /// Records of the log that are indexed.
    pub indexed: u64,
    /// Records of the log.
    pub records: u64,
    /// Size of `search.db`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bytes: Option<u64>,
    /// Facets with more values than are kept: searches for the others read more records, and are slower.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub crowded: Vec<String>,
    /// What is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

impl Search {
    /// How the index is.
    #[must_use]
    pub fn health(&self, log: &(impl Log + ?Sized)) -> SearchHealth {
        let records = log.head().borrow().size;
        let progress = self.progress.borrow().clone();
        let mut health = SearchHealth {
            indexed: progress.indexed.unwrap_or(0),
            records,
            error: progress.trouble,
            ..SearchHealth::default()
        };
        let state = match (&self.directory, &health.error, progress.indexed) {
            (None, _, _) => "off",
            (_, Some(_), _) => "failed",
            (_, _, Some(indexed)) if indexed + super::FAR >= records => "ready",
            _ => "building",
        };
        state.clone_into(&mut health.state);
        // A probe never waits for a batch of records.
        let index = match self.index.try_read() {
            Ok(index) => index,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return health,
        };
        if let Some(index) = index.as_ref() {
            health.bytes = Some(index.file.bytes());
            health.crowded = index.words.crowded().iter().map(|facet| facet.as_str().to_owned()).collect();
        }
        health
    }
}
