//! The admin API.

use super::auth::Admin;
use super::json::{Json, Query};
use super::problem::Problem;
use super::time;
use super::view::{self, DecisionView, DecisionsPage, EventView};
use crate::app::{App, KeySummary, NewKey, SecretKey};
use crate::clock;
use crate::storage::{self, Cursor, Order};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_audit::{DecisionKind, OutcomeState, VerdictKind};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Most decisions on a page.
pub(super) const MAX_LIMIT: u32 = 1_000;
pub(super) const DEFAULT_LIMIT: u32 = 100;
/// Longest wait for something new, seconds.
pub(super) const MAX_WAIT: u64 = 30;

/// Which decisions.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct DecisionsQuery {
    /// Decided at or after: RFC 3339, Unix milliseconds, or how long ago (`15m`).
    since: Option<String>,
    /// Decided before: likewise.
    until: Option<String>,
    /// Principal, exact.
    principal: Option<String>,
    /// Model as called or its base model: exact, or a glob with `*` and `?`.
    model: Option<String>,
    /// `allow`, `deny`, `throttle` or `pending_approval`.
    verdict: Option<String>,
    /// Operation, exact.
    operation: Option<String>,
    /// `pending`, `completed`, `failed`, `aborted`, `blocked` or `unknown`.
    outcome: Option<String>,
    /// `call`, `tool_call` (one that an answer proposed, or that was asked about) or `answer_text`; all when absent.
    kind: Option<String>,
    /// The gate's name for the call.
    call_id: Option<String>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
    /// `next` or `follow` of another page, with the same filters.
    cursor: Option<String>,
    /// `desc` (newest first) or `asc`.
    order: Option<String>,
    /// With `order=asc`: seconds to wait for a decision when there is none yet, at most 30.
    wait: Option<u64>,
}

/// Finds decisions.
#[utoipa::path(
    get, path = "/v1/decisions", tag = "audit", params(DecisionsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "A page", body = DecisionsPage),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn decisions(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<DecisionsQuery>,
) -> Result<Json<DecisionsPage>, Problem> {
    let (query, wait) = translate(params)?;
    let deadline = Instant::now() + wait;
    let mut watch = app.store.watch();
    loop {
        // Before the page is read, so that nothing falls between the two.
        let newest = *watch.borrow_and_update();
        let page = app.store.decisions(query.clone()).await?;
        if !page.decisions.is_empty() || wait.is_zero() || Instant::now() >= deadline {
            return Ok(Json(view::page(page, query.order, query.after, newest)));
        }
        // The sender lives as long as the store; either way the next round decides.
        let _ = tokio::time::timeout_at(deadline, watch.changed()).await;
    }
}

fn translate(params: DecisionsQuery) -> Result<(storage::Query, Duration), Problem> {
    let bad = |name: &str, value: &str, known: &str| {
        Problem::bad_request(format!("`{name}` cannot be `{value}`; use one of {known}"))
    };
    let order = match params.order.as_deref() {
        None | Some("desc") => Order::Descending,
        Some("asc") => Order::Ascending,
        Some(other) => return Err(bad("order", other, "desc, asc")),
    };
    let now_ms = clock::unix_ms();
    let time = |text: Option<String>| {
        text.map(|text| time::parse(&text, now_ms)).transpose().map_err(Problem::bad_request)
    };
    let verdict = params.verdict.map(|name| {
        VerdictKind::parse(&name)
            .ok_or_else(|| bad("verdict", &name, "allow, deny, throttle, pending_approval"))
    });
    let outcome = params.outcome.map(|name| {
        OutcomeState::parse(&name)
            .ok_or_else(|| bad("outcome", &name, "pending, completed, failed, aborted, blocked, unknown"))
    });
    let kind = params.kind.map(|name| {
        let found = DecisionKind::ALL.into_iter().find(|kind| kind.as_str() == name);
        found.ok_or_else(|| bad("kind", &name, "call, tool_call, answer_text"))
    });
    let after = params.cursor.map(|text| {
        Cursor::decode(&text).filter(|cursor| cursor.order == order).map(|cursor| cursor.seq).ok_or_else(
            || {
                Problem::bad_request(
                    "`cursor` is none of this order; take `next`, or `follow` with `order=asc`",
                )
            },
        )
    });
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")));
    }
    let wait = params.wait.unwrap_or(0);
    if wait > 0 && order == Order::Descending {
        return Err(Problem::bad_request("`wait` needs `order=asc`"));
    }
    let query = storage::Query {
        since_ms: time(params.since)?,
        until_ms: time(params.until)?,
        principal: params.principal,
        model: params.model,
        verdict: verdict.transpose()?,
        operation: params.operation,
        outcome: outcome.transpose()?,
        kind: kind.transpose()?,
        call_id: params.call_id,
        limit,
        after: after.transpose()?,
        order,
    };
    Ok((query, Duration::from_secs(wait.min(MAX_WAIT))))
}

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
