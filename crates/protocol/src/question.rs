//! What the gate asks: everything policy and audit may need to know of one call.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The body of `POST /v1/decisions`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionRequest {
    /// [`crate::VERSION`].
    pub version: u16,
    /// Names this exchange: unique per gate process and lifetime, time-ordered. The answer must repeat it.
    pub call_id: String,
    /// The node id of the Envoy that asks.
    pub gate: String,
    /// How the call came in.
    pub entrance: Entrance,
    /// HTTP method as received, bytes that are not UTF-8 escaped as `\xNN`.
    pub method: String,
    /// `:authority` as received, escaped likewise.
    pub host: String,
    /// Raw path without the query, never decoded, escaped likewise, cut to 4,096 bytes.
    pub path: String,
    /// What the host says; `None` for a host that is neither Bedrock's nor a listed provider's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<EndpointFacts>,
    /// Operation name as AWS models it, `Unknown` when no route matched.
    pub operation: String,
    /// IAM action, such as `bedrock:InvokeModel`; `Unknown` when no route matched.
    pub action: String,
    /// The model the call names, in URI, body or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<ModelFacts>,
    /// The agent the call names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<AgentFacts>,
    /// Every URI label of the operation, decoded once, by its modelled name (`modelId`, `knowledgeBaseId` …).
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// Whose credential the call carries. Only a claim: the gate cannot check it.
    pub credential: CredentialFacts,
    /// What is needed to check a SigV4 signature; sent only where the gate re-signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing: Option<Signing>,
    /// Where the call came from.
    pub source: SourceFacts,
    /// What the SDK says of itself.
    #[serde(default)]
    pub sdk: SdkFacts,
    /// What the body says.
    #[serde(default)]
    pub body: BodyFacts,
    /// Set when the gate refuses the call whatever the answer: the question is asked so that the refusal is
    /// recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The approval that the last answer told the gate to wait for ([`crate::Verdict::Hold`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<String>,
    /// With `held`: milliseconds that the gate waits for this answer. One that comes later finds nobody, so decide before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_ms: Option<u64>,
}

/// How a call came into the gate, and so what happens to its signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum Entrance {
    /// Intercepted TLS; the application's own signature passes through untouched.
    PassThrough,
    /// Re-signed by the gate with its own credential: only a verified principal may pass.
    Resign,
}

fn aws() -> String {
    "aws".to_owned()
}

fn is_aws(provider: &str) -> bool {
    provider == "aws"
}

/// A Bedrock endpoint, from its host name; or a host of another provider that the operator lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct EndpointFacts {
    /// Whose it is: `aws`, or the name that the operator gives another provider.
    #[serde(default = "aws", skip_serializing_if = "is_aws")]
    pub provider: String,
    /// Endpoint prefix: `bedrock-runtime`, `bedrock-agent-runtime`, `bedrock-mantle` …; of another provider the API that it
    /// speaks: `anthropic`, `openai`.
    pub service: String,
    /// AWS region, such as `eu-central-1`; empty where there is none.
    pub region: String,
    /// AWS partition, such as `aws`; empty where there is none.
    pub partition: String,
    /// The endpoint is a FIPS one.
    #[serde(default)]
    pub fips: bool,
    /// The endpoint is a dual-stack one.
    #[serde(default)]
    pub dual_stack: bool,
    /// The VPC endpoint id (`vpce-…`) when the host names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_endpoint: Option<String>,
}

/// A model identifier, taken apart.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct ModelFacts {
    /// The identifier as the caller gave it, percent-decoded once.
    pub id: String,
    /// What it names: `foundation_model`, `inference_profile`, `application_inference_profile`, `provisioned_model`,
    /// `custom_model`, `custom_model_deployment`, `imported_model`, `prompt`, `prompt_router`, `marketplace_endpoint`.
    pub kind: String,
    /// The base model without geography prefix (`anthropic.claude-3-5-sonnet-20241022-v2:0`), when the identifier
    /// reveals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Provider label, such as `anthropic`, when the identifier reveals it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Version suffix (`v2:0`), when there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Cross-region prefix (`us`, `eu`, `global` …).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geography: Option<String>,
    /// Region in the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Account in the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// An agent, its alias and session.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct AgentFacts {
    /// Agent id or AgentCore runtime ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Agent alias id or qualifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Session id, the caller's choice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The form of a credential.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// No credential at all.
    #[default]
    None,
    /// `Authorization: AWS4-HMAC-SHA256 …`.
    Sigv4,
    /// `Authorization: AWS4-ECDSA-P256-SHA256 …`.
    Sigv4a,
    /// `X-Amz-Algorithm=…` in the query.
    Presigned,
    /// Short-term Bedrock API key (a presigned URL in base64).
    BearerShortTerm,
    /// Long-term Bedrock API key (`ABSK…`).
    BearerLongTerm,
    /// Another bearer token (JWT, OAuth).
    BearerOther,
    /// `x-api-key` with anything that is not a Bedrock API key.
    ApiKey,
}

/// Who the caller claims to be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CredentialFacts {
    /// Its form.
    pub kind: CredentialKind,
    /// AWS access key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Account decoded from the key: a hint, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_hint: Option<String>,
    /// User name in a long-term API key: a hint, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_hint: Option<String>,
    /// Region of the credential scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Service of the credential scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Lower-case hex SHA-256 of a bearer secret, never the secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// A session token came along (temporary credentials).
    #[serde(default)]
    pub session_token: bool,
}

/// The inputs of a SigV4 check.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Signing {
    /// `x-amz-date`, as sent.
    pub date: String,
    /// The credential scope after the access key id (`20261121/us-east-1/bedrock/aws4_request`).
    pub scope: String,
    /// The signature, hex.
    pub signature: String,
    /// The signed headers in the order of `SignedHeaders`, lower-case names, values as sent.
    pub headers: Vec<(String, String)>,
    /// Raw path, as sent, whole.
    pub path: String,
    /// Raw query, as sent, without the `?`.
    pub query: String,
    /// Hex SHA-256 of the body as received.
    pub payload_sha256: String,
}

/// Where a call came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SourceFacts {
    /// Peer address, `ip:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// TLS server name that the client asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// What the SDK says of itself: the caller's word.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct SdkFacts {
    /// `user-agent`, cut to 512 bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// `amz-sdk-invocation-id`: the same over the retries of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// `amz-sdk-request`, such as `attempt=1; max=3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
}

/// What the body says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct BodyFacts {
    /// Bytes received.
    pub bytes: u64,
    /// Hex SHA-256 of the body as received; absent where the call is decided at its headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Further models the body names (rerankers, collaborators, prompt overrides): each is decided like the first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_models: Vec<ModelFacts>,
    /// Knowledge bases the body names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knowledge_bases: Vec<String>,
    /// Largest number of tokens the caller asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// The caller asks for a streamed answer (in the body, or by the operation).
    #[serde(default)]
    pub stream: bool,
    /// Names of the tools offered to the model, in order, capped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Number of tool results sent back.
    #[serde(default)]
    pub tool_results: u32,
    /// The newest of those results, in order, capped at 64.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ToolResultFacts>,
    /// Bytes of all results together.
    #[serde(default)]
    pub result_bytes: u64,
    /// What else the operation's body says that policy or audit may want, by a name of ours: `role_arn`, `job_name`,
    /// `invocation_type`, `instruction_bytes` … see docs/coverage.md. Values are cut to 2,048 bytes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Guardrail id or ARN, from body or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<String>,
    /// Guardrail version, from body or header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail_version: Option<String>,
    /// `requestMetadata`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub request_metadata: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_attributes: BTreeMap<String, String>,
    /// S3 URIs named anywhere in the body, capped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub s3_uris: Vec<String>,
    /// The text; `None` unless the control plane asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<TextFacts>,
    /// A list above was cut at its cap.
    #[serde(default)]
    pub truncated: bool,
}

/// Text for the model, capped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct TextFacts {
    /// System and user text in document order, pieces joined by a line feed.
    pub text: String,
    /// The cap cut it.
    #[serde(default)]
    pub truncated: bool,
    /// What the tools answered that are sent back, likewise.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tool_results: String,
    /// The cap cut that.
    #[serde(default)]
    pub tool_results_truncated: bool,
}

/// One tool result that is sent back: `toolResult`, `tool_result`, a message of role `tool`, an entry of
/// `returnControlInvocationResults`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct ToolResultFacts {
    /// The id of the tool call that it answers, cut to 256 bytes; of an agent's, the `invocationId`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// The tool, where the result names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Bytes of its content as JSON.
    pub bytes: u64,
    /// The caller says that the tool failed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub error: bool,
}

/// Why the gate refuses a call on its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Stable code, such as `two_credentials`; see docs/errors.md.
    pub code: String,
    /// What and where, for people.
    pub detail: String,
}
