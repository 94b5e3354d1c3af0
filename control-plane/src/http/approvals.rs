//! Approvals and grants on the admin API.

use super::auth::Admin;
use super::decisions::{DEFAULT_LIMIT, MAX_LIMIT, MAX_WAIT};
use super::json::{self, Json, Query};
use super::problem::Problem;
use super::time;
use crate::app::{Answer, AnswerError, App, NewGrant};
use crate::clock;
use crate::storage::{ApprovalQuery, Cursor, Order, StoredApproval};
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use portcullis_approvals::{Approval, ApprovalError, Grant, GrantState, State as Status};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// An approval: what is asked, and everything that has become of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalView {
    /// RFC 3339, UTC: when it was asked first.
    pub created: String,
    /// Until then somebody may answer; until then a denial denies.
    pub expires: String,
    /// Until then an approved call may be made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<String>,
    /// The approval.
    #[serde(flatten)]
    pub approval: Approval,
}

impl From<Approval> for ApprovalView {
    fn from(approval: Approval) -> Self {
        ApprovalView {
            created: time::show(approval.created_at_ms),
            expires: time::show(approval.expires_at_ms),
            valid_until: approval.valid_until_ms.map(time::show),
            approval,
        }
    }
}

/// A page of approvals.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ApprovalsPage {
    /// Newest first unless asked otherwise.
    pub approvals: Vec<ApprovalView>,
    /// `cursor` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// `cursor` for following what is asked after all this, with `order=asc` and `wait`.
    pub follow: String,
}

/// A grant, and what it is good for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantView {
    /// `active`, `spent`, `expired` or `revoked`.
    pub state: GrantState,
    /// RFC 3339, UTC.
    pub created: String,
    /// RFC 3339, UTC.
    pub expires: String,
    /// The grant.
    #[serde(flatten)]
    pub grant: Grant,
}

impl From<Grant> for GrantView {
    fn from(grant: Grant) -> Self {
        GrantView {
            state: grant.state(clock::unix_ms()),
            created: time::show(grant.created_at_ms),
            expires: time::show(grant.expires_at_ms),
            grant,
        }
    }
}

/// Grants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct GrantList {
    /// Newest first, those that are over included.
    pub grants: Vec<GrantView>,
}

/// Which approvals.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ApprovalsQuery {
    /// `pending`, `approved`, `denied`, `expired` or `consumed`.
    state: Option<String>,
    /// Principal of the call, exact.
    principal: Option<String>,
    /// The rule that asks, exact.
    rule: Option<String>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
    /// `next` or `follow` of another page, with the same filters.
    cursor: Option<String>,
    /// `desc` (newest first) or `asc`.
    order: Option<String>,
    /// With `order=asc`: seconds to wait for one when there is none yet, at most 30.
    wait: Option<u64>,
}

/// Finds approvals.
#[utoipa::path(
    get, path = "/v1/approvals", tag = "approvals", params(ApprovalsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "A page", body = ApprovalsPage),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<ApprovalsQuery>,
) -> Result<Json<ApprovalsPage>, Problem> {
    let wait = params.wait.unwrap_or(0);
    let query = translate(params)?;
    if wait > 0 && !query.ascending {
        return Err(Problem::bad_request("`wait` needs `order=asc`"));
    }
    let deadline = Instant::now() + Duration::from_secs(wait.min(MAX_WAIT));
    let mut asked = app.store.live().asked();
    loop {
        // Before the page is read, so that nothing falls between the two.
        asked.borrow_and_update();
        let (found, more) = app.approvals(query.clone()).await?;
        if !found.is_empty() || wait == 0 || Instant::now() >= deadline {
            return Ok(Json(page(found, more, &query)));
        }
        let _ = tokio::time::timeout_at(deadline, asked.changed()).await;
    }
}

fn translate(params: ApprovalsQuery) -> Result<ApprovalQuery, Problem> {
    let ascending = match params.order.as_deref() {
        None | Some("desc") => false,
        Some("asc") => true,
        Some(other) => {
            return Err(Problem::bad_request(format!("`order` cannot be `{other}`; use one of desc, asc")));
        }
    };
    let state = params.state.map(|name| {
        Status::parse(&name).ok_or_else(|| {
            let known = "pending, approved, denied, expired, consumed";
            Problem::bad_request(format!("`state` cannot be `{name}`; use one of {known}"))
        })
    });
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")));
    }
    let order = if ascending { Order::Ascending } else { Order::Descending };
    let after = params.cursor.map(|text| {
        let cursor = Cursor::decode(&text).filter(|cursor| cursor.order == order);
        cursor.and_then(|cursor| u64::try_from(cursor.seq).ok()).ok_or_else(|| {
            Problem::bad_request("`cursor` is none of this order; take `next`, or `follow` with `order=asc`")
        })
    });
    Ok(ApprovalQuery {
        state: state.transpose()?,
        principal: params.principal,
        rule: params.rule,
        limit,
        after: after.transpose()?,
        ascending,
    })
}

fn page(found: Vec<StoredApproval>, more: bool, query: &ApprovalQuery) -> ApprovalsPage {
    let order = if query.ascending { Order::Ascending } else { Order::Descending };
    let encode = |seq: u64, order| Cursor { seq: i64::try_from(seq).unwrap_or(i64::MAX), order }.encode();
    let (first, last) = (found.first().map(|s| s.seq), found.last().map(|s| s.seq));
    let newest = if query.ascending { last.or(query.after) } else { first };
    ApprovalsPage {
        next: last.filter(|_| more).map(|seq| encode(seq, order)),
        follow: encode(newest.unwrap_or(0), Order::Ascending),
        approvals: found.into_iter().map(|stored| stored.approval.into()).collect(),
    }
}

/// Shows one approval.
#[utoipa::path(
    get, path = "/v1/approvals/{id}", tag = "approvals", security(("admin" = [])),
    params(("id" = String, Path, description = "The approval's id")),
    responses(
        (status = 200, description = "The approval", body = ApprovalView),
        (status = 404, description = "`approval_not_found`", body = Problem),
    )
)]
pub(super) async fn show(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<ApprovalView>, Problem> {
    let found = app.store.approval(id.clone()).await?;
    let found = found.ok_or_else(|| Problem::from(AnswerError::Refused(ApprovalError::Unknown(id))))?;
    Ok(Json(found.approval.into()))
}

/// An answer's reason.
#[derive(Debug, Default, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reason {
    /// Why, for the record; at most 1,000 characters.
    #[serde(default)]
    why: String,
}

/// Says yes. The same call may then be made once, until `valid_until`.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/approve", tag = "approvals", security(("admin" = [])),
    params(("id" = String, Path, description = "The approval's id")), request_body = Reason,
    responses(
        (status = 200, description = "It is approved", body = ApprovalView),
        (status = 403, description = "`approval_self`, `approval_foreign`", body = Problem),
        (status = 404, description = "`approval_not_found`", body = Problem),
        (status = 409, description = "`approval_decided`, `approval_expired`, `approval_consumed`", body = Problem),
    )
)]
pub(super) async fn approve(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ApprovalView>, Problem> {
    let why = reason(request, &app).await?;
    Ok(Json(app.answer(&id, Answer::Approve, &caller, why).await?.into()))
}

/// Says no. The same call is refused until the approval would have expired.
#[utoipa::path(
    post, path = "/v1/approvals/{id}/deny", tag = "approvals", security(("admin" = [])),
    params(("id" = String, Path, description = "The approval's id")), request_body = Reason,
    responses(
        (status = 200, description = "It is denied", body = ApprovalView),
        (status = 403, description = "`approval_self`, `approval_foreign`", body = Problem),
        (status = 404, description = "`approval_not_found`", body = Problem),
        (status = 409, description = "`approval_decided`, `approval_expired`, `approval_consumed`", body = Problem),
    )
)]
pub(super) async fn deny(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<ApprovalView>, Problem> {
    let why = reason(request, &app).await?;
    Ok(Json(app.answer(&id, Answer::Deny, &caller, why).await?.into()))
}

/// A reason need not be given, and then nor need a body.
async fn reason(request: Request, app: &Arc<App>) -> Result<String, Problem> {
    let bytes = json::body(request, app).await?;
    if bytes.is_empty() {
        return Ok(String::new());
    }
    Ok(json::parse::<Reason>(&bytes)?.why)
}

/// Lists grants.
#[utoipa::path(
    get, path = "/v1/grants", tag = "approvals", security(("admin" = [])),
    responses((status = 200, description = "The newest 1,000", body = GrantList))
)]
pub(super) async fn grants(State(app): State<Arc<App>>, _: Admin) -> Result<Json<GrantList>, Problem> {
    let grants = app.store.grants(MAX_LIMIT).await?;
    Ok(Json(GrantList { grants: grants.into_iter().map(GrantView::from).collect() }))
}

/// Approves in advance: so many calls of one principal that one rule asks about, within a time.
#[utoipa::path(
    post, path = "/v1/grants", tag = "approvals", security(("admin" = [])), request_body = NewGrant,
    responses(
        (status = 201, description = "The grant", body = GrantView),
        (status = 403, description = "`approval_self`: nobody grants calls of their own", body = Problem),
        (status = 422, description = "`invalid_approval`: the wish makes no sense", body = Problem),
    )
)]
pub(super) async fn grant(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Json(wish): Json<NewGrant>,
) -> Result<Response, Problem> {
    let made = app.grant(wish, &caller).await?;
    Ok((StatusCode::CREATED, Json(GrantView::from(made))).into_response())
}

/// Takes a grant back, at once.
#[utoipa::path(
    delete, path = "/v1/grants/{id}", tag = "approvals", security(("admin" = [])),
    params(("id" = String, Path, description = "The grant's id")),
    responses(
        (status = 204, description = "It is good for nothing now"),
        (status = 404, description = "`grant_not_found`", body = Problem),
        (status = 409, description = "`grant_over`: it was good for nothing already", body = Problem),
    )
)]
pub(super) async fn revoke(
    State(app): State<Arc<App>>,
    Admin(caller): Admin,
    Path(id): Path<String>,
) -> Result<StatusCode, Problem> {
    match app.revoke_grant(&id, &caller).await {
        Ok(_) => Ok(StatusCode::NO_CONTENT),
        Err(AnswerError::Refused(ApprovalError::Unknown(id))) => {
            let detail = format!("there is no grant `{id}`; list them with `portcullis approvals grants`");
            Err(Problem::new(StatusCode::NOT_FOUND, "grant_not_found", detail))
        }
        Err(AnswerError::Refused(_)) => {
            let detail = "the grant is spent, expired or revoked already";
            Err(Problem::new(StatusCode::CONFLICT, "grant_over", detail))
        }
        Err(AnswerError::Store(error)) => Err(error.into()),
    }
}

impl From<AnswerError> for Problem {
    fn from(error: AnswerError) -> Self {
        let refused = match error {
            AnswerError::Store(error) => return error.into(),
            AnswerError::Refused(refused) => refused,
        };
        let (status, code) = match &refused {
            ApprovalError::Unknown(_) => (StatusCode::NOT_FOUND, "approval_not_found"),
            ApprovalError::Expired => (StatusCode::CONFLICT, "approval_expired"),
            ApprovalError::Consumed => (StatusCode::CONFLICT, "approval_consumed"),
            ApprovalError::Decided { .. } => (StatusCode::CONFLICT, "approval_decided"),
            ApprovalError::NotApproved | ApprovalError::NotDue => {
                (StatusCode::CONFLICT, "approval_not_approved")
            }
            ApprovalError::Own(_) => (StatusCode::FORBIDDEN, "approval_self"),
            ApprovalError::Foreign { .. } => (StatusCode::FORBIDDEN, "approval_foreign"),
            ApprovalError::Invalid(_) => (StatusCode::UNPROCESSABLE_ENTITY, "invalid_approval"),
        };
        Problem::new(status, code, refused.to_string())
    }
}
