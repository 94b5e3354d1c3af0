//! The canonical call: what rules are evaluated on. Filled by the caller, whole; nothing in here is read from a
//! clock, an environment or the network.

use crate::identity::Principal;
use std::collections::BTreeMap;

/// The operation of a call whose host or path the gate does not know.
pub const UNKNOWN_OPERATION: &str = "Unknown";

/// One call to Bedrock. Empty strings and `None` both mean "not said"; a rule sees such a field as missing.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Call {
    /// Who calls, as [`crate::Bundle::identify`] (or a check of the control plane) says.
    pub principal: Principal,
    /// What the principal was derived from.
    pub credential: Credential,
    /// Operation name as AWS models it (`Converse`), or [`UNKNOWN_OPERATION`].
    pub operation: String,
    /// IAM action (`bedrock:InvokeModel`), or [`UNKNOWN_OPERATION`].
    pub action: String,
    /// Kind of call: `model_invoked`, `agent_invoked` …, by its operation.
    pub action_type: String,
    /// Endpoint prefix (`bedrock-runtime`).
    pub service: String,
    /// AWS region of the endpoint.
    pub region: String,
    /// Whose API the host serves: `aws`, or the name of another provider; empty for an unknown host.
    pub provider: String,
    /// AWS partition of the endpoint (`aws`, `aws-cn`, `aws-us-gov` …).
    pub partition: String,
    /// Host as received.
    pub host: String,
    /// HTTP method as received.
    pub method: String,
    /// Raw path as received, without query.
    pub path: String,
    /// How it came in: `pass_through` or `resign`.
    pub entrance: String,
    /// The model that the call names.
    pub model: Option<Model>,
    /// Further models that its body names: the call is decided for each, and the strictest verdict wins.
    pub other_models: Vec<Model>,
    /// The agent that the call names.
    pub agent: Agent,
    /// URI labels by their modelled name (`knowledgeBaseId` …).
    pub labels: BTreeMap<String, String>,
    /// What the body says.
    pub request: Request,
    /// Where the call came from.
    pub network: Network,
    /// The tool call that is decided, where it is one and not a call to Bedrock.
    pub tool: Option<Tool>,
    /// The stretch of the answer's text that is judged, where it is that and not a call to Bedrock.
    pub response: Option<Response>,
    /// What the control plane has counted; filled only when [`crate::Bundle::wants_counts`].
    pub counts: Counts,
    /// What was seen in this session before, oldest first; filled only when [`crate::Bundle::wants_history`].
    pub history: Vec<Seen>,
    /// Unix time in milliseconds at which the call is decided.
    pub time: u64,
}

/// A tool call: proposed by a model, or asked about by whoever runs the tool.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tool {
    /// Every form of its name, the canonical one first; a selector matches when one of them does.
    pub names: Vec<String>,
    /// Its arguments: an object.
    pub arguments: serde_json::Value,
    /// Its id in the answer.
    pub id: Option<String>,
    /// Who makes it: `model`, `server`, `return_control`, `agent`, `guard`.
    pub origin: String,
}

/// A stretch of an answer's text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Response {
    /// The text: the end of what was judged before, and what is new.
    pub text: String,
}

/// One tool result that is sent back.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ToolResult {
    /// The id of the tool call that it answers.
    pub id: Option<String>,
    /// The tool, where the result names it.
    pub name: Option<String>,
    /// The tool of the tool call that it answers, where the control plane remembers it; filled only when
    /// [`crate::Bundle::wants_tool_names`].
    pub proposed: Option<String>,
    /// Bytes of its content.
    pub bytes: u64,
    /// The caller says that the tool failed.
    pub error: bool,
}

/// Calls of this principal (to this tool, for a tool call) that were let out, this one not included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// In the last minute.
    pub minute: u64,
    /// In the last hour.
    pub hourly: u64,
    /// In the last 24 hours.
    pub daily: u64,
}

/// Something that was seen, and not refused, in a session.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Seen {
    /// The tool, in every form of its name; empty for a call to Bedrock.
    pub tools: Vec<String>,
    /// The operation; empty for a tool call.
    pub operation: String,
    /// The tool's arguments.
    pub arguments: serde_json::Value,
    /// Unix time in milliseconds.
    pub time: u64,
}

/// The credential of a call; a claim until AWS or the control plane has checked it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Credential {
    /// Its form: `sigv4`, `sigv4a`, `presigned`, `bearer_short_term`, `bearer_long_term`, `bearer_other`, `api_key`,
    /// `none`.
    pub kind: String,
    /// AWS access key id.
    pub access_key_id: Option<String>,
    /// Account decoded from the key: a hint.
    pub account: Option<String>,
}

/// A model identifier, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// As the caller gave it, percent-decoded once: an id, a profile id or an ARN.
    pub id: String,
    /// What it names: `foundation_model`, `inference_profile`, `application_inference_profile` …
    pub kind: String,
    /// Base model without geography prefix, when the identifier reveals it.
    pub base: Option<String>,
    /// Provider (`anthropic`), when revealed.
    pub provider: Option<String>,
    /// Version suffix (`v2:0`).
    pub version: Option<String>,
    /// Cross-region prefix (`us`, `eu`, `global` …).
    pub geography: Option<String>,
    /// Region in the ARN.
    pub region: Option<String>,
    /// Account in the ARN.
    pub account: Option<String>,
}

/// An agent (or AgentCore runtime), its alias and session.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Agent {
    /// Agent id or runtime ARN.
    pub id: Option<String>,
    /// Alias id or qualifier.
    pub alias: Option<String>,
    /// Session id: the caller's choice.
    pub session: Option<String>,
}

/// What a call's body says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Bytes received.
    pub bytes: u64,
    /// Knowledge bases that the body names; one in the URI is in `labels`.
    pub knowledge_bases: Vec<String>,
    /// Largest number of tokens asked for, of all answers together.
    pub max_tokens: Option<u64>,
    /// A streamed answer is asked for.
    pub stream: bool,
    /// Names of the tools offered to the model.
    pub tools: Vec<String>,
    /// Number of tool results sent back.
    pub tool_results: u64,
    /// The newest of them, capped by the gate.
    pub results: Vec<ToolResult>,
    /// Bytes of all of them together.
    pub result_bytes: u64,
    /// What else the operation's body says, by a name of the gate's.
    pub facts: BTreeMap<String, String>,
    /// The text for the model. `None` when the gate has not sent it: rules that read text then cannot be decided.
    /// A call without text, and one whose text cannot be had, has `Some(Text::default())`.
    pub text: Option<Text>,
    /// Guardrail id or ARN.
    pub guardrail: Option<String>,
    /// Guardrail version.
    pub guardrail_version: Option<String>,
    /// `requestMetadata`.
    pub metadata: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`.
    pub session_attributes: BTreeMap<String, String>,
    /// S3 URIs named anywhere in the body.
    pub s3_uris: Vec<String>,
    /// One of the lists above was cut at the gate's cap.
    pub truncated: bool,
}

/// Text for the model, capped by the gate.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Text {
    /// System and user text in document order, joined by line feeds.
    pub text: String,
    /// The cap cut it.
    pub truncated: bool,
    /// What the tools answered that are sent back, likewise.
    pub tool_results: String,
    /// The cap cut that.
    pub tool_results_truncated: bool,
}

/// Where a call came from.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Network {
    /// Peer address without port.
    pub source_ip: Option<String>,
    /// VPC endpoint id in the host.
    pub vpc_endpoint: Option<String>,
    /// TLS server name that the client asked for.
    pub server_name: Option<String>,
}
