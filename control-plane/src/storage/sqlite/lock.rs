//! One process per store.

use crate::storage::OpenError;
use std::fs::{File, TryLockError};
use std::path::Path;

/// Holds `portcullis.lock` (an advisory `flock`): the kernel lets go of it when the process ends, however it ends.
#[derive(Debug)]
pub(super) struct DirectoryLock {
    _file: File,
}

impl DirectoryLock {
    pub(super) fn take(directory: &Path) -> Result<Self, OpenError> {
        let path = directory.join("portcullis.lock");
        let io = |source| OpenError::Io { path: path.clone(), source };
        let file =
            File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => Ok(DirectoryLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(OpenError::InUse(directory.to_owned())),
            Err(TryLockError::Error(source)) => Err(io(source)),
        }
    }
}
