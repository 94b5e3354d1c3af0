//! Why a question got no verdict. The gate refuses the call, whichever it is.

use crate::sinks::{CommitError, SecondError};
use crate::storage::StoreError;
use std::time::Duration;

/// No verdict.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The question cannot be understood.
    #[error("{0}")]
    Question(String),
    /// An inspection names a decision that is not there.
    #[error("there is no decision `{0}`")]
    NoDecision(String),
    /// What was known of the call is not on record, and not in memory any more.
    #[error(
        "what the call of decision `{0}` was made with is redacted on record and not in memory any more (this process was \
         started after it, or too many calls are in flight), so nothing in its answer can be decided"
    )]
    Forgotten(String),
    /// No bundle has loaded.
    #[error("no policy bundle is loaded; see /readyz for why")]
    NoBundle,
    /// The record could not be made durable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record was not durable in time.
    #[error("the record was not durable within {} ms", .0.as_millis())]
    CommitTimeout(Duration),
    /// The second sink does not have the record, and must.
    #[error(transparent)]
    Sink(#[from] SecondError),
    /// Something that should not be: a bug.
    #[error("{0}")]
    Inconsistent(&'static str),
}

impl From<CommitError> for Fault {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Store(error) => Fault::Store(error),
            CommitError::Timeout(deadline) => Fault::CommitTimeout(deadline),
            CommitError::Second(error) => Fault::Sink(error),
        }
    }
}

impl Fault {
    /// Stable code, for clients and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Fault::Question(_) => "bad_question",
            Fault::NoDecision(_) => "decision_not_found",
            Fault::Sink(SecondError::Down(_)) => "sink_down",
            Fault::Sink(SecondError::Timeout(_)) => "sink_timeout",
            Fault::Forgotten(_) => "call_forgotten",
            Fault::NoBundle => "no_bundle",
            Fault::Store(StoreError::Overloaded(_)) => "store_overloaded",
            Fault::Store(StoreError::CallIdReused(_)) => "call_id_reused",
            Fault::Store(StoreError::ApprovalChanged) => "approval_changed",
            Fault::Store(StoreError::Unavailable(_) | StoreError::Closed) => "store_unavailable",
            Fault::Store(StoreError::Inconsistent(_)) | Fault::Inconsistent(_) => "internal",
            Fault::CommitTimeout(_) => "commit_timeout",
        }
    }
}
