//! `GET /v1/limits`: what is used of the limits.

use super::auth::Admin;
use super::json::{Json, Query};
use super::problem::Problem;
use crate::app::{App, LimitUse, LimitsFilter};
use crate::clock;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Most uses on a page.
const MAX_PAGE: u32 = 1_000;
const DEFAULT_PAGE: u32 = 100;

/// Which uses.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct LimitsQuery {
    /// The limit, by its id.
    limit: Option<String>,
    /// The whole key, such as `principal.name=billing,region=eu-central-1`.
    key: Option<String>,
    /// Limits that count by `principal.name`, for this one.
    principal: Option<String>,
    /// 1 to 1000 on a page, 100 when absent.
    page_size: Option<u32>,
    /// `next` of another page, with the same filters.
    cursor: Option<String>,
}

/// Uses of limits.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LimitsPage {
    /// The fullest first.
    pub limits: Vec<LimitUse>,
    /// All that fit the filters, on whatever page.
    pub total: u64,
    /// `cursor` of the next page; absent on the last. Use changes meanwhile: a page may repeat what another had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// Shows what is used of the limits, by limit and key.
#[utoipa::path(
    get, path = "/v1/limits", tag = "limits", params(LimitsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "A page", body = LimitsPage),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn limits(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<LimitsQuery>,
) -> Result<Json<LimitsPage>, Problem> {
    let LimitsQuery { limit, key, principal, page_size, cursor } = params;
    let page_size = page_size.unwrap_or(DEFAULT_PAGE);
    if page_size == 0 || page_size > MAX_PAGE {
        return Err(Problem::bad_request(format!("`page_size` must be 1 to {MAX_PAGE}")));
    }
    let start = match cursor.as_deref().map(str::parse::<usize>) {
        None => 0,
        Some(Ok(start)) => start,
        Some(Err(_)) => return Err(Problem::bad_request("`cursor` is none; take `next` of another page")),
    };
    let filter = LimitsFilter { limit, key, principal };
    let bundle = app.bundle.current();
    let all = app.limits.usage(bundle.as_deref(), clock::unix_ms(), &filter);
    let size = usize::try_from(page_size).unwrap_or(usize::MAX);
    let end = start.saturating_add(size);
    let next = (end < all.len()).then(|| end.to_string());
    let total = u64::try_from(all.len()).unwrap_or(u64::MAX);
    let limits = all.into_iter().skip(start).take(size).collect();
    Ok(Json(LimitsPage { limits, total, next }))
}
