//! The list of calls that reached the fake.

use serde::{Deserialize, Serialize};
use std::sync::{Arc, Mutex, PoisonError};

/// One call, written down before it was answered, whatever the answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRecord {
    /// When it arrived, Unix milliseconds.
    #[serde(default)]
    pub at_ms: u64,
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
    /// What the answer says, where it is a model's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub said: Option<SaidRecord>,
    /// What was sent of the answer's body, once that is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<SentRecord>,
}

/// What a model's answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidRecord {
    /// Its text, cut to 4,096 characters.
    pub text: String,
    /// Its tool calls, in order.
    pub tool_calls: Vec<SaidCall>,
    /// Input tokens, without those of the cache.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Tokens read from the cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the cache.
    pub cache_write_tokens: u64,
    /// False when the answer keeps the numbers to itself.
    pub counted: bool,
}

/// A tool call in an answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SaidCall {
    /// Its id.
    pub id: String,
    /// The tool.
    pub name: String,
    /// Lower-case hex SHA-256 of its arguments, as the answer words them.
    pub sha256: String,
    /// Bytes of its arguments.
    pub bytes: u64,
    /// The arguments, cut to 4,096 characters.
    pub arguments: String,
}

/// What was sent of an answer's body.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SentRecord {
    /// Bytes handed to the connection.
    pub bytes: u64,
    /// Lower-case hex SHA-256 of them; absent above 32 MiB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// All of it was.
    pub whole: bool,
}

/// The list, shared between the server and its owner.
#[derive(Debug, Clone, Default)]
pub struct CallLog(Arc<Mutex<Vec<CallRecord>>>);

impl CallLog {
    /// Adds a call.
    pub fn push(&self, call: CallRecord) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    /// Adds to a call that its answer is over.
    pub fn sent(&self, request_id: &str, sent: SentRecord) {
        let mut calls = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(call) = calls.iter_mut().rev().find(|call| call.request_id == request_id) {
            call.sent = Some(sent);
        }
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
