//! The handle that requests take their bundle from.

use arc_swap::{ArcSwap, ArcSwapOption};
use portcullis_policy::{Bundle, Diagnostic};
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::watch;

/// The active bundle. Cheap to clone; all clones see the same bundle. A request takes [`ActiveBundle::current`] once
/// and finishes on that bundle.
#[derive(Debug, Clone)]
pub struct ActiveBundle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bundle: ArcSwapOption<Bundle>,
    status: ArcSwap<BundleStatus>,
    attempts: watch::Sender<u64>,
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
    /// Unix milliseconds at which it became active.
    pub loaded_at: u64,
    /// Where it was loaded from.
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
    /// Why.
    pub diagnostics: Vec<Diagnostic>,
    /// Digest of the refused files; `None` when they could not be read.
    pub digest: Option<String>,
}

impl ActiveBundle {
    /// A handle without a bundle: calls must be refused.
    #[must_use]
    pub fn empty() -> Self {
        Self(Arc::new(Inner {
            bundle: ArcSwapOption::empty(),
            status: ArcSwap::default(),
            attempts: watch::Sender::new(0),
        }))
    }

    /// The bundle to decide with; `None` until one has loaded.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Bundle>> {
        self.0.bundle.load_full()
    }

    /// What is active, and what was refused.
    #[must_use]
    pub fn status(&self) -> Arc<BundleStatus> {
        self.0.status.load_full()
    }

    /// Counts attempts to load, good and bad; changes after the status has.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.attempts.subscribe()
    }
}
