//! The gateway that the MeshGuard client (`meshguard` on PyPI) speaks to: `GET /proxy/check` with the action in a header, the
//! decision in the status. Only what its `check`, `enforce`, `govern` and `health` need; nothing is proxied.

use super::super::auth::Guarded;
use super::super::json::Json;
use super::super::problem::Problem;
use super::body::proposed;
use crate::app::{App, GuardClient, GuardContext, GuardQuestion};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_protocol::Verdict;
use serde_json::json;
use std::sync::Arc;
use std::time::Duration;

const ACTION: &str = "x-meshguard-action";
const RESOURCE: &str = "x-meshguard-resource";
const TRACE: &str = "x-meshguard-trace-id";

/// Decides an action for a MeshGuard client: the tool is the action, `arguments.resource` its resource, and the trace is what
/// it belongs to.
#[utoipa::path(
    get, path = "/proxy/check", tag = "agents", security(("agent" = []), ("data" = [])),
    params(
        ("x-meshguard-action" = String, Header, description = "Such as `read:contacts`"),
        ("x-meshguard-resource" = Option<String>, Header, description = "What is acted on"),
        ("x-meshguard-trace-id" = Option<String>, Header, description = "What it belongs to"),
    ),
    responses(
        (status = 200, description = "Allowed"),
        (status = 401, description = "No good token"),
        (status = 403, description = "Denied, or waits for an approval: `message` says why"),
        (status = 429, description = "A rate limit"),
        (status = "default", description = "No decision: it must not be done", body = Problem),
    )
)]
pub(in crate::http) async fn check(
    State(app): State<Arc<App>>,
    holder: Result<Guarded, Problem>,
    client: GuardClient,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    // The client takes every 403 for a decision: a token of the wrong kind must not look like one.
    let Guarded(holder) = holder.map_err(|problem| match problem.status {
        403 => Problem::new(StatusCode::UNAUTHORIZED, &problem.code, problem.detail),
        _ => problem,
    })?;
    let action = text(&headers, ACTION)?
        .ok_or_else(|| Problem::bad_request(format!("the header `{ACTION}` must be there")))?;
    let (resource, trace) = (text(&headers, RESOURCE)?, text(&headers, TRACE)?);
    let arguments = resource.map_or_else(|| json!({}), |resource| json!({"resource": resource}));
    let question = GuardQuestion {
        tool: proposed(action.clone(), arguments.to_string()),
        context: GuardContext { correlation_id: trace.clone(), client, ..GuardContext::default() },
        wait: Duration::ZERO,
    };
    let answer = app.guard(&holder, question).await?;
    let mut body = json!({
        "allowed": answer.verdict == Verdict::Allow,
        "action": action,
        "trace_id": trace,
        "decision_id": answer.decision_id,
    });
    let (status, decision, message, retry) = match &answer.verdict {
        Verdict::Allow => (StatusCode::OK, "allow", "", None),
        Verdict::Throttle { message, retry_after_seconds } => {
            (StatusCode::TOO_MANY_REQUESTS, "throttle", message.as_str(), Some(*retry_after_seconds))
        }
        Verdict::PendingApproval { message, .. } => {
            (StatusCode::FORBIDDEN, "pending_approval", message.as_str(), None)
        }
        Verdict::Deny { message } => (StatusCode::FORBIDDEN, "deny", message.as_str(), None),
        Verdict::Hold { .. } | Verdict::NeedText => (StatusCode::FORBIDDEN, "deny", "no verdict", None),
    };
    if let Some(body) = body.as_object_mut() {
        body.insert("decision".to_owned(), json!(decision));
        body.insert("message".to_owned(), json!(message));
        // What decided stands in the record, which is there.
        if let Some(stored) = app.store.decision(answer.decision_id.clone()).await? {
            body.insert("policy".to_owned(), json!(stored.record.policy.bundle));
            body.insert("rule".to_owned(), json!(stored.record.policy.rule));
        }
    }
    let mut response = (status, Json(body)).into_response();
    if let Some(seconds) = retry {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    Ok(response)
}

fn text(headers: &HeaderMap, name: &str) -> Result<Option<String>, Problem> {
    let mut values = headers.get_all(name).iter();
    let Some(value) = values.next() else { return Ok(None) };
    let text = std::str::from_utf8(value.as_bytes()).ok().map(str::trim);
    match text.filter(|text| text.len() <= super::body::MAX_NAME && values.next().is_none()) {
        Some(text) => Ok(Some(text.to_owned()).filter(|text| !text.is_empty())),
        None => Err(Problem::bad_request(format!(
            "the header `{name}` must be there once, as UTF-8, with at most {} bytes",
            super::body::MAX_NAME
        ))),
    }
}

/// The client's other requests below `/proxy/` are to be passed on to somewhere; nothing is, so nothing is done.
pub(in crate::http) async fn proxy(_: Guarded) -> Problem {
    Problem::new(
        StatusCode::NOT_IMPLEMENTED,
        "not_a_proxy",
        "requests are decided here (GET /proxy/check), not passed on; call the service yourself once it is allowed",
    )
}

/// As the client's `is_healthy` wants it. No token is needed.
#[utoipa::path(
    get, path = "/health", tag = "agents",
    responses((status = 200, description = "`status` is `healthy`"), (status = 503, description = "It is not"))
)]
pub(in crate::http) async fn health(State(app): State<Arc<App>>) -> Response {
    let ready = app.health().await.ready;
    let (status, text) =
        if ready { (StatusCode::OK, "healthy") } else { (StatusCode::SERVICE_UNAVAILABLE, "unhealthy") };
    (status, Json(json!({"status": text, "version": env!("CARGO_PKG_VERSION")}))).into_response()
}
