//! What one source says.

use super::{ConfigError, RawAudit};
use crate::export::RawExport;
use crate::webhooks::RawWebhook;
use clap::Args;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What one source (flags and environment, or the file) says; `None` where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawConfig {
    /// Where gates ask for decisions: IP:PORT or unix:/PATH; port 0 takes a free one [default: 127.0.0.1:8181]
    #[arg(long, value_name = "ADDR", env = "PORTCULLIS_DATA_ADDR")]
    pub data_addr: Option<String>,

    /// Where agents ask about their tool calls, where the data plane is out of their reach: IP:PORT or unix:/PATH [default: on
    /// the data plane only]
    #[arg(long, value_name = "ADDR", env = "PORTCULLIS_AGENTS_ADDR")]
    pub agents_addr: Option<String>,

    /// Where the admin API listens: IP:PORT or unix:/PATH [default: 127.0.0.1:8180]
    #[arg(long, value_name = "ADDR", env = "PORTCULLIS_ADMIN_ADDR")]
    pub admin_addr: Option<String>,

    /// The policy bundle: a directory, or a .tar.gz of one; watched, and reloaded when it changes. Without one, and without
    /// one that was activated over the API, every call is refused
    #[arg(long, value_name = "PATH", env = "PORTCULLIS_BUNDLE")]
    pub bundle: Option<PathBuf>,

    /// A public key that bundles may be signed with: 32 bytes of Ed25519 in base64 (`portcullis policy keygen`), or a
    /// minisign key
    #[arg(long, value_name = "KEY", env = "PORTCULLIS_BUNDLE_KEYS", value_delimiter = ',')]
    pub bundle_keys: Option<Vec<String>>,

    /// Take signed bundles only [default: false]
    #[arg(long, value_name = "BOOL", env = "PORTCULLIS_REQUIRE_SIGNED_BUNDLES", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub require_signed_bundles: Option<bool>,

    /// Where records, keys and the master key are kept [default: portcullis-data]
    #[arg(long, value_name = "DIR", env = "PORTCULLIS_DATA_DIR")]
    pub data_dir: Option<PathBuf>,

    /// Write the addresses in use to this file, as JSON, once all of them are open
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_PORTS_FILE")]
    pub ports_file: Option<PathBuf>,

    /// An allowed call without an outcome becomes `unknown` after this time [default: 15m]
    #[arg(long, value_name = "TIME", env = "PORTCULLIS_OUTCOME_DEADLINE")]
    pub outcome_deadline: Option<String>,

    /// Refuse a call whose record is not durable after this time; keep it below the gates' own timeout [default: 4s]
    #[arg(long, value_name = "TIME", env = "PORTCULLIS_COMMIT_TIMEOUT")]
    pub commit_timeout: Option<String>,

    /// Largest body taken [default: 8388608]
    #[arg(long, value_name = "BYTES", env = "PORTCULLIS_MAX_BODY_BYTES")]
    pub max_body_bytes: Option<usize>,

    /// Threads that answer gates; one is enough for tens of thousands of decisions per second [default: 1]
    #[arg(long, value_name = "N", env = "PORTCULLIS_DATA_THREADS")]
    pub data_threads: Option<usize>,

    /// Accept the data-plane token in this file (a mounted secret)
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_DATA_TOKEN_FILE", value_delimiter = ',')]
    pub data_token_file: Option<Vec<PathBuf>>,

    /// Accept the admin token in this file (a mounted secret)
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_ADMIN_TOKEN_FILE", value_delimiter = ',')]
    pub admin_token_file: Option<Vec<PathBuf>>,

    /// Accept the data-plane token with this SHA-256
    #[arg(long, value_name = "HEX", env = "PORTCULLIS_DATA_TOKEN_SHA256", value_delimiter = ',')]
    pub data_token_sha256: Option<Vec<String>>,

    /// Accept the admin token with this SHA-256
    #[arg(long, value_name = "HEX", env = "PORTCULLIS_ADMIN_TOKEN_SHA256", value_delimiter = ',')]
    pub admin_token_sha256: Option<Vec<String>>,

    /// The key that seals virtual AWS keys: 32 bytes in base64 [default: master.key in the data directory, made if absent]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_MASTER_KEY_FILE")]
    pub master_key_file: Option<PathBuf>,

    /// The key that signs the log: 32 bytes in base64 [default: log.key in the data directory, made with the store]
    #[arg(long, value_name = "FILE", env = "PORTCULLIS_LOG_KEY_FILE")]
    pub log_key_file: Option<PathBuf>,

    /// Where people answer approvals, shown to who makes the call; `{id}` stands for the approval's id
    #[arg(long, value_name = "URL", env = "PORTCULLIS_APPROVALS_LINK")]
    pub approvals_link: Option<String>,

    /// Who is told of approvals; in the file only
    #[arg(skip)]
    pub webhooks: Option<Vec<RawWebhook>>,

    /// The audit: the log's name, witnesses, exports, retention; in the file only
    #[arg(skip)]
    pub audit: Option<RawAudit>,
}

/// Secrets that come through the environment only: a flag would show in the list of processes.
#[derive(Clone, Default)]
pub struct Secrets {
    /// `PORTCULLIS_BOOTSTRAP_DATA_TOKEN`.
    pub data_token: Option<String>,
    /// `PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN`.
    pub admin_token: Option<String>,
    /// `PORTCULLIS_MASTER_KEY`.
    pub master_key: Option<String>,
    /// `PORTCULLIS_LOG_KEY`.
    pub log_key: Option<String>,
    /// Whatever variables the file names.
    pub named: BTreeMap<String, String>,
}

impl std::fmt::Debug for Secrets {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secrets")
    }
}

impl Secrets {
    /// Reads them, given how to look up a variable.
    #[must_use]
    pub fn from_env(variable: impl Fn(&str) -> Option<String>) -> Self {
        let variable = |name| variable(name).filter(|value| !value.is_empty());
        Secrets {
            data_token: variable("PORTCULLIS_BOOTSTRAP_DATA_TOKEN"),
            admin_token: variable("PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN"),
            master_key: variable("PORTCULLIS_MASTER_KEY"),
            log_key: variable("PORTCULLIS_LOG_KEY"),
            named: BTreeMap::new(),
        }
    }

    /// The same, with the variables that the webhooks and exports of `raw` name.
    #[must_use]
    pub fn with_named(mut self, raw: &RawConfig, variable: impl Fn(&str) -> Option<String>) -> Self {
        let webhooks = raw.webhooks.iter().flatten();
        let of_webhooks = webhooks.flat_map(|webhook| [&webhook.url_env, &webhook.secret_env]).flatten();
        let exports = raw.audit.iter().flat_map(|audit| &audit.exports);
        for name in of_webhooks.chain(exports.flat_map(RawExport::variables)) {
            self.named.extend(variable(name).map(|value| (name.clone(), value)));
        }
        self
    }
}

impl RawConfig {
    /// Reads a file.
    ///
    /// # Errors
    /// When it cannot be read, is not YAML, or has a key that is not known.
    pub fn from_file(path: &Path) -> Result<Self, ConfigError> {
        Self::from_yaml(path, &super::read(path)?)
    }

    /// Reads a file's text; `path` is for the error.
    ///
    /// # Errors
    /// When it is not YAML, or has a key that is not known.
    pub fn from_yaml(path: &Path, text: &str) -> Result<Self, ConfigError> {
        if text.trim().is_empty() {
            return Ok(RawConfig::default());
        }
        serde_yaml_ng::from_str(text)
            .map_err(|error| ConfigError::Syntax { path: path.to_owned(), reason: error.to_string() })
    }

    /// What this says, and what `other` says where this says nothing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        RawConfig {
            data_addr: self.data_addr.or(other.data_addr),
            agents_addr: self.agents_addr.or(other.agents_addr),
            admin_addr: self.admin_addr.or(other.admin_addr),
            bundle: self.bundle.or(other.bundle),
            bundle_keys: self.bundle_keys.or(other.bundle_keys),
            require_signed_bundles: self.require_signed_bundles.or(other.require_signed_bundles),
            data_dir: self.data_dir.or(other.data_dir),
            ports_file: self.ports_file.or(other.ports_file),
            outcome_deadline: self.outcome_deadline.or(other.outcome_deadline),
            commit_timeout: self.commit_timeout.or(other.commit_timeout),
            max_body_bytes: self.max_body_bytes.or(other.max_body_bytes),
            data_threads: self.data_threads.or(other.data_threads),
            data_token_file: self.data_token_file.or(other.data_token_file),
            admin_token_file: self.admin_token_file.or(other.admin_token_file),
            data_token_sha256: self.data_token_sha256.or(other.data_token_sha256),
            admin_token_sha256: self.admin_token_sha256.or(other.admin_token_sha256),
            master_key_file: self.master_key_file.or(other.master_key_file),
            log_key_file: self.log_key_file.or(other.log_key_file),
            approvals_link: self.approvals_link.or(other.approvals_link),
            webhooks: self.webhooks.or(other.webhooks),
            audit: self.audit.or(other.audit),
        }
    }
}
