//! Errors as clients see them: `application/problem+json` (RFC 9457) with a stable `code`.

use crate::app::{Fault, KeysError, RolloutError};
use crate::bundle::BuildError;
use crate::storage::StoreError;
use crate::tokens::Denied;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use portcullis_policy::{Diagnostic, Severity};
use serde::{Deserialize, Serialize};

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Problem {
    /// `urn:portcullis:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    pub kind: Box<str>,
    /// The status's name.
    #[schema(value_type = String)]
    pub title: Box<str>,
    /// The status.
    pub status: u16,
    /// Stable code; see docs/operations.md.
    pub code: String,
    /// What went wrong and what to do, for people.
    pub detail: String,
    /// Where in the body, as a JSON pointer (RFC 6901); of what is read member by member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pointer: Option<Box<str>>,
    /// What is wrong with a bundle, and where.
    #[serde(default, skip_serializing_if = "<[_]>::is_empty")]
    #[schema(value_type = Vec<DiagnosticView>)]
    pub diagnostics: Box<[DiagnosticView]>,
}

/// One finding in a bundle.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DiagnosticView {
    /// `error` or `warning`.
    pub severity: String,
    /// The file, relative to the bundle.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl From<&Diagnostic> for DiagnosticView {
    fn from(diagnostic: &Diagnostic) -> Self {
        let severity = match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        DiagnosticView {
            severity: severity.to_owned(),
            path: diagnostic.path.clone(),
            line: diagnostic.line,
            column: diagnostic.column,
            message: diagnostic.message.clone(),
        }
    }
}

impl Problem {
    /// A problem.
    #[must_use]
    pub fn new(status: StatusCode, code: &str, detail: impl Into<String>) -> Self {
        Problem {
            kind: format!("urn:portcullis:problem:{code}").into(),
            title: status.canonical_reason().unwrap_or("Error").into(),
            status: status.as_u16(),
            code: code.to_owned(),
            detail: detail.into(),
            pointer: None,
            diagnostics: Box::default(),
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
            Fault::NoDecision(_) => Problem::new(StatusCode::NOT_FOUND, code, fault.to_string()),
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

impl From<RolloutError> for Problem {
    fn from(error: RolloutError) -> Self {
        let detail = error.to_string();
        let conflict = |code| Problem::new(StatusCode::CONFLICT, code, detail.clone());
        match error {
            RolloutError::Refused(error) => {
                let code = match error {
                    BuildError::Files(_) => "bundle_refused",
                    BuildError::Signature(_) => "bundle_signature",
                };
                let diagnostics = error.into_inner().diagnostics.iter().map(DiagnosticView::from).collect();
                Problem { diagnostics, ..Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail) }
            }
            RolloutError::Why => Problem::bad_request(detail),
            RolloutError::NoSuchVersion(_) => Problem::new(StatusCode::NOT_FOUND, "bundle_not_found", detail),
            RolloutError::NothingBefore => conflict("nothing_before"),
            RolloutError::NotPinned => conflict("not_pinned"),
            RolloutError::NoDirectory => conflict("no_directory"),
            RolloutError::DirectoryBroken(_) => conflict("directory_refused"),
            RolloutError::Store(error) => error.into(),
            RolloutError::Internal(_) => {
                tracing::error!(error = detail, "cannot change the bundle");
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
            Denied::Missing | Denied::Unknown | Denied::Expired => {
                Problem::new(StatusCode::UNAUTHORIZED, "unauthenticated", denied.to_string())
            }
            Denied::WrongKind => Problem::new(StatusCode::FORBIDDEN, "wrong_token_kind", denied.to_string()),
        }
    }
}
