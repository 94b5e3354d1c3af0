//! Bundles over the API: upload, activate, roll back, unpin.
//!
//! An activation *pins* its version: it is in force from then on, also after a restart, until it is taken off; the
//! directory waits meanwhile. Every change is durable, with who and why, before it takes effect.

use super::App;
use crate::bundle::{self, ActiveBundle, BuildError, Built, pack, unpack};
use crate::clock;
use crate::storage::{
    BundleAct, BundleChange, BundleVersion, Event, EventKind, PinChange, Store, StoreError,
};
use portcullis_policy::LoadError;
use serde_json::json;
use std::sync::Arc;

/// Longest reason taken, in characters.
const MAX_WHY: usize = 1_000;

/// Why bundles are as they were.
#[derive(Debug, thiserror::Error)]
pub enum RolloutError {
    /// The bundle does not load, or is not signed as it must be.
    #[error("the bundle is refused: {}", first(.0))]
    Refused(BuildError),
    /// No reason was given, or no reasonable one.
    #[error("say why: `why` must have 1 to {MAX_WHY} characters")]
    Why,
    /// There is no such version.
    #[error("there is no bundle version `{0}`; `GET /v1/bundles` lists them")]
    NoSuchVersion(String),
    /// Nothing else was active before.
    #[error("no other bundle was active before this one")]
    NothingBefore,
    /// No version is pinned.
    #[error("no bundle version is pinned")]
    NotPinned,
    /// There is no directory to go back to.
    #[error("this server watches no directory that could take over; activate another version instead")]
    NoDirectory,
    /// The directory holds nothing that could take over.
    #[error(
        "what is in `{0}` does not load, so the pin stays; mend it first (`GET /v1/bundles` says what is wrong)"
    )]
    DirectoryBroken(String),
    /// The store does not take it.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A bug.
    #[error("{0}")]
    Internal(String),
}

fn first(error: &BuildError) -> String {
    let (BuildError::Files(error) | BuildError::Signature(error)) = error;
    let more = match error.diagnostics.len() {
        0 | 1 => String::new(),
        count => format!(" (and {} more findings)", count - 1),
    };
    error.diagnostics.first().map(ToString::to_string).unwrap_or_default() + &more
}

/// Who changes bundles, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Motive {
    actor: String,
    why: String,
}

impl Motive {
    /// # Errors
    /// [`RolloutError::Why`] when there is no reason, or a page of it.
    pub fn new(actor: &str, why: &str) -> Result<Self, RolloutError> {
        let why = why.trim();
        if why.is_empty() || why.chars().count() > MAX_WHY {
            return Err(RolloutError::Why);
        }
        Ok(Motive { actor: actor.to_owned(), why: why.to_owned() })
    }

    fn act(&self, digest: &str, at_ms: u64) -> BundleAct {
        BundleAct { digest: digest.to_owned(), at_ms, actor: self.actor.clone(), why: self.why.clone() }
    }

    fn event(&self, what: &str, built: &Built) -> Event {
        let bundle = &built.bundle;
        let detail = json!({
            "what": what, "why": self.why, "name": bundle.name(), "version": bundle.version(), "digest": bundle.digest(),
            "rules": bundle.rule_count(), "signed_by": built.signed_by,
        });
        Event { kind: EventKind::Bundle, actor: self.actor.clone(), detail }
    }
}

/// A bundle that was uploaded.
#[derive(Debug)]
pub struct Uploaded {
    /// The bundle.
    pub built: Built,
    /// It was not stored before.
    pub new: bool,
}

impl App {
    /// Compiles an archive as an upload would, and stores nothing.
    ///
    /// # Errors
    /// [`RolloutError::Refused`].
    pub async fn validate_bundle(&self, archive: Vec<u8>) -> Result<Built, RolloutError> {
        let active = self.bundle.clone();
        blocking(move || open(&archive, "archive", &active)).await
    }

    /// Stores an archive's bundle as a version, and makes it active if `activate` says so.
    ///
    /// # Errors
    /// The bundle is refused, or not stored; nothing has changed then.
    pub async fn upload_bundle(
        &self,
        archive: Vec<u8>,
        activate: bool,
        motive: &Motive,
    ) -> Result<Uploaded, RolloutError> {
        let built = self.validate_bundle(archive).await?;
        let now = clock::unix_ms();
        let files = Arc::clone(&built.files);
        // Packed anew: what was uploaded may hold more than the bundle.
        let packed = blocking(move || packed(&files)).await?;
        let mut change = BundleChange {
            version: Some((version(&built, "api", &motive.actor, &motive.why, now), packed)),
            if_new: Some(motive.event("bundle_uploaded", &built)),
            ..BundleChange::default()
        };
        let _one_at_a_time = self.rollout.lock().await;
        let pin = activate.then(|| motive.act(built.bundle.digest(), now));
        if let Some(pin) = &pin {
            change.activation = Some(pin.clone());
            change.pin = PinChange::Set(pin.clone());
            change.events.push(motive.event("bundle_activated", &built));
        }
        let new = self.store.change_bundles(change).await?;
        if let Some(pin) = pin {
            self.bundle.pin(&built, pin, false);
        }
        Ok(Uploaded { built, new })
    }

    /// Pins a stored version and makes it active.
    ///
    /// # Errors
    /// There is no such version, it does not load (any more), or the store does not take it.
    pub async fn activate_bundle(&self, digest: &str, motive: &Motive) -> Result<Built, RolloutError> {
        let _one_at_a_time = self.rollout.lock().await;
        self.activate(digest, "bundle_activated", motive).await
    }

    /// Pins the version that was active before the present one, whichever way either became active.
    ///
    /// # Errors
    /// There was none before, or as for [`App::activate_bundle`].
    pub async fn roll_back_bundle(&self, motive: &Motive) -> Result<Built, RolloutError> {
        let _one_at_a_time = self.rollout.lock().await;
        let present = self.bundle.status().digest.clone();
        let before = self.store.bundle_before(present).await?.ok_or(RolloutError::NothingBefore)?;
        self.activate(&before.digest, "bundle_rolled_back", motive).await
    }

    async fn activate(&self, digest: &str, what: &str, motive: &Motive) -> Result<Built, RolloutError> {
        let built = stored(self.store.as_ref(), &self.bundle, digest).await?;
        let pin = motive.act(built.bundle.digest(), clock::unix_ms());
        let change = BundleChange {
            activation: Some(pin.clone()),
            pin: PinChange::Set(pin.clone()),
            events: vec![motive.event(what, &built)],
            ..BundleChange::default()
        };
        self.store.change_bundles(change).await?;
        self.bundle.pin(&built, pin, false);
        Ok(built)
    }

    /// Takes the pin off and makes active what the directory holds.
    ///
    /// # Errors
    /// Nothing is pinned, or the directory has nothing good to offer.
    pub async fn unpin_bundle(&self, motive: &Motive) -> Result<Built, RolloutError> {
        let _one_at_a_time = self.rollout.lock().await;
        let status = self.bundle.status();
        if status.pin.is_none() {
            return Err(RolloutError::NotPinned);
        }
        let built = self.bundle.in_directory().ok_or_else(|| match status.last_error {
            None => RolloutError::NoDirectory,
            Some(_) => RolloutError::DirectoryBroken(status.source.display().to_string()),
        })?;
        let change = BundleChange {
            pin: PinChange::Clear,
            events: vec![motive.event("bundle_unpinned", &built)],
            ..BundleChange::default()
        };
        self.store.change_bundles(change).await?;
        self.bundle.unpin(motive.act(built.bundle.digest(), clock::unix_ms()));
        Ok(built)
    }
}

/// Makes the pinned version active again; to be called before the directory is looked at.
///
/// # Errors
/// The store cannot be read. A version that does not load is none: [`crate::bundle::BundleStatus::pin_error`] says so.
pub async fn restore_pin(store: &dyn Store, active: &ActiveBundle) -> Result<(), StoreError> {
    let Some(pin) = store.bundle_pin().await? else {
        return Ok(());
    };
    match stored(store, active, &pin.digest).await {
        Ok(built) => active.pin(&built, pin, true),
        Err(RolloutError::Store(error)) => return Err(error),
        Err(RolloutError::Refused(error)) => {
            active.pin_unusable(pin, error.into_inner(), clock::unix_ms());
        }
        Err(other) => {
            let error = bundle::refused("bundle.yaml", other.to_string());
            active.pin_unusable(pin, error, clock::unix_ms());
        }
    }
    Ok(())
}

/// A version from the store, checked and compiled by what is true today: keys may have gone, the language has grown.
async fn stored(store: &dyn Store, active: &ActiveBundle, digest: &str) -> Result<Built, RolloutError> {
    let missing = || RolloutError::NoSuchVersion(digest.to_owned());
    let (_, archive) = store.bundle_version(digest.to_owned()).await?.ok_or_else(missing)?;
    let (active, digest) = (active.clone(), digest.to_owned());
    blocking(move || {
        let built = open(&archive, "archive", &active)?;
        let found = built.bundle.digest();
        if found == digest {
            return Ok(built);
        }
        Err(RolloutError::Internal(format!("the stored files of bundle {digest} have digest {found}")))
    })
    .await
}

fn open(archive: &[u8], name: &str, active: &ActiveBundle) -> Result<Built, RolloutError> {
    let refused = |error: LoadError| RolloutError::Refused(BuildError::Files(error));
    let files = unpack(archive, name).map_err(refused)?;
    bundle::build(files, active.trust()).map_err(RolloutError::Refused)
}

pub(super) fn packed(files: &[portcullis_policy::SourceFile]) -> Result<Vec<u8>, RolloutError> {
    pack(files).map_err(|error| RolloutError::Internal(format!("cannot pack a bundle: {error}")))
}

/// A version to store.
pub(super) fn version(built: &Built, source: &str, actor: &str, why: &str, now: u64) -> BundleVersion {
    BundleVersion {
        digest: built.bundle.digest().to_owned(),
        name: built.bundle.name().to_owned(),
        version: built.bundle.version().to_owned(),
        rules: u64::try_from(built.bundle.rule_count()).unwrap_or(u64::MAX),
        source: source.to_owned(),
        signed_by: built.signed_by.clone(),
        stored_at_ms: now,
        actor: actor.to_owned(),
        why: why.to_owned(),
        activated: None,
    }
}

/// Unpacking and compiling take longer than a task may.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RolloutError> + Send + 'static,
) -> Result<T, RolloutError> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|error| {
        Err(RolloutError::Internal(format!("a bundle could not be handled: {error}")))
    })
}
