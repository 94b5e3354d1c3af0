//! Where a running gate keeps its things.

use crate::paths;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folders of one gate.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

impl Folders {
    /// With the fake Bedrock. Made anew by every `up`, but for the bundle: that is for people to edit.
    pub(crate) fn sandbox() -> Self {
        Self { root: paths::target().join("sandbox") }
    }

    /// In front of the real AWS. Kept.
    pub(crate) fn live() -> Self {
        Self { root: paths::target().join("live") }
    }

    pub(crate) fn both() -> [Self; 2] {
        [Self::sandbox(), Self::live()]
    }

    pub(crate) fn certs(&self) -> PathBuf {
        self.root.join("certs")
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    pub(crate) fn bundle(&self) -> PathBuf {
        self.root.join("bundle")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.root.join("log")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.root.join("run")
    }

    /// What to `source`.
    pub(crate) fn env(&self) -> PathBuf {
        self.root.join("env")
    }

    /// Makes them; only for our eyes, because keys and tokens are in there.
    ///
    /// # Errors
    /// They cannot be made.
    pub(crate) fn make(&self) -> Result<()> {
        for folder in [self.certs(), self.data(), self.log(), self.run()] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700))
            .context("cannot protect target/sandbox")
    }

    /// Empties what a fresh start makes anew.
    ///
    /// # Errors
    /// Something cannot be removed.
    pub(crate) fn forget(&self) -> Result<()> {
        for folder in [self.certs(), self.data(), self.log(), self.run()] {
            if folder.exists() {
                fs::remove_dir_all(&folder)
                    .with_context(|| format!("cannot remove `{}`", folder.display()))?;
            }
        }
        Ok(())
    }

    /// A copy of the sample policy for people to edit, unless there is one already. Says whether it was made.
    ///
    /// # Errors
    /// It cannot be copied.
    pub(crate) fn copy_bundle(&self, sample: &Path) -> Result<bool> {
        if self.bundle().join("bundle.yaml").exists() {
            return Ok(false);
        }
        copy(sample, &self.bundle()).with_context(|| format!("cannot copy `{}`", sample.display()))?;
        Ok(true)
    }
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let there = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &there)?;
        } else {
            fs::copy(entry.path(), there)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edited_bundle_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let sample = folder.path().join("sample");
        fs::create_dir_all(sample.join("rules")).unwrap();
        fs::write(sample.join("bundle.yaml"), "one").unwrap();
        fs::write(sample.join("rules/models.yaml"), "rules").unwrap();
        let folders = Folders { root: folder.path().join("sandbox") };

        assert!(folders.copy_bundle(&sample).unwrap(), "copied the first time");
        assert_eq!(fs::read_to_string(folders.bundle().join("rules/models.yaml")).unwrap(), "rules");
        fs::write(folders.bundle().join("bundle.yaml"), "edited").unwrap();
        assert!(!folders.copy_bundle(&sample).unwrap(), "there is one already");
        assert_eq!(fs::read_to_string(folders.bundle().join("bundle.yaml")).unwrap(), "edited");
    }
}
