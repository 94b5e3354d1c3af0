//! A call as a test case writes it: as much of it as matters.

use crate::schema::shape::{Key, Shape, key, names};
use crate::source::node::{Node, Value};
use crate::source::read::{Map, Reader};
use crate::value::{any_text, any_texts, count, duration, json, time};
use crate::{Assurance, Counts};
use std::collections::BTreeMap;

/// A call as written. What it does not say is completed by [`CallSpec::complete`].
#[derive(Debug, Clone, Default, PartialEq)]
pub struct CallSpec {
    pub(super) principal: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) roles: Option<Vec<String>>,
    pub(super) assurance: Option<Assurance>,
    pub(super) access_key: Option<String>,
    pub(super) account: Option<String>,
    pub(super) api_key_sha256: Option<String>,
    pub(super) credential: Option<String>,
    pub(super) operation: Option<String>,
    pub(super) action: Option<String>,
    pub(super) action_type: Option<String>,
    pub(super) service: Option<String>,
    pub(super) region: Option<String>,
    pub(super) provider: Option<String>,
    pub(super) partition: Option<String>,
    pub(super) host: Option<String>,
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) entrance: Option<String>,
    pub(super) model: Option<String>,
    pub(super) other_models: Vec<String>,
    pub(super) agent: AgentSpec,
    pub(super) labels: BTreeMap<String, String>,
    pub(super) request: RequestSpec,
    pub(super) request_metadata: BTreeMap<String, String>,
    pub(super) session_attributes: BTreeMap<String, String>,
    pub(super) source_ip: Option<String>,
    pub(super) vpc_endpoint: Option<String>,
    pub(super) server_name: Option<String>,
    pub(super) tool: Vec<String>,
    pub(super) arguments: Option<serde_json::Value>,
    pub(super) tool_id: Option<String>,
    pub(super) tool_origin: Option<String>,
    pub(super) response: Option<String>,
    pub(super) counts: Counts,
    pub(super) history: Vec<SeenSpec>,
    pub(super) time: Option<u64>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct AgentSpec {
    pub(super) id: Option<String>,
    pub(super) alias: Option<String>,
    pub(super) session: Option<String>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct RequestSpec {
    pub(super) text: Option<String>,
    pub(super) text_truncated: bool,
    pub(super) bytes: Option<u64>,
    pub(super) max_tokens: Option<u64>,
    pub(super) stream: Option<bool>,
    pub(super) tools: Vec<String>,
    pub(super) tool_results: u64,
    pub(super) results: Vec<ResultSpec>,
    pub(super) results_truncated: bool,
    pub(super) facts: BTreeMap<String, String>,
    pub(super) guardrail: Option<String>,
    pub(super) guardrail_version: Option<String>,
    pub(super) knowledge_bases: Vec<String>,
    pub(super) s3_uris: Vec<String>,
    pub(super) truncated: bool,
}

/// A tool result that is sent back.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct ResultSpec {
    pub(super) id: Option<String>,
    pub(super) tool: Option<String>,
    pub(super) text: Option<String>,
    pub(super) bytes: Option<u64>,
    pub(super) error: bool,
}

/// Something seen in the session before.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct SeenSpec {
    pub(super) tool: Vec<String>,
    pub(super) operation: String,
    pub(super) arguments: serde_json::Value,
    pub(super) ago_ms: u64,
}

const ASSURANCES: &[&str] = &["claimed", "confirmed", "rejected", "verified"];
const CREDENTIALS: &[&str] = &[
    "sigv4",
    "sigv4a",
    "presigned",
    "bearer_short_term",
    "bearer_long_term",
    "bearer_other",
    "api_key",
    "none",
];
const ENTRANCES: &[&str] = &["pass_through", "resign"];
const ORIGINS: &[&str] = &["model", "server", "return_control", "agent", "guard"];

const AGENT_KEYS: &[Key] = &[
    key("id", Shape::Text, "Agent id, or ARN of an AgentCore runtime."),
    key("alias", Shape::Text, "Alias id or qualifier."),
    key("session", Shape::Text, "Session id."),
];

const REQUEST_KEYS: &[Key] = &[
    key("text", Shape::Text, "System and user text. Default: none."),
    key("text_truncated", Shape::Boolean, "The gate's cap cut the text."),
    key("bytes", Shape::Integer, "Size of the body. Default: that of the text."),
    key("max_tokens", Shape::Integer, "Largest answer asked for, in tokens."),
    key("stream", Shape::Boolean, "A streamed answer is asked for. Default: by the operation."),
    key("tools", Shape::Texts, "Names of the tools offered to the model."),
    key("tool_results", Shape::Integer, "Number of tool results sent back. Default: that of `results`."),
    key("results", Shape::Objects(RESULT_KEYS), "The newest of them."),
    key("results_truncated", Shape::Boolean, "The gate's cap cut what they say."),
    key("facts", Shape::TextMap, "What else the operation's body says."),
    key("guardrail", Shape::Text, "Guardrail id or ARN."),
    key("guardrail_version", Shape::Text, "Guardrail version."),
    key("knowledge_bases", Shape::Texts, "Knowledge bases named in the body."),
    key("s3_uris", Shape::Texts, "S3 URIs named in the body."),
    key("truncated", Shape::Boolean, "A list was cut at the gate's cap."),
];

const RESULT_KEYS: &[Key] = &[
    key("id", Shape::Text, "Id of the tool call that it answers."),
    key("tool", Shape::Text, "The tool, where the request tells."),
    key("text", Shape::Text, "What the tool answered."),
    key("bytes", Shape::Integer, "Size of its content. Default: that of the text."),
    key("error", Shape::Boolean, "The caller says that the tool failed."),
];

const COUNT_KEYS: &[Key] = &[
    key("minute", Shape::Integer, "Calls of this principal in the last minute, this one not included."),
    key("hourly", Shape::Integer, "In the last hour."),
    key("daily", Shape::Integer, "In the last 24 hours."),
];

const SEEN_KEYS: &[Key] = &[
    key("tool", Shape::Texts, "The tool that was called; a list gives every form of its name."),
    key("operation", Shape::Text, "Or the operation."),
    key("arguments", Shape::AnyMap, "The tool's arguments."),
    key("ago", Shape::Duration, "How long before this call. Default: just before it."),
];

/// Every key of a call.
pub(crate) const CALL_KEYS: &[Key] = &[
    key(
        "principal",
        Shape::Text,
        "Name of the caller; tenant and roles come from the bundle's directory. Default: who has `access_key`, `api_key_sha256` or `account`.",
    ),
    key("tenant", Shape::Text, "Tenant. Default: by the directory."),
    key("roles", Shape::Texts, "Roles. Default: by the directory."),
    key("assurance", Shape::Choice(ASSURANCES), "How sure that is. Default: `claimed`."),
    key("access_key", Shape::Text, "AWS access key id, looked up in the bundle's directory."),
    key("account", Shape::Text, "AWS account of the access key."),
    key("api_key_sha256", Shape::Text, "Hex SHA-256 of a Bedrock API key, looked up in the directory."),
    key("credential", Shape::Choice(CREDENTIALS), "Form of the credential. Default: `sigv4`."),
    key(
        "operation",
        Shape::Text,
        "Operation as AWS names it. Default: `Converse`, `InvokeAgent` for a call with an agent and no model; none for a tool call.",
    ),
    key("action", Shape::Text, "IAM action. Default: by the operation."),
    key("action_type", Shape::Text, "Kind of call. Default: by the operation."),
    key("service", Shape::Text, "Endpoint prefix. Default: by the operation."),
    key("region", Shape::Text, "AWS region. Default: `us-east-1`."),
    key("provider", Shape::Text, "Whose API is called. Default: `aws`, or by the service."),
    key("partition", Shape::Text, "AWS partition. Default: by the region."),
    key("host", Shape::Text, "Host. Default: by service and region."),
    key("method", Shape::Text, "HTTP method. Default: by the operation."),
    key("path", Shape::Text, "Raw path. Default: by the operation and what it names."),
    key(
        "entrance",
        Shape::Choice(ENTRANCES),
        "What happens to the application's signature. Default: `pass_through`.",
    ),
    key("model", Shape::Text, "Model id, profile id or ARN; taken apart as the gate does."),
    key("other_models", Shape::Texts, "Further models that the body names."),
    key("agent", Shape::TextOr(AGENT_KEYS), "The agent; text is its id."),
    key("labels", Shape::TextMap, "Parts of the path by their modelled names, such as `knowledgeBaseId`."),
    key("request", Shape::Object(REQUEST_KEYS), "What the body says."),
    key("request_metadata", Shape::TextMap, "`requestMetadata`."),
    key("session_attributes", Shape::TextMap, "`sessionState.sessionAttributes`."),
    key("source_ip", Shape::Text, "Address of the peer."),
    key("vpc_endpoint", Shape::Text, "VPC endpoint id."),
    key("server_name", Shape::Text, "TLS server name. Default: the host."),
    key("tool", Shape::Texts, "The tool, where a tool call is decided; a list gives every form of its name."),
    key("arguments", Shape::AnyMap, "The tool's arguments."),
    key("tool_id", Shape::Text, "The tool call's id in the answer."),
    key("tool_origin", Shape::Choice(ORIGINS), "Who makes it. Default: `model`."),
    key("response", Shape::Text, "A stretch of the answer's text, where that is judged."),
    key("counts", Shape::Object(COUNT_KEYS), "What the control plane has counted. Default: 0."),
    key("history", Shape::Objects(SEEN_KEYS), "What was seen in this session before."),
    key("time", Shape::Text, "When: RFC 3339, or Unix seconds. Default: 2026-01-05T12:00:00Z, a Monday."),
];

/// The keys of `call` and `expect`, in Markdown, for `docs/policy.md`.
#[must_use]
pub fn keys_markdown() -> String {
    let mut out = String::from("| key of `call` | meaning |\n|---|---|\n");
    rows(CALL_KEYS, "", &mut out);
    out.push_str("\n| key of `expect` | meaning |\n|---|---|\n");
    rows(super::EXPECT_KEYS, "", &mut out);
    out
}

fn rows(keys: &[Key], prefix: &str, out: &mut String) {
    for key in keys {
        let values = match key.shape {
            Shape::Choice(words) => format!(" One of `{}`.", words.join("`, `")),
            _ => String::new(),
        };
        out.push_str(&format!("| `{prefix}{}` | {}{values} |\n", key.name, key.doc));
        match key.shape {
            Shape::Object(inner) | Shape::TextOr(inner) => rows(inner, &format!("{}.", key.name), out),
            Shape::Objects(inner) => rows(inner, &format!("{}[].", key.name), out),
            _ => {}
        }
    }
}

/// Reads a call. Every mistake is reported; what can be read is in the result all the same.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> CallSpec {
    let mut spec = CallSpec::default();
    let Some(map) = reader.map(node, "a call", &names(CALL_KEYS)) else { return spec };
    read_identity(reader, map, &mut spec);
    read_endpoint(reader, map, &mut spec);
    spec.model = text(reader, map, "model");
    spec.other_models = texts(reader, map, "other_models").unwrap_or_default();
    spec.agent = map.get("agent").map(|node| read_agent(reader, node)).unwrap_or_default();
    spec.labels = text_map(reader, map, "labels");
    spec.request = map.get("request").map(|node| read_request(reader, node)).unwrap_or_default();
    spec.request_metadata = text_map(reader, map, "request_metadata");
    spec.session_attributes = text_map(reader, map, "session_attributes");
    spec.tool = texts(reader, map, "tool").unwrap_or_default();
    spec.arguments = read_arguments(reader, map);
    if let (Some(node), true) = (map.get("arguments"), spec.tool.is_empty()) {
        reader.error(node.at, "`arguments` are those of a tool call; say which `tool`");
    }
    spec.tool_id = text(reader, map, "tool_id");
    spec.tool_origin = choice(reader, map, "tool_origin", ORIGINS);
    spec.response = text(reader, map, "response");
    if let (Some(node), false) = (map.get("response"), spec.tool.is_empty()) {
        reader.error(node.at, "a tool call has no `response`; write two cases");
    }
    spec.counts = map.get("counts").map(|node| read_counts(reader, node)).unwrap_or_default();
    if let Some(node) = map.get("history")
        && let Some(items) = reader.list(node, "`history`")
    {
        spec.history = items.iter().map(|item| read_seen(reader, item)).collect();
    }
    spec.time = map.get("time").and_then(|node| time(reader, node, "`time`"));
    spec
}

fn read_identity(reader: &mut Reader<'_>, map: Map<'_>, spec: &mut CallSpec) {
    spec.principal = text(reader, map, "principal");
    spec.tenant = text(reader, map, "tenant");
    spec.roles = texts(reader, map, "roles");
    let assurances = [Assurance::Claimed, Assurance::Confirmed, Assurance::Rejected, Assurance::Verified];
    let assurances: Vec<_> = assurances.iter().map(|one| (one.as_str(), *one)).collect();
    spec.assurance = map.get("assurance").and_then(|node| reader.choice(node, "assurance", &assurances));
    spec.access_key = text(reader, map, "access_key");
    spec.account = text(reader, map, "account");
    spec.api_key_sha256 = text(reader, map, "api_key_sha256");
    spec.credential = choice(reader, map, "credential", CREDENTIALS);
}

fn read_endpoint(reader: &mut Reader<'_>, map: Map<'_>, spec: &mut CallSpec) {
    spec.operation = text(reader, map, "operation");
    spec.action = text(reader, map, "action");
    spec.action_type = text(reader, map, "action_type");
    spec.service = text(reader, map, "service");
    spec.region = text(reader, map, "region");
    spec.provider = text(reader, map, "provider");
    spec.partition = text(reader, map, "partition");
    spec.host = text(reader, map, "host");
    spec.method = text(reader, map, "method");
    spec.path = text(reader, map, "path");
    spec.entrance = choice(reader, map, "entrance", ENTRANCES);
    spec.source_ip = text(reader, map, "source_ip");
    spec.vpc_endpoint = text(reader, map, "vpc_endpoint");
    spec.server_name = text(reader, map, "server_name");
}

fn read_agent(reader: &mut Reader<'_>, node: &Node) -> AgentSpec {
    if let Value::Scalar { text, .. } = &node.value {
        return AgentSpec { id: Some(text.clone()), ..AgentSpec::default() };
    }
    let Some(map) = reader.map(node, "`agent`", &names(AGENT_KEYS)) else { return AgentSpec::default() };
    AgentSpec {
        id: text(reader, map, "id"),
        alias: text(reader, map, "alias"),
        session: text(reader, map, "session"),
    }
}

fn read_request(reader: &mut Reader<'_>, node: &Node) -> RequestSpec {
    let Some(map) = reader.map(node, "`request`", &names(REQUEST_KEYS)) else {
        return RequestSpec::default();
    };
    RequestSpec {
        text: text(reader, map, "text"),
        text_truncated: flag(reader, map, "text_truncated").unwrap_or(false),
        bytes: number(reader, map, "bytes"),
        max_tokens: number(reader, map, "max_tokens"),
        stream: flag(reader, map, "stream"),
        tools: texts(reader, map, "tools").unwrap_or_default(),
        tool_results: number(reader, map, "tool_results").unwrap_or(0),
        results: match map.get("results").and_then(|node| reader.list(node, "`results`")) {
            Some(items) => items.iter().map(|item| read_result(reader, item)).collect(),
            None => Vec::new(),
        },
        results_truncated: flag(reader, map, "results_truncated").unwrap_or(false),
        facts: text_map(reader, map, "facts"),
        guardrail: text(reader, map, "guardrail"),
        guardrail_version: text(reader, map, "guardrail_version"),
        knowledge_bases: texts(reader, map, "knowledge_bases").unwrap_or_default(),
        s3_uris: texts(reader, map, "s3_uris").unwrap_or_default(),
        truncated: flag(reader, map, "truncated").unwrap_or(false),
    }
}

fn read_result(reader: &mut Reader<'_>, node: &Node) -> ResultSpec {
    let Some(map) = reader.map(node, "a tool result", &names(RESULT_KEYS)) else {
        return ResultSpec::default();
    };
    ResultSpec {
        id: text(reader, map, "id"),
        tool: text(reader, map, "tool"),
        text: text(reader, map, "text"),
        bytes: number(reader, map, "bytes"),
        error: flag(reader, map, "error").unwrap_or(false),
    }
}

fn read_counts(reader: &mut Reader<'_>, node: &Node) -> Counts {
    let Some(map) = reader.map(node, "`counts`", &names(COUNT_KEYS)) else { return Counts::default() };
    Counts {
        minute: number(reader, map, "minute").unwrap_or(0),
        hourly: number(reader, map, "hourly").unwrap_or(0),
        daily: number(reader, map, "daily").unwrap_or(0),
    }
}

fn read_seen(reader: &mut Reader<'_>, node: &Node) -> SeenSpec {
    let Some(map) = reader.map(node, "an entry of `history`", &names(SEEN_KEYS)) else {
        return SeenSpec::default();
    };
    let seen = SeenSpec {
        tool: texts(reader, map, "tool").unwrap_or_default(),
        operation: text(reader, map, "operation").unwrap_or_default(),
        arguments: read_arguments(reader, map).unwrap_or_else(|| serde_json::json!({})),
        ago_ms: map.get("ago").and_then(|node| duration(reader, node, "`ago`")).unwrap_or(0),
    };
    if seen.tool.is_empty() == seen.operation.is_empty() {
        reader.error(node.at, "an entry of `history` is a `tool` or an `operation`");
    }
    seen
}

/// Arguments are an object; none are an empty one.
pub(super) fn read_arguments(reader: &mut Reader<'_>, map: Map<'_>) -> Option<serde_json::Value> {
    let node = map.get("arguments")?;
    let value = json(node);
    if value.is_object() || value.is_null() {
        return Some(if value.is_null() { serde_json::json!({}) } else { value });
    }
    let got = crate::source::read::describe(node);
    reader.error(node.at, format!("`arguments` must be a mapping, but this is {got}"));
    None
}

fn text(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> Option<String> {
    any_text(reader, map.get(key)?, &format!("`{key}`"))
}

fn texts(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> Option<Vec<String>> {
    any_texts(reader, map.get(key)?, &format!("`{key}`"))
}

fn number(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> Option<u64> {
    count(reader, map.get(key)?, &format!("`{key}`"))
}

fn flag(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> Option<bool> {
    reader.boolean(map.get(key)?, &format!("`{key}`"))
}

fn choice(reader: &mut Reader<'_>, map: Map<'_>, key: &str, words: &[&str]) -> Option<String> {
    let words: Vec<_> = words.iter().map(|word| (*word, *word)).collect();
    reader.choice(map.get(key)?, key, &words).map(str::to_owned)
}

fn text_map(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> BTreeMap<String, String> {
    let Some(node) = map.get(key) else { return BTreeMap::new() };
    let Value::Map(entries) = &node.value else {
        let got = crate::source::read::describe(node);
        reader.error(node.at, format!("`{key}` must be a mapping, but this is {got}"));
        return BTreeMap::new();
    };
    let read = entries.iter().filter_map(|entry| {
        Some((entry.key.clone(), any_text(reader, &entry.value, &format!("`{key}.{}`", entry.key))?))
    });
    read.collect()
}
