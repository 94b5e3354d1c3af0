//! Reading a request's body while its slices arrive.
//!
//! ```text
//! slice ─┬─▶ Sha256
//!        └─▶ Tokenizer ─events─▶ Interpreter (Path × tables) ─▶ Facts ─▶ Body
//! ```
//!
//! Memory is bounded whatever the body: text and lists have caps, base64 is skipped as it passes, a string is never
//! collected whole. What two parsers could read differently is refused with a byte offset and a JSON pointer:
//! repeated keys (however escaped) in any object, byte-order mark, trailing bytes, invalid UTF-8, lone surrogates,
//! raw control characters, more than 128 levels. Bounds without which "repeated" could not be told: keys of 4,096
//! bytes, numbers of 1,024, 65,536 keys in the objects open at once; a body beyond them is refused, not waved through.

mod facts;
pub(crate) mod flaw;
pub(crate) mod interpreter;
mod nested;
mod path;
mod results;
mod scan;
mod shape;
mod tables;
mod tee;
pub(crate) mod tokenizer;
mod value;

use crate::call::{Problem, ProblemCode};
use facts::Facts;
use flaw::Fault;
use interpreter::{Interpreter, Reading};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use tokenizer::Tokenizer;

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
    /// `/v1/messages/batches` of Anthropic: many messages, each with a model of its own.
    MessageBatch,
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
    /// InvokeHarness: model, tools and messages in the body.
    Harness,
    /// Retrieve, AgenticRetrieveStream, GenerateQuery, Rerank.
    Knowledge,
    /// InvokeFlow, StartFlowExecution.
    Flow,
    /// CreateModelInvocationJob: the prompts are in S3.
    BatchJob,
    /// ApplyGuardrail, InvokeGuardrailChecks.
    Guardrail,
    /// The tools of AgentCore: code interpreter, browser, commands, web search.
    AgentTool,
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
    /// The model the body names (id or ARN), where the operation puts it there. Never set for Converse and InvokeModel:
    /// there the URI names the model, and a body must not talk policy out of it.
    pub model: Option<String>,
    /// Further models the body names: rerankers, collaborators, prompt overrides, a job's evaluators.
    pub other_models: Vec<String>,
    /// Knowledge bases the body names.
    pub knowledge_bases: Vec<String>,
    /// Largest number of tokens asked for: of one answer, times the number of answers (`n`).
    pub max_tokens: Option<u64>,
    /// The body asks for a streamed answer.
    pub stream: bool,
    /// Names of the tools offered, in order.
    pub tools: Vec<String>,
    /// Number of tool results sent back.
    pub tool_results: u32,
    /// The newest 64 of them, in document order.
    pub results: Vec<ToolResult>,
    /// Bytes of all of them together.
    pub result_bytes: u64,
    /// What else the body says, by a name of ours; see `tables`. Values of at most 2,048 bytes.
    pub facts: BTreeMap<&'static str, String>,
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
    /// The text the caller sends, in document order, pieces joined by a line feed: every string value, whatever its
    /// role (a caller can put words into the assistant's mouth, too), tool descriptions and results included, but no
    /// keys, identifiers, enumerations and base64.
    pub text: String,
    /// Text is missing: the cap cut it, it stood where binary is expected, or the body is of a form that is not read
    /// ([`BodyPlan::Opaque`], and not empty).
    pub text_truncated: bool,
    /// The part of the text that stands in tool results, with a cap of its own.
    pub result_text: String,
    /// Text is missing there.
    pub result_text_truncated: bool,
    /// The cap cut a list.
    pub truncated: bool,
}

/// A tool result that is sent back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// The id of the tool call that it answers, cut to 256 bytes.
    pub id: Option<String>,
    /// The tool, where the result names it: a function, or `METHOD /path` of an API operation. Cut to 256 bytes.
    pub name: Option<String>,
    /// Bytes of its content as JSON, without white space and escapes.
    pub bytes: u64,
    /// The caller says that the tool failed.
    pub error: bool,
}

/// Reads a body slice by slice: hash, count and JSON facts, in bounded memory.
#[derive(Debug, Clone)]
pub struct Extractor {
    limits: Limits,
    hash: Sha256,
    facts: Facts,
    json: Option<Json>,
    /// `None` when the body may be of any length.
    max_bytes: Option<u64>,
    failed: Option<Problem>,
}

#[derive(Debug, Clone)]
struct Json {
    tokenizer: Tokenizer,
    interpreter: Interpreter,
    required: bool,
}

/// Slices are hashed and read in blocks of this size, so that a block is still in the cache for the second.
const BLOCK: usize = 32 * 1024;

impl Extractor {
    /// An extractor for one body.
    #[must_use]
    pub fn new(plan: BodyPlan, limits: Limits) -> Self {
        let json = |kind, required| {
            let interpreter = Interpreter::new(tables::root(kind));
            Some(Json { tokenizer: Tokenizer::default(), interpreter, required })
        };
        Self {
            limits,
            hash: Sha256::new(),
            facts: Facts::new(limits.max_text_bytes),
            max_bytes: (plan != BodyPlan::AtHeaders).then_some(limits.max_body_bytes),
            json: match plan {
                BodyPlan::AtHeaders | BodyPlan::Opaque => None,
                BodyPlan::Json(kind) => json(kind, false),
                BodyPlan::RequiredJson(kind) => json(kind, true),
            },
            failed: None,
        }
    }

    /// Takes the next slice, of any length.
    ///
    /// # Errors
    /// The body is too long ([`ProblemCode::BodyTooLarge`]), or not the JSON it must be ([`ProblemCode::BadBody`]). The
    /// extractor is spent then: it answers the same to every later call.
    pub fn push(&mut self, slice: &[u8]) -> Result<(), Problem> {
        if let Some(problem) = &self.failed {
            return Err(problem.clone());
        }
        self.facts.body.bytes = self.facts.body.bytes.saturating_add(slice.len() as u64);
        if self.max_bytes.is_some_and(|max| self.facts.body.bytes > max) {
            let detail = format!(
                "the body is longer than {} bytes, the gate's limit; send less, or raise `max_body_bytes`",
                self.limits.max_body_bytes
            );
            return Err(self.fail(Problem { code: ProblemCode::BodyTooLarge, detail }));
        }
        for block in slice.chunks(BLOCK) {
            self.hash.update(block);
            let Some(json) = &mut self.json else { continue };
            let mut reading = Reading { interpreter: &mut json.interpreter, facts: &mut self.facts };
            if let Err(fault) = json.tokenizer.push(block, &mut reading) {
                let problem = json.problem(fault);
                return Err(self.fail(problem));
            }
        }
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// As [`Extractor::push`], and when the body is not whole.
    pub fn finish(mut self) -> Result<Body, Problem> {
        if let Some(problem) = self.failed {
            return Err(problem);
        }
        if let Some(json) = &mut self.json {
            if self.facts.body.bytes > 0 {
                let mut reading = Reading { interpreter: &mut json.interpreter, facts: &mut self.facts };
                if let Err(fault) = json.tokenizer.finish(&mut reading) {
                    return Err(json.problem(fault));
                }
            } else if json.required {
                let detail = "the body is empty; this operation needs a JSON object".to_owned();
                return Err(Problem { code: ProblemCode::BadBody, detail });
            }
        }
        // A payload that nobody reads may be all text (InvokeAgentRuntime): it must not pass for none.
        let unread = self.json.is_none() && self.facts.body.bytes > 0;
        self.facts.body.text_truncated |= unread;
        self.facts.body.result_text_truncated |= unread;
        Ok(self.so_far())
    }

    /// What was read, whole and sound or not: for the record of a call that is refused. The hash is of the bytes that
    /// were taken before the problem.
    #[must_use]
    pub fn so_far(self) -> Body {
        Body { sha256: self.hash.finalize().into(), ..self.facts.into_body() }
    }

    fn fail(&mut self, problem: Problem) -> Problem {
        self.failed = Some(problem.clone());
        problem
    }
}

impl Json {
    fn problem(&self, Fault { flaw, offset }: Fault) -> Problem {
        let pointer = self.interpreter.path.pointer();
        let place =
            if pointer.is_empty() { "at the top level".to_owned() } else { format!("in `{pointer}`") };
        Problem { code: ProblemCode::BadBody, detail: format!("at byte {offset}, {place}: {flaw}") }
    }
}
