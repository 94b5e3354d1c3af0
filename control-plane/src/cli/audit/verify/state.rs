//! How far a verification has come, in a file.

use anyhow::{Context, bail};
use portcullis_audit::log::verify::{Finding, Progress};
use serde::{Deserialize, Serialize};
use std::path::Path;

/// What a state file holds.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    version: u32,
    /// [`super::source::Source::name`].
    source: String,
    /// The log's name.
    origin: String,
    pub(super) progress: Progress,
    pub(super) found: Vec<Finding>,
}

impl State {
    pub(super) fn new(source: String, origin: String, progress: Progress, found: Vec<Finding>) -> Self {
        State { version: 1, source, origin, progress, found }
    }

    /// Reads one; `None` where there is none.
    pub(super) fn read(path: &Path, source: &str, origin: &str) -> anyhow::Result<Option<Self>> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        let state: State = serde_json::from_str(&text).with_context(|| {
            format!("`{}` is no state of `audit verify`; remove it to begin anew", path.display())
        })?;
        if state.version != 1 || state.source != source || state.origin != origin {
            bail!(
                "`{}` is the state of another verification (`{}`, `{}`); remove it or name another file",
                path.display(),
                state.source,
                state.origin
            );
        }
        Ok(Some(state))
    }

    /// Writes it, whole or not at all.
    pub(super) fn write(&self, path: &Path) -> anyhow::Result<()> {
        let told = || format!("cannot write `{}`", path.display());
        let fresh = path.with_extension("new");
        std::fs::write(&fresh, serde_json::to_vec(self)?).with_context(told)?;
        std::fs::rename(&fresh, path).with_context(told)
    }
}
