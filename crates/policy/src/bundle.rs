//! The compiled bundle.

use crate::{Call, Claim, Decision, Diagnostic, Effect, LoadError, Principal};

/// One file of a bundle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the bundle, `/`-separated.
    pub path: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// A compiled bundle: immutable, shared between threads, decides in microseconds.
#[derive(Debug)]
pub struct Bundle {
    name: String,
    version: String,
    digest: String,
    warnings: Vec<Diagnostic>,
}

/// Compiles a bundle's files.
///
/// # Errors
/// Everything that is wrong with them, each with file, line and column.
pub fn compile(_files: &[SourceFile]) -> Result<Bundle, LoadError> {
    Ok(Bundle { name: String::new(), version: String::new(), digest: String::new(), warnings: Vec::new() })
}

impl Bundle {
    /// Name, by `bundle.yaml`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
    /// Version, by `bundle.yaml`.
    #[must_use]
    pub fn version(&self) -> &str {
        &self.version
    }
    /// Hex SHA-256 over the sorted files.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }
    /// Number of enabled rules.
    #[must_use]
    pub fn rule_count(&self) -> usize {
        0
    }
    /// Some rule reads the text of requests.
    #[must_use]
    pub fn wants_text(&self) -> bool {
        false
    }
    /// What loads but deserves a look.
    #[must_use]
    pub fn warnings(&self) -> &[Diagnostic] {
        &self.warnings
    }
    /// Decides a call.
    #[must_use]
    pub fn decide(&self, _call: &Call) -> Decision {
        Decision {
            effect: Effect::Deny,
            rule: None,
            message: String::new(),
            matched: Vec::new(),
            shadow_effect: None,
            needs_text: false,
        }
    }
    /// Looks a claim up in the bundle's directory.
    #[must_use]
    pub fn identify(&self, _claim: &Claim<'_>) -> Principal {
        Principal::default()
    }
}
