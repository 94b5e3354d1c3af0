//! One question to a person, and what became of it.

use crate::{Act, ApprovalError, Approver, MAX_WHY, State, Subject, next};
use serde::{Deserialize, Serialize};

/// A question to a person: may this call be made? Its id names it; its digest and its rule say what it is about.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    /// `apr_` and hex digits.
    pub id: String,
    /// What became of it.
    pub state: State,
    /// The rule that asks.
    pub rule: String,
    /// Its message, for whoever answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// Hex SHA-256 of the canonical JSON of `call`.
    pub digest: String,
    /// The call; what it is bound to.
    pub call: Subject,
    /// What else is known, and not bound.
    #[serde(default)]
    pub context: Context,
    /// Unix milliseconds.
    pub created_at_ms: u64,
    /// Unix milliseconds: until then somebody may answer, and until then a denial denies.
    pub expires_at_ms: u64,
    /// How long the call may be made once it is approved, in milliseconds.
    pub valid_for_ms: u64,
    /// Unix milliseconds until which an approved call may be made; absent before it is approved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until_ms: Option<u64>,
    /// Who makes the call may answer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub allow_self: bool,
    /// Globs of the names or principals of those who may answer; empty: everybody.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvers: Vec<String>,
    /// Every change of `state`, the first one first.
    #[serde(default)]
    pub history: Vec<Transition>,
}

/// What is known of a call that asks, and that may differ when the same call is sent again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(default)]
pub struct Context {
    /// The principal's tenant.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// How sure the principal is, such as `claimed`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub assurance: String,
    /// Peer address without port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// `user-agent`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The gate that asked first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub gate: String,
    /// The gate's name for the call that asked first.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub call_id: String,
    /// Bundle whose rule asks: name, version and digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bundle: String,
    /// Its version.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bundle_version: String,
    /// Its digest.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub bundle_digest: String,
}

/// One change of an approval's state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Transition {
    /// The state before; absent when it was asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<State>,
    /// The state after.
    pub to: State,
    /// Unix milliseconds.
    pub at_ms: u64,
    /// Who: an approver, the gate whose call it was, or `portcullis`.
    pub by: String,
    /// Why, in the words of whoever did it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub why: String,
}

/// Something that somebody does with an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// Say yes.
    Approve {
        /// Who.
        by: Approver,
        /// Why.
        why: String,
    },
    /// Say no.
    Deny {
        /// Who.
        by: Approver,
        /// Why.
        why: String,
    },
    /// Let the call out.
    Consume {
        /// The gate.
        by: String,
        /// Which call.
        call_id: String,
    },
    /// Notice that its time is over.
    Expire,
}

impl Step {
    /// What it does to the state.
    #[must_use]
    pub const fn act(&self) -> Act {
        match self {
            Step::Approve { .. } => Act::Approve,
            Step::Deny { .. } => Act::Deny,
            Step::Consume { .. } => Act::Consume,
            Step::Expire => Act::Expire,
        }
    }
}

impl Approval {
    /// Sets the first entry of `history`, from what the other fields say.
    #[must_use]
    pub fn asked(mut self) -> Self {
        let by = self.call.principal.clone();
        let asked =
            Transition { from: None, to: State::Pending, at_ms: self.created_at_ms, by, why: String::new() };
        self.state = State::Pending;
        self.history = vec![asked];
        self
    }

    /// The approval after a step at `at_ms` (Unix milliseconds).
    ///
    /// # Errors
    /// Why not; see [`ApprovalError`]. Nothing has changed then.
    pub fn step(&self, step: &Step, at_ms: u64) -> Result<Approval, ApprovalError> {
        let to = next(self.state, step.act(), self.overdue(at_ms), self.last_by())?;
        let (by, why) = match step {
            Step::Approve { by, why } | Step::Deny { by, why } => {
                by.check(&self.call.principal, self.allow_self, &self.approvers)?;
                if why.chars().count() > MAX_WHY {
                    return Err(ApprovalError::Invalid(format!("`why` is longer than {MAX_WHY} characters")));
                }
                (by.shown(), why.clone())
            }
            Step::Consume { by, call_id } => (by.clone(), format!("call {call_id}")),
            Step::Expire => {
                let why = match self.state {
                    State::Approved => "the call was not made in time",
                    _ => "nobody answered in time",
                };
                ("portcullis".to_owned(), why.to_owned())
            }
        };
        let mut after = self.clone();
        after.history.push(Transition { from: Some(self.state), to, at_ms, by, why });
        after.state = to;
        if to == State::Approved {
            after.valid_until_ms = Some(at_ms.saturating_add(self.valid_for_ms));
        }
        Ok(after)
    }

    /// The time of its state is over: nobody can answer any more, or what was approved can no longer be used, or what was
    /// denied may be asked again. Never so for the states that say themselves that it is over.
    #[must_use]
    pub fn overdue(&self, at_ms: u64) -> bool {
        self.due_ms().is_some_and(|due| at_ms >= due)
    }

    /// When the time of its state is over, Unix milliseconds; `None` when it is over.
    #[must_use]
    pub fn due_ms(&self) -> Option<u64> {
        match self.state {
            State::Pending | State::Denied => Some(self.expires_at_ms),
            State::Approved => Some(self.valid_until_ms.unwrap_or(0)),
            State::Expired | State::Consumed => None,
        }
    }

    /// Who made the state what it is.
    #[must_use]
    pub fn last_by(&self) -> &str {
        self.history.last().map(|last| last.by.as_str()).unwrap_or_default()
    }
}
