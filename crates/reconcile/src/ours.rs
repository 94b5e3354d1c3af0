//! A call as the gate recorded it.

use std::sync::Arc;

/// What became of it, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum State {
    /// AWS answered, and the answer went out whole.
    Completed,
    /// It ended before that: the client went away, or no whole answer came.
    Broken,
    /// The gate refused it.
    Refused,
    /// Nobody told the gate.
    #[default]
    Unknown,
}

/// A decision and what became of it.
#[derive(Debug, Clone, Default)]
pub struct Ours {
    /// The decision.
    pub decision_id: Arc<str>,
    /// When it was decided, Unix milliseconds.
    pub decided_at_ms: u64,
    /// When it was over, where that is known.
    pub ended_at_ms: Option<u64>,
    /// Let out by policy.
    pub allowed: bool,
    /// It left the gate.
    pub forwarded: bool,
    /// What became of it.
    pub state: State,
    /// HTTP status of AWS's answer.
    pub status: Option<u16>,
    /// AWS's request id.
    pub aws_request_id: Option<Arc<str>>,
    /// Who called.
    pub principal: Arc<str>,
    /// Account of the caller, where its credential tells.
    pub account: Option<Arc<str>>,
    /// Access key id of the credential that AWS saw. Absent where the gateway signs with its own.
    pub access_key_id: Option<Arc<str>>,
    /// Endpoint prefix, such as `bedrock-runtime`.
    pub service: Arc<str>,
    /// Region of the endpoint.
    pub region: Arc<str>,
    /// The operation.
    pub operation: Arc<str>,
    /// The IAM action, such as `bedrock:InvokeModel`: some operations have its name in CloudTrail.
    pub action: Arc<str>,
    /// The model, and others that the body names.
    pub models: Vec<Arc<str>>,
    /// The account in the model's ARN: an inference profile may be another account's.
    pub model_account: Option<Arc<str>>,
    /// Input tokens without those of the cache, and output tokens.
    pub tokens: Option<(u64, u64)>,
}

impl Ours {
    /// It left the gate, or nobody can say that it did not.
    pub(crate) fn may_have_left(&self) -> bool {
        self.allowed && (self.forwarded || self.state == State::Unknown)
    }

    /// AWS's logs have to show it, where they cover it. They leave out many calls that AWS refused.
    pub(crate) fn must_be_known(&self) -> bool {
        self.forwarded && self.state == State::Completed && self.status.is_none_or(|status| status < 400)
    }

    /// What CloudTrail may call the operation.
    pub(crate) fn is_operation(&self, name: &str) -> bool {
        &*self.operation == name || self.action.split_once(':').is_some_and(|(_, action)| action == name)
    }
}
