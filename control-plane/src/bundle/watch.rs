//! Keeps the active bundle what the directory (or archive) says, and tells what it says while a version is pinned.
//!
//! One thread. It wakes by the file system's notifications, and by a slow poll for whatever those miss (network file
//! systems, overlays, a directory that was replaced), waits until the directory is quiet, and loads it whole.

use super::active::ActiveBundle;
use super::build::{build, fingerprint};
use super::load::{self, Snapshot};
use crate::clock;
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use portcullis_policy::SourceFile;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How to watch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WatchOptions {
    /// The directory must be quiet this long before it is loaded.
    pub quiet: Duration,
    /// It is loaded after this long even if it is not.
    pub patience: Duration,
    /// Look at it this often, whatever the file system says.
    pub poll: Duration,
    /// Use the file system's notifications.
    pub notify: bool,
}

impl Default for WatchOptions {
    fn default() -> Self {
        Self {
            quiet: Duration::from_millis(75),
            patience: Duration::from_millis(300),
            poll: Duration::from_millis(500),
            notify: true,
        }
    }
}

/// Watches while it lives.
#[derive(Debug)]
pub struct BundleWatch {
    active: ActiveBundle,
    wake: Sender<Wake>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wake {
    Changed,
    Stop,
}

/// Loads the directory, and again whenever it changes. When this returns the first attempt has been made:
/// [`ActiveBundle::status`] says how it went. A change is active within [`WatchOptions::poll`] +
/// [`WatchOptions::patience`] at worst, in about [`WatchOptions::quiet`] with notifications.
///
/// # Errors
/// No thread can be started.
pub fn watch(directory: impl Into<PathBuf>, options: WatchOptions) -> std::io::Result<BundleWatch> {
    watch_into(ActiveBundle::empty(), directory, options)
}

/// The same, into a handle that is there already.
///
/// # Errors
/// No thread can be started.
pub fn watch_into(
    active: ActiveBundle,
    source: impl Into<PathBuf>,
    options: WatchOptions,
) -> std::io::Result<BundleWatch> {
    let (wake, woken) = channel();
    let mut watching =
        Watching { source: source.into(), options, active: active.clone(), seen: None, fingerprint: None };
    // The watcher first: a change between the first load and the watch must not be missed.
    let notifier = watching.start_notifier(&wake);
    watching.reload();
    let sender = wake.clone();
    let thread = std::thread::Builder::new()
        .name("bundle-watch".to_owned())
        .spawn(move || watching.run(notifier, &sender, &woken))?;
    Ok(BundleWatch { active, wake, thread: Some(thread) })
}

impl BundleWatch {
    /// The handle that follows the directory.
    #[must_use]
    pub fn active(&self) -> &ActiveBundle {
        &self.active
    }
}

impl Drop for BundleWatch {
    fn drop(&mut self) {
        // The thread has ended when nobody listens, and then there is nothing to stop.
        let _ = self.wake.send(Wake::Stop);
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the thread that watched the policy bundle had panicked");
        }
    }
}

struct Watching {
    /// A directory, or an archive of one.
    source: PathBuf,
    options: WatchOptions,
    active: ActiveBundle,
    /// The directory as it was at the last attempt; `None` when it could not be read.
    seen: Option<Snapshot>,
    /// Of the files of the last attempt; `None` when they could not be read.
    fingerprint: Option<String>,
}

impl Watching {
    fn run(mut self, mut notifier: Option<RecommendedWatcher>, wake: &Sender<Wake>, woken: &Receiver<Wake>) {
        loop {
            let told = match woken.recv_timeout(self.options.poll) {
                Ok(Wake::Changed) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = load::snapshot(&self.source).ok();
            if self.options.notify && (notifier.is_none() || moved(self.seen.as_ref(), now.as_ref())) {
                notifier = self.start_notifier(wake);
            }
            // A young file's times prove nothing, so its content is looked at.
            let racy = now.as_ref().is_some_and(|now| now.is_racy(SystemTime::now()));
            if !told && now == self.seen && !racy {
                continue;
            }
            if (told || now != self.seen) && !self.wait_until_quiet(woken) {
                return;
            }
            self.reload();
        }
    }

    fn start_notifier(&self, wake: &Sender<Wake>) -> Option<RecommendedWatcher> {
        if !self.options.notify {
            return None;
        }
        let wake = wake.clone();
        // An archive is replaced by another file of its name: only its directory tells.
        let archive = self.source.is_file().then(|| self.source.file_name().map(ToOwned::to_owned)).flatten();
        let place = match self.source.parent() {
            Some(parent) if archive.is_some() && parent.as_os_str().is_empty() => Path::new("."),
            Some(parent) if archive.is_some() => parent,
            _ => &self.source,
        };
        let mode = if archive.is_some() { RecursiveMode::NonRecursive } else { RecursiveMode::Recursive };
        let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reading makes events, too, and so do an archive's neighbours; errors (a lost event) are a reason
            // to look.
            let concerns = |path: &PathBuf| archive.is_none() || path.file_name() == archive.as_deref();
            if event.is_ok_and(|event| is_only_reading(event.kind) || !event.paths.iter().any(concerns)) {
                return;
            }
            let _ = wake.send(Wake::Changed);
        });
        let watched = started.and_then(|mut watcher| {
            watcher.watch(place, mode)?;
            Ok(watcher)
        });
        watched
            .inspect_err(|error| {
                tracing::debug!(source = %self.source.display(), %error, "no notifications of changes; polling");
            })
            .ok()
    }

    /// Waits until nothing has happened for a while; `false` when it is time to stop.
    fn wait_until_quiet(&self, woken: &Receiver<Wake>) -> bool {
        let deadline = Instant::now() + self.options.patience;
        let mut before = load::snapshot(&self.source).ok();
        while Instant::now() < deadline {
            match woken.recv_timeout(self.options.quiet) {
                Ok(Wake::Changed) => {}
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    let after = load::snapshot(&self.source).ok();
                    if after == before {
                        return true;
                    }
                    before = after;
                }
            }
        }
        true
    }

    /// Loads the source and hands it on, or says why not.
    fn reload(&mut self) {
        match load::load(&self.source) {
            Ok((files, snapshot)) => {
                self.seen = Some(snapshot);
                let fingerprint = fingerprint(&files);
                if self.fingerprint.as_ref() != Some(&fingerprint) {
                    self.fingerprint = Some(fingerprint);
                    self.take(files);
                }
            }
            Err(error) => {
                self.seen = load::snapshot(&self.source).ok();
                self.fingerprint = None;
                // The same trouble at every poll is one trouble.
                let known = self
                    .active
                    .status()
                    .last_error
                    .as_ref()
                    .is_some_and(|last| last.diagnostics == error.diagnostics);
                if !known {
                    self.active.refuse(error, None, &self.source, clock::unix_ms());
                }
            }
        }
    }

    fn take(&self, files: Vec<SourceFile>) {
        let digest = portcullis_policy::digest(&files);
        let started = Instant::now();
        match build(files, self.active.trust()) {
            Ok(built) => {
                tracing::debug!(digest, compile_ms = started.elapsed().as_millis(), "policy bundle compiled");
                self.active.found(built, &self.source, clock::unix_ms());
            }
            Err(error) => {
                self.active.refuse(error.into_inner(), Some(digest), &self.source, clock::unix_ms());
            }
        }
    }
}

fn is_only_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}

fn moved(before: Option<&Snapshot>, now: Option<&Snapshot>) -> bool {
    match (before, now) {
        (Some(before), Some(now)) => before.other_root(now),
        (None, Some(_)) => true,
        (_, None) => false,
    }
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
