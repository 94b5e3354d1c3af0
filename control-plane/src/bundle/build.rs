//! Files to a bundle that may become active: signature, then compiler.

use super::load::refused;
use super::signature::Trust;
use portcullis_policy::{Bundle, LoadError, SIGNATURE_FILES, SourceFile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A bundle that compiles, with the files that it was made of.
#[derive(Debug, Clone)]
pub struct Built {
    /// What decides.
    pub bundle: Arc<Bundle>,
    /// Its files, signatures included.
    pub files: Arc<[SourceFile]>,
    /// Name of the key that signed it.
    pub signed_by: Option<String>,
}

/// Why files are no bundle that may become active.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BuildError {
    /// The archive, or a file in it.
    Files(LoadError),
    /// The signature.
    Signature(LoadError),
}

impl BuildError {
    /// The findings.
    #[must_use]
    pub fn into_inner(self) -> LoadError {
        match self {
            BuildError::Files(error) | BuildError::Signature(error) => error,
        }
    }
}

/// Checks signatures, then compiles: what nobody trusted has signed does not reach the compiler.
///
/// # Errors
/// Everything that is wrong with the files, or the signature.
pub fn build(files: Vec<SourceFile>, trust: &Trust) -> Result<Built, BuildError> {
    let digest = portcullis_policy::digest(&files);
    let signed_by = trust.check(&files, &digest).map_err(BuildError::Signature)?;
    let bundle = compile(&files).map_err(BuildError::Files)?;
    Ok(Built { bundle: Arc::new(bundle), files: files.into(), signed_by })
}

/// Compiles; a bug in the compiler must not take the watch, and with it all later bundles, down.
fn compile(files: &[SourceFile]) -> Result<Bundle, LoadError> {
    catch_unwind(AssertUnwindSafe(|| portcullis_policy::compile(files))).unwrap_or_else(|_| {
        let message = "the policy compiler failed on this bundle; please report it, with the bundle";
        Err(refused("bundle.yaml", message))
    })
}

/// What tells two states of a source apart: the digest does not cover signatures, and a signature may come later.
pub(super) fn fingerprint(files: &[SourceFile]) -> String {
    let signature = |file: &&SourceFile| SIGNATURE_FILES.contains(&file.path.as_str());
    let hash = |file: &SourceFile| format!(" {}", hex::encode(crate::tokens::sha256(&file.bytes)));
    let signatures = files.iter().filter(signature).map(hash);
    portcullis_policy::digest(files) + &signatures.collect::<String>()
}
