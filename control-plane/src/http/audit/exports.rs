//! `GET /v1/audit/exports`: how continuous exports are doing.

use crate::app::App;
use crate::export::ExportView;
use crate::http::auth::Admin;
use crate::http::json::Json;
use crate::http::problem::Problem;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Continuous exports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExportList {
    /// In the order of the configuration.
    pub exports: Vec<ExportView>,
}

/// Shows how far continuous exports have come, and what keeps them.
#[utoipa::path(
    get, path = "/v1/audit/exports", tag = "audit", security(("admin" = [])),
    responses(
        (status = 200, description = "Every export that is configured", body = ExportList),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(in crate::http) async fn exports(State(app): State<Arc<App>>, _: Admin) -> Json<ExportList> {
    let size = app.store.head().borrow().size;
    Json(ExportList { exports: app.exports.views(size) })
}
