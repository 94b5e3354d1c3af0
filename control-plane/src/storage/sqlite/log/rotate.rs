//! Another key for the log, while it runs.

use super::super::SqliteStore;
use super::super::statements::put_event;
use super::keys;
use crate::storage::{Event, EventKind, OpenError, StoreError};
use portcullis_audit::log::{SigningKey, VerifyingKey};
use serde_json::json;

/// The key's file comes first, beside the old one; then the record; then the file takes the place of the old one. Wherever the
/// power fails, the next start finds the key that belongs to the record.
pub(super) async fn rotate(
    store: &SqliteStore,
    seed: [u8; 32],
    actor: String,
) -> Result<VerifyingKey, StoreError> {
    let Some(path) = store.key_file.clone() else {
        let why =
            "the log's key is given by the environment: start with the new one, and rotate from a key file";
        return Err(StoreError::Unavailable(why.to_owned()));
    };
    let next = keys::next_of(&path);
    let file = next.clone();
    blocking(move || keys::write(&file, &seed)).await?;
    let public = store
        .write(move |tx| {
            let old = tx.key().verifying_key();
            let key = SigningKey::new(old.name(), &seed)
                .map_err(|error| StoreError::Inconsistent(error.to_string()))?;
            let public = key.verifying_key();
            if public == old {
                let why = "the log is signed with that key already".to_owned();
                return Err(StoreError::Inconsistent(why).into());
            }
            let detail = json!({
                "what": "log_key_rotated", "old": old.to_string(), "new": public.to_string(), "lost": false,
            });
            tx.sign_with(key, false)?;
            put_event(tx, &Event { kind: EventKind::Admin, actor: actor.clone(), detail })?;
            Ok(public)
        })
        .await?;
    blocking(move || keys::replace(&next, &path)).await?;
    Ok(public)
}

async fn blocking(work: impl FnOnce() -> Result<(), OpenError> + Send + 'static) -> Result<(), StoreError> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|_| StoreError::Closed)?;
    done.map_err(|error| StoreError::Unavailable(error.to_string()))
}
