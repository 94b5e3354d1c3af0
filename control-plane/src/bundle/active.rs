//! The handle that requests take their bundle from.

use super::build::Built;
use super::report;
use super::signature::Trust;
use super::status::{BundleStatus, Change, LastError, SourceStatus};
use crate::storage::BundleAct;
use arc_swap::ArcSwap;
use portcullis_policy::{Bundle, LoadError};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, watch};

/// Changes that wait to be put on record. More would mean that the store has not taken any for long.
const CHANGES: usize = 64;

/// The active bundle. Cheap to clone; all clones see the same bundle. A request takes [`ActiveBundle::current`] once
/// and finishes on that bundle.
///
/// What the directory holds becomes active as it is found ([`ActiveBundle::found`]), unless a version is pinned
/// ([`ActiveBundle::pin`]): then the directory waits until the pin is taken off.
#[derive(Debug, Clone)]
pub struct ActiveBundle(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    state: ArcSwap<State>,
    /// Held while the state is replaced; readers never wait for it.
    writing: Mutex<()>,
    attempts: watch::Sender<u64>,
    trust: Trust,
    changes: Option<mpsc::Sender<Change>>,
}

#[derive(Debug, Clone, Default)]
struct State {
    bundle: Option<Arc<Bundle>>,
    /// What the directory holds, when that is good.
    found: Option<Built>,
    status: Arc<BundleStatus>,
}

impl ActiveBundle {
    /// A handle without a bundle: calls must be refused. Signatures are not looked at, changes are not told.
    #[must_use]
    pub fn empty() -> Self {
        Self::with(Trust::default(), None)
    }

    /// A handle without a bundle that takes only what `trust` lets pass, and what tells of every change.
    #[must_use]
    pub fn new(trust: Trust) -> (Self, mpsc::Receiver<Change>) {
        let (sender, changes) = mpsc::channel(CHANGES);
        (Self::with(trust, Some(sender)), changes)
    }

    fn with(trust: Trust, changes: Option<mpsc::Sender<Change>>) -> Self {
        Self(Arc::new(Inner {
            state: ArcSwap::default(),
            writing: Mutex::new(()),
            attempts: watch::Sender::new(0),
            trust,
            changes,
        }))
    }

    /// The bundle to decide with; `None` until one has loaded.
    #[must_use]
    pub fn current(&self) -> Option<Arc<Bundle>> {
        self.0.state.load().bundle.clone()
    }

    /// What is active, and what was refused.
    #[must_use]
    pub fn status(&self) -> Arc<BundleStatus> {
        Arc::clone(&self.0.state.load().status)
    }

    /// Whose signatures count.
    #[must_use]
    pub fn trust(&self) -> &Trust {
        &self.0.trust
    }

    /// Counts attempts to load, good and bad; changes after [`ActiveBundle::status`] has.
    #[must_use]
    pub fn subscribe(&self) -> watch::Receiver<u64> {
        self.0.attempts.subscribe()
    }

    /// Makes a bundle the active one, as if it was found in `source`; calls that already took the old one finish on it.
    pub fn install(&self, bundle: Arc<Bundle>, source: &Path, now: u64) {
        self.found(Built { bundle, files: Arc::default(), signed_by: None }, source, now);
    }

    /// Notes what the directory holds now, and makes it active when nothing is pinned.
    pub fn found(&self, built: Built, source: &Path, now: u64) {
        self.replace(|old| {
            let activated = old.status.pin.is_none() && old.status.digest != built.bundle.digest();
            let mut next = if activated { old.activate(&built, now) } else { old.clone() };
            next.change(|status| {
                status.directory = Some(SourceStatus {
                    name: built.bundle.name().to_owned(),
                    version: built.bundle.version().to_owned(),
                    digest: built.bundle.digest().to_owned(),
                });
                if status.digest == built.bundle.digest() {
                    status.signed_by = built.signed_by.clone();
                }
                status.last_error = None;
                status.source = source.to_owned();
            });
            next.found = Some(built.clone());
            let generation = next.status.generation;
            let act = activated.then(|| BundleAct {
                digest: built.bundle.digest().to_owned(),
                at_ms: now,
                actor: "portcullis".to_owned(),
                why: format!("found in {}", source.display()),
            });
            (next, Some(Change::Found { built, act, generation }))
        });
    }

    /// Notes that what is in the directory was refused; the active bundle stays.
    pub fn refuse(&self, error: LoadError, digest: Option<String>, source: &Path, now: u64) {
        self.replace(|old| {
            let mut next = State { found: None, ..old.clone() };
            let change = Change::Refused {
                errors: error.diagnostics.iter().map(ToString::to_string).collect(),
                digest: digest.clone(),
            };
            next.change(|status| {
                status.last_error = Some(LastError { at: now, diagnostics: error.diagnostics, digest });
                status.source = source.to_owned();
                status.directory = None;
            });
            (next, Some(change))
        });
    }

    /// Pins a version and makes it active. The pin is on record already; `restored` says that it was made before this
    /// process started.
    pub fn pin(&self, built: &Built, pin: BundleAct, restored: bool) {
        self.replace(|old| {
            let same = old.bundle.is_some() && old.status.digest == built.bundle.digest();
            let mut next = if same { old.clone() } else { old.activate(built, crate::clock::unix_ms()) };
            next.change(|status| {
                status.signed_by.clone_from(&built.signed_by);
                status.pin = Some(pin);
                status.pin_error = None;
            });
            let change = restored.then(|| Change::Restored { status: Arc::clone(&next.status) });
            (next, change)
        });
    }

    /// Notes that the pinned version cannot be used, at start. Nothing else takes its place: whoever pinned it wanted
    /// just that.
    pub fn pin_unusable(&self, pin: BundleAct, error: LoadError, now: u64) {
        self.replace(|old| {
            let mut next = State { bundle: None, ..old.clone() };
            let errors = error.diagnostics.iter().map(ToString::to_string).collect();
            let digest = Some(pin.digest.clone());
            next.change(|status| {
                status.pin_error =
                    Some(LastError { at: now, diagnostics: error.diagnostics, digest: digest.clone() });
                status.pin = Some(pin);
            });
            (next, Some(Change::Refused { errors, digest }))
        });
    }

    /// What the directory holds, when that is good.
    #[must_use]
    pub fn in_directory(&self) -> Option<Built> {
        self.0.state.load().found.clone()
    }

    /// Takes the pin off, which is on record already, and makes active what the directory holds.
    pub fn unpin(&self, by: BundleAct) {
        self.replace(|old| {
            let found = old.found.clone();
            let mut next = match &found {
                Some(built) if old.bundle.is_none() || old.status.digest != built.bundle.digest() => {
                    old.activate(built, by.at_ms)
                }
                _ => old.clone(),
            };
            next.change(|status| {
                status.pin = None;
                status.pin_error = None;
            });
            let generation = next.status.generation;
            let change = found.map(|built| {
                let act = BundleAct { digest: built.bundle.digest().to_owned(), ..by };
                Change::Found { built, act: Some(act), generation }
            });
            (next, change)
        });
    }

    fn replace(&self, change: impl FnOnce(&State) -> (State, Option<Change>)) {
        // What the lock guards is swapped whole: a writer that panicked left it sound.
        let writing = self.0.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let old = self.0.state.load_full();
        let (next, change) = change(&old);
        // Counted first: whoever sees a refusal in `/readyz` finds it in the metrics, too.
        report::report(&old.status, &next.status);
        self.0.state.store(Arc::new(next));
        // Under the lock, so that changes are told in their order.
        if let (Some(sender), Some(change)) = (&self.0.changes, change)
            && let Err(error) = sender.try_send(change)
        {
            tracing::error!(%error, "a change of the policy bundle will not be on record");
        }
        drop(writing);
        self.0.attempts.send_modify(|count| *count += 1);
    }
}

impl State {
    /// With another bundle.
    fn activate(&self, built: &Built, now: u64) -> State {
        let bundle = &built.bundle;
        let status = BundleStatus {
            name: bundle.name().to_owned(),
            version: bundle.version().to_owned(),
            digest: bundle.digest().to_owned(),
            rules: bundle.rule_count(),
            signed_by: built.signed_by.clone(),
            loaded_at: now,
            generation: self.status.generation + 1,
            warnings: bundle.warnings().to_vec(),
            ..(*self.status).clone()
        };
        State { bundle: Some(Arc::clone(bundle)), status: Arc::new(status), found: self.found.clone() }
    }

    fn change(&mut self, change: impl FnOnce(&mut BundleStatus)) {
        let mut status = (*self.status).clone();
        change(&mut status);
        self.status = Arc::new(status);
    }
}
