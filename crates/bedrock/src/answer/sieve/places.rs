//! Where in an answer's JSON tool calls and text stand, as data.
//!
//! One grammar serves all models, because their members have different names. Places are exact from the root on, so nothing
//! that a model writes into a text or an argument can be taken for a call. Arrays are transparent.
//!
//! Sources: AWS API reference (Converse, ConverseStream, InvokeHarness, InvokeAgent, InvokeFlow, RetrieveAndGenerateStream,
//! AgenticRetrieveStream, OptimizePrompt), Bedrock user guide "Inference request parameters and response fields for foundation
//! models", Anthropic "Messages" and "Streaming messages", OpenAI "Chat completions", "Responses" and their streaming events,
//! Cohere "Chat" (v1 and v2), Nova Sonic "Output events".

/// A place.
#[derive(Debug)]
pub(super) struct Place {
    /// What a string or a number here means.
    pub(super) leaf: Leaf,
    /// What an object here means.
    pub(super) node: Node,
    members: &'static [(&'static str, &'static Place)],
    other: Option<&'static Place>,
}

/// What a string or a number means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leaf {
    Nothing,
    /// The type of an event.
    Kind,
    /// The place of a block, an item or a choice in its list.
    Index,
    /// A choice is finished when it has a string here.
    Finish,
    /// Text of a model.
    Text,
    /// Text of a model that has no other way to propose a call.
    Written,
    /// Text, or a part of arguments: the event's type tells.
    Delta,
    /// A part of the arguments of the block that the event names.
    Fragment,
    /// All arguments of the item that the event names.
    Done,
    /// A JSON document in base64.
    Document64,
    /// Text in base64.
    Text64,
    /// The id of all calls of this document.
    CallsId,
    /// The agent of all calls of this document.
    CallsAgent,
    /// A part of the call that it stands in.
    Call(Field),
    /// A part of the parameter that it stands in.
    Parameter(Part),
}

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    Id,
    Name,
    Group,
    Method,
    Agent,
    /// What it is: `tool_use`.
    Type,
    /// A string, or any value.
    Arguments,
    /// Who runs it: `RETURN_CONTROL`.
    Execution,
    Index,
}

/// A part of a parameter of an agent's call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Name,
    Type,
    Value,
}

/// What an object means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Plain,
    /// A tool call, or a part of one.
    Call(Shape),
    /// The arguments of a tool call of this name.
    Arguments(&'static str),
    /// A parameter of an agent's call.
    Parameter,
    /// One of the answers to a question.
    Choice,
    /// The block that the event names is complete.
    Stop,
}

/// How a call is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Whole.
    Whole,
    /// Whole, when its type is that of a call.
    Typed,
    /// Whole, and may be told again in a list of all.
    Named,
    /// In a list of all calls of the answer, when its type is that of a call.
    Listed,
    /// In such a list, where there is nothing else.
    NamedListed,
    /// The start of a block: arguments may follow.
    Block,
    /// The same, when its type is that of a call.
    TypedBlock,
    /// A part of a call of a choice.
    Chat,
    /// The same in the old form: one call a choice, without an index.
    ChatFunction,
    /// An item of a stream, when its type is that of a call: it begins, or it is done.
    Item,
    /// Cohere's: a part of a call that is told whole later.
    Foretold,
    /// Cohere's: the start of a block or a part of one, by the event's type.
    BlockOrFragment,
    /// An agent returns control.
    ReturnControl,
    /// An agent's trace tells of it.
    Trace,
}

impl Shape {
    /// Whether it is a call only where its type says so.
    pub(super) const fn is_typed(self) -> bool {
        matches!(self, Self::Typed | Self::Listed | Self::TypedBlock | Self::Item)
    }
}

impl Place {
    /// The place of a member, and its number where it is one of those that may stand only once.
    pub(super) fn member(&self, name: &[u8]) -> (&'static Place, Option<u32>) {
        for (number, (known, place)) in (0_u32..).zip(self.members) {
            if known.as_bytes() == name {
                return (place, Some(number));
            }
        }
        (self.other.unwrap_or(&NOTHING), None)
    }

    /// Nothing below matters.
    pub(super) const fn is_barren(&self) -> bool {
        self.members.is_empty() && self.other.is_none()
    }
}

type Members = &'static [(&'static str, &'static Place)];

const fn of(members: Members) -> Place {
    node(Node::Plain, members)
}

const fn node(node: Node, members: Members) -> Place {
    Place { leaf: Leaf::Nothing, node, members, other: None }
}

const fn leaf(leaf: Leaf) -> Place {
    Place { leaf, node: Node::Plain, members: &[], other: None }
}

const fn map(other: &'static Place) -> Place {
    Place { leaf: Leaf::Nothing, node: Node::Plain, members: &[], other: Some(other) }
}

pub(super) static NOTHING: Place = of(&[]);

static KIND: Place = leaf(Leaf::Kind);
static INDEX: Place = leaf(Leaf::Index);
static FINISH: Place = leaf(Leaf::Finish);
static TEXT: Place = leaf(Leaf::Text);
static WRITTEN: Place = leaf(Leaf::Written);
static FRAGMENT: Place = leaf(Leaf::Fragment);
static DONE: Place = leaf(Leaf::Done);
static TEXT_IN: Place = of(&[("text", &TEXT)]);
static WRITTEN_IN: Place = of(&[("text", &WRITTEN), ("outputText", &WRITTEN)]);
/// All strings below.
static ALL_TEXT: Place = Place { leaf: Leaf::Text, node: Node::Plain, members: &[], other: Some(&ALL_TEXT) };

static ID: Place = leaf(Leaf::Call(Field::Id));
static NAME: Place = leaf(Leaf::Call(Field::Name));
static GROUP: Place = leaf(Leaf::Call(Field::Group));
static METHOD: Place = leaf(Leaf::Call(Field::Method));
static AGENT: Place = leaf(Leaf::Call(Field::Agent));
static TYPE: Place = leaf(Leaf::Call(Field::Type));
static ARGUMENTS: Place = leaf(Leaf::Call(Field::Arguments));
static EXECUTION: Place = leaf(Leaf::Call(Field::Execution));
static CALL_INDEX: Place = leaf(Leaf::Call(Field::Index));

// Converse, ConverseStream, InvokeHarness; Nova's own answers.

const TOOL_USE_MEMBERS: Members =
    &[("toolUseId", &ID), ("name", &NAME), ("type", &TYPE), ("serverName", &GROUP), ("input", &ARGUMENTS)];
static TOOL_USE: Place = node(Node::Call(Shape::Whole), TOOL_USE_MEMBERS);
static TOOL_USE_START: Place = node(Node::Call(Shape::Block), TOOL_USE_MEMBERS);
static REASONING: Place = of(&[("reasoningText", &TEXT_IN), ("text", &TEXT)]);
static CITED: Place = of(&[("content", &TEXT_IN)]);
static CONVERSE_CONTENT: Place = of(&[
    ("text", &TEXT),
    ("toolUse", &TOOL_USE),
    ("reasoningContent", &REASONING),
    ("citationsContent", &CITED),
]);
static CONVERSE_MESSAGE: Place = of(&[("content", &CONVERSE_CONTENT)]);

static START: Place = of(&[("toolUse", &TOOL_USE_START)]);
/// `contentBlockStart`.
pub(super) static BLOCK_START: Place = of(&[("contentBlockIndex", &INDEX), ("start", &START)]);
static TOOL_USE_DELTA: Place = of(&[("input", &FRAGMENT)]);
static CONVERSE_DELTA: Place =
    of(&[("text", &TEXT), ("toolUse", &TOOL_USE_DELTA), ("reasoningContent", &REASONING)]);
/// `contentBlockDelta`.
pub(super) static BLOCK_DELTA: Place = of(&[("contentBlockIndex", &INDEX), ("delta", &CONVERSE_DELTA)]);
/// `contentBlockStop`.
pub(super) static BLOCK_STOP: Place = node(Node::Stop, &[("contentBlockIndex", &INDEX)]);

/// What the model had written before a guardrail changed it.
static GUARDRAIL: Place = of(&[("modelOutput", &ALL_TEXT)]);
static GUARDRAIL_TRACE: Place = of(&[("guardrail", &GUARDRAIL)]);
/// `metadata`: read for text only.
pub(super) static METADATA: Place = of(&[("trace", &GUARDRAIL_TRACE)]);

// Anthropic.

const BLOCK_MEMBERS: Members = &[
    ("type", &TYPE),
    ("id", &ID),
    ("name", &NAME),
    ("server_name", &GROUP),
    ("input", &ARGUMENTS),
    ("text", &TEXT),
    ("thinking", &TEXT),
    ("refusal", &TEXT),
];
/// `content[]`: a list of blocks, or a string.
static CONTENT: Place =
    Place { leaf: Leaf::Text, node: Node::Call(Shape::Typed), members: BLOCK_MEMBERS, other: None };
static CONTENT_BLOCK: Place = node(Node::Call(Shape::TypedBlock), BLOCK_MEMBERS);
/// `delta` of Anthropic, of Cohere (v2), and of OpenAI's responses, where it is a string.
static DELTA: Place = Place {
    leaf: Leaf::Delta,
    node: Node::Plain,
    members: &[("text", &TEXT), ("thinking", &TEXT), ("partial_json", &FRAGMENT), ("message", &COHERE_DELTA)],
    other: None,
};

// OpenAI's chat completions, and whoever speaks like it (AI21, DeepSeek, Mistral, Qwen, imported models).

static FUNCTION: Place = of(&[("name", &NAME), ("arguments", &ARGUMENTS)]);
static CUSTOM: Place = of(&[("name", &NAME), ("input", &ARGUMENTS)]);
const CHAT_CALL_MEMBERS: Members =
    &[("index", &CALL_INDEX), ("id", &ID), ("type", &TYPE), ("function", &FUNCTION), ("custom", &CUSTOM)];
static CHAT_CALL: Place = node(Node::Call(Shape::Whole), CHAT_CALL_MEMBERS);
static CHAT_CALL_DELTA: Place = node(Node::Call(Shape::Chat), CHAT_CALL_MEMBERS);
const CHAT_FUNCTION_MEMBERS: Members = &[("name", &NAME), ("arguments", &ARGUMENTS)];
static CHAT_FUNCTION: Place = node(Node::Call(Shape::Whole), CHAT_FUNCTION_MEMBERS);
static CHAT_FUNCTION_DELTA: Place = node(Node::Call(Shape::ChatFunction), CHAT_FUNCTION_MEMBERS);
static CHAT_MESSAGE: Place = of(&[
    ("content", &CONTENT),
    ("reasoning_content", &TEXT),
    ("reasoning", &TEXT),
    ("refusal", &TEXT),
    ("tool_calls", &CHAT_CALL),
    ("function_call", &CHAT_FUNCTION),
]);
static CHAT_DELTA: Place = of(&[
    ("content", &CONTENT),
    ("reasoning_content", &TEXT),
    ("reasoning", &TEXT),
    ("refusal", &TEXT),
    ("tool_calls", &CHAT_CALL_DELTA),
    ("function_call", &CHAT_FUNCTION_DELTA),
]);
static CHOICE: Place = node(
    Node::Choice,
    &[
        ("index", &INDEX),
        ("finish_reason", &FINISH),
        ("stop_reason", &FINISH),
        ("text", &WRITTEN),
        ("message", &CHAT_MESSAGE),
        ("delta", &CHAT_DELTA),
    ],
);

// OpenAI's responses.

static PARTS: Place = of(&[("text", &TEXT), ("refusal", &TEXT)]);
/// An item of `output`. A function's arguments, a custom tool's input, what else a tool is given.
const ITEM_MEMBERS: Members = &[
    ("type", &TYPE),
    ("id", &NOTHING),
    ("call_id", &ID),
    ("name", &NAME),
    ("server_label", &GROUP),
    ("arguments", &ARGUMENTS),
    ("input", &ARGUMENTS),
    ("action", &ARGUMENTS),
    ("operation", &ARGUMENTS),
    ("queries", &ARGUMENTS),
    ("code", &ARGUMENTS),
    ("content", &PARTS),
    ("summary", &PARTS),
];
static ITEM: Place = node(Node::Call(Shape::Item), ITEM_MEMBERS);
static LISTED: Place = node(Node::Call(Shape::Listed), ITEM_MEMBERS);
/// `output`: the list of OpenAI's responses, Converse's object, or RetrieveAndGenerate's.
static OUTPUT: Place = node(
    Node::Call(Shape::Listed),
    &[
        ("type", &TYPE),
        ("id", &NOTHING),
        ("call_id", &ID),
        ("name", &NAME),
        ("server_label", &GROUP),
        ("arguments", &ARGUMENTS),
        ("input", &ARGUMENTS),
        ("action", &ARGUMENTS),
        ("operation", &ARGUMENTS),
        ("queries", &ARGUMENTS),
        ("code", &ARGUMENTS),
        ("content", &PARTS),
        ("summary", &PARTS),
        ("message", &CONVERSE_MESSAGE),
        ("text", &TEXT),
    ],
);
/// The whole answer in an event: OpenAI's `response.completed`, Cohere's `stream-end`.
static RESPONSE: Place = of(&[("output", &LISTED), ("text", &TEXT), ("tool_calls", &COHERE_LISTED)]);

// Cohere.

const COHERE_MEMBERS: Members = &[
    ("index", &CALL_INDEX),
    ("id", &ID),
    ("name", &NAME),
    ("parameters", &ARGUMENTS),
    ("function", &FUNCTION),
];
static COHERE_CALL: Place = node(Node::Call(Shape::Named), COHERE_MEMBERS);
static COHERE_LISTED: Place = node(Node::Call(Shape::NamedListed), COHERE_MEMBERS);
static COHERE_FORETOLD: Place = node(Node::Call(Shape::Foretold), COHERE_MEMBERS);
static COHERE_BLOCK: Place = node(Node::Call(Shape::BlockOrFragment), CHAT_CALL_MEMBERS);
static COHERE_DELTA: Place =
    of(&[("content", &DELTA_CONTENT), ("tool_plan", &TEXT), ("tool_calls", &COHERE_BLOCK)]);
static DELTA_CONTENT: Place = of(&[("text", &TEXT), ("thinking", &TEXT)]);
/// `message` of Anthropic's `message_start`, and of Cohere (v2); Pegasus's text.
static MESSAGE: Place = Place {
    leaf: Leaf::Text,
    node: Node::Plain,
    members: &[("content", &CONTENT), ("tool_plan", &TEXT), ("tool_calls", &CHAT_CALL)],
    other: None,
};

// Nova Sonic.

static SONIC_CALL: Place =
    node(Node::Call(Shape::Whole), &[("toolUseId", &ID), ("toolName", &NAME), ("content", &ARGUMENTS)]);
static SONIC_TEXT: Place = of(&[("content", &TEXT)]);
static SONIC: Place = of(&[("toolUse", &SONIC_CALL), ("textOutput", &SONIC_TEXT)]);

static COMPLETIONS: Place = of(&[("data", &WRITTEN_IN)]);
static QUERIES: Place = of(&[("sql", &TEXT)]);

/// A model's answer, or an event of it; an agent's or a flow's answer that is a document.
pub(super) static ANSWER: Place = of(&[
    ("type", &KIND),
    ("event_type", &KIND),
    ("index", &INDEX),
    ("output_index", &INDEX),
    ("delta", &DELTA),
    ("choices", &CHOICE),
    ("content_block", &CONTENT_BLOCK),
    ("content", &CONTENT),
    ("message", &MESSAGE),
    ("output", &OUTPUT),
    ("item", &ITEM),
    ("part", &PARTS),
    ("response", &RESPONSE),
    ("arguments", &DONE),
    ("input", &DONE),
    ("code", &DONE),
    ("text", &TEXT),
    ("refusal", &TEXT),
    ("tool_calls", &COHERE_CALL),
    ("tool_call_delta", &COHERE_FORETOLD),
    ("tool_plan", &TEXT),
    // Llama, Titan, Mistral, old Anthropic, old Cohere, old AI21.
    ("generation", &WRITTEN),
    ("outputText", &WRITTEN),
    ("results", &WRITTEN_IN),
    ("outputs", &WRITTEN_IN),
    ("completion", &WRITTEN),
    ("generations", &WRITTEN_IN),
    ("completions", &COMPLETIONS),
    // Nova.
    ("contentBlockStart", &BLOCK_START),
    ("contentBlockDelta", &BLOCK_DELTA),
    ("contentBlockStop", &BLOCK_STOP),
    ("event", &SONIC),
    ("metadata", &METADATA),
    ("trace", &GUARDRAIL_TRACE),
    ("amazon-bedrock-trace", &GUARDRAIL_TRACE),
    // GenerateQuery, ListFlowExecutionEvents.
    ("queries", &QUERIES),
    ("flowExecutionEvents", &FLOW_EVENT),
]);

// Calls in text.

static WRITTEN_FUNCTION: Place = Place {
    leaf: Leaf::Call(Field::Name),
    node: Node::Plain,
    members: &[("name", &NAME), ("parameters", &ARGUMENTS), ("arguments", &ARGUMENTS)],
    other: None,
};
/// A call that a model has written into its text.
pub(super) static WRITTEN_CALL: Place = node(
    Node::Call(Shape::Whole),
    &[
        ("id", &ID),
        ("name", &NAME),
        ("tool_name", &NAME),
        ("function", &WRITTEN_FUNCTION),
        ("parameters", &ARGUMENTS),
        ("arguments", &ARGUMENTS),
    ],
);

static DOCUMENT64: Place = leaf(Leaf::Document64);
static TEXT64: Place = leaf(Leaf::Text64);
/// A chunk of InvokeModelWithResponseStream.
pub(super) static MODEL_CHUNK: Place = of(&[("bytes", &DOCUMENT64)]);
/// A chunk of an agent's answer.
pub(super) static AGENT_CHUNK: Place = of(&[("bytes", &TEXT64)]);

// Agents.

static PARAMETER_NAME: Place = leaf(Leaf::Parameter(Part::Name));
static PARAMETER_TYPE: Place = leaf(Leaf::Parameter(Part::Type));
static PARAMETER_VALUE: Place = leaf(Leaf::Parameter(Part::Value));
static PARAMETER: Place = node(
    Node::Parameter,
    &[("name", &PARAMETER_NAME), ("type", &PARAMETER_TYPE), ("value", &PARAMETER_VALUE)],
);
static PROPERTIES: Place = of(&[("properties", &PARAMETER)]);
static CONTENT_PROPERTIES: Place = map(&PROPERTIES);
static RETURNED_BODY: Place = of(&[("content", &CONTENT_PROPERTIES)]);
static CALLS_ID: Place = leaf(Leaf::CallsId);
static CALLS_AGENT: Place = leaf(Leaf::CallsAgent);
static RETURNED: Place = node(
    Node::Call(Shape::ReturnControl),
    &[
        ("actionGroup", &GROUP),
        ("agentId", &AGENT),
        ("function", &NAME),
        ("apiPath", &NAME),
        ("httpMethod", &METHOD),
        ("parameters", &PARAMETER),
        ("requestBody", &RETURNED_BODY),
    ],
);
static INVOCATION_INPUTS: Place =
    of(&[("functionInvocationInput", &RETURNED), ("apiInvocationInput", &RETURNED)]);
/// An agent hands tool calls to its caller.
pub(super) static RETURN_CONTROL: Place =
    of(&[("invocationId", &CALLS_ID), ("invocationInputs", &INVOCATION_INPUTS)]);

static TRACED_PROPERTIES: Place = map(&PARAMETER);
static TRACED_BODY: Place = of(&[("content", &TRACED_PROPERTIES)]);
static ACTION_GROUP: Place = node(
    Node::Call(Shape::Trace),
    &[
        ("actionGroupName", &GROUP),
        ("function", &NAME),
        ("apiPath", &NAME),
        ("verb", &METHOD),
        ("executionType", &EXECUTION),
        ("invocationId", &ID),
        ("parameters", &PARAMETER),
        ("requestBody", &TRACED_BODY),
    ],
);
static LOOKUP: Place = node(Node::Arguments("knowledge_base_lookup"), &[]);
static COLLABORATOR: Place = node(Node::Arguments("agent_collaborator"), &[]);
static CODE_INTERPRETER: Place = node(Node::Arguments("code_interpreter"), &[]);
static INVOCATION_INPUT: Place = of(&[
    ("actionGroupInvocationInput", &ACTION_GROUP),
    ("knowledgeBaseLookupInput", &LOOKUP),
    ("agentCollaboratorInvocationInput", &COLLABORATOR),
    ("codeInterpreterInvocationInput", &CODE_INTERPRETER),
]);
static RAW_RESPONSE: Place = of(&[("content", &TEXT)]);
static PARSED: Place = of(&[("text", &TEXT), ("rationale", &TEXT)]);
static MODEL_OUTPUT: Place =
    of(&[("rawResponse", &RAW_RESPONSE), ("reasoningContent", &REASONING), ("parsedResponse", &PARSED)]);
static COLLABORATOR_OUTPUT: Place = of(&[("output", &TEXT_IN)]);
static OBSERVATION: Place = of(&[
    ("finalResponse", &TEXT_IN),
    ("repromptResponse", &TEXT_IN),
    ("agentCollaboratorInvocationOutput", &COLLABORATOR_OUTPUT),
]);
static TRACE_KIND: Place = of(&[
    ("invocationInput", &INVOCATION_INPUT),
    ("rationale", &TEXT_IN),
    ("modelInvocationOutput", &MODEL_OUTPUT),
    ("observation", &OBSERVATION),
]);
static TRACE_KINDS: Place = map(&TRACE_KIND);
/// A trace event of an agent: `trace.orchestrationTrace.invocationInput…`, whatever the kind of trace.
pub(super) static TRACE: Place = of(&[("agentId", &CALLS_AGENT), ("trace", &TRACE_KINDS)]);

// Flows, knowledge bases, prompts.

static FLOW_DOCUMENT: Place = of(&[("document", &ALL_TEXT)]);
static FLOW_FIELDS: Place = of(&[("content", &FLOW_DOCUMENT)]);
static FLOW_NODE: Place = of(&[("fields", &FLOW_FIELDS)]);
static AGENT_TRACES: Place = of(&[("agentTraces", &TRACE)]);
static FLOW_DEPENDENCY: Place = of(&[("traceElements", &AGENT_TRACES)]);
/// What an agent in the flow did then is no call any more.
static FLOW_EVENT: Place = of(&[("flowOutputEvent", &FLOW_NODE), ("nodeOutputEvent", &FLOW_NODE)]);
/// `flowOutputEvent`, `flowMultiTurnInputRequestEvent`.
pub(super) static FLOW_OUTPUT: Place = of(&[("content", &FLOW_DOCUMENT)]);
static FLOW_TRACE_KIND: Place =
    of(&[("nodeOutputTrace", &FLOW_NODE), ("nodeDependencyTrace", &FLOW_DEPENDENCY)]);
/// `flowTraceEvent`.
pub(super) static FLOW_TRACE: Place = of(&[("trace", &FLOW_TRACE_KIND)]);

static GENERATED: Place = of(&[("answer", &TEXT)]);
static TEXT_PROMPT: Place = of(&[("textPrompt", &TEXT_IN)]);
/// `output` of RetrieveAndGenerateStream, `responseEvent` and `result` of AgenticRetrieveStream, `analyzePromptEvent` and
/// `optimizedPromptEvent` of OptimizePrompt.
pub(super) static TEXT_EVENT: Place = of(&[
    ("text", &TEXT),
    ("message", &TEXT),
    ("generatedResponse", &GENERATED),
    ("optimizedPrompt", &TEXT_PROMPT),
]);
