//! The log in object storage, in the public layout of <https://c2sp.org/tlog-tiles>: tiles and entry bundles first, the
//! checkpoint last, so that whoever reads it finds everything that it covers.

use super::{Publish, tile_bytes};
use crate::app::App;
use crate::object::{self, Place};
use crate::storage::Head;
use object_store::path::Path;
use object_store::{Error, ObjectStore, PutPayload};
use portcullis_audit::log::{Checkpoint, SignedNote, TILE_HEIGHT, TilePath};
use std::sync::Arc;

/// See the module's description.
#[derive(Debug)]
pub struct Publisher {
    app: Arc<App>,
    publish: Publish,
}

/// A round that did not end well.
#[derive(Debug, thiserror::Error)]
pub(super) enum PublishError {
    #[error("the store: {0}")]
    Store(#[from] crate::storage::StoreError),
    #[error("the object storage: {0}")]
    Object(#[from] Error),
    #[error("{0}")]
    Place(String),
    /// Somebody has gone back in time, or two logs go to one place.
    #[error(
        "the checkpoint that is published there has {published} records of `{origin}`, this log has {size}: the store was \
         rolled back, or two logs share the place; nothing is published until it is another place or the whole log"
    )]
    Newer { published: u64, origin: String, size: u64 },
}

impl Publisher {
    /// Publishes the log of that application.
    #[must_use]
    pub fn new(app: Arc<App>, publish: Publish) -> Self {
        Publisher { app, publish }
    }

    /// Publishes while the log grows. Never ends; failures are tried again, and logged once each.
    pub async fn run(self) {
        let mut heads = self.app.store.head();
        let (mut done, mut trouble) = (None, None);
        loop {
            let head = Arc::clone(&heads.borrow_and_update());
            match self.round(&head, &mut done).await {
                Ok(()) => {
                    if trouble.take().is_some() {
                        tracing::info!(size = head.size, "the log is published again");
                    }
                    self.app.telemetry.published(head.size);
                }
                Err(error) => {
                    let text = error.to_string();
                    if trouble.as_ref() != Some(&text) {
                        tracing::error!(
                            error = text,
                            to = self.publish.to,
                            "the log cannot be published; will try again"
                        );
                    }
                    trouble = Some(text);
                    self.app.telemetry.log_trouble("publish");
                }
            }
            tokio::time::sleep(self.publish.every).await;
            if trouble.is_none() {
                let _ = heads.changed().await;
            }
        }
    }

    /// Publishes up to a checkpoint. `done` is the one that was published last, by this process.
    pub(super) async fn round(&self, head: &Head, done: &mut Option<u64>) -> Result<(), PublishError> {
        if head.note.is_empty() || *done == Some(head.size) {
            return Ok(());
        }
        let place = object::open(&self.publish.to, &self.publish.options, std::env::vars())
            .map_err(PublishError::Place)?;
        if done.is_none() {
            not_newer(&place, head).await?;
        }
        let store = self.app.store.as_ref();
        // Another place begins with nothing.
        let follower = format!("publish:{}", self.publish.to);
        let from = store.cursor(follower.clone()).await?.unwrap_or(0);
        for tile in between(from, head.size) {
            put(&place, &tile.to_string(), tile_bytes(store, &tile).await?).await?;
        }
        put(&place, "checkpoint", head.note.as_bytes().to_vec()).await?;
        store.move_cursor(follower, Some(head.size)).await?;
        *done = Some(head.size);
        Ok(())
    }
}

/// The tiles and bundles that a log of `to` records has and one of `from` had not, whole or as much of them.
pub(super) fn between(from: u64, to: u64) -> Vec<TilePath> {
    let mut tiles = Vec::new();
    let levels = std::iter::once(None).chain((0..=7).map(Some));
    for level in levels {
        let shift = TILE_HEIGHT * u32::from(level.unwrap_or(0));
        let there = |size: u64| size.checked_shr(shift).unwrap_or(0);
        if there(to) == there(from) {
            continue;
        }
        let (first, last) = (there(from) / 256, (there(to) - 1) / 256);
        tiles.extend((first..=last).filter_map(|index| TilePath::in_log(level, index, to)));
    }
    tiles
}

/// The place has no checkpoint that this log does not reach.
async fn not_newer(place: &Place, head: &Head) -> Result<(), PublishError> {
    let bytes = match place.store.get(&key(place, "checkpoint")).await {
        Ok(found) => found.bytes().await?,
        Err(Error::NotFound { .. }) => return Ok(()),
        Err(error) => return Err(error.into()),
    };
    let found = std::str::from_utf8(&bytes).ok().and_then(|note| SignedNote::parse(note).ok());
    let found = found.and_then(|note| Checkpoint::parse(&note.text).ok());
    let Some(found) = found else {
        return Err(PublishError::Place("what is published there as `checkpoint` is none".to_owned()));
    };
    let own = SignedNote::parse(&head.note).ok().and_then(|note| Checkpoint::parse(&note.text).ok());
    let other_log = own.is_some_and(|own| own.origin != found.origin);
    if other_log || found.size > head.size || (found.size == head.size && found.root != head.root) {
        return Err(PublishError::Newer { published: found.size, origin: found.origin, size: head.size });
    }
    Ok(())
}

fn key(place: &Place, name: &str) -> Path {
    place.prefix.parts().chain(Path::from(name).parts()).collect()
}

async fn put(place: &Place, name: &str, bytes: Vec<u8>) -> Result<(), PublishError> {
    place.store.put(&key(place, name), PutPayload::from(bytes)).await?;
    Ok(())
}
