//! The second stage: a configuration that means something. Whoever holds a [`Config`] need not check it again.

mod peer;
mod raw;
mod validate;

pub use peer::{HostPort, Peer};

use crate::hosts::{HostError, Service};
use thiserror::Error;

/// A validated `gateway.yaml`.
#[derive(Debug, Clone)]
pub struct Config {
    /// Name of this gate, in Envoy's node and in every record.
    pub node: String,
    /// Regions in the order given, each with its hosts; never empty.
    pub regions: Vec<Region>,
    /// Further exact host names that count as Bedrock.
    pub extra_hosts: Vec<String>,
    /// Hosts of other providers.
    pub providers: Vec<Provider>,
    /// CONNECT proxy.
    pub egress: Option<Socket>,
    /// TLS as it comes.
    pub transparent: Option<Socket>,
    /// Addressable endpoint.
    pub gateway: Option<Gateway>,
    /// Whom to ask.
    pub control_plane: ControlPlane,
    /// The gate itself.
    pub filter: Filter,
    /// Directory of certificates and their SDS files; there whenever something is intercepted.
    pub tls_dir: Option<String>,
    /// Where calls go.
    pub upstream: Upstream,
    /// `CONNECT` targets that are tunnelled untouched.
    pub connect_passthrough: Vec<HostPort>,
    /// Envoy's admin interface.
    pub admin: Peer,
    /// Where `/stats/prometheus` and `/ready` are, when they are to be reached from elsewhere.
    pub metrics: Option<Socket>,
    /// Connections that Envoy takes at most.
    pub max_connections: u64,
    /// Heap above which Envoy refuses new requests.
    pub max_heap_mib: u64,
    /// File of Envoy's access log.
    pub access_log: Option<String>,
}

/// A region and its hosts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region {
    /// Such as `us-east-1`; also the name of its certificate.
    pub name: String,
    /// Its 34 Bedrock hosts.
    pub hosts: Vec<String>,
}

/// A host of another provider than AWS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Provider {
    /// Exact host name.
    pub host: String,
    /// What it is called in records and rules.
    pub name: String,
    /// The API that it speaks: `anthropic` or `openai`.
    pub api: &'static str,
}

/// Where a listener listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Socket {
    /// Address.
    pub address: std::net::IpAddr,
    /// Port; 0 lets the kernel choose.
    pub port: u16,
}

/// The gateway entrance.
#[derive(Debug, Clone)]
pub struct Gateway {
    /// Where it listens.
    pub socket: Socket,
    /// Region that it sends to.
    pub region: String,
    /// Services that it stands for, no two with the same paths; never empty.
    pub services: Vec<&'static Service>,
    /// What it signs with; `None` is AWS's usual chain.
    pub credential: Option<InlineCredential>,
    /// Whether it speaks TLS, with the certificate `gateway` of the directory.
    pub tls: bool,
}

/// A key in the configuration itself, for sandboxes.
#[derive(Clone)]
pub struct InlineCredential {
    /// Access key id.
    pub access_key_id: String,
    /// Secret.
    pub secret_access_key: String,
    /// Session token.
    pub session_token: Option<String>,
}

impl std::fmt::Debug for InlineCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InlineCredential").field("access_key_id", &self.access_key_id).finish_non_exhaustive()
    }
}

/// The control plane's data plane API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ControlPlane {
    /// Where it is.
    pub peer: Peer,
    /// How long a decision may take.
    pub timeout_ms: u64,
}

/// The filter and its settings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// The module.
    pub path: String,
    /// Whether calls pass undecided when no decision can be had.
    pub fail_open: bool,
    /// Largest body.
    pub max_body_bytes: u64,
    /// Longest time for a body to arrive.
    pub body_timeout_ms: u64,
    /// Most text sent to the control plane.
    pub max_text_bytes: u64,
    /// Longest arguments of a tool call in an answer that is inspected.
    pub max_tool_call_bytes: u64,
    /// Most bytes of a stream that are kept while something in it is undecided.
    pub max_held_bytes: u64,
    /// Longest document that is held while something in it is undecided.
    pub max_held_answer_bytes: u64,
}

/// Where calls go. The server's certificate is checked against the call's host in every case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// A fixed address, or AWS by DNS.
    pub target: Target,
    /// Authorities that are trusted.
    pub ca_file: String,
}

/// How upstream addresses are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// By DNS of the call's host, asking these resolvers (none: the system's).
    Dns(Vec<std::net::IpAddr>),
    /// Everything goes to one address.
    Fixed(HostPort),
}

/// Why a `gateway.yaml` is refused.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// Not YAML, an unknown or repeated key, a wrong type; the message has line and column.
    #[error("gateway.yaml: {0}")]
    Syntax(#[from] serde_yaml_ng::Error),
    /// A value that cannot be.
    #[error("gateway.yaml: {key}: {reason}")]
    Value {
        /// Path of the key.
        key: String,
        /// What is wrong and what to write instead.
        reason: String,
    },
    /// A region or host that cannot be.
    #[error("gateway.yaml: {key}: {source}")]
    Host {
        /// Path of the key.
        key: &'static str,
        /// What is wrong.
        source: HostError,
    },
}

impl Config {
    /// Reads a `gateway.yaml`.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn parse(text: &str) -> Result<Self, ConfigError> {
        validate::validate(serde_yaml_ng::from_str(text)?)
    }

    /// Every host that is intercepted: regions in order, then the extra ones, then those of other providers.
    pub fn hosts(&self) -> impl Iterator<Item = &str> {
        let bedrock = self.regions.iter().flat_map(|region| &region.hosts).chain(&self.extra_hosts);
        bedrock.chain(self.providers.iter().map(|provider| &provider.host)).map(String::as_str)
    }

    /// Whether TLS to Bedrock is ended here.
    #[must_use]
    pub fn intercepts(&self) -> bool {
        self.egress.is_some() || self.transparent.is_some()
    }
}

#[cfg(test)]
mod tests;
