//! That somebody compared the record with AWS's logs is on record itself.

use crate::app::App;
use crate::http::auth::Admin;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::http::show_time;
use crate::storage::{Event, EventKind};
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What was compared, and what came out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Reconciliation {
    /// Compared from, Unix milliseconds.
    from_ms: Option<u64>,
    /// Until, Unix milliseconds.
    to_ms: Option<u64>,
    /// SHA-256 over the SHA-256 of each of AWS's files, in the order of their names.
    inputs_sha256: String,
    /// AWS's files.
    files: u64,
    /// Events in them about Bedrock.
    aws_events: u64,
    /// Calls that they tell of.
    aws_calls: u64,
    /// Decisions that were compared with them.
    decisions: u64,
    /// Calls that both know.
    matched: u64,
    /// Calls that only AWS knows.
    bypassed: u64,
    /// Calls that both know and describe differently.
    mismatched: u64,
    /// Of them severe.
    severe: u64,
    /// Calls that AWS should know and does not.
    unknown_to_aws: u64,
    /// Places in files that could not be read.
    unread: u64,
}

/// A reconciliation on record.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(in crate::http) struct Recorded {
    /// About when, RFC 3339.
    time: String,
}

/// Puts on record that the record was compared with AWS's logs. The comparison itself is made by `portcullis audit reconcile`.
#[utoipa::path(
    post, path = "/v1/audit/reconciliations", tag = "audit", security(("admin" = [])), request_body = Reconciliation,
    responses(
        (status = 201, description = "It is on record", body = Recorded),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(in crate::http) async fn record(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(reconciliation): Json<Reconciliation>,
) -> Result<Response, Problem> {
    let digest = &reconciliation.inputs_sha256;
    if digest.len() != 64 || !digest.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(Problem::bad_request(
            "`inputs_sha256` is not the 64 hexadecimal digits of a SHA-256".to_owned(),
        ));
    }
    let detail = serde_json::json!({ "what": "reconciled", "reconciliation": reconciliation });
    app.store.commit_event(Event { kind: EventKind::Admin, actor: caller.name.to_string(), detail }).await?;
    let time = show_time(crate::clock::unix_ms());
    Ok((StatusCode::CREATED, Json(Recorded { time })).into_response())
}
