//! JSON in and out, and query strings, with our errors.

use super::problem::Problem;
use crate::app::App;
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// A JSON body.
#[derive(Debug)]
pub(super) struct Json<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, Problem> {
        let bytes = body(request, app).await?;
        parse(&bytes).map(Json)
    }
}

/// Reads the body, at most as much as is allowed.
pub(super) async fn body(request: Request, app: &Arc<App>) -> Result<Bytes, Problem> {
    check_type(request.headers())?;
    check_encoding(request.headers())?;
    read(request, app, app.settings.max_body_bytes).await
}

/// Reads a body that is no JSON, of whatever type it says it is; the route has set the limit.
pub(super) async fn raw(request: Request, app: &Arc<App>, limit: usize) -> Result<Bytes, Problem> {
    check_encoding(request.headers())?;
    read(request, app, limit).await
}

async fn read(request: Request, app: &Arc<App>, limit: usize) -> Result<Bytes, Problem> {
    Bytes::from_request(request, app).await.map_err(|rejection| {
        if rejection.status() == StatusCode::PAYLOAD_TOO_LARGE {
            let detail = format!("the body is longer than {limit} bytes");
            return Problem::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail);
        }
        Problem::new(StatusCode::BAD_REQUEST, "body_incomplete", "the body could not be read to its end")
    })
}

fn unsupported(detail: &str) -> Problem {
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail)
}

fn check_type(headers: &HeaderMap) -> Result<(), Problem> {
    let is_json = |value: &HeaderValue| {
        let text = value.to_str().unwrap_or_default();
        let essence = text.split(';').next().unwrap_or_default().trim();
        essence.eq_ignore_ascii_case("application/json")
    };
    // Absent is fine: what is there must be JSON anyway. Present and something else is a browser's form or a mistake.
    if headers.get(CONTENT_TYPE).is_some_and(|value| !is_json(value)) {
        return Err(unsupported("`content-type` must be application/json"));
    }
    Ok(())
}

fn check_encoding(headers: &HeaderMap) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        return Err(unsupported("an encoded body is not taken; send it as it is"));
    }
    Ok(())
}

/// Parses a JSON document; nothing may follow it.
pub(super) fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    serde_json::from_slice(bytes).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => Problem::new(
            StatusCode::UNPROCESSABLE_ENTITY,
            "bad_document",
            format!("the JSON is not what is expected here: {error}"),
        ),
        _ => Problem::new(StatusCode::BAD_REQUEST, "bad_json", format!("the body is not JSON: {error}")),
    })
}

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => {
                ([(CONTENT_TYPE, HeaderValue::from_static("application/json"))], body).into_response()
            }
            Err(error) => {
                tracing::error!(%error, "cannot write an answer");
                Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "an internal error")
                    .into_response()
            }
        }
    }
}

/// A query string; a key that is not known is an error, because a filter with a typo would show everything.
#[derive(Debug)]
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        axum::extract::Query::try_from_uri(&parts.uri)
            .map(|axum::extract::Query(value)| Query(value))
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))
    }
}
