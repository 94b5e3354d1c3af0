//! How the second sink is doing, and waiting for it.

use super::thread::Thread;
use serde::Serialize;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The second sink, as those see it who wait for it.
#[derive(Debug)]
pub(super) struct Second {
    pub(super) thread: Thread,
    state: watch::Sender<State>,
    trouble: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct State {
    /// Records of the log that are durable there: all before this index.
    durable: u64,
    /// It keeps up.
    up: bool,
}

/// Why the second sink does not have a record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SecondError {
    /// It is known to take nothing.
    #[error("the second sink of the audit is down: {0}")]
    Down(String),
    /// It took too long.
    #[error("the second sink of the audit had the record not within {} ms", .0.as_millis())]
    Timeout(Duration),
}

impl Second {
    pub(super) fn new(thread: Thread) -> Self {
        Second {
            thread,
            state: watch::Sender::new(State::default()),
            trouble: Mutex::new(Some("it was not opened yet".to_owned())),
        }
    }

    /// Waits until it has all records before that index.
    pub(super) async fn wait(&self, end: u64, deadline: Duration) -> Result<(), SecondError> {
        let mut state = self.state.subscribe();
        // Also whoever waits is told when it goes down.
        let reached = state.wait_for(|state| state.durable >= end || !state.up);
        match tokio::time::timeout(deadline, reached).await {
            Ok(Ok(state)) if state.durable >= end => Ok(()),
            Ok(_) => Err(SecondError::Down(self.why())),
            Err(_) => {
                let error = SecondError::Timeout(deadline);
                self.down(&format!("a write took longer than {} ms", deadline.as_millis()));
                Err(error)
            }
        }
    }

    /// An error where it is known to be down.
    pub(super) fn check(&self) -> Result<(), SecondError> {
        if self.is_up() { Ok(()) } else { Err(SecondError::Down(self.why())) }
    }

    pub(super) fn is_up(&self) -> bool {
        self.state.borrow().up
    }

    pub(super) fn durable(&self) -> u64 {
        self.state.borrow().durable
    }

    pub(super) fn why(&self) -> String {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone().unwrap_or_default()
    }

    /// It has all records before that index; `up`: there are no others.
    pub(super) fn reached(&self, durable: u64, up: bool) {
        if up {
            *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        let was = self.state.send_replace(State { durable, up: up || self.is_up() });
        if up && !was.up {
            tracing::info!(durable, "the second sink of the audit is up");
        }
    }

    pub(super) fn down(&self, why: &str) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = Some(why.to_owned());
        let mut was = false;
        self.state.send_modify(|state| was = std::mem::replace(&mut state.up, false));
        if was {
            tracing::error!(why, "the second sink of the audit is down");
        }
    }
}

/// The state of the second sink.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SecondHealth {
    /// `any` or `all`.
    pub require: String,
    /// It has everything, and takes what comes.
    pub up: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Records of the log that it does not have yet.
    pub behind: u64,
    /// Decisions that are durable there and not in the store yet.
    pub spilled: u64,
}
