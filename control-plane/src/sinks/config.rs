//! Its part of the configuration.

use crate::config::duration_ms;
use serde::Deserialize;
use std::path::PathBuf;
use std::time::Duration;

/// As the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawSinks {
    /// `all`: a call goes out when both have its record. `any`: when one has it [default: all].
    pub require: Option<String>,
    /// The second place.
    pub second: RawSecond,
    /// What is not durable there after this time is not [default: 500ms].
    pub deadline: Option<String>,
}

/// As the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawSecond {
    /// A directory, best on another disk.
    pub path: Option<PathBuf>,
    /// A file that has become so long is followed by another one, bytes [default: 268435456].
    pub rotate_bytes: Option<u64>,
}

/// Which of the two must have a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Require {
    /// One.
    Any,
    /// Both.
    All,
}

/// Two sinks. All of it was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SinksConfig {
    /// Which of them must have a record.
    pub require: Require,
    /// The directory of the second.
    pub path: PathBuf,
    /// What is not durable there after this time is not.
    pub deadline: Duration,
    /// A file that has become so long is followed by another one, bytes.
    pub rotate_bytes: u64,
}

/// Sinks that make no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SinksError {
    /// Which.
    #[error("`audit.sinks.require`: `{0}` is none of any, all")]
    Require(String),
    /// Where.
    #[error("`audit.sinks.second.path` is missing: name a directory, best on another disk than the store")]
    Path,
    /// How long.
    #[error(
        "`audit.sinks.deadline`: `{0}` is no duration from 1ms to 30s; write a number and ms or s, such as 500ms"
    )]
    Deadline(String),
    /// How large.
    #[error("`audit.sinks.second.rotate_bytes` must be 65536 or more")]
    Rotate,
}

impl SinksConfig {
    /// Checks it.
    ///
    /// # Errors
    /// The first value that makes no sense.
    pub fn check(raw: RawSinks) -> Result<Self, SinksError> {
        let require = match raw.require.as_deref() {
            None | Some("all") => Require::All,
            Some("any") => Require::Any,
            Some(other) => return Err(SinksError::Require(other.to_owned())),
        };
        let text = raw.deadline.unwrap_or_else(|| "500ms".to_owned());
        let deadline = duration_ms(&text).filter(|ms| *ms <= 30_000).ok_or(SinksError::Deadline(text))?;
        let rotate_bytes = raw.second.rotate_bytes.unwrap_or(256 * 1024 * 1024);
        if rotate_bytes < 65_536 {
            return Err(SinksError::Rotate);
        }
        Ok(SinksConfig {
            require,
            path: raw.second.path.ok_or(SinksError::Path)?,
            deadline: Duration::from_millis(deadline),
            rotate_bytes,
        })
    }
}
