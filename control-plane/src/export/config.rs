//! Continuous export as it is configured: `audit.exports`.

use super::formats::ExportFormat;
use crate::config::{ConfigError, duration_ms};
use crate::object::LockMode;
use crate::webhooks::{check_url, one_of};
use portcullis_audit::log::RecordKind;
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// Shortest secret taken.
const MIN_SECRET: usize = 16;
/// What a chunk may hold at most: it is in memory until it is delivered.
const MAX_RECORDS: u64 = 1_000_000;
const MAX_BYTES: u64 = 256 * 1024 * 1024;
const DAY_MS: u64 = 86_400_000;

/// An export as it stands in the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawExport {
    /// What to call it; unique. Its place in the log is kept under this name.
    pub name: String,
    /// A directory, `s3://BUCKET/PREFIX`, `otlp+https://HOST/v1/logs`, or `https://…` of a signed webhook.
    pub to: Option<String>,
    /// The variable that has it, where it is a secret.
    pub to_env: Option<String>,
    /// The file that has it.
    pub to_file: Option<PathBuf>,
    /// Options of object storage: `region`, `endpoint`, `server_side_encryption` …
    pub options: BTreeMap<String, String>,
    /// Options of object storage whose values are in these variables.
    pub options_env: BTreeMap<String, String>,
    /// How objects are locked.
    pub object_lock: Option<RawLock>,
    /// Of files: `jsonl` (default), `ocsf`, `parquet`.
    pub format: Option<String>,
    /// Of files: `zstd` (default), `gzip`, `none`.
    pub compression: Option<String>,
    /// A chunk has at most so many records.
    pub flush_records: Option<u64>,
    /// A chunk has about so many bytes of records at most.
    pub flush_bytes: Option<u64>,
    /// A record waits at most so long for its chunk to fill.
    pub flush_every: Option<String>,
    /// Which records; absent: all.
    pub kinds: Option<Vec<RecordKind>>,
    /// Retention waits for it [default: true].
    pub required: Option<bool>,
    /// Where a new one begins: `beginning` (default) or `now`.
    pub from: Option<String>,
    /// The variable that has the secret which signs what a webhook is sent.
    pub secret_env: Option<String>,
    /// The file that has it.
    pub secret_file: Option<PathBuf>,
    /// Of OTLP: headers whose values are in these variables, such as `authorization`.
    pub headers_env: BTreeMap<String, String>,
    /// Certificates (PEM) to trust instead of the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How objects are locked, as it stands in the configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawLock {
    /// `governance` or `compliance`.
    pub mode: LockMode,
    /// How long at least, such as `400d`.
    pub retain: String,
}

/// An export, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Export {
    /// What it is called.
    pub name: String,
    /// Where it goes.
    pub to: Destination,
    /// Which records; empty: all.
    pub kinds: Vec<RecordKind>,
    /// When a chunk is full.
    pub flush: Flush,
    /// Retention waits for it.
    pub required: bool,
    /// A new one begins with what comes, not with the beginning.
    pub from_now: bool,
}

/// When a chunk is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flush {
    /// Records.
    pub records: u64,
    /// Bytes of records.
    pub bytes: usize,
    /// Since its first record was there.
    pub every: Duration,
}

/// Where records go.
#[derive(Clone, PartialEq, Eq)]
pub enum Destination {
    /// Files in a directory or bucket.
    Files(Files),
    /// A collector.
    Otlp(Otlp),
    /// A receiver of signed batches.
    Webhook(Receiver),
}

/// Files in a directory or bucket.
#[derive(Clone, PartialEq, Eq)]
pub struct Files {
    /// The directory, or its URL.
    pub to: String,
    /// Options of object storage.
    pub options: BTreeMap<String, String>,
    /// Against whom objects are locked, and for how many days.
    pub lock: Option<(LockMode, u64)>,
    /// What files hold.
    pub format: ExportFormat,
    /// How they are packed.
    pub compression: Compression,
}

/// How files are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

/// A collector.
#[derive(Clone, PartialEq, Eq)]
pub struct Otlp {
    /// Where to post to.
    pub url: String,
    /// Headers that go along.
    pub headers: Vec<(String, String)>,
    /// Certificates to trust instead of the public ones, PEM.
    pub ca: Option<Vec<u8>>,
}

/// A receiver of signed batches.
#[derive(Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Where to post to.
    pub url: String,
    /// What signs.
    pub secret: Vec<u8>,
    /// Certificates to trust instead of the public ones, PEM.
    pub ca: Option<Vec<u8>>,
}

/// Neither options nor URLs nor secrets.
impl std::fmt::Debug for Export {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Export").field("name", &self.name).field("flush", &self.flush).finish_non_exhaustive()
    }
}

impl RawExport {
    /// The variables of the environment that it names.
    pub fn variables(&self) -> impl Iterator<Item = &String> {
        let one = [&self.to_env, &self.secret_env].into_iter().flatten();
        one.chain(self.options_env.values()).chain(self.headers_env.values())
    }
}

impl Export {
    /// Checks an export; `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(raw: RawExport, variable: &dyn Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let name = raw.name.clone();
        let wrong = |reason: String| ConfigError::Value {
            key: "audit.exports",
            reason: if name.is_empty() { reason } else { format!("`{name}`: {reason}") },
        };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(wrong(
                "`name` is needed, with letters, digits, `-`, `_` and `.` only: the place in the log is kept under it".to_owned(),
            ));
        }
        let to =
            one_of("to", raw.to.clone(), raw.to_env.clone(), raw.to_file.clone(), variable).map_err(wrong)?;
        let to = to.ok_or_else(|| wrong("one of `to`, `to_env` and `to_file` is needed".to_owned()))?;
        let files =
            !["http://", "https://", "otlp+http://", "otlp+https://"].iter().any(|s| to.starts_with(s));
        let flush = flush(&raw, files).map_err(wrong)?;
        let from_now = match raw.from.as_deref() {
            None | Some("beginning") => false,
            Some("now") => true,
            Some(other) => return Err(wrong(format!("`from` is `{other}`; use beginning or now"))),
        };
        let kinds = raw.kinds.clone();
        if kinds.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong("`kinds` names none; leave it out for all".to_owned()));
        }
        let required = raw.required.unwrap_or(true);
        let to = destination(raw, to, files, variable).map_err(wrong)?;
        Ok(Export { to, kinds: kinds.unwrap_or_default(), flush, required, from_now, name })
    }
}

fn flush(raw: &RawExport, files: bool) -> Result<Flush, String> {
    let within = |key: &str, value: Option<u64>, default: u64, most: u64| {
        let value = value.unwrap_or(default);
        if (1..=most).contains(&value) { Ok(value) } else { Err(format!("`{key}` must be 1 to {most}")) }
    };
    let (records, bytes, every) = if files { (10_000, 8 << 20, 60_000) } else { (500, 1 << 20, 5_000) };
    let every = match &raw.flush_every {
        None => every,
        Some(text) => duration_ms(text).ok_or_else(|| {
            format!("`flush_every` is `{text}`; write a whole number and ms, s, m or h, such as 60s")
        })?,
    };
    Ok(Flush {
        records: within("flush_records", raw.flush_records, records, MAX_RECORDS)?,
        bytes: usize::try_from(within("flush_bytes", raw.flush_bytes, bytes, MAX_BYTES)?)
            .unwrap_or(usize::MAX),
        every: Duration::from_millis(every),
    })
}

fn destination(
    raw: RawExport,
    to: String,
    files: bool,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Destination, String> {
    if files {
        return of_files(raw, to, variable).map(Destination::Files);
    }
    for (key, given) in [
        ("format", raw.format.is_some()),
        ("compression", raw.compression.is_some()),
        ("object_lock", raw.object_lock.is_some()),
        ("options", !raw.options.is_empty() || !raw.options_env.is_empty()),
    ] {
        if given {
            return Err(format!("`{key}` is for directories and buckets only"));
        }
    }
    let ca = raw.ca_file.map(|file| {
        std::fs::read(&file).map_err(|error| format!("cannot read `{}`: {error}", file.display()))
    });
    let ca = ca.transpose()?;
    let secret = one_of("secret", None, raw.secret_env, raw.secret_file, variable)?;
    if let Some(url) = to.strip_prefix("otlp+") {
        check_url(url)?;
        if secret.is_some() {
            return Err("`secret_env` and `secret_file` are for webhooks; use `headers_env`".to_owned());
        }
        let headers = named("headers_env", raw.headers_env, variable)?;
        for (name, value) in &headers {
            let name_is_none = http::HeaderName::from_bytes(name.as_bytes()).is_err();
            if name_is_none || http::HeaderValue::from_str(value).is_err() {
                return Err(format!("`headers_env`: `{name}` or its value cannot be in a header"));
            }
        }
        return Ok(Destination::Otlp(Otlp { url: url.to_owned(), headers, ca }));
    }
    check_url(&to)?;
    if !raw.headers_env.is_empty() {
        return Err("`headers_env` is for otlp+https:// only; a webhook is signed".to_owned());
    }
    let secret = secret.ok_or("`secret_env` or `secret_file` is needed: it signs what is sent")?;
    if secret.len() < MIN_SECRET {
        return Err(format!(
            "the secret must have {MIN_SECRET} characters or more; make one with `openssl rand -hex 32`"
        ));
    }
    Ok(Destination::Webhook(Receiver { url: to, secret: secret.into_bytes(), ca }))
}

fn of_files(raw: RawExport, to: String, variable: &dyn Fn(&str) -> Option<String>) -> Result<Files, String> {
    for (key, given) in [
        ("secret_env", raw.secret_env.is_some()),
        ("secret_file", raw.secret_file.is_some()),
        ("headers_env", !raw.headers_env.is_empty()),
        ("ca_file", raw.ca_file.is_some()),
    ] {
        if given {
            return Err(format!("`{key}` is for webhooks and otlp+https:// only, and `to` is neither"));
        }
    }
    let format = raw.format.as_deref().unwrap_or("jsonl");
    let format = ExportFormat::ALL.into_iter().find(|known| known.as_str() == format).ok_or_else(|| {
        let known = ExportFormat::ALL.map(ExportFormat::as_str).join(", ");
        format!("format `{format}` is not known; use one of {known}")
    })?;
    if format == ExportFormat::InToto {
        return Err(
            "statements are made for single records: `portcullis audit export --format in-toto`".to_owned()
        );
    }
    let compression = match raw.compression.as_deref() {
        None if format == ExportFormat::Parquet => Compression::None,
        Some("zstd" | "gzip") if format == ExportFormat::Parquet => {
            return Err("`compression` is not for parquet, which compresses by itself".to_owned());
        }
        None | Some("zstd") => Compression::Zstd,
        Some("gzip") => Compression::Gzip,
        Some("none") => Compression::None,
        Some(other) => return Err(format!("compression `{other}` is not known; use zstd, gzip or none")),
    };
    let lock = raw.object_lock.map(|lock| match duration_ms(&lock.retain) {
        Some(ms) if ms % DAY_MS == 0 && ms / DAY_MS <= 36_500 => Ok((lock.mode, ms / DAY_MS)),
        _ => Err(format!("`object_lock.retain` is `{}`; write whole days, such as 400d", lock.retain)),
    });
    let mut options = raw.options;
    options.extend(named("options_env", raw.options_env, variable)?);
    let files = Files { to, options, lock: lock.transpose()?, format, compression };
    // Nothing is asked or written by it; what it cannot open now, it cannot later.
    files.open(0, []).map_err(|error| error.to_string())?;
    Ok(files)
}

fn named(
    key: &str,
    variables: BTreeMap<String, String>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Vec<(String, String)>, String> {
    let value = |(name, from): (String, String)| {
        let value = variable(&from).filter(|value| !value.trim().is_empty());
        let value = value.ok_or_else(|| format!("`{key}.{name}`: the variable `{from}` is not set"))?;
        Ok((name, value.trim().to_owned()))
    };
    variables.into_iter().map(value).collect()
}
