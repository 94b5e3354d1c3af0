//! What is configured of a webhook.

use crate::storage::Subscription;
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// Every event that a webhook can be told of.
pub const EVENTS: [&str; 9] = [
    "approval.pending",
    "approval.approved",
    "approval.denied",
    "approval.expired",
    "approval.consumed",
    "grant.created",
    "grant.used",
    "grant.revoked",
    "grant.expired",
];

/// Shortest secret taken.
const MIN_SECRET: usize = 16;

/// A webhook as it stands in the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RawWebhook {
    /// What to call it; unique.
    pub name: String,
    /// Where to post to; some are secrets themselves, hence the next two.
    #[serde(default)]
    pub url: Option<String>,
    /// The variable that has the URL.
    #[serde(default)]
    pub url_env: Option<String>,
    /// The file that has the URL.
    #[serde(default)]
    pub url_file: Option<PathBuf>,
    /// The variable that has the secret which signs.
    #[serde(default)]
    pub secret_env: Option<String>,
    /// The file that has it.
    #[serde(default)]
    pub secret_file: Option<PathBuf>,
    /// Certificates (PEM) to trust instead of the public ones.
    #[serde(default)]
    pub ca_file: Option<PathBuf>,
    /// `json` (default) or `slack`.
    #[serde(default)]
    pub format: Option<String>,
    /// Of what it is told; absent: of everything.
    #[serde(default)]
    pub events: Option<Vec<String>>,
}

/// What a webhook is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Format {
    /// Everything, as JSON.
    #[default]
    Json,
    /// A message that Slack and its like show.
    Slack,
}

/// A webhook, checked.
#[derive(Clone, PartialEq, Eq)]
pub struct Webhook {
    /// What it is called.
    pub name: String,
    /// Where to post to.
    pub url: String,
    /// What signs; none for a receiver that checks nothing.
    pub secret: Option<Vec<u8>>,
    /// Certificates to trust instead of the public ones, PEM.
    pub ca: Option<Vec<u8>>,
    /// What it is sent.
    pub format: Format,
    /// Of what it is told; empty: of everything.
    pub events: Vec<String>,
}

/// Neither the secret nor the URL, which may be one.
impl std::fmt::Debug for Webhook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Webhook")
            .field("name", &self.name)
            .field("format", &self.format)
            .finish_non_exhaustive()
    }
}

/// A webhook that makes no sense; the message says which and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("webhook `{name}`: {reason}")]
pub struct WebhookError {
    name: String,
    reason: String,
}

impl Webhook {
    /// Of what the store must keep for it.
    #[must_use]
    pub fn subscription(&self) -> Subscription {
        Subscription { webhook: self.name.clone(), events: self.events.clone() }
    }

    /// Checks a webhook; `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// [`WebhookError`]: the first thing that is wrong.
    pub fn check(
        raw: RawWebhook,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Webhook, WebhookError> {
        let RawWebhook { name, url, url_env, url_file, secret_env, secret_file, ca_file, format, events } =
            raw;
        let wrong = |reason: String| WebhookError { name: name.clone(), reason };
        if name.is_empty() || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b)) {
            return Err(wrong("`name` must have letters, digits, `-`, `_` and `.` only".to_owned()));
        }
        let from = |key: &str, plain: Option<String>, env: Option<String>, file: Option<PathBuf>| {
            one_of(key, plain, env, file, variable).map_err(wrong)
        };
        let url = from("url", url, url_env, url_file)?
            .ok_or_else(|| wrong("one of `url`, `url_env` and `url_file` is needed".to_owned()))?;
        check_url(&url).map_err(wrong)?;
        let format = match format.as_deref() {
            None | Some("json") => Format::Json,
            Some("slack") => Format::Slack,
            Some(other) => return Err(wrong(format!("format `{other}` is not known; use json or slack"))),
        };
        let secret = from("secret", None, secret_env, secret_file)?;
        match &secret {
            None if format == Format::Json => {
                return Err(wrong(
                    "`secret_env` or `secret_file` is needed: it signs what is sent".to_owned(),
                ));
            }
            Some(secret) if secret.len() < MIN_SECRET => {
                return Err(wrong(format!(
                    "the secret must have {MIN_SECRET} characters or more; make one with `openssl rand -hex 32`"
                )));
            }
            _ => {}
        }
        let events = events.unwrap_or_default();
        if let Some(unknown) = events.iter().find(|event| !EVENTS.contains(&event.as_str())) {
            let known = EVENTS.join(", ");
            return Err(wrong(format!("event `{unknown}` is not known; use some of {known}")));
        }
        let ca = ca_file.map(|file| read(&file)).transpose().map_err(wrong)?;
        Ok(Webhook { url, secret: secret.map(String::into_bytes), ca, format, events, name })
    }
}

pub(crate) fn one_of(
    key: &str,
    plain: Option<String>,
    env: Option<String>,
    file: Option<PathBuf>,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<String>, String> {
    let given = [plain.is_some(), env.is_some(), file.is_some()].iter().filter(|given| **given).count();
    if given > 1 {
        return Err(format!("`{key}` is given more than once"));
    }
    let text = match (env, file) {
        (Some(name), _) => {
            let value = variable(&name).filter(|value| !value.trim().is_empty());
            Some(value.ok_or_else(|| format!("`{key}_env`: the variable `{name}` is not set"))?)
        }
        (None, Some(file)) => {
            Some(String::from_utf8(read(&file)?).map_err(|_| format!("`{}` is not text", file.display()))?)
        }
        (None, None) => plain,
    };
    Ok(text.map(|text| text.trim().to_owned()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    std::fs::read(path).map_err(|error| format!("cannot read `{}`: {error}", path.display()))
}

/// Says nothing of the URL: it may be a secret.
pub(crate) fn check_url(url: &str) -> Result<(), String> {
    let uri: http::Uri = url.parse().map_err(|error| format!("the URL is none: {error}"))?;
    if !matches!(uri.scheme_str(), Some("http" | "https")) {
        return Err("the URL must begin with https:// or http://".to_owned());
    }
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err("the URL must have a host, and no user or password".to_owned());
    }
    Ok(())
}
