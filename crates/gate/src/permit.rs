//! Authorisation as a value.

use crate::fault::FailOpen;
use crate::fault::Judged;
use portcullis_protocol::{Inspect, Verdict};

/// The right of one request to go on. There is no way to make one outside this file, and only two ways in it: from the
/// control plane's `allow` to this very call, or from a fault under `failure_mode: open`.
#[derive(Debug, PartialEq, Eq)]
pub struct Permit(Grant);

#[derive(Debug, PartialEq, Eq)]
enum Grant {
    /// A decision whose record is durable.
    Decided { decision_id: String, inspect: Inspect },
    /// No decision: let out because the operator asked for it. Counted, and reported later.
    FailOpen,
}

impl Permit {
    /// A permit, if the judged answer allows; its verdict otherwise. A [`Judged`] answer is known to be one to this call
    /// and to have a decision id.
    pub(crate) fn from_answer(judged: Judged) -> Result<Self, Judged> {
        match judged.verdict {
            Verdict::Allow => {
                Ok(Self(Grant::Decided { decision_id: judged.decision_id, inspect: judged.inspect }))
            }
            _ => Err(judged),
        }
    }

    /// The loud kind.
    pub(crate) fn fail_open(_: FailOpen) -> Self {
        Self(Grant::FailOpen)
    }

    /// The decision; `None` for a call let out without one.
    #[must_use]
    pub fn decision_id(&self) -> Option<&str> {
        match &self.0 {
            Grant::Decided { decision_id, .. } => Some(decision_id),
            Grant::FailOpen => None,
        }
    }

    /// What of the answer has to be asked about before it goes on: nothing where nobody was asked about the call.
    pub(crate) fn inspect(&self) -> Inspect {
        match &self.0 {
            Grant::Decided { inspect, .. } => *inspect,
            Grant::FailOpen => Inspect::default(),
        }
    }

    /// A second handle on the same authorisation, to be kept beside the one that resumes.
    pub(crate) fn keep(&self) -> Self {
        Self(match &self.0 {
            Grant::Decided { decision_id, inspect } => {
                Grant::Decided { decision_id: decision_id.clone(), inspect: *inspect }
            }
            Grant::FailOpen => Grant::FailOpen,
        })
    }
}
