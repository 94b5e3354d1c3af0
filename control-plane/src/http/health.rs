//! Whether we are well. No token is needed: probes have none, and nothing here tells of a call.

use super::json::Json;
use crate::app::{App, Health};
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use std::sync::Arc;

/// The process runs and answers.
#[utoipa::path(get, path = "/healthz", tag = "health", responses((status = 200, description = "It runs", body = String)))]
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Calls can be decided and recorded. Also 200 when the newest bundle was refused and the last good one decides: see
/// `bundle.errors`.
#[utoipa::path(
    get, path = "/readyz", tag = "health",
    responses(
        (status = 200, description = "Calls can be decided and recorded", body = Health),
        (status = 503, description = "They cannot, and this is why", body = Health),
    )
)]
pub(super) async fn readyz(State(app): State<Arc<App>>) -> Response {
    let health = app.health().await;
    let status = if health.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(health)).into_response()
}

/// Prometheus.
#[utoipa::path(get, path = "/metrics", tag = "health", responses((status = 200, description = "Metrics", body = String)))]
pub(super) async fn metrics(State(app): State<Arc<App>>) -> Response {
    let bundle = app.bundle_health();
    let flag = |yes: bool| if yes { 1.0 } else { 0.0 };
    let count = |n: u64| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
    app.telemetry.gauge("portcullis_store_writable", flag(app.store.trouble().is_none()));
    let pending = u64::try_from(app.store.live().pending()).unwrap_or(u64::MAX);
    app.telemetry.gauge("portcullis_approvals_pending", count(pending));
    app.telemetry.gauge("portcullis_bundle_loaded", flag(bundle.loaded));
    app.telemetry.gauge("portcullis_bundle_generation", count(bundle.generation));
    app.telemetry.gauge("portcullis_bundle_rules", count(u64::try_from(bundle.rules).unwrap_or(u64::MAX)));
    let waiting = bundle.pinned && bundle.directory.as_ref().is_some_and(|directory| directory.differs);
    app.telemetry.gauge("portcullis_bundle_pinned", flag(bundle.pinned));
    app.telemetry.gauge("portcullis_bundle_waiting", flag(waiting));
    app.telemetry.gauge("portcullis_bundle_error", flag(!bundle.errors.is_empty()));
    let (_, last, pruned) = app.retention.view();
    app.telemetry.retention(pruned, last.as_ref());
    app.telemetry.exports(&app.exports.views(app.store.head().borrow().size));
    if let Some(second) = app.sinks.as_ref().map(|sinks| sinks.health(&*app.store)) {
        app.telemetry.gauge("portcullis_second_sink_up", flag(second.up));
        app.telemetry.gauge("portcullis_second_sink_behind_records", count(second.behind));
        app.telemetry.gauge("portcullis_second_sink_spilled_decisions", count(second.spilled));
    }
    if let Some(bundle) = app.bundle.current() {
        app.telemetry.limits(app.limits.fullest(&bundle, crate::clock::unix_ms()));
    }
    let text_format = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    ([(header::CONTENT_TYPE, text_format)], app.telemetry.render()).into_response()
}
