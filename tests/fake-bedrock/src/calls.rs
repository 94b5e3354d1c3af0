//! The list of calls that reached the fake.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// One call, written down before it was answered, whatever the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// As AWS models it; `Unknown` when nothing matched.
    pub operation: String,
    /// HTTP method.
    pub method: String,
    /// Raw path with its query, as received.
    pub path: String,
    /// The model named in path or body.
    pub model: Option<String>,
    /// The access key id of the credential, verified or not.
    pub access_key_id: Option<String>,
    /// `sigv4`, `presigned`, `bearer_short_term`, `bearer_long_term`, `other`, `none`, or `unchecked`; empty when the
    /// connection broke before its body was there.
    pub credential: String,
    /// The credential verified. Always false with `verify: false`.
    pub signature_valid: bool,
    /// Why not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rejected: Option<String>,
    /// Lower-case hex SHA-256 of the body as received.
    pub body_sha256: String,
    /// Bytes of the body as received.
    pub body_bytes: u64,
    /// The body arrived whole.
    pub body_complete: bool,
    /// `Host` or `:authority`, as received.
    pub host: String,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub protocol: String,
    /// The status it is about to be answered with.
    pub status: u16,
    /// `x-amzn-requestid` of the answer.
    pub request_id: String,
    /// `amz-sdk-invocation-id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// Request headers in order of arrival, lower-case names; credentials are masked.
    pub headers: Vec<(String, String)>,
}

/// The list, shared between the server and its owner.
#[derive(Debug, Clone, Default)]
pub struct CallLog(Arc<Mutex<Vec<CallRecord>>>);

impl CallLog {
    /// Adds a call.
    pub fn push(&self, call: CallRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// All of them, in the order they were written down.
    #[must_use]
    pub fn all(&self) -> Vec<CallRecord> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Empties the list.
    pub fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}
