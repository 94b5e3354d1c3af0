//! What is decided, and what a rule is about: a call to Bedrock, a tool call, or a stretch of an answer's text. A rule is
//! asked only about what it is about, so that no block of a model turns up as the reason of a tool call.

use crate::Call;
use crate::predicate::Predicate;

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// A call to Bedrock.
    Call,
    /// A tool call.
    Tool,
    /// A stretch of an answer's text.
    Answer,
}

impl Asked {
    pub(crate) const ALL: [Self; 3] = [Self::Call, Self::Tool, Self::Answer];

    pub(crate) fn of(call: &Call) -> Self {
        match (&call.tool, &call.response) {
            (Some(_), _) => Self::Tool,
            (None, Some(_)) => Self::Answer,
            (None, None) => Self::Call,
        }
    }

    /// For people.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Call => "calls to Bedrock",
            Self::Tool => "tool calls",
            Self::Answer => "the text of answers",
        }
    }
}

/// What a rule is about; Cedar policies and `output_rules` may be about several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct About {
    pub(crate) calls: bool,
    pub(crate) tools: bool,
    pub(crate) answers: bool,
}

impl About {
    /// What these conditions are about: what only tool calls have, what only answers have, else calls.
    pub(crate) fn of(conditions: &[Predicate]) -> Self {
        let tools = conditions.iter().any(Predicate::selects_tools);
        let answers = conditions.iter().any(Predicate::reads_answers);
        Self { calls: !tools && !answers, tools, answers }
    }

    pub(crate) const fn has(self, asked: Asked) -> bool {
        match asked {
            Asked::Call => self.calls,
            Asked::Tool => self.tools,
            Asked::Answer => self.answers,
        }
    }

    /// Whatever the other is about this is about as well.
    pub(crate) const fn covers(self, other: Self) -> bool {
        (self.calls || !other.calls) && (self.tools || !other.tools) && (self.answers || !other.answers)
    }

    /// For people: `tool calls`.
    pub(crate) fn shown(self) -> String {
        let about: Vec<_> = Asked::ALL.into_iter().filter(|one| self.has(*one)).map(Asked::as_str).collect();
        about.join(" and ")
    }
}
