//! A stamp says what an installation was made from, so that it is made anew when that changes and not touched otherwise.

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The stamp of one installation.
#[derive(Debug)]
pub(super) struct Stamp {
    file: PathBuf,
    digest: String,
}

impl Stamp {
    /// The stamp kept in `file` for what is made from these inputs (names and contents of requirement files).
    ///
    /// # Errors
    /// An input cannot be read.
    pub(super) fn of(file: PathBuf, inputs: &[PathBuf]) -> Result<Self> {
        let mut hash = Sha256::new();
        for input in inputs {
            let content = fs::read(input).with_context(|| format!("cannot read `{}`", input.display()))?;
            hash.update(u64::try_from(content.len()).unwrap_or(u64::MAX).to_be_bytes());
            hash.update(content);
        }
        Ok(Self { file, digest: hex::encode(hash.finalize()) })
    }

    /// Whether the last installation was made from the same.
    pub(super) fn is_current(&self) -> bool {
        fs::read_to_string(&self.file).is_ok_and(|written| written.trim() == self.digest)
    }

    /// Written last: an installation that was interrupted has no stamp.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self) -> Result<()> {
        fs::write(&self.file, &self.digest).with_context(|| format!("cannot write `{}`", self.file.display()))
    }
}

/// Removes the stamp's whole folder, so that a half-made or outdated installation leaves nothing behind.
///
/// # Errors
/// It cannot be removed.
pub(super) fn clear(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("cannot remove `{}`", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_current_until_an_input_changes() {
        let folder = tempfile::tempdir().unwrap();
        let requirements = folder.path().join("requirements.txt");
        let stamp = || Stamp::of(folder.path().join("stamp"), std::slice::from_ref(&requirements)).unwrap();

        fs::write(&requirements, "boto3==1.44.5\n").unwrap();
        assert!(!stamp().is_current(), "nothing was installed yet");
        stamp().write().unwrap();
        assert!(stamp().is_current(), "installed from the same file");
        fs::write(&requirements, "boto3==1.44.6\n").unwrap();
        assert!(!stamp().is_current(), "the file changed");
    }

    #[test]
    fn where_one_input_ends_and_the_next_begins_counts() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("b"));
        let digest = |first: &str, second: &str| {
            fs::write(&a, first).unwrap();
            fs::write(&b, second).unwrap();
            Stamp::of(folder.path().join("stamp"), &[a.clone(), b.clone()]).unwrap().digest
        };
        assert_ne!(digest("ab", "c"), digest("a", "bc"));
    }

    #[test]
    fn clearing_what_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        clear(&folder.path().join("absent")).unwrap();
    }
}
