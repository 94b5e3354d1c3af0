//! What the gate asks about an answer while it passes: `POST /v1/inspections`.
//!
//! A question is about one thing: a tool call that the answer proposes, or a stretch of its text. What it is about is held
//! by the gate until this is answered; no answer is a refusal.

use crate::Verdict;
use serde::{Deserialize, Serialize};

/// The body of `POST /v1/inspections`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inspection {
    /// [`crate::VERSION`].
    pub version: u16,
    /// The exchange; the same as in the question that let it out.
    pub call_id: String,
    /// The decision that let it out: who called, with what, is taken from its record.
    pub decision_id: String,
    /// The node id of the Envoy that asks.
    pub gate: String,
    /// Counts the questions about this answer, from 1. `call_id` and `number` name a question: asked again, it gets the same
    /// answer.
    pub number: u32,
    /// What it is about.
    pub subject: InspectionSubject,
    /// Bytes of the answer's body that have left before what is held.
    #[serde(default)]
    pub released_bytes: u64,
    /// The approval that the last answer told the gate to wait for ([`Verdict::Hold`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// With `held`: milliseconds that the gate waits for this answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// What a question about an answer is about. JSON: `{"tool_call": {…}}` or `{"text": {…}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum InspectionSubject {
    /// A tool call.
    ToolCall(ProposedCall),
    /// Text.
    Text(AnswerText),
}

/// A tool call that an answer proposes, or tells of.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ProposedCall {
    /// Who is to make it.
    pub origin: ToolOrigin,
    /// `toolUseId`, `tool_use` id, `call_id`, `invocationId`: as the answer names it, cut to 256 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool: a function's name, or the path of an API operation (`/transfers/{id}`). Cut to 1,024 bytes, see `problem`.
    pub name: String,
    /// Action group of an agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// HTTP method of an API operation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Agent id, where the answer names another than the request (a collaborator).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// The arguments as JSON text, as the model wrote them. Parameter lists of agents have become an object: name to value,
    /// numbers and booleans by their declared type.
    pub arguments: String,
    /// Why it cannot be read: `name_too_long`, `arguments_too_long`, `unfinished`, `mistyped` (a
    /// parameter that declares to be a number or a boolean, and is none). Such a call is never let out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
}

/// Who makes a tool call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum ToolOrigin {
    /// A model proposes it, and the caller is to make it: `toolUse`, `tool_use`, `tool_calls`.
    #[default]
    Model,
    /// The provider makes it within the answer: Anthropic's server tools, Bedrock's system tools.
    Server,
    /// An agent returns control: the caller is to make it.
    ReturnControl,
    /// An agent makes it, and its trace tells so: it may have begun.
    Agent,
    /// Whoever runs the tool asks before he does: `POST /v1/guard`.
    Guard,
}

/// A stretch of an answer's text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AnswerText {
    /// The end of what was judged before, and what is new. A pattern that is longer than the overlap can pass.
    pub text: String,
    /// How many bytes of `text`, at its end, are new.
    pub fresh: u32,
    /// Text of the answer before `text` begins, in bytes.
    #[serde(default)]
    pub before: u64,
}

/// The answer. Where its verdict rests on a rule, its record is durable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct InspectionAnswer {
    /// The question's.
    pub call_id: String,
    /// The question's.
    pub number: u32,
    /// Id of the record; empty where there is none: text that no rule concerns, and [`Verdict::Hold`].
    #[serde(default)]
    pub decision_id: String,
    /// `allow`, `deny`, `pending_approval`, `throttle` (for an answer: a refusal) or `hold`.
    #[serde(flatten)]
    pub verdict: Verdict,
}

/// What of a call's answer has to be asked about before it goes on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Inspect {
    /// Tool calls: a rule or a limit of the active bundle concerns them.
    #[serde(default)]
    pub tool_calls: bool,
    /// Text: a rule reads `response.text`.
    #[serde(default)]
    pub text: bool,
}

impl Inspect {
    /// Nothing.
    #[must_use]
    pub const fn is_nothing(&self) -> bool {
        !self.tool_calls && !self.text
    }
}
