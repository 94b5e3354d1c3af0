//! What the fake is told at its start.

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// A signing identity that the fake knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principal {
    /// `AKIA…` or `ASIA…`.
    pub access_key_id: String,
    /// The secret that signatures are checked with.
    pub secret_access_key: String,
    /// Temporary credentials: this very token must come along.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_token: Option<String>,
    /// The temporary credentials are past their life: answered `ExpiredTokenException`.
    #[serde(default)]
    pub expired: bool,
}

impl Principal {
    /// A long-term principal.
    pub fn new(access_key_id: impl Into<String>, secret_access_key: impl Into<String>) -> Self {
        Self {
            access_key_id: access_key_id.into(),
            secret_access_key: secret_access_key.into(),
            session_token: None,
            expired: false,
        }
    }

    /// The same with a session token (temporary credentials).
    #[must_use]
    pub fn with_session_token(mut self, token: impl Into<String>) -> Self {
        self.session_token = Some(token.into());
        self
    }
}

/// The principals file: `{"principals": [{"access_key_id", "secret_access_key", "session_token"?}], "api_keys": ["ABSK…"]}`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Principals {
    /// Who may sign. The gateway's own credential is just another one.
    #[serde(default)]
    pub principals: Vec<Principal>,
    /// Long-term Bedrock API keys, whole.
    #[serde(default)]
    pub api_keys: Vec<String>,
}

impl Principals {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read or has another shape.
    pub fn read(path: &Path) -> Result<Self> {
        let text =
            std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("`{}` is not a principals file", path.display()))
    }
}

/// How to run. [`Config::default`] listens on free loopback ports for us-east-1 and eu-central-1 and knows nobody.
#[derive(Debug, Clone)]
pub struct Config {
    /// TLS listener.
    pub listen: SocketAddr,
    /// Control API, plain HTTP.
    pub control: SocketAddr,
    /// The same service over plain HTTP (HTTP/1.1 and h2c), for benchmarks.
    pub plain: Option<SocketAddr>,
    /// Regions whose host names the certificate carries.
    pub regions: Vec<String>,
    /// Further DNS names for the certificate.
    pub extra_names: Vec<String>,
    /// Where `ca.pem` and `ca.key` are kept; made when absent. `None`: a CA in memory.
    pub ca_dir: Option<PathBuf>,
    /// Whose signatures verify.
    pub principals: Principals,
    /// Milliseconds between the events of a stream.
    pub pace_ms: u64,
    /// Check credentials. Off only in benchmarks.
    pub verify: bool,
    /// Keep a record of every call. Off only in benchmarks.
    pub record: bool,
    /// Largest body that is taken; AWS documents 25,000,000 bytes for InvokeModel and takes 25 MiB.
    pub max_body_bytes: usize,
    /// A body that takes longer is answered 408.
    pub body_timeout_ms: u64,
}

impl Default for Config {
    fn default() -> Self {
        let any = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
        Self {
            listen: any,
            control: any,
            plain: None,
            regions: vec!["us-east-1".into(), "eu-central-1".into()],
            extra_names: Vec::new(),
            ca_dir: None,
            principals: Principals::default(),
            pace_ms: 0,
            verify: true,
            record: true,
            max_body_bytes: 25 * 1024 * 1024,
            body_timeout_ms: 120_000,
        }
    }
}
