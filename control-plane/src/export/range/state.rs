//! How far an export has come: a file beside the staged ones, written after each file that is where it belongs.

use super::part::Packing;
use super::run::{Plan, Split};
use crate::export::ManifestFile;
use crate::export::formats::ExportFormat;
use anyhow::{Context, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Frontier, Hash, RecordKind};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

/// What an interrupted export goes on with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct State {
    /// 1.
    pub(super) version: u32,
    pub(super) origin: String,
    pub(super) format: ExportFormat,
    pub(super) packing: Packing,
    pub(super) split: Split,
    pub(super) kinds: Vec<RecordKind>,
    pub(super) first: u64,
    pub(super) end: u64,
    /// The checkpoint that it leads to, a signed note.
    pub(super) checkpoint: String,
    /// The tree before the first record, and before the next one.
    pub(super) frontier: Vec<String>,
    pub(super) next: u64,
    pub(super) tree: Vec<String>,
    pub(super) first_time_ms: u64,
    pub(super) last_time_ms: u64,
    pub(super) files: Vec<ManifestFile>,
}

impl State {
    /// Reads it; `None` where there is none.
    pub(super) fn load(path: &Path) -> anyhow::Result<Option<State>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
        };
        let damaged = || format!("`{}` is damaged; remove it, and begin the export anew", path.display());
        let state: State = serde_json::from_str(&text).with_context(damaged)?;
        ensure!(
            state.version == 1,
            "another version has written `{}`; remove it, and begin anew",
            path.display()
        );
        Ok(Some(state))
    }

    /// Writes it, durably: it is the old one or the new one, whatever happens.
    pub(super) fn save(&self, path: &Path) -> anyhow::Result<()> {
        let write = || {
            let partial = path.with_extension("tmp");
            let mut file = File::create(&partial)?;
            file.write_all(serde_json::to_string(self)?.as_bytes())?;
            file.sync_all()?;
            fs::rename(&partial, path)
        };
        write().with_context(|| format!("cannot write `{}`", path.display()))
    }

    /// Whoever goes on must want the same.
    pub(super) fn same(&self, plan: &Plan) -> anyhow::Result<()> {
        let wanted = (plan.format, plan.packing, plan.split, &plan.kinds);
        ensure!(
            (self.format, self.packing, self.split, &self.kinds) == wanted,
            "the export that was interrupted has another format, compression, split or kinds: {}, {:?}, {:?}, {:?}",
            self.format.as_str(),
            self.packing,
            self.split,
            self.kinds
        );
        Ok(())
    }
}

/// Where the state is, given where files are staged.
pub(super) fn path_in(staging: &Path) -> PathBuf {
    staging.join(".export.state.json")
}

pub(super) fn base64(hashes: &[Hash]) -> Vec<String> {
    hashes.iter().map(|hash| STANDARD.encode(hash)).collect()
}

/// The tree of that size with these roots.
pub(super) fn tree(size: u64, roots: &[String]) -> anyhow::Result<Frontier> {
    let hash = |text: &String| STANDARD.decode(text).ok().and_then(|bytes| bytes.try_into().ok());
    let roots = roots.iter().map(hash).collect::<Option<Vec<Hash>>>();
    roots.and_then(|roots| Frontier::new(size, roots)).context("the state of the export is damaged")
}
