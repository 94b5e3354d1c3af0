//! The same decision for whoever runs tools: agents, Lambda functions of action groups, MeshGuard clients.

mod body;
mod lambda;
pub(super) mod meshguard;
mod read;
#[cfg(test)]
mod tests;

use super::auth::Guarded;
use super::json::{self, Json, Query};
use super::problem::Problem;
use crate::app::{App, GuardAnswer, GuardClient, LONGEST_WAIT};
use axum::Router;
use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::routing::{any, get, post};
use body::GuardRequest;
use portcullis_protocol::Verdict;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What agents reach.
pub(super) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/guard", post(guard))
        .route("/v1/guard/bedrock-agent", post(bedrock_agent))
        .route("/proxy/check", get(meshguard::check))
        .route("/proxy/{*path}", any(meshguard::proxy))
        .route("/health", get(meshguard::health))
}

/// What is decided. Its record is durable.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct GuardResponse {
    /// `allow`, `deny`, `pending_approval` or `throttle`. Run the tool on `allow` alone: whatever else is here, and any other
    /// status than 200, is a refusal.
    decision: &'static str,
    /// Why not: names the rule and its message. Empty with `allow`.
    reason: String,
    /// The approval that it waits for, or that was denied.
    approval_id: Option<String>,
    /// Id of the record.
    decision_id: String,
    /// With `throttle`: seconds after which it may be asked again.
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_seconds: Option<u32>,
}

impl GuardResponse {
    fn of(answer: &GuardAnswer) -> Self {
        let response = |decision, reason: &str| GuardResponse {
            decision,
            reason: reason.to_owned(),
            approval_id: None,
            decision_id: answer.decision_id.clone(),
            retry_after_seconds: None,
        };
        match &answer.verdict {
            Verdict::Allow => response("allow", ""),
            Verdict::Deny { message } => response("deny", message),
            Verdict::Throttle { message, retry_after_seconds } => GuardResponse {
                retry_after_seconds: Some(*retry_after_seconds),
                ..response("throttle", message)
            },
            Verdict::PendingApproval { message, approval_id } => GuardResponse {
                approval_id: Some(approval_id.clone()),
                ..response("pending_approval", message)
            },
            Verdict::Hold { .. } | Verdict::NeedText => response("deny", "no verdict"),
        }
    }
}

/// The same for an action group's function.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct BedrockAgentResponse {
    #[serde(flatten)]
    #[schema(inline)]
    answer: GuardResponse,
    /// What the function returns instead of running the tool: the whole Lambda response. `null` with `allow`.
    #[schema(value_type = Option<Object>)]
    response: Option<serde_json::Value>,
}

/// Decides a tool call that is about to run. Every decision is a 200, and its record is durable. With an agent's token the
/// agent is the principal, and what its token does not cover is denied; with a data-plane token the agent is what `context`
/// says.
#[utoipa::path(
    post, path = "/v1/guard", tag = "agents", security(("agent" = []), ("data" = [])), request_body = GuardRequest,
    responses(
        (status = 200, description = "The decision", body = GuardResponse),
        (status = 400, description = "The question cannot be read; `pointer` says where", body = Problem),
        (status = "default", description = "No decision: the tool must not run", body = Problem),
    )
)]
pub(super) async fn guard(
    State(app): State<Arc<App>>,
    Guarded(holder): Guarded,
    client: GuardClient,
    request: Request,
) -> Result<Json<GuardResponse>, Problem> {
    let bytes = json::body(request, &app).await?;
    let question = body::read(&bytes, client).inspect_err(|_| app.telemetry.fault("bad_question"))?;
    drop(bytes);
    let answer = app.guard(&holder, question).await?;
    Ok(Json(GuardResponse::of(&answer)))
}

/// How to answer a Lambda event.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct BedrockAgentQuery {
    /// Seconds that a person may take to approve it, 0 to 50.
    wait_seconds: Option<u64>,
}

/// Decides a call of an action group: the event that Bedrock sends to its Lambda function, as it is, API schema or function
/// details. What is refused comes with the response to return.
#[utoipa::path(
    post, path = "/v1/guard/bedrock-agent", tag = "agents", security(("agent" = []), ("data" = [])),
    params(BedrockAgentQuery),
    request_body(content = Object, description = "The Lambda event, messageVersion 1.0"),
    responses(
        (status = 200, description = "The decision", body = BedrockAgentResponse),
        (status = 400, description = "The event cannot be read; `pointer` says where", body = Problem),
        (status = "default", description = "No decision: the tool must not run", body = Problem),
    )
)]
pub(super) async fn bedrock_agent(
    State(app): State<Arc<App>>,
    Guarded(holder): Guarded,
    Query(query): Query<BedrockAgentQuery>,
    client: GuardClient,
    request: Request,
) -> Result<Json<BedrockAgentResponse>, Problem> {
    let seconds = query.wait_seconds.unwrap_or_default();
    if seconds > LONGEST_WAIT.as_secs() {
        let longest = LONGEST_WAIT.as_secs();
        return Err(Problem::bad_request(format!("`wait_seconds` must be 0 to {longest}")));
    }
    let bytes = json::body(request, &app).await?;
    let (event, question) = lambda::read(&bytes, Duration::from_secs(seconds), client)
        .inspect_err(|_| app.telemetry.fault("bad_question"))?;
    let answer = app.guard(&holder, question).await?;
    let response = event.refusal(&answer);
    Ok(Json(BedrockAgentResponse { answer: GuardResponse::of(&answer), response }))
}

impl FromRequestParts<Arc<App>> for GuardClient {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Infallible> {
        let address = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let user_agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
        Ok(GuardClient {
            address: address.map(|ConnectInfo(address)| address.to_string()),
            // Cut as the gate cuts it; it is ASCII.
            user_agent: user_agent.map(|text| text.chars().take(512).collect()),
        })
    }
}
