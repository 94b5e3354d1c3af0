//! Where a running gate keeps its things.

use crate::paths;
use anyhow::{Context, Result, bail};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The folders of one gate.
#[derive(Debug, Clone)]
pub(crate) struct Folders {
    root: PathBuf,
}

/// Marks a folder as ours: only such a one is emptied.
const MARK: &str = ".cargo-xtask-up";

impl Folders {
    /// Those that somebody named, or else those of the sandbox or of the gate in front of the real AWS.
    ///
    /// # Errors
    /// The current directory is gone.
    pub(crate) fn of(named: Option<&Path>, sandbox: bool) -> Result<Self> {
        match named {
            Some(named) => Ok(Self { root: std::path::absolute(named)? }),
            None if sandbox => Ok(Self::sandbox()),
            None => Ok(Self::live()),
        }
    }

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

    pub(crate) fn root(&self) -> &Path {
        &self.root
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

    /// Makes what is in it.
    ///
    /// # Errors
    /// It cannot be made.
    pub(crate) fn make(&self) -> Result<()> {
        for folder in [self.certs(), self.data(), self.log(), self.run()] {
            fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
        }
        Ok(())
    }

    /// Makes the folder and marks it as ours; only for our eyes, because keys and tokens will be in there.
    ///
    /// # Errors
    /// It cannot be made, or it holds somebody else's things.
    pub(crate) fn claim(&self) -> Result<()> {
        let empty = fs::read_dir(&self.root).map_or(true, |mut entries| entries.next().is_none());
        let ours = self.root.starts_with(paths::target()) || self.root.join(MARK).exists();
        if !empty && !ours {
            bail!("`{}` is not empty and not ours: name a new folder, or remove it", self.root.display());
        }
        fs::create_dir_all(&self.root)
            .and_then(|()| fs::set_permissions(&self.root, fs::Permissions::from_mode(0o700)))
            .and_then(|()| fs::write(self.root.join(MARK), "This folder is emptied by `cargo xtask up`.\n"))
            .with_context(|| format!("cannot write to `{}`", self.root.display()))
    }

    /// Empties what a fresh start makes anew, in a folder that was claimed.
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

    /// Takes back what applications were told: it is not true any more, and a shell that sources it should say so.
    ///
    /// # Errors
    /// It cannot be removed.
    pub(crate) fn retract(&self) -> Result<()> {
        match fs::remove_file(self.env()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove `{}`", self.env().display()))
            }
            _ => Ok(()),
        }
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
    fn only_what_is_ours_is_emptied() {
        let folder = tempfile::tempdir().unwrap();
        let folders = Folders::of(Some(&folder.path().join("sandbox")), true).unwrap();
        folders.claim().unwrap();
        folders.make().unwrap();
        fs::write(folders.data().join("records"), "old").unwrap();
        folders.claim().unwrap();
        folders.forget().unwrap();
        assert!(!folders.data().exists(), "ours");

        let theirs = folder.path().join("project");
        fs::create_dir_all(theirs.join("data")).unwrap();
        let error = Folders::of(Some(&theirs), true).unwrap().claim().unwrap_err().to_string();
        println!("{error}");
        assert!(error.contains("not ours") && theirs.join("data").exists(), "{error}");
    }

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
