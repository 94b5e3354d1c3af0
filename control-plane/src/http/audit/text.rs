//! Reading captured text. Who reads is on record before anything is read.

use crate::app::App;
use crate::http::auth::Admin;
use crate::http::json::Json;
use crate::http::problem::Problem;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct TextQuery {
    /// Why it is read: it goes on record, with who reads, before the text is handed out.
    reason: String,
}

/// The captured text of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TextsView {
    /// The decision.
    pub decision_id: String,
    /// Its texts.
    pub texts: Vec<TextView>,
}

/// One captured text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TextView {
    /// `prompt`, `tool_results` or `answer`.
    pub kind: String,
    /// Bytes of it.
    pub bytes: u64,
    /// The gate sent a part of it only.
    pub cut: bool,
    /// What the detectors know was taken out of it first.
    pub redacted: bool,
    /// The text; absent when its time is over, or when it does not open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
    /// Why it is absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Hands out the captured text of a decision. Each reading leaves an `admin` record with who and why, durable before the text
/// is handed out.
#[utoipa::path(
    get, path = "/v1/audit/text/{decision_id}", tag = "audit",
    params(("decision_id" = String, Path, description = "The decision id"), TextQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "Its texts", body = TextsView),
        (status = 404, description = "`decision_not_found`, or `no_text`: none was captured", body = Problem),
        (status = "default", description = "An error: nothing is handed out", body = Problem),
    )
)]
pub(super) async fn text(
    State(app): State<Arc<App>>,
    Admin(reader): Admin,
    Path(id): Path<String>,
    Query(query): Query<TextQuery>,
) -> Result<Json<TextsView>, Problem> {
    if query.reason.trim().is_empty() || query.reason.len() > 1_000 {
        return Err(Problem::bad_request("`reason` must have 1 to 1,000 bytes: it goes on record"));
    }
    let missing = |code, detail: &str| Problem::new(StatusCode::NOT_FOUND, code, detail);
    let found = app.read_text(id, &reader.name, &query.reason).await?;
    let found = found.ok_or_else(|| missing("decision_not_found", "there is no decision of that id"))?;
    if found.texts.is_empty() {
        return Err(missing("no_text", "no text was captured of that decision; see `audit.capture_text`"));
    }
    Ok(Json(found))
}
