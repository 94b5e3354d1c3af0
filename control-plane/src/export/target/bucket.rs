//! A bucket. The library tries again what fails in passing (ten times, within three minutes); S3 shows an object when it is whole.

use super::{Stored, TargetError};
use crate::object::Place;
use object_store::path::Path as Key;
use object_store::{MultipartUpload, PutPayload, WriteMultipart};
use sha2::{Digest, Sha256};
use std::io;
use std::path::Path;
use tokio::fs::File;
use tokio::io::AsyncReadExt;

/// What is larger goes in parts of this size, in bytes. S3 takes 10,000 parts: files up to 80 GB.
const PART: usize = 8 * 1024 * 1024;
/// Parts on their way at once.
const PARALLEL: usize = 4;

#[derive(Debug, Clone)]
pub(super) struct Bucket {
    url: String,
    place: Place,
}

impl Bucket {
    pub(super) fn new(url: &str, place: Place) -> Self {
        Bucket { url: url.trim_end_matches('/').to_owned(), place }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) async fn put(&self, name: &str, path: &Path) -> Result<Stored, TargetError> {
        let unreadable = |source| TargetError::File { path: path.to_owned(), source };
        let mut file = File::open(path).await.map_err(unreadable)?;
        let first = read_part(&mut file).await.map_err(unreadable)?;
        let stored = if first.len() < PART {
            self.put_bytes(name, first).await?
        } else {
            let upload = self.place.store.put_multipart(&self.key(name)).await;
            let upload = upload.map_err(|source| self.object(name, source))?;
            self.put_parts(name, path, (file, first), upload).await?
        };
        // It is there: what remains here is only in the way.
        tokio::fs::remove_file(path).await.map_err(unreadable)?;
        Ok(stored)
    }

    async fn put_parts(
        &self,
        name: &str,
        path: &Path,
        (mut file, first): (File, Vec<u8>),
        upload: Box<dyn MultipartUpload>,
    ) -> Result<Stored, TargetError> {
        let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
        let mut hash = Sha256::new();
        let mut bytes = 0;
        let mut part = first;
        let failed = loop {
            if part.is_empty() {
                break None;
            }
            hash.update(&part);
            bytes += part.len() as u64;
            if let Err(source) = upload.wait_for_capacity(PARALLEL).await {
                break Some(self.object(name, source));
            }
            upload.put(part.into());
            part = match read_part(&mut file).await {
                Ok(part) => part,
                Err(source) => break Some(TargetError::File { path: path.to_owned(), source }),
            };
        };
        if let Some(error) = failed {
            // Parts of an upload that never ends cost money and cannot be seen.
            if let Err(left) = upload.abort().await {
                tracing::warn!(error = %left, name, "parts of a broken upload could not be removed");
            }
            return Err(error);
        }
        // Aborts by itself where it fails.
        upload.finish().await.map_err(|source| self.object(name, source))?;
        Ok(Stored { bytes, sha256: hash.finalize().into() })
    }

    pub(super) async fn put_bytes(&self, name: &str, bytes: Vec<u8>) -> Result<Stored, TargetError> {
        let stored = Stored { bytes: bytes.len() as u64, sha256: Sha256::digest(&bytes).into() };
        if bytes.len() > PART {
            let upload = self.place.store.put_multipart(&self.key(name)).await;
            let upload = upload.map_err(|source| self.object(name, source))?;
            let mut upload = WriteMultipart::new_with_chunk_size(upload, PART);
            for part in bytes.chunks(PART) {
                upload.wait_for_capacity(PARALLEL).await.map_err(|source| self.object(name, source))?;
                upload.put(part.to_vec().into());
            }
            // Aborts by itself where it fails.
            upload.finish().await.map_err(|source| self.object(name, source))?;
            return Ok(stored);
        }
        let put = self.place.store.put(&self.key(name), PutPayload::from(bytes)).await;
        put.map_err(|source| self.object(name, source))?;
        Ok(stored)
    }

    pub(super) async fn get(&self, name: &str) -> Result<Option<Vec<u8>>, TargetError> {
        let found = match self.place.store.get(&self.key(name)).await {
            Ok(found) => found.bytes().await,
            Err(error) => Err(error),
        };
        self.present(name, found.map(|bytes| bytes.to_vec()))
    }

    pub(super) async fn size(&self, name: &str) -> Result<Option<u64>, TargetError> {
        let found = self.place.store.head(&self.key(name)).await;
        self.present(name, found.map(|meta| meta.size))
    }

    fn present<T>(&self, name: &str, result: object_store::Result<T>) -> Result<Option<T>, TargetError> {
        match result {
            Ok(found) => Ok(Some(found)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(source) => Err(self.object(name, source)),
        }
    }

    fn key(&self, name: &str) -> Key {
        Key::from_iter(self.place.prefix.parts().chain(Key::from(name).parts()))
    }

    fn object(&self, name: &str, source: object_store::Error) -> TargetError {
        TargetError::Object { place: format!("{}/{name}", self.url), source }
    }
}

/// The next [`PART`] bytes, fewer only at the end.
async fn read_part(file: &mut File) -> io::Result<Vec<u8>> {
    let mut part = Vec::with_capacity(PART);
    file.take(PART as u64).read_to_end(&mut part).await?;
    Ok(part)
}
