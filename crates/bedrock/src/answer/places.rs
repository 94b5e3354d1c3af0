//! Where in an answer's JSON the numbers stand, as data.
//!
//! One grammar serves all models: their members have different names, and a grammar by model would have to know each model.
//! Places are exact from the root on, so nothing that a model writes (an answer's text, a tool's input) can be taken for one.
//!
//! Sources: AWS API reference (Converse, ConverseStream, InvokeAgent's `Trace`), Bedrock user guide "Inference request
//! parameters and response fields for foundation models" and "Tutorial: how to get streaming token counts", Anthropic
//! "Messages" and "Streaming messages", OpenAI "Chat completions", "Responses" and their streaming events, Nova Sonic "Output
//! events".

use super::counts::{Field, Source};
use Field::{CacheRead, CacheWrite, Cached, Input, Output};
use Source::{Metrics, Model, Trace};

/// A place. Arrays are transparent: their elements stand at the place of the array.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) means: Means,
    members: &'static [(&'static str, &'static Place)],
    other: Option<&'static Place>,
}

/// What a value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Means {
    Nothing,
    /// A number of tokens.
    Tokens(Source, Field),
    /// A tool call (an object).
    Call,
    /// Something that is a tool call when it has a string here.
    CallBy,
    /// Something that is a tool call when this string says so.
    CallType(Kind),
    /// A tool call that stands here is none when this string says that the server makes it itself.
    ServerSide,
    /// The type of an event.
    EventType,
    /// The name of an error.
    Error,
    /// A JSON document in base64.
    Nested,
}

/// How often a tool call is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Once.
    Once,
    /// Again in a list of all.
    Listed,
    /// As an item that begins, and again when it is done.
    Item,
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

const fn of(members: &'static [(&'static str, &'static Place)]) -> Place {
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
    // OpenAI's chat completions, and whoever speaks like it (AI21, DeepSeek, Mistral, Qwen).
    ("prompt_tokens", &INPUT),
    ("completion_tokens", &OUTPUT),
    ("prompt_tokens_details", &DETAILS),
]);

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

static CALL_BY: Place = leaf(Means::CallBy);
static SERVER_SIDE: Place = leaf(Means::ServerSide);

/// Converse: `toolUse`.
static TOOL_USE: Place = Place { means: Means::Call, members: &[("type", &SERVER_SIDE)], other: None };
static TOOL_USE_IN: Place = of(&[("toolUse", &TOOL_USE)]);

static ONCE: Place = leaf(Means::CallType(Kind::Once));
static LISTED: Place = leaf(Means::CallType(Kind::Listed));
static ITEM: Place = leaf(Means::CallType(Kind::Item));
static TYPED: Place = of(&[("type", &ONCE)]);
static TYPED_LISTED: Place = of(&[("type", &LISTED)]);
static TYPED_ITEM: Place = of(&[("type", &ITEM)]);

/// `output`: Converse's object, or the list of OpenAI's responses.
static OUTPUT_MESSAGE: Place = of(&[("content", &TOOL_USE_IN)]);
static OUTPUT_ROOT: Place = of(&[("message", &OUTPUT_MESSAGE), ("type", &ONCE)]);

/// `choices[]`.
static TOOL_CALLS_BY_ID: Place = of(&[("id", &CALL_BY)]);
static TOOL_CALLS_IN: Place = of(&[("tool_calls", &TOOL_CALLS_BY_ID)]);
static CHOICES: Place = of(&[("message", &TOOL_CALLS_IN), ("delta", &TOOL_CALLS_IN)]);

/// Anthropic's `message_start`.
static MESSAGE: Place = of(&[("usage", &USAGE)]);

/// Titan.
static TITAN_RESULTS: Place = of(&[("tokenCount", &OUTPUT)]);

/// Cohere. Its calls have a name and no id.
static COHERE_TOKENS: Place = of(&[
    ("input_tokens", &INPUT),
    ("output_tokens", &OUTPUT),
    ("prompt_tokens", &INPUT),
    ("response_tokens", &OUTPUT),
]);
static COHERE_META: Place = of(&[("tokens", &COHERE_TOKENS), ("billed_units", &COHERE_TOKENS)]);
static COHERE_CALLS: Place = of(&[("name", &CALL_BY)]);

/// The whole answer in an event: OpenAI's `response.completed`, Cohere's `stream-end`.
static RESPONSE: Place = of(&[
    ("usage", &USAGE),
    ("error", &ERROR_BY_CODE),
    ("output", &TYPED_LISTED),
    ("meta", &COHERE_META),
    ("token_count", &COHERE_TOKENS),
]);

/// Nova Sonic: `{"event": {"usageEvent": …}}`, totals so far.
static SONIC_USAGE: Place = of(&[("totalInputTokens", &INPUT), ("totalOutputTokens", &OUTPUT)]);
static SONIC: Place = of(&[("usageEvent", &SONIC_USAGE), ("toolUse", &SONIC_TOOL)]);
static SONIC_TOOL: Place = leaf(Means::Call);

/// Errors in streams: Anthropic's, and OpenAI's `response.failed`.
static ERROR_NAME: Place = leaf(Means::Error);
static ERROR: Place = of(&[("type", &ERROR_NAME)]);
static ERROR_BY_CODE: Place = of(&[("code", &ERROR_NAME)]);

static EVENT_TYPE: Place = leaf(Means::EventType);
static METADATA: Place = of(&[("usage", &USAGE)]);
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
    ("results", &TITAN_RESULTS),
    // Cohere.
    ("meta", &COHERE_META),
    ("token_count", &COHERE_TOKENS),
    ("tool_calls", &COHERE_CALLS),
    // ConverseStream's `contentBlockStart`, and Nova's chunks, which name the event.
    ("start", &TOOL_USE_IN),
    ("contentBlockStart", &START),
    ("metadata", &METADATA),
    ("event", &SONIC),
]);

static BYTES: Place = leaf(Means::Nested);
/// A chunk of InvokeModelWithResponseStream.
pub(super) static CHUNK: Place = of(&[("bytes", &BYTES)]);

static TRACE_INPUT: Place = leaf(Means::Tokens(Trace, Input));
static TRACE_OUTPUT: Place = leaf(Means::Tokens(Trace, Output));
static TRACE_USAGE: Place = of(&[("inputTokens", &TRACE_INPUT), ("outputTokens", &TRACE_OUTPUT)]);
static TRACE_METADATA: Place = of(&[("usage", &TRACE_USAGE)]);
static MODEL_OUTPUT: Place = of(&[("metadata", &TRACE_METADATA)]);
static TRACE_KIND: Place = of(&[("modelInvocationOutput", &MODEL_OUTPUT)]);
static TRACE_KINDS: Place = Place { means: Means::Nothing, members: &[], other: Some(&TRACE_KIND) };
/// A trace event of an agent: `trace.orchestrationTrace.modelInvocationOutput…`, whatever the kind of trace.
pub(super) static TRACE: Place = of(&[("trace", &TRACE_KINDS)]);

static INVOCATION: Place = leaf(Means::Call);
/// An agent hands tool calls to its caller.
pub(super) static RETURN_CONTROL: Place = of(&[("invocationInputs", &INVOCATION)]);
