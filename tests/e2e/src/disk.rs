//! A disk that can be filled: a small file system of its own.

use anyhow::{Context, Result, bail};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use tempfile::TempDir;

/// A mounted file system; unmounted when dropped. Drop it after what uses it.
#[derive(Debug)]
pub struct Disk {
    directory: TempDir,
}

impl Disk {
    /// Mounts one of this size (`64m`). `None` where tests may not mount anything.
    ///
    /// # Errors
    /// There is no directory to mount it on.
    pub fn mount(size: &str) -> Result<Option<Self>> {
        let directory = TempDir::with_prefix("portcullis-disk-")?;
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"]).arg(directory.path());
        let mounted = mount.output().is_ok_and(|output| output.status.success());
        Ok(mounted.then_some(Self { directory }))
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Takes all the room that is left.
    ///
    /// # Errors
    /// The file system fails otherwise than by being full.
    pub fn fill(&self) -> Result<()> {
        let mut ballast = std::fs::File::create(self.ballast())?;
        for size in [1 << 20, 4096, 1] {
            let chunk = vec![0; size];
            loop {
                match ballast.write_all(&chunk) {
                    Ok(()) => {}
                    Err(error) if error.kind() == ErrorKind::StorageFull => break,
                    Err(error) => bail!("the disk does not get full: {error}"),
                }
            }
        }
        Ok(())
    }

    /// Gives the room back.
    ///
    /// # Errors
    /// It was not full.
    pub fn free(&self) -> Result<()> {
        std::fs::remove_file(self.ballast()).context("free the disk")
    }

    fn ballast(&self) -> PathBuf {
        self.directory.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.directory.path()).status();
    }
}
