//! Bundles as clients see them.

use crate::app::{App, BundleHealth};
use crate::bundle::Built;
use crate::http::DiagnosticView;
use crate::storage::{BundleAct, BundleVersion};
use portcullis_policy::SourceFile;
use serde::{Deserialize, Serialize};

/// The bundles.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BundleList {
    /// What decides, and why something else does not.
    pub active: BundleHealth,
    /// The activation that holds, if a version is pinned.
    pub pin: Option<ActView>,
    /// Newest first.
    pub versions: Vec<VersionView>,
}

/// Somebody made a version active.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ActView {
    /// Digest of the version.
    pub digest: String,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Who: the name of an admin token, or `portcullis` for what was found in the directory.
    pub who: String,
    /// Why.
    pub why: String,
}

impl From<BundleAct> for ActView {
    fn from(act: BundleAct) -> Self {
        ActView { digest: act.digest, at_ms: act.at_ms, who: act.actor, why: act.why }
    }
}

/// A version of the bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VersionView {
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
    /// Who brought it.
    pub who: String,
    /// Why.
    pub why: String,
    /// It is in force.
    pub active: bool,
    /// The last time that it became active.
    pub activated: Option<ActView>,
}

/// One version, with its files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct VersionDetail {
    /// The version.
    #[serde(flatten)]
    pub version: VersionView,
    /// Its files, by path.
    pub files: Vec<FileView>,
}

/// A file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FileView {
    /// Its path in the bundle.
    pub path: String,
    /// Its size.
    pub bytes: usize,
}

impl From<&SourceFile> for FileView {
    fn from(file: &SourceFile) -> Self {
        FileView { path: file.path.clone(), bytes: file.bytes.len() }
    }
}

/// What became of a bundle that was uploaded, validated or activated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UploadView {
    /// Digest of its files.
    pub digest: String,
    /// Name, by `bundle.yaml`.
    pub name: String,
    /// Version, by `bundle.yaml`.
    pub version: String,
    /// Enabled rules.
    pub rules: usize,
    /// Name of the key that signed it.
    pub signed_by: Option<String>,
    /// What loads but deserves a look.
    pub warnings: Vec<DiagnosticView>,
    /// It is stored as a version.
    pub stored: bool,
    /// It was not stored before.
    pub new: bool,
    /// It is in force.
    pub active: bool,
}

pub(super) fn list(app: &App, versions: Vec<BundleVersion>) -> BundleList {
    BundleList {
        active: app.bundle_health(),
        pin: app.bundle.status().pin.clone().map(ActView::from),
        versions: versions.into_iter().map(|found| version(app, found)).collect(),
    }
}

pub(super) fn version(app: &App, found: BundleVersion) -> VersionView {
    VersionView {
        active: is_active(app, &found.digest),
        digest: found.digest,
        name: found.name,
        version: found.version,
        rules: found.rules,
        source: found.source,
        signed_by: found.signed_by,
        stored_at_ms: found.stored_at_ms,
        who: found.actor,
        why: found.why,
        activated: found.activated.map(ActView::from),
    }
}

pub(super) fn uploaded(app: &App, built: &Built, stored: bool, new: bool) -> UploadView {
    let bundle = &built.bundle;
    UploadView {
        digest: bundle.digest().to_owned(),
        name: bundle.name().to_owned(),
        version: bundle.version().to_owned(),
        rules: bundle.rule_count(),
        signed_by: built.signed_by.clone(),
        warnings: bundle.warnings().iter().map(DiagnosticView::from).collect(),
        stored,
        new,
        active: is_active(app, bundle.digest()),
    }
}

fn is_active(app: &App, digest: &str) -> bool {
    app.bundle.current().is_some_and(|active| active.digest() == digest)
}
