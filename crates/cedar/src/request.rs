//! A call, flat, as policies are asked about it.

use std::collections::BTreeMap;

/// One call. Empty texts and `None` both mean "not said": the policy then sees no such attribute, or an empty text where
/// the schema promises one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Request {
    /// Name of the caller.
    pub principal: String,
    /// The directory has it.
    pub known: bool,
    /// How sure that is.
    pub assurance: String,
    /// Tenant of the caller.
    pub tenant: String,
    /// Roles of the caller.
    pub roles: Vec<String>,
    /// Form of the credential.
    pub credential: String,
    /// AWS access key id.
    pub access_key_id: String,
    /// AWS account decoded from the key.
    pub account: String,
    /// Operation as AWS names it, or `Unknown`.
    pub operation: String,
    /// IAM action, such as `bedrock:InvokeModel`. One that the schema does not have is `Unknown`.
    pub action: String,
    /// Kind of call.
    pub action_type: String,
    /// Endpoint prefix.
    pub service: String,
    /// AWS region.
    pub region: String,
    /// Whose API is called: `aws`, or the name of another provider.
    pub provider: String,
    /// AWS partition.
    pub partition: String,
    /// Host as received.
    pub host: String,
    /// HTTP method.
    pub method: String,
    /// Raw path.
    pub path: String,
    /// `pass_through` or `resign`.
    pub entrance: String,
    /// The route that the call is on.
    pub route: String,
    /// What the call names; [`Kind::Other`] is added when it is empty.
    pub resources: Vec<Resource>,
    /// Size of the body.
    pub bytes: u64,
    /// Largest answer asked for.
    pub max_tokens: Option<u64>,
    /// A streamed answer is asked for.
    pub stream: bool,
    /// Names of the tools offered.
    pub tools: Vec<String>,
    /// Number of tool results sent back.
    pub tool_results: u64,
    /// Guardrail id or ARN.
    pub guardrail: String,
    /// Guardrail version.
    pub guardrail_version: String,
    /// S3 URIs in the body.
    pub s3_uris: Vec<String>,
    /// A list was cut.
    pub truncated: bool,
    /// Parts of the path by name.
    pub labels: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`.
    pub session_attributes: BTreeMap<String, String>,
    /// `requestMetadata`.
    pub request_metadata: BTreeMap<String, String>,
    /// Arguments of a tool call by path.
    pub arguments: BTreeMap<String, Argument>,
    /// Peer address without port.
    pub source_ip: String,
    /// VPC endpoint id.
    pub vpc_endpoint: String,
    /// TLS server name.
    pub server_name: String,
    /// Calls in the last minute.
    pub minute_count: u64,
    /// Calls in the last hour.
    pub hourly_count: u64,
    /// Calls in the last 24 hours.
    pub daily_count: u64,
    /// Unix time in milliseconds.
    pub time: u64,
}

/// One thing that a call names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resource {
    /// What it is.
    pub kind: Kind,
    /// The name under which policies are asked about it.
    pub id: String,
    /// Other forms of its name: it is `in` each of them.
    pub names: Vec<String>,
    /// With [`Kind::Model`]: what is known of it.
    pub model: Model,
    /// With [`Kind::Agent`]: its alias.
    pub alias: String,
    /// With [`Kind::Agent`]: the session.
    pub session: String,
}

/// Kinds of resources.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// `Model`
    Model,
    /// `Agent`
    Agent,
    /// `KnowledgeBase`
    KnowledgeBase,
    /// `Guardrail`
    Guardrail,
    /// `Tool`: the call is a tool call.
    Tool,
    /// `Other`
    #[default]
    Other,
}

impl Kind {
    /// The entity type.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "Model",
            Self::Agent => "Agent",
            Self::KnowledgeBase => "KnowledgeBase",
            Self::Guardrail => "Guardrail",
            Self::Tool => "Tool",
            Self::Other => "Other",
        }
    }
}

/// Attributes of a model.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Model {
    /// What the identifier names.
    pub kind: String,
    /// Base model without geography.
    pub base: String,
    /// Provider.
    pub provider: String,
    /// Version suffix.
    pub version: String,
    /// Cross-region prefix.
    pub geography: String,
    /// Region in the ARN.
    pub region: String,
    /// Account in the ARN.
    pub account: String,
}

/// One argument of a tool call. Objects are taken apart: `customer.country` is a path.
#[derive(Debug, Clone, PartialEq)]
pub enum Argument {
    /// A text.
    Text(String),
    /// A number. One outside of what Cedar can say is taken for the nearest that it can.
    Number(f64),
    /// A whole number.
    Whole(i64),
    /// A boolean.
    Bool(bool),
    /// The texts and numbers of a list, as texts.
    List(Vec<String>),
}
