//! What is counted.

use crate::fault::Fault;

macro_rules! metrics {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// The counters of the gate, as Envoy statistics (`wasmcustom.` comes before the name there).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Metric { $($(#[$doc])* $name,)* }
        impl Metric {
            /// Every counter; the position of each is its [`Metric::index`].
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];
            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => $text,)* }
            }
            /// Its position in [`Metric::ALL`].
            #[must_use]
            pub const fn index(self) -> usize {
                self as usize
            }
        }
    };
}

metrics! {
    /// Allowed calls.
    Allow = "portcullis.decisions.allow",
    /// Denied calls.
    Deny = "portcullis.decisions.deny",
    /// Throttled calls.
    Throttle = "portcullis.decisions.throttle",
    /// Calls that wait for an approval.
    Pending = "portcullis.decisions.pending",
    /// Calls that the gate refused on its own (malformed).
    Refused = "portcullis.decisions.refused",
    /// Calls for which the control plane wanted text that had not been sent.
    NeedText = "portcullis.decisions.need_text",
    /// Calls that the gate was told to hold for an approval, each once.
    Hold = "portcullis.decisions.hold",
    /// See [`Fault::DispatchFailed`].
    FaultDispatchFailed = "portcullis.faults.not_sent",
    /// See [`Fault::NoAnswer`].
    FaultNoAnswer = "portcullis.faults.no_answer",
    /// See [`Fault::BadStatus`].
    FaultBadStatus = "portcullis.faults.bad_status",
    /// See [`Fault::QuestionRefused`].
    FaultQuestionRefused = "portcullis.faults.question_refused",
    /// See [`Fault::BadAnswer`].
    FaultBadAnswer = "portcullis.faults.bad_answer",
    /// See [`Fault::UnknownVerdict`].
    FaultUnknownVerdict = "portcullis.faults.unknown_verdict",
    /// See [`Fault::WrongCall`].
    FaultWrongCall = "portcullis.faults.wrong_call",
    /// See [`Fault::NoDecisionId`].
    FaultNoDecisionId = "portcullis.faults.no_decision_id",
    /// See [`Fault::TextTwice`].
    FaultTextTwice = "portcullis.faults.text_twice",
    /// See [`Fault::HeldTwice`].
    FaultHeldTwice = "portcullis.faults.held_twice",
    /// See [`Fault::Deadline`].
    FaultDeadline = "portcullis.faults.timeout",
    /// Calls let out without a decision: must stay 0 unless `failure_mode: open` was asked for.
    FailOpen = "portcullis.fail_open",
    /// Clients that went away while their call was held.
    GoneWhileHeld = "portcullis.gone_while_held",
    /// Event streams of AWS's that ended within a frame, or had a wrong checksum.
    StreamBroken = "portcullis.answers.stream_broken",
    /// Answers whose usage is not known because they could not be read.
    AnswerUnread = "portcullis.answers.unread",
    /// Tool calls in answers that the control plane was asked about, each once.
    InspectedToolCalls = "portcullis.inspections.tool_calls",
    /// Stretches of answers' text that the control plane was asked about, each once.
    InspectedTexts = "portcullis.inspections.texts",
    /// Tool calls in answers that the gate was told to hold for an approval, each once.
    InspectionHold = "portcullis.inspections.hold",
    /// Answers stopped for a tool call that is denied.
    AnswerToolCallDenied = "portcullis.answers.blocked.tool_call_denied",
    /// Answers stopped for a tool call that waits for an approval.
    AnswerToolCallPending = "portcullis.answers.blocked.tool_call_pending",
    /// Answers stopped for their text.
    AnswerTextDenied = "portcullis.answers.blocked.text_denied",
    /// Answers stopped because there was no decision about them.
    AnswerUndecided = "portcullis.answers.blocked.inspection_unavailable",
    /// Answers stopped because they must be inspected and cannot be read.
    AnswerUnreadable = "portcullis.answers.blocked.answer_unreadable",
    /// Answers stopped because they must be held and are too large for that.
    AnswerTooLarge = "portcullis.answers.blocked.answer_too_large",
    /// Self-tests in which headers were held.
    SelfTestHeld = "portcullis.selftest.held",
    /// Self-tests in which the request went through.
    SelfTestLeaked = "portcullis.selftest.leaked",
    /// Self-tests without an answer.
    SelfTestSilent = "portcullis.selftest.silent",
    /// Self-tests that did not reach the listener. Envoy's main thread always counts here: its VM serves no calls.
    SelfTestUnreachable = "portcullis.selftest.unreachable",
    /// Outcomes that were acknowledged.
    OutcomesSent = "portcullis.outcomes.sent",
    /// Outcomes that were queued.
    OutcomesQueued = "portcullis.outcomes.queued",
    /// Outcomes that found the queue full.
    OutcomesLost = "portcullis.outcomes.lost",
    /// Batches that were not acknowledged.
    OutcomesFailed = "portcullis.outcomes.failed_batches",
}

impl From<Fault> for Metric {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::DispatchFailed => Self::FaultDispatchFailed,
            Fault::NoAnswer => Self::FaultNoAnswer,
            Fault::BadStatus => Self::FaultBadStatus,
            Fault::QuestionRefused => Self::FaultQuestionRefused,
            Fault::BadAnswer => Self::FaultBadAnswer,
            Fault::UnknownVerdict => Self::FaultUnknownVerdict,
            Fault::WrongCall => Self::FaultWrongCall,
            Fault::NoDecisionId => Self::FaultNoDecisionId,
            Fault::TextTwice => Self::FaultTextTwice,
            Fault::HeldTwice => Self::FaultHeldTwice,
            Fault::Deadline => Self::FaultDeadline,
        }
    }
}
