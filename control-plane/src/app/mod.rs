//! What the control plane does, free of HTTP: decide a call, take outcomes, mark orphans, manage keys and
//! approvals.

mod approvals;
mod call;
mod chronicle;
mod decide;
mod explain;
mod fault;
mod guard;
mod health;
mod history;
mod inspect;
mod keys;
mod limits;
mod outcomes;
mod reaper;
mod recall;
mod record;
mod rollout;
mod shadow;
#[cfg(test)]
mod speed;
mod text;
mod tool;

pub use approvals::{Answer, AnswerError, Desk, Expiry, NewGrant};
pub(crate) use call::ip_of;
pub use chronicle::chronicle;
pub use explain::{ConditionView, Explained, ExplanationView, PartView, RuleView, holds};
pub use fault::Fault;
pub use guard::{GuardAnswer, GuardClient, GuardContext, GuardQuestion, LONGEST_WAIT};
pub use health::{BundleHealth, DirectoryHealth, Health, StoreHealth};
pub use history::History;
pub use keys::{ExistingPair, KeyRing, KeySummary, KeysError, NewKey, SecretKey};
pub(crate) use limits::decimal;
pub use limits::{LimitUse, Limits, LimitsFilter};
pub use reaper::Reaper;
pub use recall::{LOST, Recalled, recall};
pub use rollout::{Motive, RolloutError, Uploaded, restore_pin};
pub use shadow::{ShadowCount, ShadowReport, ShadowRule, ShadowVerdict};
pub use text::forget_texts;

use crate::bundle::ActiveBundle;
use crate::redaction::{Capturer, InFlight, Redactor};
use crate::search::Search;
use crate::sinks::Sinks;
use crate::storage::{Store, StoreError};
use crate::telemetry::Telemetry;
use std::sync::Arc;
use std::time::Duration;

/// Everything a request needs. One per process, shared.
#[derive(Debug)]
pub struct App {
    /// Where records go.
    pub store: Arc<dyn Store>,
    /// What decides.
    pub bundle: ActiveBundle,
    /// Who may talk to us.
    pub keys: KeyRing,
    /// What is measured.
    pub telemetry: Telemetry,
    /// What was used of limits.
    pub limits: Arc<Limits>,
    /// What was let out before.
    pub history: Arc<History>,
    /// Knobs.
    pub settings: Settings,
    /// What approvals need besides the store.
    pub desk: Desk,
    /// What finds decisions.
    pub search: Arc<Search>,
    /// How exports of the log are doing.
    pub exports: crate::export::Board,
    /// How retention is doing.
    pub retention: Arc<crate::retention::Board>,
    /// What records leave out or blind.
    pub redactor: Arc<Redactor>,
    /// What is kept of texts.
    pub capturer: Arc<Capturer>,
    /// The second place where records go, where there is one.
    pub sinks: Option<Arc<Sinks>>,
    /// Calls whose records do not have all that was known of them.
    in_flight: InFlight,
    probe: health::ProbeCache,
    parents: inspect::Parents,
    /// Held while somebody changes bundles over the API.
    rollout: tokio::sync::Mutex<()>,
}

/// Knobs of the application.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// A record that is not durable after this time refuses its call. Shorter than the gate's own deadline, so that the
    /// gate hears why.
    pub commit_timeout: Duration,
    /// An allowed call that nobody has reported on after this time becomes `unknown`.
    pub outcome_deadline: Duration,
    /// Largest body taken. The default is twice the longest question that a caller can make a gate ask at its own default
    /// limits, every list full and every character escaped: a longer one would be refused without a record.
    pub max_body_bytes: usize,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            commit_timeout: Duration::from_secs(4),
            outcome_deadline: Duration::from_secs(15 * 60),
            max_body_bytes: 8 * 1024 * 1024,
        }
    }
}

impl App {
    /// Puts the parts together, and reads from the store what must be known of before.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub async fn load(
        store: Arc<dyn Store>,
        bundle: ActiveBundle,
        keys: KeyRing,
        telemetry: Telemetry,
        settings: Settings,
    ) -> Result<Self, StoreError> {
        let limits = Limits::load(&*store).await?;
        let history = History::load(&*store).await?;
        let probe = health::ProbeCache::default();
        Ok(App {
            store,
            bundle,
            keys,
            telemetry,
            limits,
            history,
            settings,
            desk: Desk::default(),
            search: Arc::new(Search::new(None)),
            exports: crate::export::Board::default(),
            retention: Arc::default(),
            redactor: Arc::default(),
            capturer: Arc::default(),
            sinks: None,
            in_flight: InFlight::default(),
            probe,
            parents: inspect::Parents::default(),
            rollout: tokio::sync::Mutex::default(),
        })
    }

    /// Forgets what matters no more: old uses of limits, old counts. To be called now and then.
    ///
    /// # Errors
    /// When the store does not take it; it goes with the next write.
    pub async fn forget(&self) -> Result<(), StoreError> {
        let now_ms = crate::clock::unix_ms();
        self.history.sweep(now_ms);
        if self.limits.sweep(now_ms) { self.store.flush().await } else { Ok(()) }
    }
}
