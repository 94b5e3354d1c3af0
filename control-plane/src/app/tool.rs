//! One tool call, decided: whoever asks, and wherever it was found.

use super::call::Rest;
use super::{App, Fault};
use portcullis_policy::Call;
use portcullis_protocol::{ProposedCall, Verdict};

/// A tool call to decide.
#[expect(dead_code, reason = "decided from the next commit on")]
pub(super) struct ToolQuestion {
    /// The call in whose answer it was found, or what whoever runs the tool says of himself; its `tool` is not filled yet.
    pub(super) call: Call,
    /// The same for the record. Its `call_id` names this question.
    pub(super) rest: Rest,
    /// The tool call.
    pub(super) proposed: ProposedCall,
    /// The decision that let the call out in whose answer it was found.
    pub(super) parent: Option<String>,
    /// What it belongs to; `None` to find that out.
    pub(super) correlation: Option<String>,
    /// On whose behalf, the nearest first.
    pub(super) delegation: Vec<String>,
    /// Bytes of the answer that had left.
    pub(super) released_bytes: Option<u64>,
    /// A built-in rule that refuses it whatever policy says, and why: recorded as a denial by that rule
    /// ([`portcullis_audit::TOKEN_SCOPE_RULE`]).
    pub(super) refused: Option<(&'static str, String)>,
    /// The approval that is waited for, and how long at most in milliseconds.
    pub(super) held: Option<(String, Option<u64>)>,
    /// Whoever asks can wait for a person ([`Verdict::Hold`]).
    pub(super) can_wait: bool,
}

/// What is decided. Its record is durable, unless the verdict is [`Verdict::Hold`].
#[derive(Debug)]
pub(super) struct ToolAnswer {
    /// Id of the record; empty with [`Verdict::Hold`].
    pub(super) decision_id: String,
    /// What to do.
    pub(super) verdict: Verdict,
}

impl App {
    /// Decides a tool call.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict; whoever asks must not go on.
    pub(super) async fn decide_tool(&self, question: ToolQuestion) -> Result<ToolAnswer, Fault> {
        let _ = (&self.store, question);
        Err(Fault::Inconsistent("tool calls are not decided yet"))
    }
}
