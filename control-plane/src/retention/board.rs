//! How retention is doing: for the API and metrics.

use super::config::Retention;
use super::pass::LastPass;
use std::sync::{Mutex, PoisonError};

/// What is configured, and what the last pass did.
#[derive(Debug, Default)]
pub struct Board(Mutex<(Retention, Option<LastPass>, u64)>);

impl Board {
    pub(super) fn rules(&self, rules: Retention) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).0 = rules;
    }

    pub(super) fn passed(&self, pass: LastPass) {
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.2 += pass.pruned;
        board.1 = Some(pass);
    }

    /// How long records stay, what the last pass did, and how many records were pruned since this process has started.
    #[must_use]
    pub fn view(&self) -> (Retention, Option<LastPass>, u64) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
