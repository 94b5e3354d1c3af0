//! The life of one exchange as a state machine, sans-I/O: `step(self, Event) -> (Self, effects)`.
//!
//! Pure: no I/O, no clock, no environment, no globals. Time comes in with every event, effects go out as values, and the
//! adapter (`filter/`) does what they say. Compiles to `wasm32-unknown-unknown`.
//!
//! * [`Exchange`] is one request and its answer. Its phases are in `exchange/`; each carries what it needs and nothing else.
//! * [`Permit`] is the authorisation as a value: the only thing that lets a request go on, made in one file only.
//! * [`Fault`] is whatever keeps a decision from being made; one function applies the failure mode to all of them.
//! * [`LocalReply`] is a refusal in the shape of the API that was called.
//! * [`Outbox`] keeps outcomes until the control plane has acknowledged them.
//! * [`SelfTest`] proves at start that Envoy holds headers at all.
//! * [`Config`] is the filter's plugin configuration.

mod call_id;
mod codings;
mod config;
mod effect;
mod event;
mod exchange;
mod fault;
mod metric;
mod outbox;
mod outcome;
mod passed;
mod permit;
mod question;
mod refusal;
mod said;
mod selftest;
mod stop;
mod strip;
mod text;

pub use call_id::CallId;
pub use config::{
    AnswerLimits, Config, ConfigError, ControlPlane, FailureMode, Gate, SelfTestConfig, Token as BearerToken,
};
pub use effect::{AnswerFlow, Effect, Flow, Held, Owner};
pub use event::{
    CalloutFailure, CalloutReply, Event, Now, Origin, ResponseHead, StreamEnd, Surroundings, Then, Token,
};
pub use exchange::Exchange;
pub use fault::Fault;
pub use metric::Metric;
pub use outbox::{MAX_BATCH, MAX_QUEUED, Outbox};
pub use outcome::EndReason;
pub use permit::Permit;
pub use portcullis_bedrock::{AnswerHead, Head};
pub use portcullis_protocol::DECISION_ID_HEADER;
pub use refusal::LocalReply;
pub use selftest::{SELF_TEST_HEADER, SELF_TEST_PATH, SelfTest, SelfTestResult};
pub use strip::Strip;
