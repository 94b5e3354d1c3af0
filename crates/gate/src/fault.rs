//! Whatever keeps a decision from being made, and what then happens.

use crate::call_id::CallId;
use crate::config::{FailureMode, Gate};
use crate::event::{CalloutFailure, CalloutReply};
use portcullis_bedrock::Entrance;
use portcullis_protocol::{DecisionAnswer, Inspect, InspectionAnswer, InspectionSubject, Verdict};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// Longest decision or approval id that is taken: it goes into headers and messages.
const MAX_ID: usize = 128;

/// Why there is no decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fault {
    /// The question could not be sent: unknown cluster, no healthy host.
    DispatchFailed,
    /// The callout ended without an HTTP answer.
    NoAnswer,
    /// An HTTP status other than 200, 504 and those of [`Fault::QuestionRefused`]. Envoy's own 503 (no connection) comes
    /// this way, too.
    BadStatus,
    /// The control plane is there, and does not take this question: too long, or not to be understood. What a question
    /// says is the caller's choice, so this never opens the gate, whatever the failure mode.
    QuestionRefused,
    /// Not the JSON of an answer.
    BadAnswer,
    /// An answer whose verdict this gate does not know.
    UnknownVerdict,
    /// An answer to another call.
    WrongCall,
    /// An answer without a decision id that can go into a header: nothing proves a record.
    NoDecisionId,
    /// The control plane asked for text that it already had, or of a question that always carries its text.
    TextTwice,
    /// The control plane wanted something held for an approval that had been held already, or that is refused anyway.
    HeldTwice,
    /// Nothing came before the deadline: the gate's own, or the callout's, which Envoy ends with a 504.
    Deadline,
}

impl Fault {
    /// Every fault, for tests, metrics and documentation.
    pub const ALL: &'static [Self] = &[
        Self::DispatchFailed,
        Self::NoAnswer,
        Self::BadStatus,
        Self::QuestionRefused,
        Self::BadAnswer,
        Self::UnknownVerdict,
        Self::WrongCall,
        Self::NoDecisionId,
        Self::TextTwice,
        Self::HeldTwice,
        Self::Deadline,
    ];

    /// Stable code, see docs/errors.md.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::DispatchFailed => "decision_not_sent",
            Self::NoAnswer => "decision_no_answer",
            Self::BadStatus => "decision_bad_status",
            Self::QuestionRefused => "decision_question_refused",
            Self::BadAnswer => "decision_bad_answer",
            Self::UnknownVerdict => "decision_unknown_verdict",
            Self::WrongCall => "decision_wrong_call",
            Self::NoDecisionId => "decision_no_id",
            Self::TextTwice => "decision_text_twice",
            Self::HeldTwice => "decision_held_twice",
            Self::Deadline => "decision_timeout",
        }
    }
}

/// What an answer to this call says.
#[derive(Debug)]
pub(crate) enum Answered {
    /// The call is decided.
    Decided(Judged),
    /// Nothing was decided: ask again, with the text.
    NeedText,
    /// Nothing was decided: ask again about this approval, and wait for so many seconds.
    Hold { approval_id: String, seconds: u32 },
}

/// An answer that is one to this call and proves a record, whatever its verdict. Only [`judge`] makes one.
#[derive(Debug)]
pub(crate) struct Judged {
    pub(crate) decision_id: String,
    pub(crate) verdict: Verdict,
    pub(crate) wants_text: bool,
    pub(crate) inspect: Inspect,
    _only_here: (),
}

/// Reads the control plane's answer to the question about `call_id`.
pub(crate) fn judge(
    result: Result<CalloutReply<'_>, CalloutFailure>,
    call_id: &CallId,
) -> Result<Answered, Fault> {
    let answer: DecisionAnswer = read(result)?;
    if answer.call_id != call_id.as_str() {
        return Err(Fault::WrongCall);
    }
    let DecisionAnswer { decision_id, verdict, wants_text, inspect, .. } = answer;
    match verdict {
        Verdict::NeedText => Ok(Answered::NeedText),
        Verdict::Hold { approval_id, seconds } if is_id(&approval_id) => {
            Ok(Answered::Hold { approval_id, seconds })
        }
        Verdict::Hold { .. } => Err(Fault::BadAnswer),
        _ if !is_id(&decision_id) => Err(Fault::NoDecisionId),
        _ => Ok(Answered::Decided(Judged { decision_id, verdict, wants_text, inspect, _only_here: () })),
    }
}

/// What an answer to a question about an answer says.
#[derive(Debug)]
pub(crate) enum Inspected {
    /// What was asked about may go on.
    Cleared(Cleared),
    /// It may not.
    Refused {
        /// Names the rule.
        message: String,
        /// What it waits for, where it does.
        approval_id: Option<String>,
    },
    /// Nothing was decided: ask again about this approval, and wait for so many seconds.
    Hold { approval_id: String, seconds: u32 },
}

/// Proof that the control plane lets out what was asked about. Only [`judge_inspection`] makes one.
#[derive(Debug)]
pub(crate) struct Cleared {
    _only_here: (),
}

/// Reads the control plane's answer to question `number` about the answer to `call_id`, as strictly as [`judge`] does. What is
/// asked about a tool call has a record, whatever the verdict; text has one only where a rule concerns it.
pub(crate) fn judge_inspection(
    result: Result<CalloutReply<'_>, CalloutFailure>,
    call_id: &CallId,
    number: u32,
    subject: &InspectionSubject,
) -> Result<Inspected, Fault> {
    let InspectionAnswer { call_id: about, number: which, decision_id, verdict } = read(result)?;
    if about != call_id.as_str() || which != number {
        return Err(Fault::WrongCall);
    }
    match (verdict, subject) {
        (Verdict::NeedText, _) => Err(Fault::TextTwice),
        (Verdict::Hold { approval_id, seconds }, _) if is_id(&approval_id) => {
            Ok(Inspected::Hold { approval_id, seconds })
        }
        (Verdict::Hold { .. }, _) => Err(Fault::BadAnswer),
        (Verdict::Allow, InspectionSubject::Text(_)) if decision_id.is_empty() => {
            Ok(Inspected::Cleared(Cleared { _only_here: () }))
        }
        _ if !is_id(&decision_id) => Err(Fault::NoDecisionId),
        (Verdict::Allow, _) => Ok(Inspected::Cleared(Cleared { _only_here: () })),
        (Verdict::Deny { message } | Verdict::Throttle { message, .. }, _) => {
            Ok(Inspected::Refused { message, approval_id: None })
        }
        (Verdict::PendingApproval { message, approval_id }, _) => {
            Ok(Inspected::Refused { message, approval_id: Some(approval_id) })
        }
    }
}

/// The control plane's answer, or why there is none.
fn read<T: DeserializeOwned>(result: Result<CalloutReply<'_>, CalloutFailure>) -> Result<T, Fault> {
    let reply = result.map_err(|failure| match failure {
        CalloutFailure::NotSent => Fault::DispatchFailed,
        CalloutFailure::NoAnswer => Fault::NoAnswer,
    })?;
    match reply.status {
        200 => {}
        504 => return Err(Fault::Deadline),
        400 | 409 | 411 | 413 | 415 | 422 | 431 => return Err(Fault::QuestionRefused),
        _ => return Err(Fault::BadStatus),
    }
    serde_json::from_slice(reply.body).map_err(|_| unreadable(reply.body))
}

/// Tells an answer of a newer control plane from garbage.
fn unreadable(body: &[u8]) -> Fault {
    #[derive(Deserialize)]
    struct Loose {
        verdict: String,
    }
    const KNOWN: [&str; 6] = ["allow", "deny", "throttle", "pending_approval", "hold", "need_text"];
    match serde_json::from_slice::<Loose>(body) {
        Ok(loose) if !KNOWN.contains(&loose.verdict.as_str()) => Fault::UnknownVerdict,
        _ => Fault::BadAnswer,
    }
}

/// Printable, harmless in a header, and not endless.
fn is_id(id: &str) -> bool {
    (1..=MAX_ID).contains(&id.len())
        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.:".contains(&byte))
}

/// What a fault leads to.
pub(crate) enum Settled {
    /// The call is refused.
    Refuse,
    /// The operator has asked to let calls out undecided.
    FailOpen(FailOpen),
}

/// Proof that the failure mode, and nothing else, lets a call out. Only [`settle`] makes one.
pub(crate) struct FailOpen {
    _only_here: (),
}

/// Whether the gate itself has anything against a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// Nothing.
    Sound,
    /// Nothing, but the control plane has said that it needs a person's approval.
    Held,
    /// It is refused whatever anybody says.
    Malformed,
    /// It went out by a decision that says that its answer must be inspected.
    Inspected,
}

/// Applies the failure mode to a fault. Every error edge ends here: there is no other way from a fault to a verdict.
///
/// A malformed call stays refused, and so does one that the control plane will not hear of, or of which it has said that it
/// waits for an approval, or that its answer must be inspected: that much was decided; and where the gate signs with its own
/// credential nobody passes whom nobody has verified.
pub(crate) fn settle(gate: &Gate, standing: Standing, fault: Fault) -> Settled {
    match (standing, gate.failure_mode, &gate.entrance) {
        _ if fault == Fault::QuestionRefused => Settled::Refuse,
        (Standing::Sound, FailureMode::Open, Entrance::Intercepted) => {
            Settled::FailOpen(FailOpen { _only_here: () })
        }
        (_, FailureMode::Open | FailureMode::Closed, _) => Settled::Refuse,
    }
}

#[cfg(test)]
mod tests;
