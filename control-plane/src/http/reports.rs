//! Many records at once: the export, and reports over them.

use super::auth::Admin;
use super::json::{Json, Query};
use super::problem::Problem;
use super::time;
use crate::app::{App, Explained, ExplanationView, ShadowReport};
use crate::clock;
use crate::storage::{RecordQuery, StoreError};
use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Path, State};
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use http_body::Frame;
use serde::Deserialize;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::sync::mpsc;

/// Which records.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct RecordsQuery {
    /// Decided at or after: RFC 3339, Unix milliseconds, or how long ago (`7d`).
    since: Option<String>,
    /// Decided before: likewise.
    until: Option<String>,
    /// Principal, exact.
    principal: Option<String>,
    /// Operation, exact.
    operation: Option<String>,
}

fn translate(params: RecordsQuery, app: &App) -> Result<RecordQuery, Problem> {
    let now_ms = clock::unix_ms();
    let time = |text: Option<String>| {
        text.map(|text| time::parse(&text, now_ms)).transpose().map_err(Problem::bad_request)
    };
    Ok(RecordQuery {
        since_ms: time(params.since)?,
        until_ms: time(params.until)?,
        principal: params.principal.map(|name| app.redactor.principal(&name)),
        operation: params.operation,
        ..RecordQuery::default()
    })
}

/// Exports the records of decisions as committed, oldest first, one JSON document a line. The answer ends without its
/// last chunk when the records cannot be read to the end: what a client has read whole is complete.
#[utoipa::path(
    get, path = "/v1/decisions/export", tag = "audit", params(RecordsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "The records", body = String, content_type = "application/x-ndjson"),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn export(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<RecordsQuery>,
) -> Result<Response, Problem> {
    let query = translate(params, &app)?;
    // The first page before the status: what cannot be read at all is an error of its own.
    let first = app.store.records(query.clone()).await?;
    // A page waits here, one is read, one is on its way: no more, however slowly the client reads.
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut query = query;
        let mut page = first;
        loop {
            let mut lines = page.records.join("\n");
            if !lines.is_empty() {
                lines.push('\n');
            }
            if send.send(Ok(Bytes::from(lines))).await.is_err() || !page.more {
                return;
            }
            query.after = page.last;
            page = match app.store.records(query.clone()).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::warn!(%error, "an export ended before its end");
                    let _ = send.send(Err(error)).await;
                    return;
                }
            };
        }
    });
    let headers = [(CONTENT_TYPE, HeaderValue::from_static("application/x-ndjson"))];
    Ok((headers, Body::new(Lines(receive))).into_response())
}

/// A body whose chunks come from a task.
pub(super) struct Lines(pub(super) mpsc::Receiver<Result<Bytes, StoreError>>);

impl HttpBody for Lines {
    type Data = Bytes;
    type Error = StoreError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, StoreError>>> {
        self.0.poll_recv(context).map(|chunk| chunk.map(|chunk| chunk.map(Frame::data)))
    }
}

/// Explains a recorded decision with the active bundle: every rule, condition by condition, on the call as recorded.
#[utoipa::path(
    get, path = "/v1/decisions/{id}/explain", tag = "audit", params(("id" = String, Path, description = "The decision id")),
    security(("admin" = [])),
    responses(
        (status = 200, description = "The explanation", body = ExplanationView),
        (status = 404, description = "No such decision", body = Problem),
        (status = 409, description = "The call was refused before policy was asked", body = Problem),
    )
)]
pub(super) async fn explain(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(id): Path<String>,
) -> Result<Json<ExplanationView>, Problem> {
    match app.explain(id).await? {
        Explained::Explained(view) => Ok(Json(*view)),
        Explained::NoDecision => {
            Err(Problem::new(StatusCode::NOT_FOUND, "decision_not_found", "there is no decision of that id"))
        }
        Explained::NotPolicy => Err(Problem::new(
            StatusCode::CONFLICT,
            "not_decided_by_policy",
            "the call was refused before policy was asked; its record says why",
        )),
    }
}

/// Reports how many calls would have had another verdict had no rule been in shadow mode.
#[utoipa::path(
    get, path = "/v1/shadow-report", tag = "bundles", params(RecordsQuery), security(("admin" = [])),
    responses(
        (status = 200, description = "The report", body = ShadowReport),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn shadow_report(
    State(app): State<Arc<App>>,
    _: Admin,
    Query(params): Query<RecordsQuery>,
) -> Result<Json<ShadowReport>, Problem> {
    Ok(Json(app.shadow_report(translate(params, &app)?).await?))
}
