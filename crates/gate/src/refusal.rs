//! Answers in the upstream's place, in the shape of the API that was called, so that SDKs raise what their users know.

use crate::fault::Fault;
use crate::stop::Stop;
use portcullis_bedrock::answer::StreamEnding;
use portcullis_bedrock::{ApiShape, Problem, ProblemCode};
use portcullis_protocol::DECISION_ID_HEADER;
use serde_json::json;

/// A whole answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// HTTP status.
    pub status: u16,
    /// Headers, lower-case names, visible ASCII values.
    pub headers: Vec<(&'static str, String)>,
    /// JSON.
    pub body: Vec<u8>,
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// The control plane denies it.
    Denied { message: String },
    /// The control plane denies it until somebody approves it.
    Pending { message: String, approval_id: String },
    /// The control plane asks for patience.
    Throttled { message: String, retry_after_seconds: u32 },
    /// The gate has something against it.
    Malformed(Problem),
    /// There is no decision.
    Undecided(Fault),
    /// The call went out, and its answer is not let in.
    Answer(Stop),
}

/// The classes of refusal that an API can tell apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Class {
    Forbidden,
    Throttled,
    Invalid,
    Unavailable,
    /// What the model said cannot be passed on. SDKs do not repeat such a call, which would only pay for it again.
    Unusable,
}

impl Refusal {
    /// Stable code, see docs/errors.md.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::Pending { .. } => "pending_approval",
            Self::Throttled { .. } => "throttled",
            Self::Malformed(problem) => problem.code.as_str(),
            Self::Undecided(fault) => fault.code(),
            Self::Answer(stop) => stop.code(),
        }
    }

    fn class(&self) -> Class {
        match self {
            Self::Denied { .. } | Self::Pending { .. } => Class::Forbidden,
            Self::Throttled { .. } => Class::Throttled,
            Self::Undecided(_) => Class::Unavailable,
            Self::Answer(stop) => match stop.ending() {
                StreamEnding::Denied => Class::Forbidden,
                StreamEnding::Undecided => Class::Unavailable,
                StreamEnding::Unreadable => Class::Unusable,
            },
            Self::Malformed(problem) => match problem.code {
                ProblemCode::TwoCredentials
                | ProblemCode::BadCredential
                | ProblemCode::ForeignService
                | ProblemCode::RegionMismatch
                | ProblemCode::ServerNameMismatch => Class::Forbidden,
                // Whatever else: it is refused, and a repetition would be, too.
                _ => Class::Invalid,
            },
        }
    }

    fn message(&self) -> String {
        match self {
            // Whoever reads it must be able to name the approval.
            Self::Pending { message, approval_id } if !message.contains(approval_id) => {
                format!("{message} (approval {approval_id})")
            }
            Self::Denied { message } | Self::Pending { message, .. } | Self::Throttled { message, .. } => {
                message.clone()
            }
            Self::Malformed(problem) => format!("{} ({})", problem.detail, problem.code.as_str()),
            Self::Answer(stop) => stop.message(),
            Self::Undecided(fault) => {
                format!(
                    "the gate could not get a decision for this call; it did not leave ({})",
                    fault.code()
                )
            }
        }
    }

    /// The answer. `id` is the decision's id, or the call's where there is no decision.
    pub(crate) fn reply(&self, shape: ApiShape, id: &str) -> LocalReply {
        let class = self.class();
        let message = self.message();
        let body = match shape {
            ApiShape::Aws => json!({"message": message}),
            ApiShape::OpenAi => json!({"error": {
                "message": message,
                "type": class.openai_type(),
                "code": self.code(),
                "param": null,
            }}),
            ApiShape::Anthropic => json!({
                "type": "error",
                "error": {"type": class.anthropic_type(), "message": message},
                "request_id": id,
            }),
        };
        let mut headers = vec![
            ("content-type", "application/json".to_owned()),
            ("x-amzn-requestid", id.to_owned()),
            // The Bedrock SDKs read the type here; the OpenAI and Anthropic ones do not mind.
            ("x-amzn-errortype", class.aws_type().to_owned()),
            (DECISION_ID_HEADER, id.to_owned()),
        ];
        if let Self::Throttled { retry_after_seconds, .. } = self {
            headers.push(("retry-after", retry_after_seconds.to_string()));
        }
        LocalReply { status: class.status(), headers, body: body.to_string().into_bytes() }
    }
}

impl Class {
    const fn status(self) -> u16 {
        match self {
            Self::Forbidden => 403,
            Self::Throttled => 429,
            Self::Invalid => 400,
            Self::Unavailable => 503,
            Self::Unusable => 424,
        }
    }

    const fn aws_type(self) -> &'static str {
        match self {
            Self::Forbidden => "AccessDeniedException",
            Self::Throttled => "ThrottlingException",
            Self::Invalid => "ValidationException",
            Self::Unavailable => "ServiceUnavailableException",
            Self::Unusable => "ModelErrorException",
        }
    }

    /// <https://docs.claude.com/en/api/errors>
    const fn anthropic_type(self) -> &'static str {
        match self {
            Self::Forbidden => "permission_error",
            Self::Throttled => "rate_limit_error",
            Self::Invalid => "invalid_request_error",
            Self::Unavailable | Self::Unusable => "api_error",
        }
    }

    /// <https://platform.openai.com/docs/guides/error-codes>
    const fn openai_type(self) -> &'static str {
        match self {
            Self::Forbidden => "permission_error",
            Self::Throttled => "rate_limit_error",
            Self::Invalid => "invalid_request_error",
            Self::Unavailable | Self::Unusable => "server_error",
        }
    }
}

impl LocalReply {
    /// The answer to the self-test: the request was held until its body was complete.
    pub(crate) fn self_test(header: &'static str, body_bytes: u64) -> Self {
        let verdict = if body_bytes > 0 { "held" } else { "no_body" };
        Self { status: 200, headers: vec![(header, verdict.to_owned())], body: Vec::new() }
    }
}

#[cfg(test)]
mod tests;
