//! Where in an answer's JSON the numbers stand, as data.
//!
//! One grammar serves all models: their members have different names, and a grammar by model would have to know each model.
//! Places are exact from the root on, so nothing that a model writes (an answer's text, a tool's input) can be taken for one.
//!
//! Sources: AWS API reference (Converse, ConverseStream, InvokeAgent's `Trace`), Bedrock user guide "Inference request
//! parameters and response fields for foundation models" and "Tutorial: how to get streaming token counts", Anthropic
//! "Messages" and "Streaming messages", OpenAI "Chat completions", "Responses" and their streaming events, Nova Sonic "Output
//! events".

mod guardrails;

use super::counts::{Course, Field, Source};
use super::said::Policy;
use super::sieve::CallOrigin;
use Field::{CacheRead, CacheShare, CacheWrite, Cached, Input, Output};
use Source::{Metrics, Model, Trace};

/// A place. Arrays are transparent: their elements stand at the place of the array.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) means: Means,
    members: Members,
    other: Option<&'static Place>,
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Nothing,
    /// A number of tokens.
    Tokens(Source, Field),
    /// A tool call, or what may be one (an object).
    Call(Proof),
    /// A part of the call that it stands in.
    CallPart(Part),
    /// The id of all calls of the document.
    Invocation,
    /// Why the model stopped.
    Stop,
    /// The same of one of several answers, which ends with it.
    Finish,
    /// The status of the whole answer.
    Status,
    /// The model.
    Model,
    /// The session.
    Session,
    /// What a guardrail did.
    Guardrail,
    /// Something that a guardrail's policy looked at (an object).
    Finding(Policy),
    /// Whether it found it.
    Detected,
    /// What it did about it.
    FindingAction,
    /// Something that it found, by its being there (an object).
    Hit(Policy),
    /// How much it found.
    Score(Policy),
    /// Tokens that were counted, and not used.
    Counted,
    /// An object that tells of the stream's course.
    Course(Course),
    /// The type of an event.
    EventType,
    /// The name of an error.
    Error,
    /// A JSON document in base64.
    Nested,
}

/// What makes an object a tool call, and how often it is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Proof {
    /// It is one.
    Given(CallOrigin),
    /// It is one of an agent's own, of this name.
    Named(&'static str),
    /// Its type says so.
    Type,
    /// The same, in a list of all calls.
    Listed,
    /// The same; it is an item that begins, and is said again when it is done.
    Item,
    /// It has an id.
    Id,
    /// It has a name.
    Name,
}

/// A part of a tool call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Id,
    Name,
    Method,
    /// What it is: `tool_use`.
    Type,
    /// Who runs it: `RETURN_CONTROL`.
    Execution,
}

impl Place {
    /// The place of a member.
    pub(super) fn member(&self, name: &[u8]) -> &'static Place {
        let known = self.members.iter().find(|(known, _)| known.as_bytes() == name);
        known.map(|(_, place)| *place).or(self.other).unwrap_or(&NOTHING)
    }

    /// Nothing below matters.
    pub(super) const fn is_barren(&self) -> bool {
        self.members.is_empty() && self.other.is_none()
    }
}

type Members = &'static [(&'static str, &'static Place)];

const fn of(members: Members) -> Place {
    Place { means: Means::Nothing, members, other: None }
}

const fn leaf(means: Means) -> Place {
    Place { means, members: &[], other: None }
}

pub(super) static NOTHING: Place = of(&[]);

static INPUT: Place = leaf(Means::Tokens(Model, Input));
static OUTPUT: Place = leaf(Means::Tokens(Model, Output));
static CACHE_READ: Place = leaf(Means::Tokens(Model, CacheRead));
static CACHE_WRITE: Place = leaf(Means::Tokens(Model, CacheWrite));
static DETAILS: Place = of(&[("cached_tokens", &CACHED)]);
static CACHED: Place = leaf(Means::Tokens(Model, Cached));

static USAGE: Place = of(&[
    // Converse; Nova's InvokeModel says `Count`.
    ("inputTokens", &INPUT),
    ("outputTokens", &OUTPUT),
    ("cacheReadInputTokens", &CACHE_READ),
    ("cacheWriteInputTokens", &CACHE_WRITE),
    ("cacheReadInputTokenCount", &CACHE_READ),
    ("cacheWriteInputTokenCount", &CACHE_WRITE),
    // Anthropic, where input tokens are those that are not in the cache; OpenAI's responses, where they are all of them.
    ("input_tokens", &INPUT),
    ("output_tokens", &OUTPUT),
    ("cache_read_input_tokens", &CACHE_READ),
    ("cache_creation_input_tokens", &CACHE_WRITE),
    ("input_tokens_details", &DETAILS),
    // How long what was written is kept: shares of it.
    ("cacheDetails", &CACHE_DETAILS),
    ("cache_creation", &CACHE_CREATION),
    // OpenAI's chat completions, and whoever speaks like it (AI21, DeepSeek, Mistral, Qwen).
    ("prompt_tokens", &INPUT),
    ("completion_tokens", &OUTPUT),
    ("prompt_tokens_details", &DETAILS),
]);

static CACHE_SHARE: Place = leaf(Means::Tokens(Model, CacheShare));
static CACHE_DETAILS: Place = of(&[("inputTokens", &CACHE_SHARE)]);
static CACHE_CREATION: Place =
    of(&[("ephemeral_5m_input_tokens", &CACHE_SHARE), ("ephemeral_1h_input_tokens", &CACHE_SHARE)]);

static METRICS_INPUT: Place = leaf(Means::Tokens(Metrics, Input));
static METRICS_OUTPUT: Place = leaf(Means::Tokens(Metrics, Output));
static METRICS_CACHE_READ: Place = leaf(Means::Tokens(Metrics, CacheRead));
static METRICS_CACHE_WRITE: Place = leaf(Means::Tokens(Metrics, CacheWrite));
static METRICS: Place = of(&[
    ("inputTokenCount", &METRICS_INPUT),
    ("outputTokenCount", &METRICS_OUTPUT),
    ("cacheReadInputTokenCount", &METRICS_CACHE_READ),
    ("cacheWriteInputTokenCount", &METRICS_CACHE_WRITE),
]);

static CALL_ID: Place = leaf(Means::CallPart(Part::Id));
static CALL_NAME: Place = leaf(Means::CallPart(Part::Name));
static CALL_METHOD: Place = leaf(Means::CallPart(Part::Method));
static CALL_TYPE: Place = leaf(Means::CallPart(Part::Type));
static CALL_EXECUTION: Place = leaf(Means::CallPart(Part::Execution));

const fn call(proof: Proof, members: Members) -> Place {
    Place { means: Means::Call(proof), ..of(members) }
}

/// Converse: `toolUse`.
static TOOL_USE: Place = call(
    Proof::Given(CallOrigin::Model),
    &[("toolUseId", &CALL_ID), ("name", &CALL_NAME), ("type", &CALL_TYPE)],
);
static TOOL_USE_IN: Place = of(&[("toolUse", &TOOL_USE)]);

/// Anthropic's blocks.
static TYPED: Place = call(Proof::Type, &[("type", &CALL_TYPE), ("id", &CALL_ID), ("name", &CALL_NAME)]);
/// Items of OpenAI's responses.
const ITEM_MEMBERS: Members = &[("type", &CALL_TYPE), ("call_id", &CALL_ID), ("name", &CALL_NAME)];
static TYPED_LISTED: Place = call(Proof::Listed, ITEM_MEMBERS);
static TYPED_ITEM: Place = call(Proof::Item, ITEM_MEMBERS);

/// `output`: Converse's object, or the list of OpenAI's responses.
static OUTPUT_MESSAGE: Place = of(&[("content", &TOOL_USE_IN)]);
static OUTPUT_ROOT: Place = call(
    Proof::Type,
    &[("message", &OUTPUT_MESSAGE), ("type", &CALL_TYPE), ("call_id", &CALL_ID), ("name", &CALL_NAME)],
);

/// `choices[]`.
static FUNCTION: Place = of(&[("name", &CALL_NAME)]);
static TOOL_CALLS_BY_ID: Place =
    call(Proof::Id, &[("id", &CALL_ID), ("function", &FUNCTION), ("custom", &FUNCTION)]);
static MESSAGE_CALLS: Place = of(&[("tool_calls", &TOOL_CALLS_BY_ID)]);
static DELTA_CALLS: Place =
    Place { means: Means::Course(Course::Begins), ..of(&[("tool_calls", &TOOL_CALLS_BY_ID)]) };
static FINISH: Place = leaf(Means::Finish);
static CHOICES: Place = of(&[
    ("message", &MESSAGE_CALLS),
    ("delta", &DELTA_CALLS),
    ("finish_reason", &FINISH),
    ("stop_reason", &FINISH),
]);

static STOP: Place = leaf(Means::Stop);
static STATUS: Place = leaf(Means::Status);
static MODEL: Place = leaf(Means::Model);
static SESSION: Place = leaf(Means::Session);
static COUNTED: Place = leaf(Means::Counted);

/// Anthropic's `message_start`.
static MESSAGE: Place = of(&[("usage", &USAGE), ("model", &MODEL), ("stop_reason", &STOP)]);
static DELTA: Place = of(&[("stop_reason", &STOP), ("finish_reason", &STOP)]);

/// Titan; and InvokeGuardrailChecks, which has an object here.
static RESULTS: Place = of(&[
    ("tokenCount", &OUTPUT),
    ("completionReason", &STOP),
    ("contentFilter", &guardrails::CONTENT_CHECK),
    ("promptAttack", &guardrails::PROMPT_CHECK),
    ("sensitiveInformation", &guardrails::INFORMATION_CHECK),
]);

/// Mistral's `outputs[]`, AI21's `completions[]`, Cohere's `generations[]`.
static GENERATED: Place =
    of(&[("stop_reason", &STOP), ("finish_reason", &STOP), ("finishReason", &FINISH_REASON)]);
static FINISH_REASON: Place = of(&[("reason", &STOP)]);

/// Cohere. Its calls have a name and no id.
static COHERE_TOKENS: Place = of(&[
    ("input_tokens", &INPUT),
    ("output_tokens", &OUTPUT),
    ("prompt_tokens", &INPUT),
    ("response_tokens", &OUTPUT),
]);
static COHERE_META: Place = of(&[("tokens", &COHERE_TOKENS), ("billed_units", &COHERE_TOKENS)]);
static COHERE_CALLS: Place =
    call(Proof::Name, &[("name", &CALL_NAME), ("id", &CALL_ID), ("function", &FUNCTION)]);

/// The whole answer in an event: OpenAI's `response.completed`, Cohere's `stream-end`.
static RESPONSE: Place = of(&[
    ("usage", &USAGE),
    ("error", &ERROR_BY_CODE),
    ("output", &TYPED_LISTED),
    ("meta", &COHERE_META),
    ("token_count", &COHERE_TOKENS),
    ("model", &MODEL),
    ("status", &STATUS),
    ("incomplete_details", &INCOMPLETE),
]);
static INCOMPLETE: Place = of(&[("reason", &STOP)]);

/// Nova Sonic: `{"event": {"usageEvent": …}}`, totals so far.
static SONIC_USAGE: Place = of(&[("totalInputTokens", &INPUT), ("totalOutputTokens", &OUTPUT)]);
static SONIC: Place =
    of(&[("usageEvent", &SONIC_USAGE), ("toolUse", &SONIC_TOOL), ("completionEnd", &MESSAGE_STOP)]);
static SONIC_TOOL: Place =
    call(Proof::Given(CallOrigin::Model), &[("toolUseId", &CALL_ID), ("toolName", &CALL_NAME)]);

/// Errors in streams: Anthropic's, and OpenAI's `response.failed`.
static ERROR_NAME: Place = leaf(Means::Error);
static ERROR: Place = of(&[("type", &ERROR_NAME)]);
static ERROR_BY_CODE: Place = of(&[("code", &ERROR_NAME)]);

static EVENT_TYPE: Place = leaf(Means::EventType);
static METADATA: Place = of(&[("usage", &USAGE), ("trace", &CONVERSE_TRACE)]);
static CONVERSE_TRACE: Place = of(&[("guardrail", &guardrails::TRACE), ("promptRouter", &PROMPT_ROUTER)]);
static PROMPT_ROUTER: Place = of(&[("invokedModelId", &MODEL)]);
static MESSAGE_START: Place = Place { means: Means::Course(Course::Begins), ..of(&[]) };
static MESSAGE_STOP: Place = Place { means: Means::Course(Course::Ends), ..of(&[("stopReason", &STOP)]) };
static START: Place = of(&[("start", &TOOL_USE_IN)]);

/// A model's answer, or an event of it.
pub(super) static ANSWER: Place = of(&[
    ("usage", &USAGE),
    ("amazon-bedrock-invocationMetrics", &METRICS),
    ("type", &EVENT_TYPE),
    ("error", &ERROR),
    ("message", &MESSAGE),
    ("content", &TYPED),
    ("content_block", &TYPED),
    ("output", &OUTPUT_ROOT),
    ("choices", &CHOICES),
    ("response", &RESPONSE),
    ("item", &TYPED_ITEM),
    // Llama.
    ("prompt_token_count", &INPUT),
    ("generation_token_count", &OUTPUT),
    // Titan.
    ("inputTextTokenCount", &INPUT),
    ("totalOutputTextTokenCount", &OUTPUT),
    ("results", &RESULTS),
    ("completionReason", &STOP),
    // Cohere.
    ("meta", &COHERE_META),
    ("token_count", &COHERE_TOKENS),
    ("tool_calls", &COHERE_CALLS),
    // ConverseStream's `contentBlockStart`, and Nova's chunks, which name the event.
    ("start", &TOOL_USE_IN),
    ("contentBlockStart", &START),
    ("metadata", &METADATA),
    ("event", &SONIC),
    ("messageStart", &MESSAGE_START),
    ("messageStop", &MESSAGE_STOP),
    // Why it stopped, and who spoke.
    ("stopReason", &STOP),
    ("stop_reason", &STOP),
    ("finish_reason", &STOP),
    ("delta", &DELTA),
    ("outputs", &GENERATED),
    ("generations", &GENERATED),
    ("completions", &GENERATED),
    ("status", &STATUS),
    ("incomplete_details", &INCOMPLETE),
    ("model", &MODEL),
    // Guardrails.
    ("trace", &CONVERSE_TRACE),
    ("amazon-bedrock-guardrailAction", &guardrails::ACTION),
    ("amazon-bedrock-trace", &INVOKE_TRACE),
    ("guardrailAction", &guardrails::ACTION),
    ("action", &guardrails::ACTION),
    ("assessments", &guardrails::ASSESSMENT),
    // RetrieveAndGenerate.
    ("sessionId", &SESSION),
    ("executionArn", &SESSION),
]);
static INVOKE_TRACE: Place = of(&[("guardrail", &guardrails::INVOKE_TRACE)]);

/// What CountTokens and its relative say, which use none of the tokens that they count.
pub(super) static COUNT: Place = of(&[("inputTokens", &COUNTED), ("input_tokens", &COUNTED)]);

static BYTES: Place = leaf(Means::Nested);
/// A chunk of InvokeModelWithResponseStream.
pub(super) static CHUNK: Place = of(&[("bytes", &BYTES)]);

static TRACE_INPUT: Place = leaf(Means::Tokens(Trace, Input));
static TRACE_OUTPUT: Place = leaf(Means::Tokens(Trace, Output));
static TRACE_USAGE: Place = of(&[("inputTokens", &TRACE_INPUT), ("outputTokens", &TRACE_OUTPUT)]);
static TRACE_METADATA: Place = of(&[("usage", &TRACE_USAGE)]);
static MODEL_OUTPUT: Place = of(&[("metadata", &TRACE_METADATA)]);
static MODEL_INPUT: Place = of(&[("foundationModel", &MODEL)]);
static ACTION_GROUP: Place = call(
    Proof::Given(CallOrigin::Agent),
    &[
        ("function", &CALL_NAME),
        ("apiPath", &CALL_NAME),
        ("verb", &CALL_METHOD),
        ("invocationId", &CALL_ID),
        ("executionType", &CALL_EXECUTION),
    ],
);
static INVOCATION_INPUT: Place = of(&[
    ("actionGroupInvocationInput", &ACTION_GROUP),
    ("knowledgeBaseLookupInput", &call(Proof::Named("knowledge_base_lookup"), &[])),
    ("agentCollaboratorInvocationInput", &call(Proof::Named("agent_collaborator"), &[])),
    ("codeInterpreterInvocationInput", &call(Proof::Named("code_interpreter"), &[])),
]);
static TRACE_KIND: Place = of(&[
    ("modelInvocationInput", &MODEL_INPUT),
    ("modelInvocationOutput", &MODEL_OUTPUT),
    ("invocationInput", &INVOCATION_INPUT),
]);
static TRACE_KINDS: Place =
    Place { other: Some(&TRACE_KIND), ..of(&[("guardrailTrace", &guardrails::AGENT_TRACE)]) };
/// A trace event of an agent: `trace.orchestrationTrace.modelInvocationOutput…`, whatever the kind of trace.
pub(super) static TRACE: Place = of(&[("sessionId", &SESSION), ("trace", &TRACE_KINDS)]);
static AGENT_TRACES: Place = of(&[("trace", &TRACE_KINDS)]);
static FLOW_ELEMENTS: Place = of(&[("agentTraces", &AGENT_TRACES)]);
static FLOW_DEPENDENCY: Place = of(&[("traceElements", &FLOW_ELEMENTS)]);
static FLOW_TRACE_KIND: Place = of(&[("nodeDependencyTrace", &FLOW_DEPENDENCY)]);
/// A trace event of a flow, with those of the agents in it.
pub(super) static FLOW_TRACE: Place = of(&[("trace", &FLOW_TRACE_KIND)]);

static RETURNED: Place = call(
    Proof::Given(CallOrigin::ReturnControl),
    &[("function", &CALL_NAME), ("apiPath", &CALL_NAME), ("httpMethod", &CALL_METHOD)],
);
static INVOCATION: Place = of(&[("functionInvocationInput", &RETURNED), ("apiInvocationInput", &RETURNED)]);
static INVOCATION_ID: Place = leaf(Means::Invocation);
/// An agent hands tool calls to its caller.
pub(super) static RETURN_CONTROL: Place =
    of(&[("invocationId", &INVOCATION_ID), ("invocationInputs", &INVOCATION)]);

static WARNING: Place = of(&[("guardrail", &guardrails::ACTED)]);
static ATTRIBUTES: Place = of(&[("warnings", &WARNING)]);
/// A trace event of AgenticRetrieveStream.
pub(super) static RETRIEVE_TRACE: Place = of(&[("attributes", &ATTRIBUTES)]);
