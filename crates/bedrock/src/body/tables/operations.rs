//! Operations that are read by their names like any other, and have members of their own besides.
//!
//! Every name of a fact is in docs/coverage.md. Members as in botocore's models.

use super::agents::{ENABLE_TRACE, END_SESSION, USER_CONTEXT};
use super::{
    Fact, GENERIC_MEMBERS, GUARDRAIL, KNOWLEDGE_BASE, Means, Members, Node, TOOL_NAME, TOOL_TYPE, TURN, WORD,
    fact, generic, leaf, object, place, says,
};

// --- CreateModelInvocationJob

pub(super) static BATCH_JOB: Node = generic(&[
    &[
        ("jobName", &fact(Means::Text, "job_name")),
        ("modelInvocationType", &fact(Means::Text, "invocation_type")),
        ("inputDataConfig", &BATCH_INPUT),
        ("outputDataConfig", &BATCH_OUTPUT),
        ("timeoutDurationInHours", &fact(Means::Text, "timeout_hours")),
    ],
    GENERIC_MEMBERS,
]);
static BATCH_INPUT: Node = generic(&[&[("s3InputDataConfig", &BATCH_INPUT_S3)], GENERIC_MEMBERS]);
static BATCH_INPUT_S3: Node = object(&[&[
    ("s3Uri", &fact(Means::Text, "input_s3")),
    ("s3BucketOwner", &fact(Means::Text, "input_bucket_owner")),
]]);
static BATCH_OUTPUT: Node = generic(&[&[("s3OutputDataConfig", &BATCH_OUTPUT_S3)], GENERIC_MEMBERS]);
static BATCH_OUTPUT_S3: Node = object(&[&[
    ("s3Uri", &fact(Means::Text, "output_s3")),
    ("s3BucketOwner", &fact(Means::Text, "output_bucket_owner")),
]]);

// --- Retrieve, AgenticRetrieveStream, GenerateQuery, Rerank

const fn knowledge(members: &'static [Members]) -> Node {
    Node { other: &KNOWLEDGE_BELOW, ..object(members) }
}
pub(super) static KNOWLEDGE: Node = knowledge(&[
    &[
        ("guardrailConfiguration", &GUARDRAIL),
        ("policyConfiguration", &KNOWLEDGE_POLICY),
        ("messages", &TURN),
        ("queries", &says(knowledge(&[KNOWLEDGE_MEMBERS, GENERIC_MEMBERS]), "queries", Fact::Count)),
        ("sources", &says(knowledge(&[KNOWLEDGE_MEMBERS, GENERIC_MEMBERS]), "sources", Fact::Count)),
        ("userContext", &USER_CONTEXT),
        ("memoryConfiguration", &KNOWLEDGE_MEMORY),
    ],
    KNOWLEDGE_MEMBERS,
    GENERIC_MEMBERS,
]);
static KNOWLEDGE_BELOW: Node = knowledge(&[KNOWLEDGE_MEMBERS, GENERIC_MEMBERS]);
static KNOWLEDGE_POLICY: Node = object(&[&[("bedrockGuardrailConfiguration", &GUARDRAIL)]]);
static KNOWLEDGE_MEMORY: Node = object(&[&[
    ("memoryId", &fact(Means::Text, "memory_id")),
    ("persistenceMode", &fact(Means::Text, "memory_mode")),
    ("sessionBinding", &KNOWLEDGE_SESSION),
]]);
static KNOWLEDGE_SESSION: Node = object(&[&[
    ("sessionId", &fact(Means::Text, "session_id")),
    ("actorId", &fact(Means::Text, "actor_id")),
]]);
static KNOWLEDGE_MEMBERS: Members = &[
    ("overrideSearchType", &fact(Means::Text, "search_type")),
    ("numberOfResults", &NUMBER_OF_RESULTS),
    ("maxNumberOfResults", &NUMBER_OF_RESULTS),
    ("rerankingModelType", &fact(Means::Text, "reranking")),
    ("foundationModelType", &fact(Means::Text, "model_type")),
    ("maxAgentIteration", &fact(Means::Text, "max_iterations")),
    ("generateResponse", &fact(Means::Text, "generate_response")),
    ("mode", &fact(Means::Text, "query_mode")),
    ("knowledgeBaseArn", &KNOWLEDGE_BASE),
];
static NUMBER_OF_RESULTS: Node = fact(Means::Text, "number_of_results");

// --- InvokeFlow, StartFlowExecution

pub(super) static FLOW: Node = generic(&[
    &[
        ("enableTrace", &ENABLE_TRACE),
        ("endSession", &END_SESSION),
        ("executionId", &fact(Means::Text, "execution_id")),
        ("flowExecutionName", &fact(Means::Text, "execution_name")),
        ("inputs", &says(generic(&[GENERIC_MEMBERS]), "inputs", Fact::Count)),
    ],
    GENERIC_MEMBERS,
]);

// --- ApplyGuardrail, InvokeGuardrailChecks

pub(super) static GUARDRAIL_CHECK: Node = generic(&[
    &[
        ("source", &fact(Means::Text, "source")),
        ("outputScope", &fact(Means::Text, "output_scope")),
        ("content", &says(generic(&[GENERIC_MEMBERS]), "content_blocks", Fact::Count)),
        ("checks", &says(generic(&[GENERIC_MEMBERS]), "checks", Fact::Keys)),
    ],
    GENERIC_MEMBERS,
]);

// --- InvokeCodeInterpreter, InvokeBrowser, InvokeAgentRuntimeCommand, InvokeWebSearch

pub(super) static AGENT_TOOL: Node = generic(&[
    &[
        ("name", &fact(Means::Text, "tool")),
        ("arguments", &CODE),
        ("action", &says(generic(&[GENERIC_MEMBERS]), "browser_action", Fact::Keys)),
        ("command", &COMMAND),
        ("timeout", &fact(Means::Text, "timeout_seconds")),
        ("maxResults", &fact(Means::Text, "number_of_results")),
    ],
    GENERIC_MEMBERS,
]);
static CODE: Node = generic(&[
    &[
        ("language", &fact(Means::Text, "language")),
        ("runtime", &fact(Means::Text, "language_runtime")),
        ("code", &says(leaf(Means::Text), "code_bytes", Fact::Bytes)),
        ("command", &COMMAND),
        ("path", &PATHS),
        ("paths", &PATHS),
        ("directoryPath", &PATHS),
        ("taskId", &fact(Means::Text, "task_id")),
    ],
    GENERIC_MEMBERS,
]);
static COMMAND: Node = says(leaf(Means::Text), "command_bytes", Fact::Bytes);
static PATHS: Node = fact(Means::Text, "paths");

// --- InvokeHarness

pub(super) static HARNESS: Node = generic(&[
    &[
        ("messages", &TURN),
        ("systemPrompt", &SYSTEM_PROMPT),
        ("tools", &HARNESS_TOOL),
        ("skills", &SKILL),
        ("model", &HARNESS_MODEL),
        ("allowedTools", &fact(Means::Text, "allowed_tools")),
        ("maxIterations", &fact(Means::Text, "max_iterations")),
        ("timeoutSeconds", &fact(Means::Text, "timeout_seconds")),
        ("actorId", &fact(Means::Text, "actor_id")),
    ],
    GENERIC_MEMBERS,
]);
static SYSTEM_PROMPT: Node =
    object(&[&[("text", &says(leaf(Means::Text), "instruction_bytes", Fact::Bytes))]]);
static HARNESS_MODEL: Node = says(generic(&[GENERIC_MEMBERS]), "model_source", Fact::Keys);
static HARNESS_TOOL: Node =
    place(Means::Tool, &[&[("name", &TOOL_NAME), ("type", &TOOL_TYPE), ("config", &TOOL_CONFIG)]]);
static TOOL_CONFIG: Node = object(&[&[
    ("remoteMcp", &REMOTE_MCP),
    ("agentCoreBrowser", &TOOL_RESOURCE),
    ("agentCoreGateway", &TOOL_RESOURCE),
    ("agentCoreCodeInterpreter", &TOOL_RESOURCE),
]]);
/// Its headers can hold a credential: not text.
static REMOTE_MCP: Node = object(&[&[("url", &fact(Means::Text, "mcp_servers")), ("headers", &WORD)]]);
static TOOL_RESOURCE: Node = object(&[&[
    ("browserArn", &fact(Means::Text, "tool_arns")),
    ("gatewayArn", &fact(Means::Text, "tool_arns")),
    ("codeInterpreterArn", &fact(Means::Text, "tool_arns")),
]]);
static SKILL: Node = object(&[&[
    ("path", &SKILLS),
    ("s3", &object(&[&[("uri", &SKILLS)]])),
    ("git", &object(&[&[("url", &SKILLS)]])),
    ("awsSkills", &object(&[&[("paths", &SKILLS)]])),
]]);
static SKILLS: Node = fact(Means::Text, "skills");
