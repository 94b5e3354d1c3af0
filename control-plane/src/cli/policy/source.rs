//! Bundles that the command line names: a directory, or an archive of one.

use super::snippet::{self, Paint};
use crate::bundle::MAX_ARCHIVE_BYTES;
use anyhow::{Context, bail};
use portcullis_policy::{Bundle, LoadError, SourceFile, compile};
use std::io::stderr;
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
    if metadata.len() > MAX_ARCHIVE_BYTES {
        bail!(
            "`{}` is {} bytes, the limit of an archive is {MAX_ARCHIVE_BYTES}",
            path.display(),
            metadata.len()
        );
    }
    let bytes = std::fs::read(path).with_context(cannot)?;
    Ok(crate::bundle::unpack(&bytes, &path.display().to_string()))
}

/// The bundle at `path`; `None` when it does not load, and what is wrong with it is printed.
///
/// # Errors
/// When there is nothing to read.
pub(super) fn compiled(path: &Path) -> anyhow::Result<Option<Bundle>> {
    Ok(loaded(path)?.map(|(bundle, _)| bundle))
}

/// The same, with the files.
pub(super) fn loaded(path: &Path) -> anyhow::Result<Option<(Bundle, Vec<SourceFile>)>> {
    let files = read(path)?;
    let result = match &files {
        Ok(files) => compile(files),
        Err(error) => Err(error.clone()),
    };
    let files = files.unwrap_or_default();
    match result {
        Ok(bundle) => Ok(Some((bundle, files))),
        Err(LoadError { diagnostics }) => {
            snippet::print(&mut stderr().lock(), Paint::stderr(), &diagnostics, &files)?;
            eprintln!("`{}` does not load; `portcullis policy check` shows this as well", path.display());
            Ok(None)
        }
    }
}
