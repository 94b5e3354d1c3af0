//! The grammars: which place in which body means what.
//!
//! What no table names is text, at any depth. So a table lists the facts, and the places that AWS itself holds to an
//! identifier, an enumeration or base64 (botocore's models, and the request schemas in the "Inference request
//! parameters" pages of the Bedrock user guide). A new member of a new model family is text until a line here says
//! otherwise, never nothing.

mod agents;
mod operations;

use super::PayloadKind;
use super::shape::{Fact, Means, Members, Node, Part, Says};
use agents::{INLINE_AGENT, INVOKE_AGENT, RETRIEVE_AND_GENERATE, S3_BUCKET};

/// The grammar of a kind of body.
pub(super) fn root(kind: PayloadKind) -> &'static Node {
    match kind {
        PayloadKind::Converse => &CONVERSE,
        PayloadKind::InvokeModel => &INVOKE_MODEL,
        PayloadKind::OpenAiChat | PayloadKind::OpenAiResponses | PayloadKind::AnthropicMessages => {
            &COMPATIBLE
        }
        PayloadKind::InvokeAgent => &INVOKE_AGENT,
        PayloadKind::InvokeInlineAgent => &INLINE_AGENT,
        PayloadKind::RetrieveAndGenerate => &RETRIEVE_AND_GENERATE,
        PayloadKind::StartAsyncInvoke => &START_ASYNC_INVOKE,
        PayloadKind::CountTokens => &COUNT_TOKENS,
        PayloadKind::Harness => &operations::HARNESS,
        PayloadKind::Knowledge => &operations::KNOWLEDGE,
        PayloadKind::Flow => &operations::FLOW,
        PayloadKind::BatchJob => &operations::BATCH_JOB,
        PayloadKind::Guardrail => &operations::GUARDRAIL_CHECK,
        PayloadKind::AgentTool => &operations::AGENT_TOOL,
        PayloadKind::MessageBatch => &MESSAGE_BATCH,
        PayloadKind::Generic => &GENERIC,
    }
}

const fn leaf(means: Means) -> Node {
    place(means, &[])
}

const fn place(means: Means, members: &'static [Members]) -> Node {
    Node { means, says: Says::Nothing, members, other: &TEXT }
}

const fn object(members: &'static [Members]) -> Node {
    place(Means::Text, members)
}

/// A value that is a fact besides.
const fn fact(means: Means, name: &'static str) -> Node {
    says(leaf(means), name, Fact::Value)
}

/// A place that says a fact besides.
const fn says(node: Node, name: &'static str, fact: Fact) -> Node {
    Node { says: Says::Fact(name, fact), ..node }
}

/// A part of a tool result.
const fn part(node: Node, part: Part) -> Node {
    Node { says: Says::Result(part), ..node }
}

static TEXT: Node = leaf(Means::Text);
static WORD: Node = Node { other: &WORD, ..place(Means::Word, &[]) };
static BINARY: Node = leaf(Means::Binary);
static ROLE: Node = leaf(Means::Role);
static TYPE: Node = leaf(Means::Type);
static MODEL: Node = leaf(Means::Model);
static ANY_MODEL: Node = leaf(Means::AnyModel);
static OTHER_MODEL: Node = leaf(Means::OtherModel);
static TOOL_NAME: Node = leaf(Means::ToolName);
static TOOL_TYPE: Node = leaf(Means::ToolType);
static RESULT_ID: Node = part(leaf(Means::Word), Part::Id);
static RESULT_NAME: Node = part(leaf(Means::Text), Part::Name);
static RESULT_FAILURE: Node = part(leaf(Means::Word), Part::Failure);
static RESULT_CONTENT: Node = part(leaf(Means::Text), Part::Content);
static MAX_TOKENS: Node = leaf(Means::MaxTokens);
static ANSWERS: Node = leaf(Means::Answers);
static STREAM: Node = leaf(Means::Stream);
static GUARDRAIL_ID: Node = leaf(Means::Guardrail);
static GUARDRAIL_VERSION: Node = leaf(Means::GuardrailVersion);
static KNOWLEDGE_BASE: Node = leaf(Means::KnowledgeBase);
static BASE64_BODY: Node = leaf(Means::Base64Body);
static METADATA: Node = Node { other: &METADATA_VALUE, ..place(Means::Text, &[]) };
static METADATA_VALUE: Node = leaf(Means::Metadata);
static ATTRIBUTES: Node = Node { other: &ATTRIBUTE_VALUE, ..place(Means::Text, &[]) };
static ATTRIBUTE_VALUE: Node = leaf(Means::Attribute);

/// Both spellings: `guardrailId` (Retrieve, RetrieveAndGenerate) and `guardrailIdentifier` (the rest).
static GUARDRAIL: Node = object(&[&[
    ("guardrailIdentifier", &GUARDRAIL_ID),
    ("guardrailId", &GUARDRAIL_ID),
    ("guardrailVersion", &GUARDRAIL_VERSION),
    ("trace", &WORD),
    ("streamProcessingMode", &WORD),
]]);

// --- Conversations: Converse, Anthropic, Nova, OpenAI, Mistral, Cohere, Jamba share one place, because no member
// means two things among them.

/// A message, a system block, a content block, an input item.
static TURN: Node = place(Means::Turn, &[TURN_MEMBERS]);
static TURN_CONTENT: Node = part(place(Means::Turn, &[TURN_MEMBERS]), Part::Content);
static TURN_MEMBERS: Members = &[
    ("role", &ROLE),
    ("content", &TURN_CONTENT),
    ("name", &RESULT_NAME),
    ("text", &TEXT),
    ("type", &TYPE),
    ("id", &WORD),
    ("status", &WORD),
    ("format", &WORD),
    // Converse and Nova
    ("image", &MEDIA),
    ("document", &MEDIA),
    ("video", &MEDIA),
    ("audio", &MEDIA),
    ("toolUse", &TOOL_USE),
    ("toolResult", &TURN_TOOL_RESULT),
    ("toolUseId", &WORD),
    ("guardContent", &GUARD_CONTENT),
    ("cachePoint", &WORD),
    ("reasoningContent", &REASONING),
    ("toolAddition", &TOOL_ADDITION),
    ("toolRemoval", &WORD),
    // Anthropic
    ("source", &SOURCE),
    ("tool_use_id", &RESULT_ID),
    ("is_error", &RESULT_FAILURE),
    ("cache_control", &WORD),
    ("signature", &BINARY),
    ("data", &BINARY), // redacted_thinking
    // OpenAI, Mistral
    ("image_url", &URL),
    ("input_audio", &SOURCE),
    ("file", &SOURCE),
    ("file_data", &BINARY),
    ("file_id", &WORD),
    ("tool_calls", &TOOL_USE),
    ("tool_call_id", &RESULT_ID),
    ("call_id", &RESULT_ID),
    ("output", &TURN_CONTENT),
    ("encrypted_content", &BINARY),
    ("tool_results", &COHERE_RESULT),
];

static MEDIA: Node = object(&[&[("format", &WORD), ("source", &SOURCE)]]);
/// `bytes` (Converse, Nova), `data` (Anthropic, OpenAI, agents), `file_data`, `url` (data URLs).
static SOURCE: Node = object(&[&[
    ("type", &TYPE),
    ("format", &WORD),
    ("media_type", &WORD),
    ("mediaType", &WORD),
    ("contentType", &WORD),
    ("bytes", &BINARY),
    ("data", &BINARY),
    ("file_data", &BINARY),
    ("url", &BINARY),
    ("base64String", &BINARY),
    ("content", &TURN),
    ("s3Location", &WORD),
    ("byteContent", &SOURCE),
    ("sourceType", &WORD),
    ("source", &SOURCE),
]]);
/// A string (`data:` URL or link), or an object with one.
static URL: Node = place(Means::Binary, &[&[("url", &BINARY), ("detail", &WORD)]]);
static TOOL_USE: Node = object(&[&[
    ("toolUseId", &WORD),
    ("name", &WORD),
    ("type", &WORD),
    ("id", &WORD),
    ("function", &TOOL_CALL_FUNCTION),
]]);
static TOOL_CALL_FUNCTION: Node = object(&[&[("name", &WORD)]]);
static TURN_TOOL_RESULT: Node = place(
    Means::ToolResult,
    &[&[("toolUseId", &RESULT_ID), ("status", &RESULT_FAILURE), ("type", &WORD), ("content", &TURN_CONTENT)]],
);
static COHERE_RESULT: Node =
    place(Means::ToolResult, &[&[("call", &COHERE_CALL), ("outputs", &RESULT_CONTENT)]]);
static COHERE_CALL: Node = object(&[&[("name", &RESULT_NAME)]]);
static GUARD_CONTENT: Node = object(&[&[("text", &GUARD_TEXT), ("image", &MEDIA)]]);
static GUARD_TEXT: Node = object(&[&[("qualifiers", &WORD)]]);
static REASONING: Node = object(&[&[("reasoningText", &REASONING_TEXT), ("redactedContent", &BINARY)]]);
static REASONING_TEXT: Node = object(&[&[("signature", &BINARY)]]);
static TOOL_ADDITION: Node = object(&[&[("tool", &TOOL)]]);

/// One tool on offer, in every family's form.
static TOOL: Node = place(
    Means::Tool,
    &[&[
        ("name", &TOOL_NAME),
        ("type", &TOOL_TYPE),
        ("toolSpec", &NAMED_TOOL),
        ("systemTool", &NAMED_TOOL),
        ("function", &NAMED_TOOL),
        ("custom", &NAMED_TOOL),
        ("server_label", &TOOL_NAME),
        ("cachePoint", &WORD),
        ("cache_control", &WORD),
    ]],
);
static NAMED_TOOL: Node = object(&[&[("name", &TOOL_NAME)]]);
/// `{"tools": […]}`: Converse's `toolConfig`, which Nova has in InvokeModel too.
static TOOL_CONFIG: Node = object(&[&[("tools", &TOOL), ("toolChoice", &WORD)]]);

static CONVERSE: Node = object(&[CONVERSE_MEMBERS]);
static CONVERSE_MEMBERS: Members = &[
    ("messages", &TURN),
    ("system", &TURN),
    ("inferenceConfig", &CONVERSE_INFERENCE),
    ("toolConfig", &TOOL_CONFIG),
    ("guardrailConfig", &GUARDRAIL),
    // Free JSON in the model's own format: it can bring tools and token limits.
    ("additionalModelRequestFields", &INVOKE_MODEL),
    ("additionalModelResponseFieldPaths", &WORD),
    ("requestMetadata", &METADATA),
    ("performanceConfig", &PERFORMANCE),
    ("serviceTier", &SERVICE_TIER),
    // What goes into a prompt that is kept at AWS.
    ("promptVariables", &PROMPT_VARIABLES),
];
static PERFORMANCE: Node =
    Node { other: &WORD, ..place(Means::Word, &[&[("latency", &fact(Means::Word, "latency"))]]) };
static SERVICE_TIER: Node =
    Node { other: &WORD, ..place(Means::Word, &[&[("type", &fact(Means::Word, "service_tier"))]]) };
static PROMPT_VARIABLES: Node = says(leaf(Means::Text), "prompt_variables", Fact::Keys);
/// Converse has one name for it; AWS passes over the others, so a call that has only those bounds nothing.
static CONVERSE_INFERENCE: Node = object(&[&[("maxTokens", &MAX_TOKENS), ("stopSequences", &WORD)]]);
/// `inferenceConfig` (Nova), `textGenerationConfig` (Titan), `textInferenceConfig` (agent-runtime) …
static INFERENCE: Node = object(&[INFERENCE_MEMBERS]);
static INFERENCE_MEMBERS: Members = &[
    ("max_tokens", &MAX_TOKENS),
    ("maxTokens", &MAX_TOKENS),
    ("max_tokens_to_sample", &MAX_TOKENS),  // Anthropic, legacy
    ("max_completion_tokens", &MAX_TOKENS), // OpenAI chat
    ("max_output_tokens", &MAX_TOKENS),     // OpenAI responses
    ("max_gen_len", &MAX_TOKENS),           // Llama
    ("maxTokenCount", &MAX_TOKENS),         // Titan
    ("max_new_tokens", &MAX_TOKENS),        // Nova, Marketplace
    ("maxNewTokens", &MAX_TOKENS),
    ("maximumLength", &MAX_TOKENS), // agents
    ("textInferenceConfig", &INFERENCE),
    ("stopSequences", &WORD),
    ("stop_sequences", &WORD),
    ("stop", &WORD),
];

/// Every InvokeModel family at once: their members don't collide, and a body that mixes two is read as both.
/// `model` is a word here: in InvokeModel the URI names the model, and a body must not talk policy out of that.
static INVOKE_MODEL: Node = object(&[&[("model", &WORD)], FAMILIES, INFERENCE_MEMBERS]);
/// The compatible APIs: the same, with the model in the body.
static COMPATIBLE: Node =
    object(&[&[("model", &MODEL), ("metadata", &METADATA)], FAMILIES, INFERENCE_MEMBERS]);
/// A batch: every model in it is decided.
static MESSAGE_BATCH: Node = object(&[&[("requests", &BATCHED)]]);
static BATCHED: Node = object(&[&[("custom_id", &WORD), ("params", &BATCHED_MESSAGE)]]);
static BATCHED_MESSAGE: Node =
    object(&[&[("model", &OTHER_MODEL), ("metadata", &METADATA)], FAMILIES, INFERENCE_MEMBERS]);
static FAMILIES: Members = &[
    // Conversations, whatever the key
    ("messages", &TURN),
    ("system", &TURN),
    ("input", &TURN),
    ("inputs", &TURN),
    ("chat_history", &TURN),
    ("tool_results", &COHERE_RESULT),
    // A prompt that is kept at the provider (OpenAI responses); a string elsewhere.
    ("prompt", &PROMPT),
    // Tools
    ("tools", &TOOL),
    ("functions", &TOOL),
    ("toolConfig", &TOOL_CONFIG),
    ("tool_choice", &WORD),
    // Limits and switches
    ("inferenceConfig", &INFERENCE),
    ("textGenerationConfig", &INFERENCE),
    ("parameters", &INFERENCE),
    ("stream", &STREAM),
    ("n", &ANSWERS),               // OpenAI chat
    ("num_generations", &ANSWERS), // Cohere
    ("numResults", &ANSWERS),      // AI21
    ("anthropic_version", &WORD),
    ("anthropic_beta", &fact(Means::Word, "anthropic_beta")),
    ("mcp_servers", &MCP_SERVERS),
    ("thinking", &WORD),
    ("schemaVersion", &WORD),
    ("taskType", &WORD),
    ("input_type", &WORD),
    ("embeddingTypes", &WORD),
    ("embedding_types", &WORD),
    ("truncate", &WORD),
    ("reasoning_effort", &WORD),
    ("service_tier", &fact(Means::Word, "service_tier")),
    ("previous_response_id", &fact(Means::Word, "previous_response_id")),
    ("amazon-bedrock-guardrailConfig", &WORD),
    // Images
    ("inputImage", &BINARY),
    ("images", &BINARY),
    ("image", &BINARY),
    ("init_image", &BINARY),
    ("style_image", &BINARY),
    ("mask", &BINARY),
    ("mask_image", &BINARY),
    ("output_format", &WORD),
    ("mode", &WORD),
    ("textToImageParams", &IMAGE_TASK),
    ("inPaintingParams", &IMAGE_TASK),
    ("outPaintingParams", &IMAGE_TASK),
    ("imageVariationParams", &IMAGE_TASK),
    ("colorGuidedGenerationParams", &IMAGE_TASK),
    ("backgroundRemovalParams", &IMAGE_TASK),
    ("virtualTryOnParams", &IMAGE_TASK),
    ("textToVideoParams", &IMAGE_TASK),
    ("mediaSource", &SOURCE),
];
static PROMPT: Node = object(&[&[
    ("id", &fact(Means::Word, "prompt_id")),
    ("version", &WORD),
    ("variables", &PROMPT_VARIABLES),
]]);
static MCP_SERVERS: Node =
    object(&[&[("url", &fact(Means::Text, "mcp_servers")), ("type", &WORD), ("authorization_token", &WORD)]]);
/// Titan Image, Nova Canvas, Nova Reel.
static IMAGE_TASK: Node = object(&[&[
    ("image", &BINARY),
    ("images", &IMAGES),
    ("maskImage", &BINARY),
    ("conditionImage", &BINARY),
    ("referenceImage", &BINARY),
    ("sourceImage", &BINARY),
    ("controlMode", &WORD),
    ("maskType", &WORD),
    ("colors", &WORD),
]]);
/// Strings of base64 (Canvas), or objects with a source (Reel).
static IMAGES: Node = place(Means::Binary, &[&[("format", &WORD), ("source", &SOURCE)]]);

static START_ASYNC_INVOKE: Node = object(&[&[
    ("modelId", &MODEL),
    ("modelInput", &INVOKE_MODEL),
    ("clientRequestToken", &WORD),
    ("outputDataConfig", &ASYNC_OUTPUT),
]]);
static ASYNC_OUTPUT: Node = object(&[&[("s3OutputDataConfig", &ASYNC_OUTPUT_S3)]]);
static ASYNC_OUTPUT_S3: Node = object(&[&[
    ("s3Uri", &fact(Means::Word, "output_s3")),
    ("bucketOwner", &fact(Means::Word, "output_bucket_owner")),
    ("kmsKeyId", &WORD),
]]);

static COUNT_TOKENS: Node = object(&[&[("input", &COUNT_TOKENS_INPUT)]]);
static COUNT_TOKENS_INPUT: Node = says(
    object(&[&[("converse", &CONVERSE), ("invokeModel", &COUNT_TOKENS_INVOKE_MODEL)]]),
    "counted_as",
    Fact::Keys,
);
static COUNT_TOKENS_INVOKE_MODEL: Node = object(&[&[("body", &BASE64_BODY)]]);

// --- Everything else: models, tokens and binary by their names at any depth, the guardrail at the top.

static GENERIC: Node = generic(&[&[("guardrailConfiguration", &GUARDRAIL)], GENERIC_MEMBERS]);
/// A place of an operation whose other members are read by their names.
const fn generic(members: &'static [Members]) -> Node {
    Node { other: &GENERIC_BELOW, ..object(members) }
}
static GENERIC_BELOW: Node = Node { other: &GENERIC_BELOW, ..place(Means::Text, &[GENERIC_MEMBERS]) };
static AGENT: Node = fact(Means::Text, "agents");
static GENERIC_MEMBERS: Members = &[
    ("modelId", &ANY_MODEL),
    ("modelArn", &ANY_MODEL),
    ("foundationModel", &ANY_MODEL),
    ("foundationModelArn", &ANY_MODEL),
    ("targetModelId", &ANY_MODEL),
    ("modelIdentifier", &ANY_MODEL),
    ("baseModelIdentifier", &ANY_MODEL),
    ("sourceModelArn", &ANY_MODEL),
    ("teacherModelIdentifier", &ANY_MODEL),
    ("modelSourceIdentifier", &ANY_MODEL),
    ("desiredModelId", &ANY_MODEL),
    ("copyFrom", &ANY_MODEL),
    ("embeddingModelArn", &ANY_MODEL),
    ("knowledgeBaseId", &KNOWLEDGE_BASE),
    ("knowledgeBaseArn", &KNOWLEDGE_BASE),
    // Of nodes in a flow, of jobs: the call itself has none.
    ("guardrailIdentifier", &fact(Means::Text, "other_guardrails")),
    ("guardrailId", &fact(Means::Text, "other_guardrails")),
    ("agentAliasArn", &AGENT),
    ("aliasArn", &AGENT),
    ("agentIdentifier", &AGENT),
    ("agentRuntimeArn", &AGENT),
    ("agentRuntimeEndpointArn", &AGENT),
    ("bucketName", &S3_BUCKET),
    ("roleArn", &fact(Means::Text, "role_arn")),
    ("s3BucketName", &S3_BUCKET),
    ("maxTokens", &MAX_TOKENS),
    ("bytes", &BINARY),
    ("data", &BINARY),
    ("blob", &BINARY),
    ("inlineContent", &BINARY),
    ("byteContent", &BINARY),
    ("clientRequestToken", &WORD),
    ("clientToken", &WORD),
];
