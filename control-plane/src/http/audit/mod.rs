//! `/v1/audit/…`: the log, its proofs, its keys, exports and holds.

use crate::app::App;
use axum::Router;
use std::sync::Arc;

/// All of it.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
}
