//! Keeps the active bundle what the directory says.
//!
//! One thread. It wakes by the file system's notifications, and by a slow poll for whatever those miss (network file
//! systems, overlays, a directory that was replaced), waits until the directory is quiet, and loads it whole.

use super::active::ActiveBundle;
use super::load::{self, Snapshot};
use notify::event::{AccessKind, AccessMode};
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use portcullis_policy::{Bundle, Diagnostic, LoadError, Severity, SourceFile};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

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
    let active = ActiveBundle::empty();
    let (wake, woken) = channel();
    let mut watching =
        Watching { directory: directory.into(), options, active: active.clone(), seen: None, digest: None };
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
    directory: PathBuf,
    options: WatchOptions,
    active: ActiveBundle,
    /// The directory as it was at the last attempt; `None` when it could not be read.
    seen: Option<Snapshot>,
    /// Digest of the files of the last attempt; `None` when they could not be read.
    digest: Option<String>,
}

impl Watching {
    fn run(mut self, mut notifier: Option<RecommendedWatcher>, wake: &Sender<Wake>, woken: &Receiver<Wake>) {
        loop {
            let told = match woken.recv_timeout(self.options.poll) {
                Ok(Wake::Changed) => true,
                Err(RecvTimeoutError::Timeout) => false,
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return,
            };
            let now = load::snapshot(&self.directory).ok();
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
        let started = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // Our own reading makes events, too; errors (a lost event) are a reason to look.
            if event.is_ok_and(|event| is_only_reading(event.kind)) {
                return;
            }
            let _ = wake.send(Wake::Changed);
        });
        let watched = started.and_then(|mut watcher| {
            watcher.watch(&self.directory, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        watched
            .inspect_err(|error| {
                tracing::debug!(directory = %self.directory.display(), %error, "no notifications of changes; polling");
            })
            .ok()
    }

    /// Waits until nothing has happened for a while; `false` when it is time to stop.
    fn wait_until_quiet(&self, woken: &Receiver<Wake>) -> bool {
        let deadline = Instant::now() + self.options.patience;
        let mut before = load::snapshot(&self.directory).ok();
        while Instant::now() < deadline {
            match woken.recv_timeout(self.options.quiet) {
                Ok(Wake::Changed) => {}
                Ok(Wake::Stop) | Err(RecvTimeoutError::Disconnected) => return false,
                Err(RecvTimeoutError::Timeout) => {
                    let after = load::snapshot(&self.directory).ok();
                    if after == before {
                        return true;
                    }
                    before = after;
                }
            }
        }
        true
    }

    /// Loads the directory and makes it active, or says why not.
    fn reload(&mut self) {
        match load::load(&self.directory) {
            Ok((files, snapshot)) => {
                self.seen = Some(snapshot);
                let digest = portcullis_policy::digest(&files);
                if self.digest.as_ref() != Some(&digest) {
                    self.digest = Some(digest.clone());
                    self.take(&files, digest);
                }
            }
            Err(error) => {
                self.seen = load::snapshot(&self.directory).ok();
                self.digest = None;
                // The same trouble at every poll is one trouble.
                let known = self
                    .active
                    .status()
                    .last_error
                    .as_ref()
                    .is_some_and(|last| last.diagnostics == error.diagnostics);
                if !known {
                    self.refuse(error, None);
                }
            }
        }
    }

    fn take(&self, files: &[SourceFile], digest: String) {
        if self.active.status().digest == digest {
            self.active.settle();
            tracing::info!(digest, "the policy bundle is again the active one");
            metrics::gauge!("portcullis_bundle_refused").set(0.0);
            return;
        }
        let started = Instant::now();
        match compile(files) {
            Ok(bundle) => self.install(bundle, started.elapsed()),
            Err(error) => self.refuse(error, Some(digest)),
        }
    }

    fn install(&self, bundle: Bundle, took: Duration) {
        for warning in bundle.warnings() {
            tracing::warn!(%warning, "policy bundle");
        }
        let old = self.active.status();
        self.active.install(Arc::new(bundle), &self.directory, unix_millis());
        let new = self.active.status();
        tracing::info!(
            name = new.name,
            version = new.version,
            digest = new.digest,
            rules = new.rules,
            generation = new.generation,
            compile_ms = took.as_millis(),
            "policy bundle active"
        );
        metrics::counter!("portcullis_bundle_reloads_total", "result" => "active").increment(1);
        if old.generation > 0 {
            info_gauge(&old.name, &old.version, &old.digest).set(0.0);
        }
        info_gauge(&new.name, &new.version, &new.digest).set(1.0);
        metrics::gauge!("portcullis_bundle_rules")
            .set(f64::from(u32::try_from(new.rules).unwrap_or(u32::MAX)));
        metrics::gauge!("portcullis_bundle_refused").set(0.0);
    }

    fn refuse(&self, error: LoadError, digest: Option<String>) {
        for diagnostic in error.diagnostics.iter().take(20) {
            tracing::error!(%diagnostic, directory = %self.directory.display(), "policy bundle refused");
        }
        let active = self.active.status();
        if active.generation > 0 {
            tracing::error!(
                name = active.name,
                digest = active.digest,
                "the last good policy bundle stays active"
            );
        }
        // Counted first: whoever sees the refusal in `/readyz` finds it in the metrics, too.
        metrics::counter!("portcullis_bundle_reloads_total", "result" => "refused").increment(1);
        metrics::gauge!("portcullis_bundle_refused").set(1.0);
        self.active.refuse(error, digest, &self.directory, unix_millis());
    }
}

/// Compiles; a bug in the compiler must not take the watch, and with it all later bundles, down.
fn compile(files: &[SourceFile]) -> Result<Bundle, LoadError> {
    catch_unwind(AssertUnwindSafe(|| portcullis_policy::compile(files))).unwrap_or_else(|_| {
        let message =
            "the policy compiler failed on this bundle; please report it, with the bundle".to_owned();
        let path = "bundle.yaml".to_owned();
        let diagnostic = Diagnostic { severity: Severity::Error, path, line: 1, column: 1, message };
        Err(LoadError { diagnostics: vec![diagnostic] })
    })
}

fn info_gauge(name: &str, version: &str, digest: &str) -> metrics::Gauge {
    metrics::gauge!("portcullis_bundle_info", "name" => name.to_owned(), "version" => version.to_owned(), "digest" => digest.to_owned())
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

fn unix_millis() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
