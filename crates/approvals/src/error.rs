//! Why something cannot be done with an approval.

use crate::State;

/// Why something cannot be done with an approval or a grant.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// There is none of that id.
    #[error("there is no approval `{0}`; list them with `portcullis approvals list`")]
    Unknown(String),
    /// Its time is over.
    #[error("its time is over; the next call asks again")]
    Expired,
    /// The call that it was for was made.
    #[error("the call that it was for has been let out already")]
    Consumed,
    /// Somebody has answered before.
    #[error("it is {state} already, by {by}")]
    Decided {
        /// `approved` or `denied`.
        state: State,
        /// Who.
        by: String,
    },
    /// Who asks for the call may not answer.
    #[error(
        "`{0}` is who makes the call; somebody else must answer (the rule's `approval.allow_self` would permit it)"
    )]
    Own(String),
    /// Not one of those who may answer.
    #[error("`{by}` may not answer this: its approvers are {approvers}")]
    Foreign {
        /// Who tried.
        by: String,
        /// Who may.
        approvers: String,
    },
    /// Nobody has said yes.
    #[error("nobody has approved it")]
    NotApproved,
    /// Its time is not over.
    #[error("its time is not over")]
    NotDue,
    /// A wish that makes no sense.
    #[error("{0}")]
    Invalid(String),
}
