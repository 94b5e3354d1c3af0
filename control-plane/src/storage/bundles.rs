//! Versions of the policy bundle, and which of them were active.

use super::Event;

/// A version of the bundle: one digest.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleVersion {
    /// Digest of its files.
    pub digest: String,
    /// Name, by `bundle.yaml`.
    pub name: String,
    /// Version, by `bundle.yaml`.
    pub version: String,
    /// Enabled rules.
    pub rules: u64,
    /// Where it was found first: `api` or `directory`.
    pub source: String,
    /// Name of the key that signed it.
    pub signed_by: Option<String>,
    /// Unix milliseconds at which it was stored.
    pub stored_at_ms: u64,
    /// Who brought it: a token's name, or `portcullis` for what was in the directory.
    pub actor: String,
    /// Why, in that person's words.
    pub why: String,
    /// The last time that it became active.
    pub activated: Option<BundleAct>,
}

/// Somebody made a version active.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleAct {
    /// Digest of the version.
    pub digest: String,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Who.
    pub actor: String,
    /// Why.
    pub why: String,
}

/// What becomes of the pin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PinChange {
    /// It stays as it is.
    Keep,
    /// This version is pinned.
    Set(BundleAct),
    /// No version is pinned.
    Clear,
}

/// A change of what is known of bundles: all of it becomes durable, or nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct BundleChange {
    /// A version to store, with its files as `.tar.gz`. One that is there already stays; a signature that it did not
    /// have comes with the files.
    pub version: Option<(BundleVersion, Vec<u8>)>,
    /// Recorded only if the version was not there.
    pub if_new: Option<Event>,
    /// A version that becomes active; it must be stored.
    pub activation: Option<BundleAct>,
    /// The pin.
    pub pin: PinChange,
    /// Recorded in any case.
    pub events: Vec<Event>,
}

impl Default for BundleChange {
    fn default() -> Self {
        Self { version: None, if_new: None, activation: None, pin: PinChange::Keep, events: Vec::new() }
    }
}
