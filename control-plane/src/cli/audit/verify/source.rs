//! Where records come from.

use crate::storage::OfflineRow;
use portcullis_audit::log::verify::{Digest, Finding, Line, Node, Whose};
use portcullis_audit::log::{Frontier, Hash, RecordKind};

/// What a source gives, in the order of the log.
#[derive(Debug)]
pub(super) enum Step {
    /// From here on: records that follow on that tree.
    Begin {
        /// The tree before them.
        frontier: Frontier,
        /// Up to which level its nodes are stored; 0: they are not.
        levels: u8,
        /// The kinds whose records are there; empty: all.
        kinds: Vec<RecordKind>,
    },
    /// Checkpoints, before the records that they cover.
    Notes(Vec<Note>),
    /// Stored nodes, before the last record that they cover.
    Nodes(Vec<Node>),
    /// Whole lines of a file.
    Lines(Lines),
    /// Rows of a store.
    Rows(Vec<OfflineRow>),
    /// What the source has found by itself.
    Found(Finding),
}

/// A checkpoint.
#[derive(Debug)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) whose: Whose,
    /// The size and the root that stand beside it.
    pub(super) beside: Option<(u64, Option<Hash>)>,
    /// It covers more than is there: it follows from the first so many records by that proof.
    pub(super) ahead: Option<(u64, Vec<Hash>)>,
    /// The newest of the log: witnesses must have seen it.
    pub(super) newest: bool,
}

impl Note {
    /// One that is kept with the records.
    pub(super) fn kept(text: String) -> Self {
        Note { text, whose: Whose::Kept, beside: None, ahead: None, newest: false }
    }
}

/// Lines of a file.
#[derive(Debug)]
pub(super) struct Lines {
    /// The file's name.
    pub(super) file: std::sync::Arc<str>,
    /// Number of the first, from 1.
    pub(super) first: u64,
    pub(super) bytes: Vec<u8>,
}

impl Lines {
    /// What is left of each record when it was looked at; or why a line is none.
    pub(super) fn digest(&self, deep: bool) -> (Vec<Digest>, Vec<Finding>) {
        use portcullis_audit::log::verify::Code;
        let (mut digests, mut found) = (Vec::new(), Vec::new());
        for (number, line) in (self.first..).zip(self.bytes.split_inclusive(|byte| *byte == b'\n')) {
            let cut = line.strip_suffix(b"\n");
            match Line::parse(cut.unwrap_or(line)) {
                Ok(line) => digests.push(Digest::of_line(&line, deep)),
                Err(error) => {
                    let why = format!("line {number} of `{}`: {error}", self.file);
                    found.push(Finding::of_log(Code::Malformed, why));
                }
            }
        }
        (digests, found)
    }
}

/// A log, or a part of one.
pub(super) trait Source: Send {
    /// What it is called in a state file: that of another one is not taken.
    fn name(&self) -> String;

    /// How many records there are, if that is known before.
    fn total(&self) -> Option<u64>;

    /// Gives everything from that record on, until `give` says that it is enough (`false`).
    ///
    /// # Errors
    /// When it cannot be read to its end.
    fn read(&mut self, from: u64, give: &mut dyn FnMut(Step) -> bool) -> anyhow::Result<()>;
}
