//! A directory of this machine.

use super::{Stored, TargetError};
use sha2::{Digest, Sha256};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub(super) struct Directory(PathBuf);

impl Directory {
    pub(super) fn new(path: &str) -> Self {
        Directory(PathBuf::from(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    pub(super) async fn put(&self, name: &str, file: &Path) -> Result<Stored, TargetError> {
        let (to, from) = (self.0.join(name), file.to_owned());
        blocking(to.clone(), move || {
            let stored = hash(&from)?;
            prepare(&to)?;
            match fs::rename(&from, &to) {
                Ok(()) => {}
                // From another file system: as a copy that gets its name when it is whole.
                Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
                    let partial = partial(&to);
                    fs::copy(&from, &partial)?;
                    File::open(&partial)?.sync_all()?;
                    fs::rename(&partial, &to)?;
                    fs::remove_file(&from)?;
                }
                Err(error) => return Err(error),
            }
            sync_parent(&to)?;
            Ok(stored)
        })
        .await
    }

    pub(super) async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Stored, TargetError> {
        let to = self.0.join(name);
        blocking(to.clone(), move || {
            prepare(&to)?;
            let partial = partial(&to);
            let mut file = File::create(&partial)?;
            file.write_all(&bytes)?;
            file.sync_all()?;
            fs::rename(&partial, &to)?;
            sync_parent(&to)?;
            Ok(Stored { bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() })
        })
        .await
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TargetError> {
        let path = self.0.join(name);
        blocking(path.clone(), move || present(fs::read(&path))).await
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, TargetError> {
        let path = self.0.join(name);
        blocking(path.clone(), move || present(fs::metadata(&path).map(|data| data.len()))).await
    }
}

fn present<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What `to` is called until it is whole.
fn partial(to: &Path) -> PathBuf {
    let name = to.file_name().unwrap_or_default().to_string_lossy();
    to.with_file_name(format!(".{name}.partial"))
}

/// Makes the folders of a file that are missing, so that they are there after a power cut too.
fn prepare(to: &Path) -> io::Result<()> {
    let Some(parent) = to.parent().filter(|parent| !parent.is_dir()) else { return Ok(()) };
    fs::create_dir_all(parent)?;
    // Those above may be nobody's to open; those are older than we are.
    parent
        .ancestors()
        .skip(1)
        .filter_map(|above| File::open(above).ok())
        .try_for_each(|above| above.sync_all())
}

fn sync_parent(path: &Path) -> io::Result<()> {
    path.parent().map_or(Ok(()), |parent| File::open(parent)?.sync_all())
}

/// Hashes a file and makes it durable.
fn hash(path: &Path) -> io::Result<Stored> {
    let mut file = File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 256 * 1024];
    let mut bytes = 0;
    loop {
        let read = file.read(&mut buffer)?;
        let Some(chunk) = buffer.get(..read).filter(|chunk| !chunk.is_empty()) else { break };
        hash.update(chunk);
        bytes += read as u64;
    }
    file.sync_all()?;
    Ok(Stored { bytes, sha256: hash.finalize().into() })
}

async fn blocking<T: Send + 'static>(
    path: PathBuf,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> Result<T, TargetError> {
    let result = tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| Err(io::Error::other(error)));
    result.map_err(|source| TargetError::File { path, source })
}
