//! The states of an approval, and how they may change.

use crate::ApprovalError;
use serde::{Deserialize, Serialize};
use std::fmt;

/// What became of a question to a person.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Nobody has answered.
    #[default]
    Pending,
    /// Somebody said yes; the call was not made yet.
    Approved,
    /// Somebody said no.
    Denied,
    /// Nobody answered in time, or nobody made the call in time.
    Expired,
    /// The one call that it was for was let out.
    Consumed,
}

impl State {
    /// Every state.
    pub const ALL: [State; 5] =
        [State::Pending, State::Approved, State::Denied, State::Expired, State::Consumed];

    /// The stable name, as stored: `pending`, `approved`, `denied`, `expired`, `consumed`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            State::Pending => "pending",
            State::Approved => "approved",
            State::Denied => "denied",
            State::Expired => "expired",
            State::Consumed => "consumed",
        }
    }

    /// The state of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<State> {
        State::ALL.into_iter().find(|state| state.as_str() == name)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What may be done with an approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Act {
    /// Say yes.
    Approve,
    /// Say no.
    Deny,
    /// Make the call.
    Consume,
    /// Notice that its time is over.
    Expire,
}

impl Act {
    /// Every act.
    pub const ALL: [Act; 4] = [Act::Approve, Act::Deny, Act::Consume, Act::Expire];
}

/// The state after an act. `overdue`: the time of this state is over, whether or not somebody has noticed. `by` is who
/// made the state what it is, for the error.
///
/// # Errors
/// What the act meets instead: an approval that is decided, expired, consumed, not approved, or not due.
pub fn next(state: State, act: Act, overdue: bool, by: &str) -> Result<State, ApprovalError> {
    let decided = || Err(ApprovalError::Decided { state, by: by.to_owned() });
    match (state, act) {
        (State::Expired, _) => Err(ApprovalError::Expired),
        (State::Consumed, _) => Err(ApprovalError::Consumed),
        (State::Pending | State::Approved, Act::Expire) if overdue => Ok(State::Expired),
        (State::Pending | State::Approved, Act::Expire) => Err(ApprovalError::NotDue),
        (State::Pending | State::Approved, _) if overdue => Err(ApprovalError::Expired),
        (State::Pending, Act::Approve) => Ok(State::Approved),
        (State::Pending, Act::Deny) => Ok(State::Denied),
        (State::Pending, Act::Consume) => Err(ApprovalError::NotApproved),
        (State::Approved, Act::Consume) => Ok(State::Consumed),
        (State::Approved, Act::Approve | Act::Deny) | (State::Denied, Act::Approve | Act::Deny) => decided(),
        (State::Denied, Act::Consume) => Err(ApprovalError::NotApproved),
        // A denial is final; after its time it only stops to deny.
        (State::Denied, Act::Expire) => Err(ApprovalError::NotDue),
    }
}
