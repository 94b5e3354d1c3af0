//! Finding decisions: `GET /v1/decisions`, and what values there are: `GET /v1/audit/facets`.

use super::auth::Admin;
use super::json::{Json, Query};
use super::problem::Problem;
use super::time;
use super::view::{self, DecisionsPage};
use crate::app::App;
use crate::clock;
use crate::redaction::Redactor;
use crate::search::{self, Facet, Key, SearchError, Text};
use crate::storage::{Cursor, Order};
use axum::extract::State;
use axum::http::StatusCode;
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
/// Most values of one parameter.
const MAX_VALUES: usize = 100;

/// Which decisions. What may be repeated finds decisions with any of its values; all parameters must hold. `*` and `?` make
/// a value a glob.
#[derive(Debug, Default, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(
    dead_code,
    reason = "describes the parameters; they are read one by one, so that they may be repeated"
)]
pub(super) struct DecisionsQuery {
    /// Decided at or after: RFC 3339, Unix milliseconds, or how long ago (`15m`).
    since: Option<String>,
    /// Decided before: likewise.
    until: Option<String>,
    /// `call`, `tool_call` (one that an answer proposed, or that was asked about) or `answer_text`; all when absent. May be
    /// repeated.
    kind: Option<Vec<String>>,
    /// Principal: exact, or a glob. May be repeated.
    principal: Option<Vec<String>>,
    /// The principal's tenant: exact, or a glob. May be repeated.
    tenant: Option<Vec<String>>,
    /// Model as called, or its base model: exact, or a glob. May be repeated.
    model: Option<Vec<String>>,
    /// Whose endpoint: `aws`, or another provider's name. May be repeated.
    provider: Option<Vec<String>>,
    /// Tool of a tool call by any form of its name; of a call, a tool that its answer proposed. Exact, or a glob. May be
    /// repeated.
    tool: Option<Vec<String>>,
    /// Agent id or runtime ARN: exact, or a glob. May be repeated.
    agent: Option<Vec<String>>,
    /// `allow`, `deny`, `throttle` or `pending_approval`. May be repeated.
    verdict: Option<Vec<String>>,
    /// The rule that decided: exact, or a glob. May be repeated.
    rule: Option<Vec<String>>,
    /// The route of the bundle: exact, or a glob. May be repeated.
    route: Option<Vec<String>>,
    /// Operation: exact, or a glob. May be repeated.
    operation: Option<Vec<String>>,
    /// Region of the endpoint, else of the credential. May be repeated.
    region: Option<Vec<String>>,
    /// Account in the credential or in the model's ARN. May be repeated.
    account: Option<Vec<String>>,
    /// `pending`, `completed`, `failed`, `aborted`, `blocked` or `unknown`. May be repeated.
    outcome: Option<Vec<String>>,
    /// Digest of the bundle that decided: exact, or a glob (`9f86*`). May be repeated.
    bundle: Option<Vec<String>>,
    /// Agent session, of the request or named by the answer; exact. May be repeated.
    session: Option<Vec<String>>,
    /// Correlation id, exact: what the calls of one tool-use loop share. May be repeated. See also `/v1/correlations/{id}`.
    correlation: Option<Vec<String>>,
    /// The gate's name for the call, exact. May be repeated.
    call_id: Option<Vec<String>>,
    /// AWS's request id, exact. May be repeated.
    aws_request_id: Option<Vec<String>>,
    /// Words and `"phrases"` that are all in what the caller was told, whatever their case.
    text: Option<String>,
    /// 1 to 1000, 100 when absent.
    limit: Option<u32>,
    /// `next` or `follow` of another page, with the same filters.
    cursor: Option<String>,
    /// `desc` (newest first) or `asc`.
    order: Option<String>,
    /// With `order=asc`: seconds to wait for a decision when there is none yet, at most 30.
    wait: Option<u64>,
    /// `true`: tell how many decisions there are on all pages together.
    count: Option<bool>,
}

/// What a query string asks for.
#[derive(Debug)]
struct Asked {
    query: search::Query,
    wait: Duration,
    count: bool,
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
    Query(pairs): Query<Vec<(String, String)>>,
) -> Result<Json<DecisionsPage>, Problem> {
    let Asked { mut query, wait, count } = read(pairs, &["limit", "cursor", "order", "wait", "count"])?;
    widen(&app.redactor, &mut query);
    let deadline = Instant::now() + wait;
    let mut watch = app.store.watch();
    let count = if count { app.search.count(&app.store, &query).await } else { None };
    loop {
        // Before the page is read, so that nothing falls between the two.
        let newest = *watch.borrow_and_update();
        let page = app.search.find(&app.store, &query).await?;
        if !page.decisions.is_empty() || wait.is_zero() || Instant::now() >= deadline {
            let mut page = view::page(page, query.order, query.after, newest);
            page.count = count.map(|count| count.decisions);
            page.count_at_most = count.is_some_and(|count| !count.exact);
            return Ok(Json(page));
        }
        // The sender lives as long as the store; either way the next round decides.
        let _ = tokio::time::timeout_at(deadline, watch.changed()).await;
    }
}

/// A value of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FacetValue {
    /// The value; absent for those that are beyond what the index keeps apart, together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// Decisions that have it.
    pub decisions: u64,
}

/// The values of a facet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FacetView {
    /// The facet.
    pub facet: String,
    /// The most frequent first. A decision may have several of them, or none.
    pub values: Vec<FacetValue>,
    /// There are more values.
    pub more: bool,
}

/// Which facet, of which decisions.
#[derive(Debug, Default, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes the parameter; it is read with the others")]
pub(super) struct FacetQuery {
    /// `kind`, `principal`, `tenant`, `model`, `provider`, `tool`, `agent`, `verdict`, `rule`, `route`, `operation`, `region`,
    /// `account`, `outcome`, `bundle` or `message`.
    facet: String,
}

/// Tells which values of a property occur, and in how many decisions: of all, or of those that the other parameters choose
/// (those of `/v1/decisions` but `cursor`, `order`, `wait` and `count`).
#[utoipa::path(
    get, path = "/v1/audit/facets", tag = "audit", params(FacetQuery, DecisionsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "The values", body = FacetView),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn facets(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(mut pairs): Query<Vec<(String, String)>>,
) -> Result<Json<FacetView>, Problem> {
    let known = || Facet::ALL.map(Facet::as_str).join(", ");
    let Some(at) = pairs.iter().position(|(key, _)| key == "facet") else {
        return Err(Problem::bad_request(format!("`facet` is missing; use one of {}", known())));
    };
    let (_, name) = pairs.swap_remove(at);
    let facet = Facet::parse(&name)
        .ok_or_else(|| Problem::bad_request(format!("`facet` cannot be `{name}`; use one of {}", known())))?;
    let Asked { mut query, .. } = read(pairs, &["limit"])?;
    widen(&app.redactor, &mut query);
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let mut values = app.search.values(&app.store, &query, facet, limit + 1).await?;
    let more = values.len() > limit;
    values.truncate(limit);
    let values = values.into_iter().map(|found| FacetValue {
        value: found.value.map(|value| value.to_string()),
        decisions: found.decisions,
    });
    Ok(Json(FacetView { facet: name, values: values.collect(), more }))
}

impl From<SearchError> for Problem {
    fn from(error: SearchError) -> Self {
        match error {
            SearchError::Store(error) => error.into(),
            SearchError::Slow(detail) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "search_too_slow", detail)
            }
            SearchError::NoIndex(detail) => {
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "search_index_not_ready", detail)
            }
        }
    }
}

/// Reads a query string. `others` are the keys that are taken besides filters.
fn read(pairs: Vec<(String, String)>, others: &[&str]) -> Result<Asked, Problem> {
    let mut query = search::Query { limit: DEFAULT_LIMIT, ..search::Query::default() };
    let (mut cursor, mut wait, mut count) = (None, 0, false);
    let now_ms = clock::unix_ms();
    let time = |text: &str| time::parse(text, now_ms).map(Some).map_err(Problem::bad_request);
    let mut seen: Vec<&str> = Vec::new();
    for (key, value) in &pairs {
        let bad =
            |known: &str| Problem::bad_request(format!("`{key}` cannot be `{value}`; use one of {known}"));
        if let Some(facet) = Facet::parse(key).filter(|facet| *facet != Facet::Message) {
            check(facet, value).map_err(bad)?;
            add(query.facets.entry(facet).or_default(), key, value)?;
            continue;
        }
        if let Some(found) = Key::ALL.into_iter().find(|known| known.as_str() == key) {
            add(query.keys.entry(found).or_default(), key, value)?;
            continue;
        }
        let plain = matches!(key.as_str(), "since" | "until" | "text");
        if !plain && !others.contains(&key.as_str()) {
            return Err(Problem::bad_request(format!("unknown parameter `{key}`; use {}", names(others))));
        }
        if seen.contains(&key.as_str()) {
            return Err(Problem::bad_request(format!("duplicate parameter `{key}`: it has one value")));
        }
        seen.push(key);
        match key.as_str() {
            "since" => query.since_ms = time(value)?,
            "until" => query.until_ms = time(value)?,
            "text" => query.text = Some(Text::parse(value).map_err(Problem::bad_request)?),
            "cursor" => cursor = Some(value),
            "order" => {
                query.order = match value.as_str() {
                    "desc" => Order::Descending,
                    "asc" => Order::Ascending,
                    _ => return Err(bad("desc, asc")),
                }
            }
            "limit" => {
                let limit = value.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
                query.limit =
                    limit.ok_or_else(|| Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")))?;
            }
            "wait" => {
                let seconds = value.parse::<u64>();
                wait = seconds.map_err(|_| Problem::bad_request("`wait` must be a number of seconds"))?;
            }
            _ => count = value.parse().map_err(|_| bad("true, false"))?,
        }
    }
    if let Some(text) = cursor {
        let cursor = Cursor::decode(text).filter(|cursor| cursor.order == query.order);
        let none = "`cursor` is none of this order; take `next`, or `follow` with `order=asc`";
        query.after = Some(cursor.ok_or_else(|| Problem::bad_request(none))?.seq);
    }
    if wait > 0 && query.order == Order::Descending {
        return Err(Problem::bad_request("`wait` needs `order=asc`"));
    }
    Ok(Asked { query, wait: Duration::from_secs(wait.min(MAX_WAIT)), count })
}

/// What is redacted on record is found by its value in the clear as well.
fn widen(redactor: &Redactor, query: &mut search::Query) {
    let wide = |values: &mut Vec<String>, forms: &dyn Fn(&str) -> Vec<String>| {
        let exact = values.iter().filter(|value| !value.contains(['*', '?']));
        let more: Vec<String> = exact.flat_map(|value| forms(value)).collect();
        more.into_iter().for_each(|form| {
            if !values.contains(&form) {
                values.push(form)
            }
        });
    };
    for (facet, values) in &mut query.facets {
        match facet {
            Facet::Principal => wide(values, &|name| redactor.principals(name)),
            Facet::Tenant => wide(values, &|name| redactor.tenants(name)),
            Facet::Account => wide(values, &|name| redactor.accounts(name)),
            _ => {}
        }
    }
    for (key, values) in &mut query.keys {
        if matches!(key, Key::Session | Key::Correlation) {
            wide(values, &|name| redactor.sessions(name));
        }
    }
}

fn add(values: &mut Vec<String>, key: &str, value: &str) -> Result<(), Problem> {
    if value.is_empty() {
        return Err(Problem::bad_request(format!("`{key}` is empty; leave it out to find any")));
    }
    if values.len() == MAX_VALUES {
        return Err(Problem::bad_request(format!("`{key}` has more than {MAX_VALUES} values")));
    }
    values.push(value.to_owned());
    Ok(())
}

/// What is neither of the few values that there are is a mistake: it would find nothing.
fn check(facet: Facet, value: &str) -> Result<(), &'static str> {
    let (known, names) = match facet {
        Facet::Verdict => (VerdictKind::parse(value).is_some(), "allow, deny, throttle, pending_approval"),
        Facet::Outcome => {
            (OutcomeState::parse(value).is_some(), "pending, completed, failed, aborted, blocked, unknown")
        }
        Facet::Kind => {
            (DecisionKind::ALL.into_iter().any(|kind| kind.as_str() == value), "call, tool_call, answer_text")
        }
        _ => (true, ""),
    };
    if known { Ok(()) } else { Err(names) }
}

fn names(others: &[&str]) -> String {
    let facets = Facet::ALL.into_iter().filter(|facet| *facet != Facet::Message).map(|facet| facet.as_str());
    let keys = Key::ALL.into_iter().map(|key| key.as_str());
    let all = ["since", "until", "text"].into_iter().chain(facets).chain(keys);
    let all: Vec<String> =
        all.map(str::to_owned).chain(others.iter().map(|name| (*name).to_owned())).collect();
    all.join(", ")
}
