//! Records of the log: a stretch of it as lines, and those of one id.

use super::log::missing;
use crate::app::App;
use crate::export::formats::jsonl;
use crate::http::auth::Admin;
use crate::http::json::Query;
use crate::http::problem::Problem;
use crate::http::reports::Lines;
use crate::storage::{Logged, StoreError};
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Records of one answer, when nothing is said.
const DEFAULT: u64 = 1_000;
/// Records of one answer, at most.
const MOST: u64 = 100_000;
/// Records that are read at once, and how much they weigh, in bytes: what one answer holds in memory.
const PAGE: u32 = 1_024;
const PAGE_BYTES: usize = 1024 * 1024;
const NDJSON: HeaderValue = HeaderValue::from_static("application/x-ndjson");

/// Which records.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct RecordsQuery {
    /// From this place in the log on; 0 when absent.
    from: Option<u64>,
    /// 1 to 100000, 1000 when absent.
    limit: Option<u64>,
}

/// A stretch of the log: `{"entry":{…},"index":n,"record":{…}}`, canonical (RFC 8785), one a line, in the order of the log. A pruned
/// record has no `record`. The answer ends without its last chunk when the records cannot be read to the end.
#[utoipa::path(
    get, path = "/v1/audit/records", tag = "audit", params(RecordsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "Lines; none where the log ends before them (schemas/audit-record.schema.json)",
            body = String, content_type = "application/x-ndjson"),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(in crate::http) async fn records(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<RecordsQuery>,
) -> Result<Response, Problem> {
    let limit = params.limit.unwrap_or(DEFAULT);
    if limit == 0 || limit > MOST {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MOST}")));
    }
    let from = params.from.unwrap_or(0);
    let end = from.saturating_add(limit);
    // The first page before the status: what cannot be read at all is an error of its own.
    let first = page(&app, from, end).await?;
    // A page waits here, one is read, one is on its way: no more, however slowly the client reads.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut records = first;
        while let Some(next) = records.last().map(|last| last.index + 1) {
            if send.send(Ok(lines(&records))).await.is_err() || next >= end {
                return;
            }
            records = match page(&app, next, end).await {
                Ok(records) => records,
                Err(error) => {
                    tracing::warn!(%error, "an answer with records ended before its end");
                    let _ = send.send(Err(error)).await;
                    return;
                }
            };
        }
    });
    Ok(([(CONTENT_TYPE, NDJSON)], Body::new(Lines(receive))).into_response())
}

async fn page(app: &App, from: u64, end: u64) -> Result<Vec<Logged>, StoreError> {
    let limit = u32::try_from(end.saturating_sub(from)).unwrap_or(PAGE).min(PAGE);
    app.store.log_records(from, limit, PAGE_BYTES).await
}

fn lines(records: &[Logged]) -> Bytes {
    let mut out = String::new();
    records.iter().for_each(|logged| jsonl::line(logged, &mut out));
    out.into()
}

/// The records of an id, in the form of the log: of a decision or event one, of a call its decision (if any) and its outcomes.
#[utoipa::path(
    get, path = "/v1/audit/records/{id}", tag = "audit", security(("admin" = [])),
    params(("id" = String, Path, description = "A decision id (as in `x-portcullis-decision-id`), call id or event id")),
    responses(
        (status = 200, description = "Lines, oldest first", body = String, content_type = "application/x-ndjson"),
        (status = 404, description = "The log has none", body = Problem),
    )
)]
pub(in crate::http) async fn record(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Response, Problem> {
    let mut found = Vec::new();
    for index in app.store.log_find(id).await? {
        found.extend(app.store.log_records(index, 1, PAGE_BYTES).await?);
    }
    if found.is_empty() {
        return Err(missing("there is no record of that id"));
    }
    Ok(([(CONTENT_TYPE, NDJSON)], lines(&found)).into_response())
}
