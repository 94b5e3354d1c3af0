//! Audit records: what a decision and an outcome say, and how an outcome's state may change.
//!
//! Pure: no I/O, no clock, no environment, no globals. Provider-independent: nothing here names a type of
//! `portcullis-bedrock` or of the wire protocol, so that a record outlives both. The control plane fills records
//! in and stores them; ids and times are parameters.
//!
//! Deliberately absent: prompts and answers. A record carries fingerprints and counts, never text.

mod decision;
pub mod dsse;
mod event;
mod kind;
pub mod log;
mod outcome;
mod principal;
mod tool;

pub use decision::{
    Agent, Approval, CapturedText, Charge, Credential, DecisionRecord, Endpoint, Matched, Model, PolicyTrace,
    Price, Problem, Redaction, Request, Sdk, Source, Verdict, VerdictKind,
};
pub use event::EventRecord;
pub use kind::DecisionKind;
pub use outcome::{Answer, Guardrail, OutcomeRecord, OutcomeState, SeenCall, Usage};
pub use principal::{Assurance, IdentityAnswer, Principal};
pub use tool::{AnswerText, ToolCall, ToolResult};

/// The version of the record format, stored as [`DecisionRecord::schema`] and [`OutcomeRecord::schema`].
pub const SCHEMA: u16 = 1;

/// Rule id of a call that the gate refuses on its own: malformed or ambiguous.
pub const REFUSED_RULE: &str = "portcullis/refused";

/// Rule id of a call that the gate would have to sign with its own credential, from a caller it could not verify.
pub const UNVERIFIED_RULE: &str = "portcullis/unverified";

/// Rule id of a tool call that cannot be read: no rule is asked about it.
pub const UNREADABLE_TOOL_RULE: &str = "portcullis/unreadable-tool-call";

/// Rule id of a tool call that the token does not cover with which it was asked about.
pub const TOKEN_SCOPE_RULE: &str = "portcullis/agent-token-scope";
