//! What became of a call, and how that may change.

use crate::principal::Assurance;
use serde::{Deserialize, Serialize};

/// The state of a call's outcome.
///
/// ```text
/// pending ──▶ completed | failed | aborted | blocked        the gate reported
///    └──────▶ unknown ──▶ completed | failed | aborted | blocked   nobody reported in time; a late report replaces it
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum OutcomeState {
    /// Allowed, not reported yet.
    #[default]
    Pending,
    /// AWS answered, whatever its status, and the answer went out whole.
    Completed,
    /// Allowed, and no whole answer came.
    Failed,
    /// The client went away first.
    Aborted,
    /// The gate refused it.
    Blocked,
    /// The deadline passed and nobody reported.
    Unknown,
}

impl OutcomeState {
    /// Every state, for tests and documentation.
    pub const ALL: [OutcomeState; 6] = [
        OutcomeState::Pending,
        OutcomeState::Completed,
        OutcomeState::Failed,
        OutcomeState::Aborted,
        OutcomeState::Blocked,
        OutcomeState::Unknown,
    ];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            OutcomeState::Pending => "pending",
            OutcomeState::Completed => "completed",
            OutcomeState::Failed => "failed",
            OutcomeState::Aborted => "aborted",
            OutcomeState::Blocked => "blocked",
            OutcomeState::Unknown => "unknown",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<OutcomeState> {
        OutcomeState::ALL.into_iter().find(|state| state.as_str() == name)
    }

    /// A report was received: nothing replaces it.
    #[must_use]
    pub const fn is_final(self) -> bool {
        matches!(
            self,
            OutcomeState::Completed | OutcomeState::Failed | OutcomeState::Aborted | OutcomeState::Blocked
        )
    }

    /// The state after `next` was reported. The first report stands (delivery is at least once, so repeats are
    /// ordinary); a late report replaces `unknown`; nothing goes back to `pending`.
    #[must_use]
    pub const fn then(self, next: OutcomeState) -> OutcomeState {
        match (self.is_final(), next) {
            (true, _) | (false, OutcomeState::Pending) => self,
            (false, next) => next,
        }
    }
}

/// What became of one call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct OutcomeRecord {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// The call.
    pub call_id: String,
    /// The decision, where the gate learned it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision_id: Option<String>,
    /// The gate that reported; empty for `unknown`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub gate: String,
    /// How it ended.
    pub state: OutcomeState,
    /// Stable code of what went wrong.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// HTTP status that the client saw.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// AWS's request id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aws_request_id: Option<String>,
    /// AWS's error type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_type: Option<String>,
    /// The call left the gate towards AWS.
    #[serde(default)]
    pub forwarded: bool,
    /// Bytes of the answer's body that were let out.
    #[serde(default)]
    pub response_bytes: u64,
    /// From the request's headers to the end of the exchange.
    #[serde(default)]
    pub duration_ms: u64,
    /// How long the gate waited for the decision.
    #[serde(default)]
    pub decision_ms: u64,
    /// Unix time in milliseconds at the end, by the gate's clock.
    #[serde(default)]
    pub ended_at_ms: u64,
    /// Unix time in milliseconds of its record, by the control plane's clock.
    #[serde(default)]
    pub recorded_at_ms: u64,
    /// What AWS's answer says of a principal that only claimed to be one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assurance: Option<Assurance>,
    /// What the call used, where the answer says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage: Option<Usage>,
    /// What else the answer said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Box<Answer>>,
}

/// What an answer said, but for its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Answer {
    /// Milliseconds from the request's headers to the first byte of the answer's body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Hex SHA-256 of the bytes of its body that were let out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What a guardrail did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<Guardrail>,
    /// Models that the answer names: what a prompt router or an agent used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Tool calls that it proposes or tells of, in order, capped.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tool_calls: Vec<SeenCall>,
    /// Session that it names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// Tokens that it counted for the caller, and nobody used (CountTokens).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counted_tokens: Option<u64>,
    /// What was wrong with its form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// What a guardrail did.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Guardrail {
    /// `intervened` or `none`.
    pub action: String,
    /// Kinds of policies that found something.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub policies: Vec<String>,
}

/// A tool call that an answer proposed or told of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct SeenCall {
    /// Its id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool.
    pub name: String,
    /// Who is to make it: `model`, `server`, `return_control`, `agent`.
    pub origin: String,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_report_stands_and_late_ones_replace_unknown() {
        let mut compared = 0;
        for before in OutcomeState::ALL {
            for next in OutcomeState::ALL {
                let after = before.then(next);
                let expected = if before.is_final() || next == OutcomeState::Pending { before } else { next };
                assert_eq!(after, expected, "{before:?} then {next:?}");
                assert_eq!(after.then(next), after, "{before:?} then {next:?} twice");
                compared += 1;
            }
        }
        println!("compared {compared} transitions");
    }

    #[test]
    fn names_are_those_of_serde() {
        for state in OutcomeState::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{}\"", state.as_str()));
            assert_eq!(OutcomeState::parse(state.as_str()), Some(state));
        }
        assert_eq!(OutcomeState::parse("maybe"), None);
    }
}
