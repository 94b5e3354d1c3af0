//! What kinds of records there are.

use serde::{Deserialize, Serialize};

/// The kind of a record. Its code is stored and its name stands in entries: neither ever changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RecordKind {
    /// A decision on a call: [`crate::DecisionRecord`].
    Decision,
    /// A decision on a tool call: [`crate::DecisionRecord`].
    ToolCall,
    /// A decision on a stretch of an answer's text: [`crate::DecisionRecord`].
    AnswerText,
    /// What became of a call: [`crate::OutcomeRecord`]. A call may have two: `unknown`, and the late report that replaces it.
    Outcome,
    /// A change of an approval or grant: [`crate::EventRecord`].
    Approval,
    /// A bundle became active or was refused: [`crate::EventRecord`].
    Bundle,
    /// Somebody changed something: [`crate::EventRecord`].
    Admin,
    /// A gate let calls out without a record, or lost outcomes: [`crate::EventRecord`].
    Gap,
}

impl RecordKind {
    /// Every kind, in the order of their codes.
    pub const ALL: [RecordKind; 8] = [
        RecordKind::Decision,
        RecordKind::ToolCall,
        RecordKind::AnswerText,
        RecordKind::Outcome,
        RecordKind::Approval,
        RecordKind::Bundle,
        RecordKind::Admin,
        RecordKind::Gap,
    ];

    /// The stable name, as in entries.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            RecordKind::Decision => "decision",
            RecordKind::ToolCall => "tool_call",
            RecordKind::AnswerText => "answer_text",
            RecordKind::Outcome => "outcome",
            RecordKind::Approval => "approval",
            RecordKind::Bundle => "bundle",
            RecordKind::Admin => "admin",
            RecordKind::Gap => "gap",
        }
    }

    /// The stable number, as stored.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            RecordKind::Decision => 1,
            RecordKind::ToolCall => 2,
            RecordKind::AnswerText => 3,
            RecordKind::Outcome => 4,
            RecordKind::Approval => 5,
            RecordKind::Bundle => 6,
            RecordKind::Admin => 7,
            RecordKind::Gap => 8,
        }
    }

    /// The kind of that code.
    #[must_use]
    pub fn from_code(code: u8) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| kind.code() == code)
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<RecordKind> {
        RecordKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }

    /// The member of the record that names it.
    #[must_use]
    pub const fn id_member(self) -> &'static str {
        match self {
            RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => "decision_id",
            RecordKind::Outcome => "call_id",
            RecordKind::Approval | RecordKind::Bundle | RecordKind::Admin | RecordKind::Gap => "event_id",
        }
    }
}
