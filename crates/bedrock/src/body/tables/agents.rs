//! Agents and knowledge bases.

use super::{
    AGENT, ATTRIBUTES, CONVERSE, CONVERSE_INFERENCE, Fact, GUARDRAIL, INFERENCE, INVOKE_MODEL,
    KNOWLEDGE_BASE, MODEL, Means, Members, NAMED_TOOL, Node, OTHER_MODEL, Part, RESULT_CONTENT, RESULT_NAME,
    SOURCE, TOOL_NAME, WORD, fact, leaf, object, part, place, says,
};

pub(super) static INVOKE_AGENT: Node = object(&[&[
    ("sessionState", &SESSION_STATE),
    ("memoryId", &fact(Means::Word, "memory_id")),
    ("enableTrace", &ENABLE_TRACE),
    ("endSession", &END_SESSION),
    ("bedrockModelConfigurations", &WORD),
    ("promptCreationConfigurations", &WORD),
    ("streamingConfigurations", &WORD),
]]);
pub(super) static ENABLE_TRACE: Node = fact(Means::Text, "enable_trace");
pub(super) static END_SESSION: Node = fact(Means::Text, "end_session");
/// `sessionAttributes` go to the Lambda functions only: facts, not text. `promptSessionAttributes` go into the prompt:
/// text, not facts.
static SESSION_STATE: Node = object(&[&[
    ("sessionAttributes", &ATTRIBUTES),
    ("promptSessionAttributes", &PROMPT_ATTRIBUTES),
    ("returnControlInvocationResults", &RETURNED),
    ("invocationId", &part(leaf(Means::Word), Part::Invocation)),
    ("files", &FILE),
    ("conversationHistory", &CONVERSE),
    ("knowledgeBaseConfigurations", &KNOWLEDGE_BASES),
]]);
static PROMPT_ATTRIBUTES: Node = says(leaf(Means::Text), "prompt_session_attributes", Fact::Keys);
static RETURNED: Node = object(&[&[("functionResult", &AGENT_RESULT), ("apiResult", &AGENT_RESULT)]]);
static AGENT_RESULT: Node = place(
    Means::ToolResult,
    &[&[
        ("function", &RESULT_NAME),
        ("apiPath", &RESULT_NAME),
        ("httpMethod", &part(leaf(Means::Text), Part::Method)),
        ("responseState", &part(leaf(Means::Text), Part::Failure)),
        ("httpStatusCode", &part(leaf(Means::Text), Part::Status)),
        ("responseBody", &RESULT_CONTENT),
        ("agentId", &AGENT),
    ]],
);
static FILE: Node = object(&[&[("source", &SOURCE), ("useCase", &WORD)]]);
static KNOWLEDGE_BASES: Node =
    object(&[&[("knowledgeBaseId", &KNOWLEDGE_BASE), ("retrievalConfiguration", &RETRIEVAL)]]);
/// Filters are values that a caller chooses, so text; the reranker is a model.
static RETRIEVAL: Node = Node {
    other: &RETRIEVAL,
    ..object(&[&[
        ("modelArn", &OTHER_MODEL),
        ("overrideSearchType", &fact(Means::Word, "search_type")),
        ("numberOfResults", &fact(Means::Text, "number_of_results")),
    ]])
};

pub(super) static INLINE_AGENT: Node = object(&[
    &[
        ("foundationModel", &MODEL),
        ("guardrailConfiguration", &GUARDRAIL),
        ("inlineSessionState", &SESSION_STATE),
        ("agentName", &fact(Means::Text, "agent_name")),
        ("instruction", &says(leaf(Means::Text), "instruction_bytes", Fact::Bytes)),
        ("orchestrationType", &fact(Means::Word, "orchestration_type")),
        ("agentCollaboration", &fact(Means::Word, "agent_collaboration")),
        ("enableTrace", &ENABLE_TRACE),
        ("endSession", &END_SESSION),
        ("collaborators", &COLLABORATOR),
        ("collaboratorConfigurations", &COLLABORATION),
        ("bedrockModelConfigurations", &WORD),
        ("promptCreationConfigurations", &WORD),
        ("streamingConfigurations", &WORD),
    ],
    AGENT_MEMBERS,
]);
/// A collaborator is an agent of its own; its model is a further one, its guardrail is not the call's.
static COLLABORATOR: Node = object(&[COLLABORATOR_MEMBERS, AGENT_MEMBERS]);
static COLLABORATOR_MEMBERS: Members = &[
    ("foundationModel", &OTHER_MODEL),
    ("guardrailConfiguration", &COLLABORATOR_GUARDRAIL),
    ("collaboratorConfigurations", &COLLABORATION),
    ("agentName", &fact(Means::Text, "collaborators")),
];
static COLLABORATOR_GUARDRAIL: Node = Node {
    other: &WORD,
    ..place(Means::Word, &[&[("guardrailIdentifier", &fact(Means::Word, "other_guardrails"))]])
};
static COLLABORATION: Node = object(&[&[
    ("agentAliasArn", &fact(Means::Word, "agents")),
    ("collaboratorName", &fact(Means::Word, "collaborators")),
    ("relayConversationHistory", &WORD),
]]);
static AGENT_MEMBERS: Members = &[
    ("actionGroups", &ACTION_GROUP),
    ("knowledgeBases", &KNOWLEDGE_BASES),
    ("promptOverrideConfiguration", &PROMPT_OVERRIDE),
    ("customerEncryptionKeyArn", &WORD),
    ("agentCollaboration", &WORD),
    ("orchestrationType", &WORD),
    ("customOrchestration", &CUSTOM_ORCHESTRATION),
];
static CUSTOM_ORCHESTRATION: Node =
    Node { other: &WORD, ..place(Means::Word, &[&[("executor", &EXECUTOR)]]) };
/// Who makes the calls: a Lambda function, or the caller (`RETURN_CONTROL`).
static EXECUTOR: Node = Node {
    other: &WORD,
    ..place(
        Means::Word,
        &[&[("lambda", &fact(Means::Word, "executors")), ("customControl", &fact(Means::Word, "executors"))]],
    )
};
static API_SCHEMA: Node = object(&[&[("s3", &API_SCHEMA_S3)]]);
static API_SCHEMA_S3: Node = object(&[&[("s3BucketName", &S3_BUCKET)]]);
pub(super) static S3_BUCKET: Node = fact(Means::Text, "s3_buckets");
/// Its name and its functions' names are tools; the operations of an OpenAPI schema are text, not taken apart.
static ACTION_GROUP: Node = object(&[&[
    ("actionGroupName", &fact(Means::ToolName, "action_groups")),
    ("functionSchema", &FUNCTIONS),
    ("actionGroupExecutor", &EXECUTOR),
    ("apiSchema", &API_SCHEMA),
    ("parentActionGroupSignature", &TOOL_NAME),
]]);
static FUNCTIONS: Node = object(&[&[("functions", &NAMED_TOOL)]]);
static PROMPT_OVERRIDE: Node = says(
    object(&[&[
        ("promptConfigurations", &PROMPT_CONFIGURATION),
        ("overrideLambda", &fact(Means::Word, "override_lambda")),
    ]]),
    "prompt_overrides",
    Fact::Presence,
);
static PROMPT_CONFIGURATION: Node = object(&[&[
    ("foundationModel", &OTHER_MODEL),
    ("inferenceConfiguration", &INFERENCE),
    ("additionalModelRequestFields", &INVOKE_MODEL),
    ("promptType", &WORD),
    ("promptCreationMode", &WORD),
    ("promptState", &WORD),
    ("parserMode", &WORD),
]]);

pub(super) static RETRIEVE_AND_GENERATE: Node = object(&[&[
    ("retrieveAndGenerateConfiguration", &RAG),
    ("sessionId", &fact(Means::Word, "session_id")),
    ("userContext", &USER_CONTEXT),
    ("sessionConfiguration", &WORD),
]]);
pub(super) static USER_CONTEXT: Node = object(&[&[("userId", &fact(Means::Text, "user_id"))]]);
static RAG: Node = object(&[&[
    ("type", &fact(Means::Word, "retrieval_type")),
    ("knowledgeBaseConfiguration", &RAG_KNOWLEDGE_BASE),
    ("externalSourcesConfiguration", &RAG_EXTERNAL),
]]);
static RAG_KNOWLEDGE_BASE: Node = object(&[&[
    ("modelArn", &MODEL),
    ("knowledgeBaseId", &KNOWLEDGE_BASE),
    ("generationConfiguration", &GENERATION),
    ("orchestrationConfiguration", &GENERATION),
    ("retrievalConfiguration", &RETRIEVAL),
]]);
static RAG_EXTERNAL: Node =
    object(&[&[("modelArn", &MODEL), ("generationConfiguration", &GENERATION), ("sources", &SOURCE)]]);
static RAG_INFERENCE: Node = object(&[&[("textInferenceConfig", &CONVERSE_INFERENCE)]]);
static GENERATION: Node = object(&[&[
    ("guardrailConfiguration", &GUARDRAIL),
    ("inferenceConfig", &RAG_INFERENCE),
    ("additionalModelRequestFields", &INVOKE_MODEL),
    ("performanceConfig", &WORD),
]]);
