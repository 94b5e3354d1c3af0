//! What became of the calls: `POST /v1/outcomes`, in batches, repeated until acknowledged.

use crate::{CredentialKind, ToolOrigin};
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/outcomes`. Delivered at least once: an outcome is identified by its `call_id`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutcomeBatch {
    /// [`crate::VERSION`].
    pub version: u16,
    /// The node id of the Envoy that reports.
    pub gate: String,
    /// The outcomes, oldest first.
    pub outcomes: Vec<Outcome>,
    /// Calls that left with no record since the last acknowledged batch (`failure_mode: open` only).
    #[serde(default)]
    pub unaudited: u64,
    /// Outcomes lost in the gate since the last acknowledged batch (its queue was full).
    #[serde(default)]
    pub lost: u64,
}

/// The answer: all of the batch is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutcomeAck {
    /// Outcomes taken, repeated ones included.
    pub accepted: u64,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutcomeKind {
    /// AWS answered, whatever its status, and the answer went out whole.
    Completed,
    /// The call was allowed, and no whole answer came: upstream reset, timeout, connect failure.
    Failed,
    /// The gate refused it.
    Blocked,
    /// The client went away first.
    Aborted,
}

/// One exchange's end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Outcome {
    /// The exchange; the same as in its question.
    pub call_id: String,
    /// The decision, where the gate learned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// How it ended.
    pub outcome: OutcomeKind,
    /// Stable code of what went wrong (`decision_timeout`, `upstream_reset`, `client_gone` …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// HTTP status that the client saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// `x-amzn-requestid` of AWS's answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// AWS's error type, without namespace or suffix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The call left the gate towards AWS.
    pub forwarded: bool,
    /// The form of its credential, which says what AWS's answer proves; absent from gates that do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<CredentialKind>,
    /// Bytes of the answer's body that were let out.
    #[serde(default)]
    pub response_bytes: u64,
    /// Milliseconds from the request's headers to the end of the exchange.
    pub duration_ms: u64,
    /// Milliseconds that the gate waited for the decision.
    pub decision_ms: u64,
    /// Unix time in milliseconds at the end.
    pub ended_at_ms: u64,
    /// What the call used, where the answer said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What else the answer said; absent where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<AnswerFacts>>,
}

/// What an answer said, but for its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AnswerFacts {
    /// Milliseconds from the request's headers to the first byte of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Hex SHA-256 of the bytes of its body that were let out ([`Outcome::response_bytes`] of them).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why the model stopped, as the answer says: `end_turn`, `tool_use`, `guardrail_intervened`, `stop` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What a guardrail did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<GuardrailFacts>,
    /// Models that the answer names: what a prompt router or an agent used. Each once, capped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Tool calls that it proposes or tells of, in order, capped at 64.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<SeenCall>,
    /// Session that it names (agents, flows, knowledge bases).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Tokens that it counted for the caller, and nobody used (CountTokens).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_tokens: Option<u64>,
    /// What was wrong with its form, whatever became of it: `stream_truncated`, `stream_broken`, `answer_encoded`,
    /// `answer_unreadable`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// What a guardrail did, as an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct GuardrailFacts {
    /// `intervened` or `none`.
    pub action: String,
    /// Kinds of policies that found something: `topic`, `content`, `word`, `sensitive_information`,
    /// `contextual_grounding`, `automated_reasoning`. Each once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// A tool call that an answer proposed or told of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SeenCall {
    /// Its id, cut to 256 bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool, cut to 256 bytes.
    pub name: String,
    /// Who is to make it.
    pub origin: ToolOrigin,
}

/// What a call used, as AWS's answer says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Usage {
    /// Input tokens, without those read from or written to the prompt cache.
    #[serde(default)]
    pub input_tokens: u64,
    /// Output tokens.
    #[serde(default)]
    pub output_tokens: u64,
    /// Tokens read from the prompt cache.
    #[serde(default)]
    pub cache_read_tokens: u64,
    /// Tokens written to the prompt cache.
    #[serde(default)]
    pub cache_write_tokens: u64,
    /// Tool calls that the model proposed.
    #[serde(default)]
    pub tool_calls: u64,
}
