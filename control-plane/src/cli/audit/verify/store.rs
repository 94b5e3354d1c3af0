//! A data directory.

use super::source::{Note, Source, Step};
use crate::storage::{OfflineCheckpoint, OfflineLog};
use anyhow::Context;
use portcullis_audit::log::Frontier;
use portcullis_audit::log::verify::{Code, Finding, Whose};
use std::path::{Path, PathBuf};

/// Rows that are read at once: a tile.
const TILE: u64 = 256;
/// Levels of nodes that a store keeps.
const LEVELS: u8 = 7;

/// A store as it lies there.
#[derive(Debug)]
pub(super) struct Store {
    directory: PathBuf,
    log: OfflineLog,
    deep: bool,
}

impl Store {
    pub(super) fn open(directory: &Path, deep: bool) -> anyhow::Result<Self> {
        let log = OfflineLog::open(directory)
            .with_context(|| format!("cannot read the store in `{}`", directory.display()))?;
        Ok(Store { directory: directory.to_owned(), log, deep })
    }
}

fn note(checkpoint: OfflineCheckpoint, newest: bool) -> Note {
    let beside = Some((checkpoint.size, checkpoint.root));
    Note { beside, newest, ..Note::kept(checkpoint.note) }
}

impl Source for Store {
    fn name(&self) -> String {
        let path = std::fs::canonicalize(&self.directory);
        path.unwrap_or_else(|_| self.directory.clone()).display().to_string()
    }

    fn total(&self) -> Option<u64> {
        self.log.head().ok().flatten().map(|head| head.size)
    }

    fn read(&mut self, from: u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<()> {
        let mut at = from;
        match self.rows(&mut at, give) {
            Err(error) if damaged(&error) => {
                // What a page of the database held is gone; what was read before it is still worth telling.
                let why = format!("the database cannot be read from here on: {error:#}");
                give(Step::Found(Finding::at(Code::Malformed, at, "", why)));
                Ok(())
            }
            other => other,
        }
    }
}

fn damaged(error: &anyhow::Error) -> bool {
    use rusqlite::ffi::ErrorCode;
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
        || matches!(
            error.downcast_ref(),
            Some(rusqlite::Error::InvalidColumnType(..) | rusqlite::Error::Utf8Error(..))
        )
}

impl Store {
    fn rows(&self, at: &mut u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<()> {
        let log = &self.log;
        give(Step::Begin { frontier: Frontier::default(), levels: LEVELS, kinds: Vec::new() });
        match log.head()? {
            Some(head) => {
                give(Step::Notes(vec![note(head, true)]));
            }
            None => {
                give(Step::Found(Finding::of_log(
                    Code::MissingRecord,
                    "the newest checkpoint of the store is not there",
                )));
            }
        }
        // A second old, and on another page: whoever puts back the database alone is found.
        if let Some(text) = log.guard().context("cannot read the file `checkpoint`")? {
            give(Step::Notes(vec![Note { whose: Whose::Given, ..Note::kept(text) }]));
        }
        let head = log.head()?.map(|head| head.size);
        let mut noted = if *at == 0 { None } else { Some(*at) };
        loop {
            let tile = *at / TILE;
            let end = (tile + 1).saturating_mul(TILE);
            let rows = log.rows(*at, u32::try_from(end - *at).unwrap_or(256))?;
            let Some(last) = rows.last().map(crate::storage::OfflineRow::index) else { break };
            let next = last.saturating_add(1);
            let notes = log.checkpoints(noted, next)?;
            noted = Some(next);
            if !notes.is_empty() {
                give(Step::Notes(notes.into_iter().map(|checkpoint| note(checkpoint, false)).collect()));
            }
            let mut nodes = Vec::new();
            for passed in tile..next / TILE {
                let mut index = passed;
                for level in 1..=LEVELS {
                    nodes.extend(log.node(level, index)?);
                    if index % TILE != TILE - 1 {
                        break;
                    }
                    index /= TILE;
                }
            }
            if !nodes.is_empty() {
                give(Step::Nodes(nodes));
            }
            *at = next;
            if !give(Step::Rows(rows)) {
                return Ok(());
            }
        }
        if let Some(size) = head.filter(|size| *size < *at) {
            let why = format!("the store has {} records, and its newest checkpoint is of {size}", *at);
            give(Step::Found(Finding::between(Code::UnsignedRecord, size, *at, why)));
        }
        let beyond = log.checkpoints(noted, u64::MAX)?;
        give(Step::Notes(beyond.into_iter().map(|checkpoint| note(checkpoint, false)).collect()));
        give(Step::Nodes(log.nodes_beyond(*at)?));
        if self.deep {
            log.wrong_columns(|index, why| {
                give(Step::Found(Finding::at(Code::ChangedIndex, index, "", why)));
            })?;
        }
        Ok(())
    }
}
