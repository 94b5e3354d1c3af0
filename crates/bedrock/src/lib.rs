//! What an HTTP exchange with Amazon Bedrock means: endpoint, operation, model, agent, credential and body.
//!
//! Pure: no I/O, no clock, no environment, no globals, no serde. Bytes in, facts out. Compiles to
//! `wasm32-unknown-unknown`.
//!
//! * [`recognise`] reads a request's head: host, method, raw path, headers.
//! * [`Extractor`] reads a request's body while its slices arrive.
//! * [`answer`] reads an answer: its head, and what its body says of usage while it passes.

pub mod answer;
pub mod body;
mod call;
pub mod credential;
pub mod endpoint;
mod headers;
pub mod model;
pub mod operation;
mod path;
mod recognise;
mod unbase64;

pub use answer::{
    AnswerFlaw, AnswerForm, AnswerHead, AnswerReader, AnswerSummary, CallOrigin, CallProblem, Found,
    FoundCall, GuardrailSaid, SeenCall, Sieve, SieveLimits, StreamEnding, TokenUsage,
};
pub use body::{Body, BodyPlan, Extractor, Limits, PayloadKind, ToolResult};
pub use call::{AgentRef, ApiShape, Call, Entrance, GatewayEndpoint, Head, Problem, ProblemCode, Refused};
pub use credential::{Credential, CredentialKind, SignatureParts};
pub use endpoint::{AWS, Endpoint, ProviderApi, ProviderHost};
pub use model::{ModelKind, ModelRef};
pub use operation::{OPERATIONS, Operation};
pub use recognise::{recognise, recognise_at};
