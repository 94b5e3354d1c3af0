//! Errors as clients see them: `application/problem+json` (RFC 9457) with a stable `code`.

use crate::app::{Fault, KeysError};
use crate::storage::StoreError;
use crate::tokens::Denied;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:portcullis:problem:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The status's name.
    pub title: String,
    /// The status.
    pub status: u16,
    /// Stable code; see docs/operations.md.
    pub code: String,
    /// What went wrong and what to do, for people.
    pub detail: String,
}

impl Problem {
    /// A problem.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("urn:portcullis:problem:{code}"),
            title: status.canonical_reason().unwrap_or("Error").to_owned(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
        }
    }

    /// A parameter that makes no sense.
    pub(super) fn bad_request(detail: impl Into<String>) -> Self {
        Problem::new(StatusCode::BAD_REQUEST, "bad_request", detail)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_vec(&self).unwrap_or_default();
        let mut response = (status, body).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        response
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        let code = fault.code();
        match &fault {
            Fault::Question(detail) => Problem::new(StatusCode::BAD_REQUEST, code, detail.clone()),
            Fault::Store(StoreError::CallIdReused(_)) => {
                Problem::new(StatusCode::CONFLICT, code, fault.to_string())
            }
            Fault::Store(StoreError::Inconsistent(_)) | Fault::Inconsistent(_) => {
                tracing::error!(error = %fault, "this should not be");
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    code,
                    "an internal error; its particulars are in the log",
                )
            }
            _ => Problem::new(StatusCode::SERVICE_UNAVAILABLE, code, fault.to_string()),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Fault::from(error).into()
    }
}

impl From<KeysError> for Problem {
    fn from(error: KeysError) -> Self {
        match error {
            KeysError::Invalid(detail) => {
                Problem::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_key", detail)
            }
            KeysError::NotFound(_) => Problem::new(StatusCode::NOT_FOUND, "key_not_found", error.to_string()),
            KeysError::Store(error) => error.into(),
            KeysError::Master(_) | KeysError::Randomness(_) => {
                tracing::error!(%error, "cannot make a key");
                Problem::new(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "internal",
                    "an internal error; its particulars are in the log",
                )
            }
        }
    }
}

impl From<Denied> for Problem {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Missing | Denied::Unknown => {
                Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", denied.to_string())
            }
            Denied::WrongKind => Problem::new(StatusCode::FORBIDDEN, "wrong_token_kind", denied.to_string()),
        }
    }
}
