//! What the filter and the control plane say to each other: JSON over HTTP, `POST /v1/decisions`,
//! `POST /v1/inspections` and `POST /v1/outcomes`. Types only, no logic.
//!
//! Compatibility: the control plane ignores keys it does not know in a question (a newer gate may ask an older
//! control plane); the gate refuses an answer whose verdict it does not know (failing closed).

mod answer;
mod inspection;
mod outcome;
mod question;

pub use answer::{DecisionAnswer, Verdict};
pub use inspection::{
    AnswerText, Inspect, Inspection, InspectionAnswer, InspectionSubject, ProposedCall, ToolOrigin,
};
pub use outcome::{
    AnswerFacts, GuardrailFacts, Outcome, OutcomeAck, OutcomeBatch, OutcomeKind, SeenCall, Usage,
};
pub use question::{
    AgentFacts, BodyFacts, CredentialFacts, CredentialKind, DecisionRequest, EndpointFacts, Entrance,
    ModelFacts, Problem, SdkFacts, Signing, SourceFacts, TextFacts, ToolResultFacts,
};

/// The version of this protocol, sent as [`DecisionRequest::version`].
pub const VERSION: u16 = 2;

/// The response header that names the decision on every answer the gate lets out or makes.
pub const DECISION_ID_HEADER: &str = "x-portcullis-decision-id";
