//! The admin API.

use super::auth::Admin;
use super::decisions::{DEFAULT_LIMIT, MAX_LIMIT};
use super::json::{Json, Query};
use super::problem::Problem;
use super::view::{DecisionView, EventView};
use crate::app::{App, KeySummary, NewKey, SecretKey};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Shows one decision.
#[utoipa::path(
    get, path = "/v1/decisions/{id}", tag = "audit", params(("id" = String, Path, description = "The decision id")),
    security(("admin" = [])),
    responses(
        (status = 200, description = "The decision", body = DecisionView),
        (status = 404, description = "No such decision", body = Problem),
    )
)]
pub(super) async fn decision(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<DecisionView>, Problem> {
    let found = app.store.decision(id).await?;
    let missing =
        || Problem::new(StatusCode::NOT_FOUND, "decision_not_found", "there is no decision of that id");
    Ok(Json(found.ok_or_else(missing)?.into()))
}

/// Which events.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct EventsQuery {
    /// Only events older than this `seq`.
    before: Option<u64>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
}

/// Events.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct EventsPage {
    /// Newest first.
    events: Vec<EventView>,
}

/// Shows what is neither decision nor outcome: changes by people, bundles, gaps that gates reported. Newest first.
#[utoipa::path(
    get, path = "/v1/events", tag = "audit", params(EventsQuery), security(("admin" = [])),
    responses((status = 200, description = "Events", body = EventsPage))
)]
pub(super) async fn events(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<EventsQuery>,
) -> Result<Json<EventsPage>, Problem> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let events = app.store.events(params.before, limit).await?;
    Ok(Json(EventsPage { events: events.into_iter().map(EventView::from).collect() }))
}

/// Keys.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct KeyList {
    /// Oldest first, revoked ones included.
    keys: Vec<KeySummary>,
}

/// Lists keys and tokens, without their secrets.
#[utoipa::path(
    get, path = "/v1/keys", tag = "keys", security(("admin" = [])),
    responses((status = 200, description = "Keys", body = KeyList))
)]
pub(super) async fn list_keys(State(app): State<Arc<App>>, _: Admin) -> Result<Json<KeyList>, Problem> {
    Ok(Json(KeyList { keys: app.keys.list().await? }))
}

/// Makes a key or token. Its secret is in this answer and nowhere else.
#[utoipa::path(
    post, path = "/v1/keys", tag = "keys", security(("admin" = [])), request_body = NewKey,
    responses(
        (status = 201, description = "The key with its secret", body = SecretKey),
        (status = 422, description = "The wish makes no sense", body = Problem),
    )
)]
pub(super) async fn create_key(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(wish): Json<NewKey>,
) -> Result<Response, Problem> {
    let made = app.keys.create(wish, &caller.name).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Revokes a key or token, at once.
#[utoipa::path(
    delete, path = "/v1/keys/{id}", tag = "keys", params(("id" = String, Path, description = "The key's id")),
    security(("admin" = [])),
    responses(
        (status = 204, description = "It is worth nothing now"),
        (status = 404, description = "No such good key", body = Problem),
    )
)]
pub(super) async fn revoke_key(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    app.keys.revoke(&id, &caller.name).await?;
    Ok(StatusCode::NO_CONTENT)
}
