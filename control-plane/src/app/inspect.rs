//! What is asked of an answer while it passes: a tool call that it proposes, or a stretch of its text. Who called, with what,
//! is taken from the record of the decision that let the call out.

use super::call::Found;
use super::decide::{Answered, Asked, Identified};
use super::recall;
use super::tool::{ToolAnswer, ToolQuestion};
use super::{App, Fault};
use crate::clock;
use crate::redaction::Redactor;
use crate::telemetry::InspectionPhase;
use portcullis_audit::{self as audit, DecisionKind, DecisionRecord, VerdictKind};
use portcullis_policy::Response;
use portcullis_protocol::{AnswerText, Inspection, InspectionAnswer, InspectionSubject};
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// Records of calls whose answers are asked about, the newest: an answer with text is asked about many times.
#[derive(Debug, Default)]
pub(super) struct Parents(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_id: HashMap<String, Arc<DecisionRecord>>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// Records that are remembered.
const REMEMBERED: usize = 1_024;

impl Parents {
    fn get(&self, decision_id: &str) -> Option<Arc<DecisionRecord>> {
        self.lock().by_id.get(decision_id).cloned()
    }

    fn put(&self, record: &Arc<DecisionRecord>) {
        let mut remembered = self.lock();
        let id = record.decision_id.clone();
        if remembered.by_id.insert(id.clone(), Arc::clone(record)).is_none() {
            remembered.order.push_back(id);
        }
        if remembered.order.len() > REMEMBERED
            && let Some(oldest) = remembered.order.pop_front()
        {
            remembered.by_id.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// Decides what was found in an answer. Where the verdict rests on a rule, or it is a tool call, its record is durable
    /// when this is `Ok`. Asked again it gives the same answer.
    ///
    /// # Errors
    /// [`Fault`]: there is no verdict, and what is asked about must not go on.
    pub async fn inspect(&self, question: Inspection) -> Result<InspectionAnswer, Fault> {
        let subject = match question.subject {
            InspectionSubject::ToolCall(_) => "tool_call",
            InspectionSubject::Text(_) => "text",
        };
        let started = Instant::now();
        let waits = question.held.is_some();
        let result = self.try_inspect(question).await;
        match &result {
            Ok(answer) => self.telemetry.inspected(subject, &answer.verdict),
            Err(fault) => self.telemetry.fault(fault.code()),
        }
        // A person takes longer than any bucket.
        if !waits {
            self.telemetry.inspection_phase(InspectionPhase::Total, started.elapsed());
        }
        result
    }

    async fn try_inspect(&self, question: Inspection) -> Result<InspectionAnswer, Fault> {
        super::decide::check(question.version, &question.call_id)?;
        if question.number == 0 {
            return Err(Fault::Question("`number` counts from 1".to_owned()));
        }
        let Inspection { call_id, decision_id, gate, number, subject, released_bytes, held, wait_ms, .. } =
            question;
        let started = Instant::now();
        let parent = self.parent(decision_id, &call_id).await?;
        self.telemetry.inspection_phase(InspectionPhase::Recall, started.elapsed());
        let name = format!("{call_id}#{number}");
        let (parent_id, correlation) = (parent.decision_id.clone(), parent.correlation_id.clone());
        let delegation = parent.delegation.clone();
        let (mut call, mut rest) = recall::parts(DecisionRecord::clone(&parent));
        call.time = clock::unix_ms();
        rest.call_id = name;
        rest.gate = gate;
        let (decision_id, verdict) = match subject {
            InspectionSubject::ToolCall(proposed) => {
                let question = ToolQuestion {
                    call,
                    rest,
                    proposed,
                    parent: Some(parent_id),
                    correlation,
                    delegation,
                    released_bytes: Some(released_bytes),
                    refused: None,
                    held: held.map(|approval| (approval, wait_ms)),
                    can_wait: true,
                };
                let ToolAnswer { decision_id, verdict } = self.decide_tool(question).await?;
                (decision_id, verdict)
            }
            InspectionSubject::Text(text) => {
                let found = Found {
                    kind: DecisionKind::AnswerText,
                    parent: Some(parent_id),
                    correlation,
                    delegation,
                    tool: None,
                    text: Some(recorded(&text, released_bytes)?),
                    refused: None,
                };
                rest.found = Some(Box::new(found));
                call.response = Some(Response { text: text.text });
                let identified = Identified { call, rest, unverified: None };
                let Answered { decision_id, verdict, .. } =
                    self.decide_first(Asked::Found(Box::new(identified)), false).await?;
                (decision_id, verdict)
            }
        };
        Ok(InspectionAnswer { call_id, number, decision_id, verdict })
    }

    /// The record of the decision that let the call out.
    async fn parent(&self, decision_id: String, call_id: &str) -> Result<Arc<DecisionRecord>, Fault> {
        let record = match self.parents.get(&decision_id) {
            Some(record) => record,
            None => {
                let spilled = self.sinks.as_ref().and_then(|sinks| sinks.find(&decision_id));
                let found = match spilled {
                    Some(spilled) => spilled.record.clone(),
                    None => {
                        let found = self.store.decision(decision_id.clone()).await?;
                        found.ok_or(Fault::NoDecision(decision_id))?.record
                    }
                };
                let record = Arc::new(self.as_asked(found)?);
                self.parents.put(&record);
                record
            }
        };
        let problem = if record.call_id != call_id {
            "it is that of another call"
        } else if record.kind != DecisionKind::Call {
            "it is none on a call to Bedrock"
        } else if record.verdict.kind != VerdictKind::Allow {
            "it did not let the call out"
        } else {
            return Ok(record);
        };
        Err(Fault::Question(format!(
            "decision `{}` has no answer to ask about: {problem}",
            record.decision_id
        )))
    }
}

impl App {
    /// A record with what was taken out of it: a rule must see of an answer's call what it saw of the call. Where that is known
    /// no more, nothing is decided, so that no rule silently does not hold.
    fn as_asked(&self, record: DecisionRecord) -> Result<DecisionRecord, Fault> {
        if record.redaction.as_ref().is_none_or(|redaction| !Redactor::hides(redaction)) {
            return Ok(record);
        }
        match self.in_flight.get(&record.call_id) {
            Some(clear) => Ok(DecisionRecord {
                decision_id: record.decision_id,
                decided_at_ms: record.decided_at_ms,
                correlation_id: record.correlation_id,
                ..DecisionRecord::clone(&clear)
            }),
            None => Err(Fault::Forgotten(record.decision_id)),
        }
    }
}

fn recorded(text: &AnswerText, released_bytes: u64) -> Result<audit::AnswerText, Fault> {
    let bytes = text.text.len() as u64;
    let fresh = u64::from(text.fresh);
    if fresh > bytes || !text.text.is_char_boundary(text.text.len() - text.fresh as usize) {
        return Err(Fault::Question("`fresh` is no part of `text`".to_owned()));
    }
    let sha256 = hex::encode(Sha256::digest(&text.text));
    Ok(audit::AnswerText { sha256, bytes, fresh, before: text.before, released_bytes })
}
