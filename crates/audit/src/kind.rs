//! What kinds of things are decided.

use serde::{Deserialize, Serialize};

/// What was decided.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum DecisionKind {
    /// A call to Bedrock.
    #[default]
    Call,
    /// A tool call: one that an answer proposes, or one that whoever runs the tool asks about.
    ToolCall,
    /// A stretch of an answer's text.
    AnswerText,
}

impl DecisionKind {
    /// Every kind, for tests and documentation.
    pub const ALL: [DecisionKind; 3] = [DecisionKind::Call, DecisionKind::ToolCall, DecisionKind::AnswerText];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            DecisionKind::Call => "call",
            DecisionKind::ToolCall => "tool_call",
            DecisionKind::AnswerText => "answer_text",
        }
    }

    /// A call to Bedrock.
    #[must_use]
    pub const fn is_call(&self) -> bool {
        matches!(self, DecisionKind::Call)
    }
}
