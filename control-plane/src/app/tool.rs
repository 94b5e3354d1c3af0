//! One tool call, decided: whoever asks, and wherever it was found.

mod read;

pub(super) use read::names;

use super::call::{Found, Rest};
use super::decide::{Asked, Identified};
use super::{App, Fault};
use crate::clock;
use portcullis_audit::{self as audit, DecisionKind, UNREADABLE_TOOL_RULE};
use portcullis_policy::{Call, Tool};
use portcullis_protocol::{ProposedCall, Verdict};

/// A tool call to decide.
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
    /// Decides a tool call. Asked again under the same `call_id` it gives the same answer.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict; whoever asks must not go on.
    pub(super) async fn decide_tool(&self, question: ToolQuestion) -> Result<ToolAnswer, Fault> {
        let held = question.held.as_ref().map(|(_, wait_ms)| *wait_ms);
        let can_wait = question.can_wait;
        let asked = Asked::Found(Box::new(identified(question)));
        let answered = match held {
            Some(wait_ms) => self.decide_held(asked, wait_ms).await?,
            None => self.decide_first(asked, can_wait).await?,
        };
        Ok(ToolAnswer { decision_id: answered.decision_id, verdict: answered.verdict })
    }
}

/// The question as every other: what policy sees, and what only the record needs.
fn identified(question: ToolQuestion) -> Identified {
    let ToolQuestion {
        mut call, mut rest, proposed, parent, correlation, delegation, released_bytes, ..
    } = question;
    let refused = question.refused;
    call.time = clock::unix_ms();
    let names = read::names(&proposed);
    let arguments = read::arguments(&proposed);
    let origin = read::origin(proposed.origin);
    let unreadable =
        |problem: &String| (UNREADABLE_TOOL_RULE, format!("the tool call cannot be read: {problem}"));
    let refused = refused.or_else(|| arguments.as_ref().err().map(unreadable));
    let recorded = audit::ToolCall {
        id: proposed.id.clone(),
        names: names.clone(),
        origin: origin.to_owned(),
        arguments_sha256: read::digest(&proposed, arguments.as_ref().ok()),
        arguments_bytes: proposed.arguments.len() as u64,
        problem: arguments.as_ref().err().cloned(),
        released_bytes,
    };
    if proposed.agent.is_some() {
        call.agent.id = proposed.agent;
        call.agent.alias = None;
    }
    call.tool = Some(Tool {
        names,
        arguments: arguments.unwrap_or_default(),
        id: proposed.id,
        origin: origin.to_owned(),
    });
    rest.found = Some(Box::new(Found {
        kind: DecisionKind::ToolCall,
        parent,
        correlation,
        delegation,
        tool: Some(recorded),
        text: None,
        refused,
    }));
    Identified { call, rest, unverified: None }
}
