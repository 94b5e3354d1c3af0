//! Its part of the configuration.

use super::capture::Capture;
use super::field::{Field, Mode};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::time::Duration;

/// Keys before the current one that are still tried when something is looked up.
const REMEMBERED_KEYS: u32 = 2;

/// As the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawRedaction {
    /// Which key blinds, from 1 [default: 1]. A higher number is another key: what was blinded before has no likeness to what
    /// is blinded after.
    pub key_id: Option<u32>,
    /// By field: `keep`, `hmac` or `drop`.
    pub fields: BTreeMap<String, String>,
}

/// What records leave out or blind. All of it was checked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RedactionConfig {
    pub(super) key_id: u32,
    pub(super) fields: BTreeMap<Field, Mode>,
    /// Members of maps, where they are not treated as their map is.
    pub(super) members: BTreeMap<(Field, String), Mode>,
}

/// A redaction that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RedactionError {
    /// There is no such field.
    #[error("`audit.redaction.fields`: records have no field `{0}` that can be redacted; there are {1}")]
    Field(String, String),
    /// There is no such treatment.
    #[error("`audit.redaction.fields.{0}`: `{1}` is none of keep, hmac, drop")]
    Mode(String, String),
    /// Something would not be found any more that must be.
    #[error(
        "`audit.redaction.fields.{0}` cannot be dropped: {1} go by it; `hmac` blinds it, and equal values stay equal"
    )]
    Needed(String, &'static str),
    /// The number of the key.
    #[error("`audit.redaction.key_id` counts from 1")]
    KeyId,
    /// What is captured.
    #[error("`audit.capture_text`: `{0}` is none of none, redacted, full")]
    Capture(String),
    /// How long.
    #[error("`audit.keep_text`: `{0}` is no duration; write a whole number and s, m, h or d, such as 30d")]
    Keep(String),
}

/// What is kept of texts, and how long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CaptureConfig {
    /// What.
    pub mode: Capture,
    /// How long; then it is deleted, and its record stays.
    pub keep: Duration,
}

impl Default for CaptureConfig {
    fn default() -> Self {
        CaptureConfig { mode: Capture::None, keep: Duration::from_secs(30 * 24 * 60 * 60) }
    }
}

impl CaptureConfig {
    /// Checks it.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(mode: Option<String>, keep: Option<String>) -> Result<Self, RedactionError> {
        let mut config = CaptureConfig::default();
        if let Some(name) = mode {
            config.mode = Capture::parse(&name).ok_or(RedactionError::Capture(name))?;
        }
        if let Some(text) = keep {
            let ms = crate::config::duration_ms(&text).ok_or(RedactionError::Keep(text))?;
            config.keep = Duration::from_millis(ms);
        }
        Ok(config)
    }
}

impl RedactionConfig {
    /// Checks it.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(raw: RawRedaction) -> Result<Self, RedactionError> {
        let key_id = raw.key_id.unwrap_or(1);
        if key_id == 0 {
            return Err(RedactionError::KeyId);
        }
        let mut config = RedactionConfig { key_id, ..RedactionConfig::default() };
        for (name, mode) in raw.fields {
            let mode = Mode::parse(&mode).ok_or_else(|| RedactionError::Mode(name.clone(), mode.clone()))?;
            let unknown = || RedactionError::Field(name.clone(), Field::names());
            let (field, member) = Field::parse(&name).ok_or_else(unknown)?;
            if let Some(who) = field.needed_by().filter(|_| mode == Mode::Drop) {
                return Err(RedactionError::Needed(name, who));
            }
            match member {
                Some(member) => config.members.insert((field, member), mode),
                None => config.fields.insert(field, mode),
            };
        }
        Ok(config)
    }

    /// How a field is treated.
    pub(super) fn mode(&self, field: Field) -> Mode {
        self.fields.get(&field).copied().unwrap_or_default()
    }

    /// How a member of a map is treated.
    pub(super) fn member(&self, field: Field, member: &str) -> Mode {
        // Nearly nobody has any, and a tuple key cannot be borrowed.
        let own = self.members.iter().find(|((own, name), _)| *own == field && name == member);
        own.map_or_else(|| self.mode(field), |(_, mode)| *mode)
    }

    /// Nothing is redacted.
    pub(super) fn keeps_all(&self) -> bool {
        self.fields.values().chain(self.members.values()).all(|mode| *mode == Mode::Keep)
    }

    /// The keys under which something may have been blinded, the current one first; none where nothing was ever configured.
    pub(super) fn key_ids(&self) -> impl Iterator<Item = u32> + use<> {
        let last = self.key_id;
        (last.saturating_sub(REMEMBERED_KEYS).max(1)..=last).rev()
    }
}
