//! The orphan reaper: an allowed call that nobody reports on in time becomes `unknown`. A trapped VM, a killed Envoy and
//! a gate that never came back are found this way, never forgotten.

use super::App;
use crate::clock;
use std::sync::Arc;
use std::time::Duration;

/// Decisions looked at in one write, so that the reaper never holds up a call for long.
const SLICE: u32 = 500;

/// The reaper of one process.
#[derive(Debug)]
pub struct Reaper {
    app: Arc<App>,
}

impl Reaper {
    /// A reaper for that application.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Reaper { app }
    }

    /// Looks at every decision whose deadline has passed since it looked last. Gives how many became `unknown`.
    ///
    /// # Errors
    /// When the store does not take the marks; the next pass goes on where this one stopped.
    pub async fn pass(&self, now_ms: u64) -> Result<u64, crate::storage::StoreError> {
        let deadline = u64::try_from(self.app.settings.outcome_deadline.as_millis()).unwrap_or(u64::MAX);
        let before = now_ms.saturating_sub(deadline);
        let mut marked = 0;
        loop {
            let reaped = self.app.store.reap(before, SLICE).await?;
            marked += reaped.marked;
            if !reaped.more {
                break;
            }
        }
        if marked > 0 {
            self.app.telemetry.orphans(marked);
            tracing::warn!(marked, "allowed calls without an outcome after their deadline are now `unknown`");
        }
        Ok(marked)
    }

    /// Passes at once, and then a few times per deadline. Never ends.
    pub async fn run(self) {
        let period = (self.app.settings.outcome_deadline / 4)
            .clamp(Duration::from_millis(100), Duration::from_secs(30));
        loop {
            if let Err(error) = self.pass(clock::unix_ms()).await {
                tracing::warn!(%error, "the reaper could not mark orphans; will try again");
            }
            tokio::time::sleep(period).await;
        }
    }
}
