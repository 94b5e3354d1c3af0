//! Where things are.

use anyhow::{Context, Result};
use std::env;
use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// `target/` of the repository. What people name on the command line (`target/sandbox/env`) is here, even when
/// `CARGO_TARGET_DIR` sends cargo's own output elsewhere.
pub(crate) fn target() -> PathBuf {
    root().join("target")
}

/// Where `setup` installs, outside the repository so that every checkout of one user shares it.
///
/// # Errors
/// Neither `PORTCULLIS_CACHE` nor `XDG_CACHE_HOME` nor `HOME` is set.
pub(crate) fn cache() -> Result<PathBuf> {
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    set("PORTCULLIS_CACHE")
        .or_else(|| set("XDG_CACHE_HOME").map(|cache| cache.join("portcullis")))
        .or_else(|| set("HOME").map(|home| home.join(".cache/portcullis")))
        .context("there is no place to install to: set PORTCULLIS_CACHE to a directory")
}

/// How a path is shown to people: relative to the root where it is inside.
pub(crate) fn shown(path: &Path) -> String {
    path.strip_prefix(root()).unwrap_or(path).display().to_string()
}
