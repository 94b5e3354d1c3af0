//! The HTTP surface: routers for gates, agents and people. Nothing here decides anything.

mod admin;
mod approvals;
mod audit;
mod auth;
mod bundles;
mod correlations;
mod data;
mod decisions;
mod guard;
mod health;
mod json;
mod limits;
mod listen;
mod openapi;
mod problem;
mod reports;
#[cfg(test)]
mod tests;
mod time;
mod view;

pub use approvals::{ApprovalView, ApprovalsPage, GrantList, GrantView};
pub use audit::{
    ConsistencyView, ExportList, HoldList, HoldView, InclusionView, LogKeys, NewHold, RetentionView,
    RotatedKey, TextView, TextsView,
};
pub use bundles::{BundleList, FileView, UploadView, VersionDetail, VersionView};
pub use correlations::{CorrelationView, StepKind, StepView, TotalsView};
pub use decisions::{FacetValue, FacetView};
pub use limits::LimitsPage;
pub use listen::{Address, Listener, serve};
pub use openapi::document as openapi_document;
pub use problem::{DiagnosticView, Problem};
pub use time::{parse as parse_time, show as show_time};
pub use view::{Cost, DecisionView, DecisionsPage};

use crate::app::App;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware;
use axum::routing::{delete, get, post};
use std::sync::Arc;

/// What gates talk to: decisions and outcomes, and whether we are well.
pub fn data_plane(app: Arc<App>) -> Router {
    let limit = DefaultBodyLimit::max(app.settings.max_body_bytes);
    Router::new()
        .route("/v1/decisions", post(data::decide))
        .route("/v1/inspections", post(data::inspect))
        .route("/v1/outcomes", post(data::outcomes))
        .merge(guard::router())
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(limit)
        .with_state(app)
}

/// What agents talk to where the data plane is out of their reach: decisions on tool calls, and nothing else.
pub fn agents_api(app: Arc<App>) -> Router {
    let limit = DefaultBodyLimit::max(app.settings.max_body_bytes);
    guard::router()
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(limit)
        .with_state(app)
}

/// What people and their tools talk to.
pub fn admin_api(app: Arc<App>) -> Router {
    let limit = DefaultBodyLimit::max(app.settings.max_body_bytes);
    Router::new()
        .route("/v1/decisions", get(decisions::decisions))
        .route("/v1/decisions/export", get(reports::export))
        .route("/v1/decisions/{id}", get(admin::decision))
        .route("/v1/decisions/{id}/explain", get(reports::explain))
        .route("/v1/correlations/{id}", get(correlations::correlation))
        .route("/v1/shadow-report", get(reports::shadow_report))
        .route("/v1/events", get(admin::events))
        .merge(bundles::router())
        .merge(audit::router())
        .route("/v1/audit/facets", get(decisions::facets))
        .route("/v1/limits", get(limits::limits))
        .route("/v1/approvals", get(approvals::list))
        .route("/v1/approvals/{id}", get(approvals::show))
        .route("/v1/approvals/{id}/approve", post(approvals::approve))
        .route("/v1/approvals/{id}/deny", post(approvals::deny))
        .route("/v1/grants", get(approvals::grants).post(approvals::grant))
        .route("/v1/grants/{id}", delete(approvals::revoke))
        .route("/v1/keys", get(admin::list_keys).post(admin::create_key))
        .route("/v1/keys/{id}", delete(admin::revoke_key))
        .route("/healthz", get(health::healthz))
        .route("/readyz", get(health::readyz))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::serve))
        .fallback(not_found)
        .method_not_allowed_fallback(method_not_allowed)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), audit::second::both))
        .layer(limit)
        .with_state(app)
}

async fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        "not_found",
        "there is nothing at this path; see /openapi.json of the admin API",
    )
}

async fn method_not_allowed() -> Problem {
    Problem::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", "this path does not know that method")
}
