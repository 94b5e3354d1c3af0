//! `/v1/audit/holds`: legal holds.

use crate::app::App;
use crate::clock;
use crate::http::auth::Admin;
use crate::http::json::Json;
use crate::http::problem::Problem;
use crate::http::{parse_time, show_time};
use crate::retention::HoldScope;
use crate::storage::{Event, EventKind, Release, StoredHold};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::json;
use std::sync::Arc;

/// Longest reason.
const LONGEST: usize = 1_000;

/// A hold that is to be placed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct NewHold {
    /// What to call it: letters, digits, `-`, `_`, `.`; never used before.
    pub name: String,
    /// Why; at most 1,000 characters.
    pub reason: String,
    /// Records of this principal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Records of this tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Records of this tool-use loop or session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// Calls of this model, as called or its base model: exact, or with `*` and `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Written at or after: RFC 3339, Unix milliseconds, or how long ago (`15m`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<String>,
    /// Written before: likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<String>,
    /// From this index of the log on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Up to this index of the log, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

/// Legal holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HoldList {
    /// Oldest first, released ones included.
    pub holds: Vec<HoldView>,
}

/// A legal hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct HoldView {
    /// What it is called.
    pub name: String,
    /// What it holds.
    pub scope: HoldScope,
    /// Why.
    pub reason: String,
    /// Who placed it.
    pub by: String,
    /// When, RFC 3339.
    pub time: String,
    /// When, by whom and why it was released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub released: Option<ReleasedView>,
}

/// The end of a hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ReleasedView {
    /// When, RFC 3339.
    pub time: String,
    /// By whom.
    pub by: String,
    /// Why.
    pub why: String,
}

/// Why a hold is released.
#[derive(Debug, Clone, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct ReleaseReason {
    /// Why; at most 1,000 characters.
    why: String,
}

impl From<StoredHold> for HoldView {
    fn from(hold: StoredHold) -> Self {
        let released = hold.released.map(|released| ReleasedView {
            time: show_time(released.at_ms),
            by: released.actor,
            why: released.why,
        });
        HoldView {
            scope: serde_json::from_str(&hold.scope).unwrap_or_default(),
            name: hold.name,
            reason: hold.reason,
            by: hold.actor,
            time: show_time(hold.at_ms),
            released,
        }
    }
}

fn invalid(detail: impl Into<String>) -> Problem {
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_hold", detail)
}

/// Lists legal holds.
#[utoipa::path(
    get, path = "/v1/audit/holds", tag = "audit", security(("admin" = [])),
    responses(
        (status = 200, description = "Every hold", body = HoldList),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(in crate::http) async fn list(State(app): State<Arc<App>>, _: Admin) -> Result<Json<HoldList>, Problem> {
    let found = app.store.holds().await?;
    Ok(Json(HoldList { holds: found.holds.into_iter().map(HoldView::from).collect() }))
}

/// Places a legal hold: what fits everything that it says is not pruned from now on.
#[utoipa::path(
    post, path = "/v1/audit/holds", tag = "audit", security(("admin" = [])), request_body = NewHold,
    responses(
        (status = 201, description = "The hold", body = HoldView),
        (status = 409, description = "`hold_exists`: the name was used before", body = Problem),
        (status = 422, description = "`invalid_hold`", body = Problem),
    )
)]
pub(in crate::http) async fn place(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(wish): Json<NewHold>,
) -> Result<Response, Problem> {
    let NewHold { name, reason, principal, tenant, correlation, model, since, until, first, last } = wish;
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    if name.is_empty() || name.len() > 100 || !name.bytes().all(plain) {
        return Err(invalid("`name` must have 1 to 100 letters, digits, `-`, `_` and `.`"));
    }
    if reason.trim().is_empty() || reason.chars().count() > LONGEST {
        return Err(invalid(format!(
            "`reason` is needed, {LONGEST} characters at most: it says why records stay"
        )));
    }
    let now_ms = clock::unix_ms();
    let time = |text: Option<String>| text.map(|text| parse_time(&text, now_ms)).transpose().map_err(invalid);
    let (since_ms, until_ms) = (time(since)?, time(until)?);
    let scope = HoldScope { principal, tenant, correlation, model, since_ms, until_ms, first, last };
    scope.check().map_err(invalid)?;
    let text = serde_json::to_string(&scope).map_err(|error| invalid(error.to_string()))?;
    let actor = caller.name.to_string();
    let detail = json!({ "what": "hold_placed", "hold": name, "reason": reason, "scope": scope });
    let event = Event { kind: EventKind::Admin, actor: actor.clone(), detail };
    let hold = StoredHold { name: name.clone(), scope: text, reason, actor, at_ms: 0, released: None };
    if !app.store.place_hold(hold, event).await? {
        let detail = format!(
            "the name `{name}` was used before; a name stands for one hold for ever, so choose another"
        );
        return Err(Problem::new(StatusCode::CONFLICT, "hold_exists", detail));
    }
    Ok((StatusCode::CREATED, Json(find(&app, &name).await?)).into_response())
}

/// Releases a legal hold: from the next pass of retention on it holds nothing.
#[utoipa::path(
    post, path = "/v1/audit/holds/{name}/release", tag = "audit", security(("admin" = [])),
    params(("name" = String, Path, description = "The hold's name")), request_body = ReleaseReason,
    responses(
        (status = 200, description = "The hold", body = HoldView),
        (status = 404, description = "`hold_not_found`", body = Problem),
        (status = 409, description = "`hold_released`: it was released before", body = Problem),
        (status = 422, description = "`invalid_hold`: a reason is needed", body = Problem),
    )
)]
pub(in crate::http) async fn release(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(name): Path<String>,
    Json(ReleaseReason { why }): Json<ReleaseReason>,
) -> Result<Json<HoldView>, Problem> {
    if why.trim().is_empty() || why.chars().count() > LONGEST {
        return Err(invalid(format!("`why` is needed, {LONGEST} characters at most")));
    }
    let actor = caller.name.to_string();
    let detail = json!({ "what": "hold_released", "hold": name, "why": why });
    let event = Event { kind: EventKind::Admin, actor: actor.clone(), detail };
    match app.store.release_hold(name.clone(), actor, why, event).await? {
        Release::Done => Ok(Json(find(&app, &name).await?)),
        Release::Unknown => Err(missing(&name)),
        Release::Before => {
            let detail = format!("the hold `{name}` was released before; GET /v1/audit/holds says by whom");
            Err(Problem::new(StatusCode::CONFLICT, "hold_released", detail))
        }
    }
}

fn missing(name: &str) -> Problem {
    let detail = format!("there is no hold `{name}`; list them with `portcullis audit retention hold list`");
    Problem::new(StatusCode::NOT_FOUND, "hold_not_found", detail)
}

async fn find(app: &App, name: &str) -> Result<HoldView, Problem> {
    let holds = app.store.holds().await?.holds;
    let found = holds.into_iter().find(|hold| hold.name == name);
    found.map(HoldView::from).ok_or_else(|| missing(name))
}
