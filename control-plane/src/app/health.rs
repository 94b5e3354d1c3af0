//! Can it decide and record right now?

use super::App;
use crate::search::SearchHealth;
use crate::sinks::SecondHealth;
use serde::{Deserialize, Serialize};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The state of the control plane, shown by `/readyz`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Health {
    /// Calls can be decided and recorded.
    pub ready: bool,
    /// The store.
    pub store: StoreHealth,
    /// The second sink of the audit, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub second_sink: Option<SecondHealth>,
    /// The bundle.
    pub bundle: BundleHealth,
    /// The search index. Calls do not need it.
    pub search: SearchHealth,
}

/// The state of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct StoreHealth {
    /// It takes records.
    pub writable: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The state of the bundle.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BundleHealth {
    /// One is active.
    pub loaded: bool,
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// Its enabled rules.
    pub rules: usize,
    /// Unix milliseconds at which it became active.
    pub loaded_at_ms: u64,
    /// Counts the bundles that became active.
    pub generation: u64,
    /// Where it was loaded from: the directory or archive that is watched, or `api`.
    pub source: String,
    /// It was activated over the API: what is in the directory waits until the pin is taken off.
    pub pinned: bool,
    /// Name of the key that signed it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_by: Option<String>,
    /// What deserves a look.
    pub warnings: Vec<String>,
    /// Why what should be active is not: `file:line:column: message`. Empty when it is. What is wrong in a directory
    /// that waits stands under `directory`.
    pub errors: Vec<String>,
    /// Unix milliseconds of that failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failed_at_ms: Option<u64>,
    /// The directory or archive that is watched, if one is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryHealth>,
}

/// The state of the directory or archive that is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DirectoryHealth {
    /// Its path.
    pub source: String,
    /// Name of the bundle in it; empty when it does not load.
    pub name: String,
    /// Version of the bundle in it.
    pub version: String,
    /// Digest of the bundle in it.
    pub digest: String,
    /// It is not what is active.
    pub differs: bool,
    /// Why it does not load: `file:line:column: message`.
    pub errors: Vec<String>,
}

/// A probe is a durable write; whoever asks for readiness often must not become a load.
const PROBE_AGE: Duration = Duration::from_secs(1);
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);

#[derive(Debug, Default)]
pub(super) struct ProbeCache(Mutex<Option<(Instant, Option<String>)>>);

impl App {
    /// The state of everything a call needs.
    pub async fn health(&self) -> Health {
        let error = self.probe().await;
        let store = StoreHealth { writable: error.is_none(), error };
        let bundle = self.bundle_health();
        let search = self.search.health(&*self.store);
        let second_sink = self.sinks.as_ref().map(|sinks| sinks.health(&*self.store));
        let recordable = match (&self.sinks, &second_sink) {
            (Some(sinks), Some(second)) if sinks.one_is_enough() => store.writable || second.up,
            (_, Some(second)) => store.writable && second.up,
            (_, None) => store.writable,
        };
        Health { ready: recordable && bundle.loaded, store, second_sink, bundle, search }
    }

    /// The state of the bundle.
    #[must_use]
    pub fn bundle_health(&self) -> BundleHealth {
        let status = self.bundle.status();
        let lines = |diagnostics: &[portcullis_policy::Diagnostic]| {
            diagnostics.iter().map(ToString::to_string).collect()
        };
        let source = status.source.display().to_string();
        BundleHealth {
            loaded: self.bundle.current().is_some(),
            name: status.name.clone(),
            version: status.version.clone(),
            digest: status.digest.clone(),
            rules: status.rules,
            loaded_at_ms: status.loaded_at,
            generation: status.generation,
            source: if status.pin.is_some() { "api".to_owned() } else { source.clone() },
            pinned: status.pin.is_some(),
            signed_by: status.signed_by.clone(),
            warnings: lines(&status.warnings),
            errors: status.refused().map(|error| lines(&error.diagnostics)).unwrap_or_default(),
            failed_at_ms: status.refused().map(|error| error.at),
            directory: (!source.is_empty()).then(|| {
                let found = status.directory.clone().unwrap_or_default();
                let errors = status.last_error.as_ref().map(|error| lines(&error.diagnostics));
                DirectoryHealth {
                    source,
                    name: found.name,
                    version: found.version,
                    digest: found.digest,
                    differs: status.directory_differs(),
                    errors: errors.unwrap_or_default(),
                }
            }),
        }
    }

    /// Why the store takes nothing; `None` when it does.
    async fn probe(&self) -> Option<String> {
        if let Some((at, result)) = &*self.probe.0.lock().unwrap_or_else(PoisonError::into_inner)
            && at.elapsed() < PROBE_AGE
            // A good result does not outlive a commit that failed after it.
            && (result.is_some() || self.store.trouble().is_none())
        {
            return result.clone();
        }
        let result = match tokio::time::timeout(PROBE_TIMEOUT, self.store.probe()).await {
            Ok(result) => result.err().map(|error| error.to_string()),
            Err(_) => Some(format!("a test write took longer than {} s", PROBE_TIMEOUT.as_secs())),
        };
        *self.probe.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), result.clone()));
        result
    }
}
