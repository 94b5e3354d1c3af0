//! What is found in answers and sent back in requests: tool calls, their results, judged text. Never what they contain.

use serde::{Deserialize, Serialize};

/// A tool call that was decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ToolCall {
    /// Its id in the answer: `toolUseId`, `invocationId` …
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Every form of its name, the canonical one first.
    pub names: Vec<String>,
    /// Who makes it: `model`, `server`, `return_control`, `agent`, `guard`.
    pub origin: String,
    /// Hex SHA-256 of its arguments in canonical JSON (RFC 8785); of arguments that are no JSON, of their bytes.
    pub arguments_sha256: String,
    /// Bytes of its arguments.
    pub arguments_bytes: u64,
    /// Why it could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// Bytes of the answer's body that had left when it was asked about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub released_bytes: Option<u64>,
}

/// A stretch of an answer's text that was judged.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct AnswerText {
    /// Hex SHA-256 of the text that was judged.
    pub sha256: String,
    /// Bytes of it.
    pub bytes: u64,
    /// How many of them, at its end, had not been judged before.
    pub fresh: u64,
    /// Bytes of the answer's text before it.
    pub before: u64,
    /// Bytes of the answer's body that had left when it was asked about.
    pub released_bytes: u64,
}

/// One tool result that was sent back.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ToolResult {
    /// The id of the tool call that it answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool, where the result names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes of its content.
    pub bytes: u64,
    /// The caller says that the tool failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
}
