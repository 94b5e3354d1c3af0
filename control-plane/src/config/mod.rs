//! Configuration of `serve`, in two stages: raw (every source says what it wants) and checked ([`Config`]).
//!
//! Precedence: flag, then environment (`PORTCULLIS_…`), then file (`portcullis.yaml`), then default. A key that is not
//! known is an error: a typo in a security setting must not be ignored.

mod audit;
mod raw;
#[cfg(test)]
mod tests;

pub use audit::{AuditConfig, RawAudit};
pub use raw::{RawConfig, Secrets};

use crate::app::Settings;
use crate::bundle::{BundleKey, Trust};
use crate::http::Address;
use crate::redaction::RedactionError;
use crate::sinks::SinksError;
use crate::storage::LogKey;
use crate::tokens::{Kind, sha256};
use crate::webhooks::{Webhook, WebhookError};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// What `serve` runs with. All of it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// Where gates come in.
    pub data_addr: Address,
    /// Where agents come in besides the data plane.
    pub agents_addr: Option<Address>,
    /// Where people come in.
    pub admin_addr: Address,
    /// The policy bundle, a directory or an archive; `None`: only what was activated over the API decides.
    pub bundle: Option<PathBuf>,
    /// Whose signatures of bundles count.
    pub trust: Trust,
    /// Where the store and the master key are.
    pub data_dir: PathBuf,
    /// Where to write the addresses in use, as JSON.
    pub ports_file: Option<PathBuf>,
    /// Threads of the data plane.
    pub data_threads: usize,
    /// Knobs of the application.
    pub settings: Settings,
    /// Tokens that are good without being in the store: kind, name, SHA-256.
    pub tokens: Vec<(Kind, String, [u8; 32])>,
    /// The master key, in base64, and where it came from; `None`: the file in the data directory.
    pub master_key: Option<(String, String)>,
    /// The key that signs the log.
    pub log_key: LogKey,
    /// Where people answer approvals; `{id}` stands for the approval's id.
    pub approvals_link: Option<String>,
    /// Who is told of approvals.
    pub webhooks: Vec<Webhook>,
    /// The audit.
    pub audit: AuditConfig,
}

/// A configuration that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read `{path}`: {reason}")]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not what it should be.
    #[error("{path}: {reason}")]
    Syntax {
        /// The file.
        path: PathBuf,
        /// What and where.
        reason: String,
    },
    /// A value makes no sense.
    #[error("`{key}`: {reason}")]
    Value {
        /// The key in the file; flag and variable are named alike.
        key: &'static str,
        /// What is wrong.
        reason: String,
    },
    /// Sinks make no sense.
    #[error(transparent)]
    Sinks(#[from] SinksError),
    /// A redaction makes no sense.
    #[error(transparent)]
    Redaction(#[from] RedactionError),
    /// A webhook makes no sense.
    #[error(transparent)]
    Webhook(#[from] WebhookError),
}

/// Shortest token taken from a file or the environment.
const MIN_TOKEN: usize = 20;

impl Config {
    /// Checks what all sources together say.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(raw: RawConfig, secrets: Secrets) -> Result<Self, ConfigError> {
        let defaults = Settings::default();
        let address = |key, text: Option<String>, default: &str| {
            let text = text.unwrap_or_else(|| default.to_owned());
            text.parse().map_err(|reason| ConfigError::Value { key, reason })
        };
        let settings = Settings {
            commit_timeout: duration("commit_timeout", raw.commit_timeout, defaults.commit_timeout)?,
            outcome_deadline: duration("outcome_deadline", raw.outcome_deadline, defaults.outcome_deadline)?,
            max_body_bytes: raw.max_body_bytes.unwrap_or(defaults.max_body_bytes),
        };
        let data_threads = raw.data_threads.unwrap_or(1);
        if !(1..=256).contains(&data_threads) {
            let reason = format!("{data_threads} is not between 1 and 256");
            return Err(ConfigError::Value { key: "data_threads", reason });
        }
        let mut tokens = Vec::new();
        for (kind, key, hashes) in [
            (Kind::Data, "data_token_sha256", raw.data_token_sha256),
            (Kind::Admin, "admin_token_sha256", raw.admin_token_sha256),
        ] {
            for hash in hashes.unwrap_or_default() {
                tokens.push((kind, "configured".to_owned(), parse_hash(key, &hash)?));
            }
        }
        for (kind, key, files) in [
            (Kind::Data, "data_token_file", raw.data_token_file),
            (Kind::Admin, "admin_token_file", raw.admin_token_file),
        ] {
            for file in files.unwrap_or_default() {
                tokens.push((kind, file.display().to_string(), hash_token(key, &read(&file)?)?));
            }
        }
        for (kind, key, token) in [
            (Kind::Data, "PORTCULLIS_BOOTSTRAP_DATA_TOKEN", secrets.data_token),
            (Kind::Admin, "PORTCULLIS_BOOTSTRAP_ADMIN_TOKEN", secrets.admin_token),
        ] {
            if let Some(token) = token {
                tokens.push((kind, "bootstrap".to_owned(), hash_token(key, &token)?));
            }
        }
        let trust = trust(raw.bundle_keys.unwrap_or_default(), raw.require_signed_bundles.unwrap_or(false))?;
        let master_key = match (secrets.master_key, raw.master_key_file) {
            (Some(key), _) => Some((key, "PORTCULLIS_MASTER_KEY".to_owned())),
            (None, Some(file)) => Some((read(&file)?, file.display().to_string())),
            (None, None) => None,
        };
        let log_key = match (secrets.log_key.as_deref(), raw.log_key_file) {
            (Some(seed), _) => LogKey::from_base64(seed)
                .map_err(|reason| ConfigError::Value { key: "PORTCULLIS_LOG_KEY", reason })?,
            (None, Some(file)) => LogKey::File(file),
            (None, None) => LogKey::Directory,
        };
        let mut webhooks: Vec<Webhook> = Vec::new();
        for webhook in raw.webhooks.unwrap_or_default() {
            let webhook = Webhook::check(webhook, &|name| secrets.named.get(name).cloned())?;
            if webhooks.iter().any(|other| other.name == webhook.name) {
                let reason = format!("two are called `{}`", webhook.name);
                return Err(ConfigError::Value { key: "webhooks", reason });
            }
            webhooks.push(webhook);
        }
        Ok(Config {
            data_addr: address("data_addr", raw.data_addr, "127.0.0.1:8181")?,
            agents_addr: raw.agents_addr.map(|text| address("agents_addr", Some(text), "")).transpose()?,
            admin_addr: address("admin_addr", raw.admin_addr, "127.0.0.1:8180")?,
            bundle: raw.bundle,
            trust,
            data_dir: raw.data_dir.unwrap_or_else(|| DEFAULT_DATA_DIR.into()),
            ports_file: raw.ports_file,
            data_threads,
            settings,
            tokens,
            master_key,
            log_key,
            approvals_link: raw.approvals_link,
            webhooks,
            audit: AuditConfig::check(raw.audit.unwrap_or_default(), &|name| {
                secrets.named.get(name).cloned()
            })?,
        })
    }
}

/// Where the store is when nobody says.
pub const DEFAULT_DATA_DIR: &str = "portcullis-data";

fn trust(keys: Vec<String>, required: bool) -> Result<Trust, ConfigError> {
    let value = |key, reason| ConfigError::Value { key, reason };
    let keys: Vec<BundleKey> = keys
        .iter()
        .map(|text| text.parse().map_err(|reason| value("bundle_keys", reason)))
        .collect::<Result<_, _>>()?;
    if required && keys.is_empty() {
        let reason = "without `bundle_keys` no bundle could ever be taken".to_owned();
        return Err(value("require_signed_bundles", reason));
    }
    Ok(Trust { keys, required })
}

fn read(path: &Path) -> Result<String, ConfigError> {
    std::fs::read_to_string(path)
        .map_err(|error| ConfigError::File { path: path.to_owned(), reason: error.to_string() })
}

/// `250ms`, `4s`, `15m`, `1h`.
fn duration(key: &'static str, text: Option<String>, default: Duration) -> Result<Duration, ConfigError> {
    let Some(text) = text else {
        return Ok(default);
    };
    duration_ms(&text).map(Duration::from_millis).ok_or_else(|| ConfigError::Value {
        key,
        reason: format!("`{text}` is no duration; write a whole number and ms, s, m or h, such as 15m"),
    })
}

/// `250ms`, `4s`, `15m`, `1h`, `7d` in milliseconds; not zero.
pub(crate) fn duration_ms(text: &str) -> Option<u64> {
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = match text.get(digits.len()..)? {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    digits.parse::<u64>().ok()?.checked_mul(unit).filter(|ms| *ms > 0)
}

fn hash_token(key: &'static str, text: &str) -> Result<[u8; 32], ConfigError> {
    let token = text.trim();
    if token.len() < MIN_TOKEN || token.contains(char::is_whitespace) {
        let reason = format!(
            "the token must have {MIN_TOKEN} characters or more and no white space; make one with \
             `portcullis keys create`, or `openssl rand -hex 32`"
        );
        return Err(ConfigError::Value { key, reason });
    }
    Ok(sha256(token.as_bytes()))
}

fn parse_hash(key: &'static str, text: &str) -> Result<[u8; 32], ConfigError> {
    let bytes = hex::decode(text.trim()).ok().and_then(|bytes| bytes.try_into().ok());
    bytes.ok_or_else(|| ConfigError::Value {
        key,
        reason: "not 64 hexadecimal digits; make them with `printf %s TOKEN | sha256sum`".to_owned(),
    })
}
