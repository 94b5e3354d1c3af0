//! What the control plane answers.

use crate::Inspect;
use serde::{Deserialize, Serialize};

/// The answer to [`crate::DecisionRequest`]. Its record is durable when it is sent, unless the verdict is
/// [`Verdict::NeedText`] or [`Verdict::Hold`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionAnswer {
    /// The question's `call_id`; an answer to another call is refused by the gate.
    pub call_id: String,
    /// Id of the committed record; empty only for [`Verdict::NeedText`] and [`Verdict::Hold`].
    pub decision_id: String,
    /// Where that record is in the log of the control plane, from 0: a proof of it can be asked for by this or by its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaf: Option<u64>,
    /// What to do.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// A rule of the active bundle reads text: send it along from now on.
    #[serde(default)]
    pub wants_text: bool,
    /// With [`Verdict::Allow`]: what of the call's answer has to be asked about before it goes on.
    #[serde(default, skip_serializing_if = "Inspect::is_nothing")]
    pub inspect: Inspect,
}

/// What to do with the call. JSON: `{"verdict": "deny", "message": "…"}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "verdict", rename_all = "snake_case")]
pub enum Verdict {
    /// Let it out, byte for byte.
    Allow,
    /// Reject it: 403 `AccessDeniedException`.
    Deny {
        /// Names the rule and its message, no more.
        message: String,
    },
    /// Reject it for now: 429 `ThrottlingException`.
    Throttle {
        /// Names the limit.
        message: String,
        /// Seconds, for `retry-after`.
        retry_after_seconds: u32,
    },
    /// Reject it until a person has approved it: 403 `AccessDeniedException`.
    PendingApproval {
        /// Carries the approval id and link.
        message: String,
        /// The approval.
        approval_id: String,
    },
    /// A person may still approve it: nothing is decided, the pending approval is on record. Keep the call, and ask again
    /// with [`crate::DecisionRequest::held`] set to the approval; that answer comes when the person has decided, or when
    /// the time is up.
    Hold {
        /// The approval that is waited for.
        approval_id: String,
        /// Seconds until the second answer comes at the latest; the gate waits a little longer for it.
        seconds: u32,
    },
    /// Nothing was decided or recorded: ask again, with the text.
    NeedText,
}
