//! Their part of the configuration.

use crate::config::{ConfigError, duration_ms};
use portcullis_audit::log::WitnessKey;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// A second party that cosigns checkpoints, as the file says it: a witness of <https://c2sp.org/tlog-witness>.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawWitness {
    /// What to call it; unique.
    pub name: String,
    /// What stands before `/add-checkpoint`.
    pub url: String,
    /// Its public key, `name+hash+base64`: what others sign is not kept.
    pub key: String,
    /// How often it is asked while the log grows [default: 10s].
    pub every: Option<String>,
    /// Certificates (PEM) to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// Where checkpoints and tiles are published, as the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawPublish {
    /// `s3://BUCKET/PREFIX` or `file:///DIRECTORY`.
    pub to: String,
    /// Options of the storage: `endpoint`, `region`, `allow_http` …
    pub options: BTreeMap<String, String>,
    /// How often, while the log grows [default: 5s].
    pub every: Option<String>,
}

/// A witness, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// What it is called.
    pub name: String,
    /// What stands before `/add-checkpoint`.
    pub url: String,
    /// Its public key.
    pub key: WitnessKey,
    /// How often it is asked.
    pub every: Duration,
    /// Certificates to trust, PEM.
    pub ca: Option<Vec<u8>>,
}

/// A publication, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Where to.
    pub to: String,
    /// Options of the storage.
    pub options: BTreeMap<String, String>,
    /// How often.
    pub every: Duration,
}

impl Witness {
    /// Checks it.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(raw: RawWitness) -> Result<Self, ConfigError> {
        let RawWitness { name, url, key, every, ca_file } = raw;
        let wrong = |reason: String| ConfigError::Value {
            key: "audit.witnesses",
            reason: format!("`{name}`: {reason}"),
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(wrong("`name` must have letters, digits, `-`, `_` and `.` only".to_owned()));
        }
        if !(url.starts_with("https://") || url.starts_with("http://")) {
            return Err(wrong(format!("`url` is `{url}`; it begins with https:// (or http:// on loopback)")));
        }
        let key = key.parse().map_err(|error| wrong(format!("`key`: {error}")))?;
        let every = every_of(every, Duration::from_secs(10)).map_err(wrong)?;
        let read = |path: PathBuf| {
            std::fs::read(&path).map_err(|error| wrong(format!("cannot read `{}`: {error}", path.display())))
        };
        let ca = ca_file.map(read).transpose()?;
        Ok(Witness { url: url.trim_end_matches('/').to_owned(), key, every, ca, name })
    }
}

impl Publish {
    /// Checks it.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(raw: RawPublish) -> Result<Self, ConfigError> {
        let wrong = |reason| ConfigError::Value { key: "audit.publish", reason };
        crate::object::open(&raw.to, &raw.options, []).map_err(wrong)?;
        let every = every_of(raw.every, Duration::from_secs(5)).map_err(wrong)?;
        Ok(Publish { to: raw.to, options: raw.options, every })
    }
}

fn every_of(text: Option<String>, default: Duration) -> Result<Duration, String> {
    let Some(text) = text else { return Ok(default) };
    let ms = duration_ms(&text)
        .ok_or(format!("`every` is `{text}`; write a number and ms, s, m or h, such as 10s"))?;
    Ok(Duration::from_millis(ms))
}
