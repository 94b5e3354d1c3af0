//! Calls that were let out and have no outcome yet. What is kept is what is open: about 20 bytes per open call.

use super::finding::{Code, Finding};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Open calls, by 64 bits of the hash of their id; each with the index of the record.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Calls {
    /// Allowed, no outcome.
    open: HashMap<u64, u64>,
    /// Nobody reported in time; a late report may come.
    unknown: HashMap<u64, u64>,
    /// Let out, and no decision so far: an outcome may overtake its decision.
    early: HashMap<u64, u64>,
}

impl Calls {
    pub(super) fn allowed(&mut self, call: u64, index: u64) {
        if self.early.remove(&call).is_none() {
            self.open.insert(call, index);
        }
    }

    pub(super) fn outcome(&mut self, call: u64, index: u64, unknown: bool, forwarded: bool) {
        match (self.open.remove(&call), unknown) {
            (Some(_), true) => {
                self.unknown.insert(call, index);
            }
            (Some(_), false) => {}
            (None, _) if self.unknown.remove(&call).is_some() => {}
            // What the gate refused by itself needs no decision.
            (None, false) if !forwarded => {}
            (None, _) => {
                self.early.insert(call, index);
            }
        }
    }

    /// What is open at the end. `whole`: the log was read from its first record on.
    pub(super) fn finish(self, whole: bool) -> Vec<Finding> {
        let sorted = |calls: HashMap<u64, u64>| {
            let mut indexes: Vec<_> = calls.into_values().collect();
            indexes.sort_unstable();
            indexes
        };
        let about = |indexes: Vec<u64>, code, why: &'static str| {
            indexes.into_iter().map(move |index| Finding::at(code, index, "", why))
        };
        let early = if whole { sorted(self.early) } else { Vec::new() };
        let open = about(
            sorted(self.open),
            Code::DecisionWithoutOutcome,
            "the call was let out; its outcome is not on record",
        );
        let unknown = about(
            sorted(self.unknown),
            Code::OutcomeUnknown,
            "nobody reported in time what became of the call",
        );
        let why = "the call was let out; no decision on it is on record";
        open.chain(unknown).chain(about(early, Code::OutcomeWithoutDecision, why)).collect()
    }
}
