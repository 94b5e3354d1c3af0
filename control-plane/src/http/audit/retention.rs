//! `GET /v1/audit/retention`: how long records stay, and what the last pass did.

use crate::app::App;
use crate::http::auth::Admin;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::retention::LastPass;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Retention.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetentionView {
    /// How long records stay, milliseconds, by kind; kinds that are not in it stay for ever.
    pub keep_ms: BTreeMap<String, u64>,
    /// What the last pass did; absent before the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last: Option<LastPass>,
    /// Records pruned since this process has started.
    pub pruned: u64,
}

/// Shows how long records stay, and what the last pass of retention did.
#[utoipa::path(
    get, path = "/v1/audit/retention", tag = "audit", security(("admin" = [])),
    responses(
        (status = 200, description = "Retention", body = RetentionView),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(in crate::http) async fn retention(State(app): State<Arc<App>>, _: Admin) -> Json<RetentionView> {
    let (rules, last, pruned) = app.retention.view();
    let keep_ms = rules.keep.into_iter().map(|(kind, ms)| (kind.as_str().to_owned(), ms)).collect();
    Json(RetentionView { keep_ms, last, pruned })
}
