//! Bundles that the command line names: a directory, or an archive of one.

use anyhow::Context;
use portcullis_policy::{LoadError, SourceFile};
use std::path::Path;

/// A bundle's files, or what is wrong with them as files.
pub(super) type Files = Result<Vec<SourceFile>, LoadError>;

/// Reads the files of the bundle at `path`.
///
/// # Errors
/// When there is nothing, or it cannot be read at all. What is wrong within the bundle is in the result.
pub(super) fn read(path: &Path) -> anyhow::Result<Files> {
    let cannot = || format!("cannot read `{}`", path.display());
    let metadata = std::fs::metadata(path).with_context(cannot)?;
    if metadata.is_dir() {
        std::fs::read_dir(path).with_context(cannot)?;
        return Ok(crate::bundle::load_directory(path));
    }
    anyhow::bail!("`{}` is no directory", path.display())
}
