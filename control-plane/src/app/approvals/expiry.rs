//! What nobody has answered or used in time becomes `expired`, soon after its time.

use crate::app::App;
use crate::clock;
use crate::storage::StoreError;
use std::sync::Arc;
use std::time::Duration;

/// Approvals marked in one write, so that nobody waits long behind it.
const SLICE: u32 = 200;

/// The background pass of one process.
#[derive(Debug)]
pub struct Expiry {
    app: Arc<App>,
}

impl Expiry {
    /// For that application.
    #[must_use]
    pub fn new(app: Arc<App>) -> Self {
        Expiry { app }
    }

    /// Marks all that is overdue.
    ///
    /// # Errors
    /// When the store does not take the marks; the next pass goes on where this one stopped.
    pub async fn pass(&self, now_ms: u64) -> Result<(), StoreError> {
        // Looking costs nothing; writing would wake the writer every second.
        while self.app.store.live().overdue(now_ms) && self.app.store.expire(now_ms, SLICE).await? {}
        Ok(())
    }

    /// Passes every second. Never ends.
    pub async fn run(self) {
        loop {
            if let Err(error) = self.pass(clock::unix_ms()).await {
                tracing::warn!(%error, "approvals could not be marked as expired; will try again");
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}
