//! Where finished files go: a directory, or a bucket.
//!
//! A file is either there as a whole or not at all, under its final name, and durable once [`Target::put`] is done: what is
//! written after it (a cursor, a manifest) may rely on it. Putting the same file again does no harm.

mod bucket;
mod directory;
#[cfg(test)]
mod tests;

use crate::object::{self, Lock};
use bucket::Bucket;
use directory::Directory;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A place for finished files.
#[derive(Debug, Clone)]
pub struct Target(Kind);

#[derive(Debug, Clone)]
enum Kind {
    Directory(Directory),
    Bucket(Bucket),
}

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// Its bytes.
    pub bytes: u64,
    /// Their SHA-256.
    pub sha256: [u8; 32],
}

/// A file that could not be put, read or listed.
#[derive(Debug, thiserror::Error)]
pub enum TargetError {
    /// The name would lead elsewhere.
    #[error("`{0}` cannot be the name of a file of an export")]
    Name(String),
    /// A file of this machine.
    #[error("`{path}`: {source}; is there space, and may this user write there?")]
    File {
        /// Which.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// An object.
    #[error("{place}: {source}{}", advice(source))]
    Object {
        /// Which.
        place: String,
        /// What the storage says.
        source: object_store::Error,
    },
}

fn advice(error: &object_store::Error) -> &'static str {
    match error {
        object_store::Error::NotFound { .. } => "; is there such a bucket?",
        object_store::Error::PermissionDenied { .. } | object_store::Error::Unauthenticated { .. } => {
            "; the credentials need s3:PutObject, s3:GetObject, s3:ListBucket and s3:AbortMultipartUpload there, for locked \
             objects s3:PutObjectRetention too"
        }
        _ => "",
    }
}

impl Target {
    /// Opens `s3://bucket/prefix`, `file:///directory` or a directory's path; see [`object::open`] for options and environment.
    /// Nothing is written yet.
    ///
    /// # Errors
    /// What is wrong with it, for people.
    pub fn open(
        to: &str,
        options: &BTreeMap<String, String>,
        environment: impl IntoIterator<Item = (String, String)>,
        lock: Option<Lock>,
    ) -> Result<Self, String> {
        let path = to.strip_prefix("file://");
        if path.is_some() || !to.contains("://") {
            let path = path.unwrap_or(to);
            if lock.is_some() {
                return Err(format!("`{to}`: only objects in S3 (s3://…) can be locked"));
            }
            if path.is_empty() || (to.len() != path.len() && !path.starts_with('/')) {
                return Err(format!(
                    "`{to}`: write a directory's path, file:///DIRECTORY or s3://BUCKET/PREFIX"
                ));
            }
            if let Some(name) = options.keys().next() {
                return Err(format!("`{name}` is an option of object storage, and `{to}` is a directory"));
            }
            return Ok(Target(Kind::Directory(Directory::new(path))));
        }
        let place = object::open_locked(to, options, environment, lock)?;
        Ok(Target(Kind::Bucket(Bucket::new(to, place))))
    }

    /// The directory, where it is one: a file that is written there before it is put needs not be copied.
    #[must_use]
    pub fn directory(&self) -> Option<&Path> {
        match &self.0 {
            Kind::Directory(directory) => Some(directory.path()),
            Kind::Bucket(_) => None,
        }
    }

    /// Puts a finished file there, and removes it where it was. `name` may have folders: `2026/11/records.jsonl`.
    ///
    /// # Errors
    /// [`TargetError`]; the file is where it was.
    pub async fn put(&self, name: &str, file: &Path) -> Result<Stored, TargetError> {
        check(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.put(name, file).await,
            Kind::Bucket(bucket) => bucket.put(name, file).await,
        }
    }

    /// Puts a small file there.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Stored, TargetError> {
        check(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.put_bytes(name, bytes).await,
            Kind::Bucket(bucket) => bucket.put_bytes(name, bytes).await,
        }
    }

    /// Reads a small file; `None` where there is none.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TargetError> {
        check(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.get(name).await,
            Kind::Bucket(bucket) => bucket.get(name).await,
        }
    }

    /// How long a file is; `None` where there is none.
    ///
    /// # Errors
    /// [`TargetError`].
    pub async fn size(&self, name: &str) -> Result<Option<u64>, TargetError> {
        check(name)?;
        match &self.0 {
            Kind::Directory(directory) => directory.size(name).await,
            Kind::Bucket(bucket) => bucket.size(name).await,
        }
    }
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Kind::Directory(directory) => directory.path().display().fmt(f),
            Kind::Bucket(bucket) => bucket.url().fmt(f),
        }
    }
}

/// Names are ours; one that leads out of the target is a mistake.
fn check(name: &str) -> Result<(), TargetError> {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.=".contains(c);
        !part.is_empty() && part != "." && part != ".." && part.chars().all(plain)
    };
    if name.split('/').all(part) { Ok(()) } else { Err(TargetError::Name(name.to_owned())) }
}
