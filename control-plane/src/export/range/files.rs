//! Where an export goes, where its files are staged, and where its state is.

use super::state;
use crate::export::target::{Stored, Target};
use anyhow::Context;
use std::fs;
use std::path::{Path, PathBuf};
use tokio::runtime::Runtime;

/// A target, seen from a command that waits for it.
#[derive(Debug)]
pub struct Place {
    target: Target,
    staging: PathBuf,
    runtime: Runtime,
}

impl Place {
    /// A place. What goes into a bucket is staged in `staging`, what goes into a directory in that directory: it needs no second copy.
    ///
    /// # Errors
    /// When there is no directory to stage in.
    pub fn new(target: Target, staging: PathBuf) -> anyhow::Result<Self> {
        let staging = target.directory().map_or(staging, Path::to_owned);
        fs::create_dir_all(&staging).with_context(|| format!("cannot make `{}`", staging.display()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Place { target, staging, runtime })
    }

    pub(super) fn staged(&self, name: &str) -> PathBuf {
        self.staging.join(format!(".{name}.partial"))
    }

    pub(super) fn state(&self) -> PathBuf {
        state::path_in(&self.staging)
    }

    pub(super) fn put(&self, name: &str, staged: &Path) -> anyhow::Result<Stored> {
        Ok(self.runtime.block_on(self.target.put(name, staged))?)
    }

    pub(super) fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> anyhow::Result<Stored> {
        Ok(self.runtime.block_on(self.target.put_bytes(name, bytes))?)
    }

    pub(super) fn size(&self, name: &str) -> anyhow::Result<Option<u64>> {
        Ok(self.runtime.block_on(self.target.size(name))?)
    }

    pub(super) fn has(&self, name: &str) -> anyhow::Result<bool> {
        Ok(self.size(name)?.is_some())
    }

    /// Forgets the state: the export is whole.
    pub(super) fn forget(&self) -> anyhow::Result<()> {
        fs::remove_file(self.state())
            .with_context(|| format!("cannot remove `{}`", self.state().display()))?;
        if self.target.directory().is_none() {
            // Whoever else stages there keeps it.
            let _ = fs::remove_dir(&self.staging);
        }
        Ok(())
    }
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.target.fmt(f)
    }
}
