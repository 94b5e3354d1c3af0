//! The section `audit` of the configuration; in the file only.

use crate::export::{Export, RawExport};
use crate::proof::{Publish, RawPublish, RawWitness, Witness};
use crate::redaction::{CaptureConfig, RawRedaction, RedactionConfig};
use crate::retention::{RawRetention, Retention};
use crate::sinks::{RawSinks, SinksConfig};
use serde::Deserialize;

/// As the file says it. Each part is described where it is used.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawAudit {
    /// The log's name, in its checkpoints and its keys [default: portcullis.local/ and eight digits, made with the store].
    pub origin: Option<String>,
    /// Who cosigns its checkpoints.
    pub witnesses: Vec<RawWitness>,
    /// Where its checkpoints and tiles are published.
    pub publish: Option<RawPublish>,
    /// The second place where records go.
    pub sinks: Option<RawSinks>,
    /// Who gets records.
    pub exports: Vec<RawExport>,
    /// How long records stay.
    pub retention: Option<RawRetention>,
    /// What records leave out or blind.
    pub redaction: Option<RawRedaction>,
    /// Whether prompts and judged answers are kept, encrypted: none, redacted or full [default: none].
    pub capture_text: Option<String>,
    /// How long they are kept [default: 30d].
    pub keep_text: Option<String>,
}

/// What of it was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AuditConfig {
    /// The log's name, where the file gives one.
    pub origin: Option<String>,
    /// Who cosigns its checkpoints.
    pub witnesses: Vec<Witness>,
    /// Where it is published.
    pub publish: Option<Publish>,
    /// Who gets records.
    pub exports: Vec<Export>,
    /// How long records stay.
    pub retention: Retention,
    /// What records leave out or blind.
    pub redaction: Option<RedactionConfig>,
    /// What is kept of texts.
    pub capture: CaptureConfig,
    /// The second place where records go.
    pub sinks: Option<SinksConfig>,
}

impl AuditConfig {
    /// Checks it; `variable` looks a variable of the environment up.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(
        raw: RawAudit,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Self, super::ConfigError> {
        let mut exports: Vec<Export> = Vec::new();
        for export in raw.exports {
            let export = Export::check(export, variable)?;
            if exports.iter().any(|other| other.name == export.name) {
                let reason = format!("two are called `{}`", export.name);
                return Err(super::ConfigError::Value { key: "audit.exports", reason });
            }
            exports.push(export);
        }
        Ok(AuditConfig {
            exports,
            retention: Retention::check(&raw.retention.unwrap_or_default())?,
            origin: raw.origin,
            witnesses: raw.witnesses.into_iter().map(Witness::check).collect::<Result<_, _>>()?,
            redaction: raw.redaction.map(RedactionConfig::check).transpose()?,
            capture: CaptureConfig::check(raw.capture_text, raw.keep_text)?,
            sinks: raw.sinks.map(SinksConfig::check).transpose()?,
            publish: raw.publish.map(Publish::check).transpose()?,
        })
    }
}
