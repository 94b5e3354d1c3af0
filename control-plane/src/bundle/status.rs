//! What is known of the active bundle and of the directory.

use super::build::Built;
use crate::storage::BundleAct;
use portcullis_policy::Diagnostic;
use std::path::PathBuf;
use std::sync::Arc;

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
    /// Name of the key that signed the active bundle.
    pub signed_by: Option<String>,
    /// Unix milliseconds at which it became active; 0 when there is none.
    pub loaded_at: u64,
    /// The directory or archive that is watched; empty when there is none.
    pub source: PathBuf,
    /// Counts the bundles that became active, from 1; 0 when there is none.
    pub generation: u64,
    /// Warnings of the active bundle.
    pub warnings: Vec<Diagnostic>,
    /// What the directory holds, when that is good.
    pub directory: Option<SourceStatus>,
    /// What is in the directory was refused, and this is why.
    pub last_error: Option<LastError>,
    /// The version that was activated over the API: the directory waits.
    pub pin: Option<BundleAct>,
    /// The pinned version cannot be used, and this is why.
    pub pin_error: Option<LastError>,
}

impl BundleStatus {
    /// Why what should be active is not: the pinned version's trouble, or the directory's when nothing is pinned.
    #[must_use]
    pub fn refused(&self) -> Option<&LastError> {
        if self.pin.is_some() { self.pin_error.as_ref() } else { self.last_error.as_ref() }
    }

    /// The directory holds something else than what is active.
    #[must_use]
    pub fn directory_differs(&self) -> bool {
        self.last_error.is_some()
            || self.directory.as_ref().is_some_and(|directory| directory.digest != self.digest)
    }
}

/// The bundle in the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SourceStatus {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
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

/// Something to put on record.
#[derive(Debug, Clone)]
pub enum Change {
    /// The directory holds this.
    Found {
        /// The bundle.
        built: Built,
        /// It became active by this act; `None`: it was active already, or something else is pinned.
        act: Option<BundleAct>,
        /// Counts the bundles that became active.
        generation: u64,
    },
    /// A pinned version is active again after a restart.
    Restored {
        /// What is active.
        status: Arc<BundleStatus>,
    },
    /// What the directory holds, or the pinned version at start, was refused.
    Refused {
        /// Why: `file:line:column: message`.
        errors: Vec<String>,
        /// Digest of what was refused; `None` when it could not be read.
        digest: Option<String>,
    },
}
