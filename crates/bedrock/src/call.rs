//! The types that a request's head is read into.

use crate::body::BodyPlan;
use crate::credential::{Credential, SignatureParts};
use crate::endpoint::Endpoint;
use crate::model::ModelRef;
use crate::operation::Operation;

/// A request's head as received. Header names are lower-case; values are raw bytes, UTF-8 or not.
#[derive(Debug, Clone, Copy)]
pub struct Head<'a> {
    /// `:method`.
    pub method: &'a [u8],
    /// `:authority` (or `Host`).
    pub authority: &'a [u8],
    /// `:path`, raw, with its query.
    pub path: &'a [u8],
    /// Every other header, in order, pseudo-headers left out.
    pub headers: &'a [(Vec<u8>, Vec<u8>)],
    /// TLS server name of the connection, `None` when there is no TLS or no SNI.
    pub server_name: Option<&'a [u8]>,
    /// The message ends with its headers: a complete, empty body.
    pub end_of_stream: bool,
}

/// How the request came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entrance {
    /// TLS was intercepted: the authority names the endpoint, and the server name must be the same host.
    Intercepted,
    /// An addressable gateway: the authority is the gateway's own, the endpoint comes from its configuration.
    Gateway(GatewayEndpoint),
}

/// Which endpoints a gateway stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GatewayEndpoint {
    /// AWS region it sends to.
    pub region: String,
    /// Endpoint prefixes, tried in this order (`bedrock-runtime`, `bedrock-agent-runtime` …).
    pub services: Vec<String>,
}

/// Whose error shape the caller expects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ApiShape {
    /// AWS REST-JSON: `x-amzn-errortype` and `{"message"}`.
    #[default]
    Aws,
    /// OpenAI: `{"error": {"message", "type", "code", "param"}}`.
    OpenAi,
    /// Anthropic: `{"type": "error", "error": {"type", "message"}}`.
    Anthropic,
}

/// What a request's head says. Everything that could be read, also when the call is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Call {
    /// The endpoint; `None` for a host that is not Bedrock's.
    pub endpoint: Option<Endpoint>,
    /// The operation; `None` is `Unknown`.
    pub operation: Option<&'static Operation>,
    /// URI labels by modelled name, percent-decoded once.
    pub labels: Vec<(&'static str, String)>,
    /// The model in the URI. A model in the body is in [`crate::Body::model`].
    pub model: Option<ModelRef>,
    /// The agent in the URI and headers.
    pub agent: AgentRef,
    /// The credential, whatever its form.
    pub credential: Credential,
    /// The inputs of a signature check, for a SigV4 credential.
    pub signature: Option<SignatureParts>,
    /// Guardrail id and version from headers.
    pub guardrail: Option<(String, Option<String>)>,
    /// What else headers, path and query say, by a name of ours (docs/coverage.md). Values of at most 2,048 bytes.
    pub facts: Vec<(&'static str, String)>,
    /// `x-amzn-bedrock-request-metadata`, raw JSON text.
    pub request_metadata: Option<String>,
    /// `user-agent`, cut to 512 bytes.
    pub user_agent: Option<String>,
    /// `amz-sdk-invocation-id`.
    pub invocation_id: Option<String>,
    /// `amz-sdk-request`.
    pub attempt: Option<String>,
    /// `content-length`, when there is a sound one.
    pub content_length: Option<u64>,
    /// The error shape of this API.
    pub shape: ApiShape,
    /// How to read the body.
    pub body: BodyPlan,
}

/// An agent as the URI, headers or query name it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AgentRef {
    /// Agent id or AgentCore runtime ARN.
    pub id: Option<String>,
    /// Alias id or qualifier.
    pub alias: Option<String>,
    /// Session id.
    pub session: Option<String>,
}

/// A call that no SDK sends and two parsers could read differently: refused, whatever policy says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refused {
    /// What could be read of it, for the record.
    pub call: Call,
    /// Why.
    pub problem: Problem,
}

/// Why a call is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Stable code.
    pub code: ProblemCode,
    /// What and where, for people: a header name, a byte offset, a JSON pointer. Never echoes a secret.
    pub detail: String,
}

macro_rules! problem_codes {
    ($($(#[$doc:meta])* $name:ident = $code:literal,)*) => {
        /// Every reason to refuse a call, see docs/errors.md.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum ProblemCode { $($(#[$doc])* $name,)* }
        impl ProblemCode {
            /// Every code, for tests and documentation.
            pub const ALL: &'static [ProblemCode] = &[$(ProblemCode::$name,)*];
            /// The stable code, such as `two_credentials`.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(ProblemCode::$name => $code,)* }
            }
        }
    };
}

problem_codes! {
    /// Method, authority, path or a header that matters is missing, repeated or not UTF-8.
    BadHeader = "bad_header",
    /// Dot segments, empty segments, bad or double escapes, control bytes in the path.
    PathNotCanonical = "path_not_canonical",
    /// The path or a label is longer than AWS accepts.
    PathTooLong = "path_too_long",
    /// More than one credential.
    TwoCredentials = "two_credentials",
    /// A credential that cannot be read: broken or truncated scope, unknown algorithm.
    BadCredential = "bad_credential",
    /// The credential's service is not one of Bedrock's, or not this endpoint's.
    ForeignService = "foreign_service",
    /// The credential's region is not the host's.
    RegionMismatch = "region_mismatch",
    /// TLS server name and authority differ, or there is no server name.
    ServerNameMismatch = "server_name_mismatch",
    /// The body is longer than the gate takes.
    BodyTooLarge = "body_too_large",
    /// The body did not arrive in time.
    BodyTimeout = "body_timeout",
    /// The body is not the JSON that this operation needs, or says something twice.
    BadBody = "bad_body",
    /// The body is compressed or otherwise encoded.
    ContentEncoding = "content_encoding",
}
