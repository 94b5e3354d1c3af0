//! The control API: `GET /calls`, `DELETE /calls`, `GET /cloudtrail`, `GET /ca.pem`, `GET /healthz`.

use crate::calls::CallLog;
use crate::cloudtrail;
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;

/// Answers one request of the control API.
pub(crate) fn answer<B>(request: &Request<B>, calls: &CallLog, ca_pem: &str) -> Response<Full<Bytes>> {
    match (request.method(), request.uri().path()) {
        (&Method::GET, "/calls") => match serde_json::to_vec(&calls.all()) {
            Ok(json) => reply(StatusCode::OK, "application/json", json),
            Err(error) => reply(StatusCode::INTERNAL_SERVER_ERROR, "text/plain", error.to_string()),
        },
        (&Method::DELETE, "/calls") => {
            calls.clear();
            reply(StatusCode::NO_CONTENT, "application/json", "")
        }
        (&Method::GET, "/cloudtrail") => {
            reply(StatusCode::OK, "application/json", cloudtrail::document(&calls.all()).to_string())
        }
        (&Method::GET, "/ca.pem") => reply(StatusCode::OK, "application/x-pem-file", ca_pem.to_owned()),
        (&Method::GET, "/healthz") => reply(StatusCode::OK, "text/plain", "ok\n"),
        _ => reply(
            StatusCode::NOT_FOUND,
            "text/plain",
            "not found: try GET /calls, DELETE /calls, GET /cloudtrail, GET /ca.pem or GET /healthz\n",
        ),
    }
}

fn reply(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(content_type));
    response
}
