//! Why an answer is not let out, or not to its end.

use crate::fault::Fault;
use crate::metric::Metric;
use crate::said::flaw_code;
use portcullis_bedrock::AnswerFlaw;
use portcullis_bedrock::answer::StreamEnding;

/// Why an answer is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The control plane denies a tool call in it.
    ToolCall { message: String },
    /// The control plane denies a tool call in it until somebody approves it.
    Pending { message: String, approval_id: String },
    /// The control plane denies its text.
    Text { message: String },
    /// Nobody has said that what is in it may go on.
    Undecided(Fault),
    /// It must be inspected, and cannot be read.
    Unreadable(AnswerFlaw),
    /// It must be held, and is larger than the gate holds.
    TooLarge,
    /// It must be held, and trailers came after it: Envoy takes no more of its body then.
    Trailers,
}

impl Stop {
    /// Stable code, see docs/errors.md.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::ToolCall { .. } => "tool_call_denied",
            Self::Pending { .. } => "tool_call_pending",
            Self::Text { .. } => "text_denied",
            Self::Undecided(_) => "inspection_unavailable",
            Self::TooLarge | Self::Unreadable(AnswerFlaw::TooLong) => "answer_too_large",
            Self::Unreadable(_) | Self::Trailers => "answer_unreadable",
        }
    }

    /// How a stream says it.
    pub(crate) const fn ending(&self) -> StreamEnding {
        match self {
            Self::ToolCall { .. } | Self::Pending { .. } | Self::Text { .. } => StreamEnding::Denied,
            Self::Undecided(_) => StreamEnding::Undecided,
            Self::TooLarge | Self::Unreadable(_) | Self::Trailers => StreamEnding::Unreadable,
        }
    }

    /// What the client reads.
    pub(crate) fn message(&self) -> String {
        match self {
            // Whoever reads it must be able to name the approval.
            Self::Pending { message, approval_id } if !message.contains(approval_id) => {
                format!("{message} (approval {approval_id})")
            }
            Self::ToolCall { message } | Self::Pending { message, .. } | Self::Text { message } => message.clone(),
            Self::Undecided(fault) => {
                format!("the gate could not get a decision about this answer; the rest of it was not let out ({})", fault.code())
            }
            Self::TooLarge | Self::Unreadable(AnswerFlaw::TooLong) => {
                "this answer must be inspected, and is larger than the gate can hold (answer_too_large)".to_owned()
            }
            Self::Unreadable(flaw) => {
                format!("this answer must be inspected, and the gate cannot read it ({})", flaw_code(*flaw))
            }
            Self::Trailers => {
                "this answer must be inspected, and the gate cannot hold one that has trailers (answer_unreadable)".to_owned()
            }
        }
    }

    /// What counts it.
    pub(crate) const fn metric(&self) -> Metric {
        match self {
            Self::ToolCall { .. } => Metric::AnswerToolCallDenied,
            Self::Pending { .. } => Metric::AnswerToolCallPending,
            Self::Text { .. } => Metric::AnswerTextDenied,
            Self::Undecided(_) => Metric::AnswerUndecided,
            Self::TooLarge | Self::Unreadable(AnswerFlaw::TooLong) => Metric::AnswerTooLarge,
            Self::Unreadable(_) | Self::Trailers => Metric::AnswerUnreadable,
        }
    }
}
