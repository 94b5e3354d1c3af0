//! The handle that requests take their bundle from.

use arc_swap::ArcSwap;
use portcullis_policy::{Bundle, Diagnostic, LoadError};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::watch;

/// The active bundle. Cheap to clone; all clones see the same bundle. A request takes [`ActiveBundle::current`] once
/// and finishes on that bundle.
#[derive(Debug, Clone)]
pub struct ActiveBundle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: ArcSwap<State>,
    /// Held while the state is replaced; readers never wait for it.
    writing: Mutex<()>,
    attempts: watch::Sender<u64>,
}

#[derive(Debug, Clone, Default)]
struct State {
    bundle: Option<Arc<Bundle>>,
    status: Arc<BundleStatus>,
}

/// What is active, and what was refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleStatus {
    /// Name of the active bundle; empty when there is none.
    pub name: String,
    /// Version of the active bundle.
    pub version: String,
    /// Digest of the active bundle.
    pub digest: String,
    /// Enabled rules of the active bundle.
    pub rules: usize,
    /// Unix milliseconds at which it became active; 0 when there is none.
    pub loaded_at: u64,
    /// Where bundles are loaded from.
    pub source: PathBuf,
    /// Counts the bundles that became active, from 1; 0 when there is none.
    pub generation: u64,
    /// Warnings of the active bundle.
    pub warnings: Vec<Diagnostic>,
    /// The last attempt failed, and this is why; `None` when what is in the directory is what is active.
    pub last_error: Option<LastError>,
}

/// A bundle that was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastError {
    /// Unix milliseconds at which it was refused.
    pub at: u64,
    /// Why; at least one.
    pub diagnostics: Vec<Diagnostic>,
    /// Digest of the refused files; `None` when they could not be read.
    pub digest: Option<String>,
}

impl ActiveBundle {
    /// A handle without a bundle: calls must be refused.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Inner {
            state: ArcSwap::default(),
            writing: Mutex::new(()),
            attempts: watch::Sender::new(0),
        }))
    }

    /// The bundle to decide with; `None` until one has loaded.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Bundle>> {
        self.0.state.load().bundle.clone()
    }

    /// What is active, and what was refused.
    #[must_use]
    pub fn status(&self) -> Arc<BundleStatus> {
        Arc::clone(&self.0.state.load().status)
    }

    /// Counts attempts to load, good and bad; changes after [`ActiveBundle::status`] has.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.attempts.subscribe()
    }

    /// Makes a bundle the active one; calls that already took the old one finish on it.
    pub fn install(&self, bundle: Arc<Bundle>, source: &Path, now: u64) {
        self.replace(|old| State {
            status: Arc::new(BundleStatus {
                name: bundle.name().to_owned(),
                version: bundle.version().to_owned(),
                digest: bundle.digest().to_owned(),
                rules: bundle.rule_count(),
                loaded_at: now,
                source: source.to_owned(),
                generation: old.status.generation + 1,
                warnings: bundle.warnings().to_vec(),
                last_error: None,
            }),
            bundle: Some(Arc::clone(&bundle)),
        });
    }

    /// Notes that a bundle was refused; the active one stays.
    pub fn refuse(&self, error: LoadError, digest: Option<String>, source: &Path, now: u64) {
        let error = LastError { at: now, diagnostics: error.diagnostics, digest };
        self.replace(|old| State {
            bundle: old.bundle.clone(),
            status: Arc::new(BundleStatus {
                last_error: Some(error.clone()),
                source: source.to_owned(),
                ..(*old.status).clone()
            }),
        });
    }

    /// Notes that what is in the directory is again what is active.
    pub(super) fn settle(&self) {
        self.replace(|old| State {
            bundle: old.bundle.clone(),
            status: Arc::new(BundleStatus { last_error: None, ..(*old.status).clone() }),
        });
    }

    fn replace(&self, change: impl Fn(&State) -> State) {
        // What the lock guards is swapped whole: a writer that panicked left it sound.
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let next = change(&self.0.state.load());
        self.0.state.store(Arc::new(next));
        drop(writing);
        self.0.attempts.send_modify(|count| *count += 1);
    }
}
