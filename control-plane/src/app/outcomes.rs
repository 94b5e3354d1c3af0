//! What became of the calls.

use super::{App, Fault};
use crate::clock;
use crate::storage::{Event, EventKind};
use portcullis_audit::{Assurance, OutcomeRecord, OutcomeState, SCHEMA};
use portcullis_bedrock::answer::{IdentityCheck, identity_check};
use portcullis_protocol::{Outcome, OutcomeAck, OutcomeBatch, OutcomeKind};

impl App {
    /// Takes a batch. When this is `Ok`, all of it is durable; repeated outcomes are taken and change nothing.
    ///
    /// # Errors
    /// [`Fault`]: nothing was taken, the gate sends the batch again.
    pub async fn take_outcomes(&self, batch: OutcomeBatch) -> Result<OutcomeAck, Fault> {
        if batch.version != portcullis_protocol::VERSION {
            return Err(Fault::Question(format!("protocol version {} is not spoken here", batch.version)));
        }
        if let Some(at) = batch.outcomes.iter().position(|outcome| outcome.call_id.is_empty()) {
            return Err(Fault::Question(format!("`outcomes[{at}].call_id` is empty")));
        }
        let accepted = u64::try_from(batch.outcomes.len()).unwrap_or(u64::MAX);
        let gap = gap(&batch);
        let now_ms = clock::unix_ms();
        let records: Vec<_> =
            batch.outcomes.into_iter().map(|outcome| record(outcome, &batch.gate, now_ms)).collect();
        let states: Vec<_> = records.iter().map(|record| record.state).collect();
        let deadline = self.settings.commit_timeout;
        let commit = self.store.commit_outcomes(records, gap);
        let result = tokio::time::timeout(deadline, commit).await.map_err(|_| Fault::CommitTimeout(deadline));
        if let Err(fault) = result.and_then(|taken| taken.map_err(Fault::from)) {
            self.telemetry.fault(fault.code());
            return Err(fault);
        }
        self.telemetry.outcomes(&states);
        if batch.unaudited > 0 || batch.lost > 0 {
            self.telemetry.gap(batch.unaudited, batch.lost);
            tracing::error!(
                gate = batch.gate,
                unaudited = batch.unaudited,
                lost = batch.lost,
                "a gate reports calls without a record, or outcomes that it lost"
            );
        }
        Ok(OutcomeAck { accepted })
    }
}

/// A batch whose acknowledgement gets lost is sent again, and its gap counted again: rather too many than too few.
fn gap(batch: &OutcomeBatch) -> Option<Event> {
    (batch.unaudited > 0 || batch.lost > 0).then(|| Event {
        kind: EventKind::Gap,
        actor: batch.gate.clone(),
        detail: serde_json::json!({ "unaudited": batch.unaudited, "lost": batch.lost }),
    })
}

fn record(outcome: Outcome, gate: &str, now_ms: u64) -> OutcomeRecord {
    let assurance = assurance(&outcome);
    OutcomeRecord {
        schema: SCHEMA,
        call_id: outcome.call_id,
        decision_id: outcome.decision_id,
        gate: gate.to_owned(),
        state: match outcome.outcome {
            OutcomeKind::Completed => OutcomeState::Completed,
            OutcomeKind::Failed => OutcomeState::Failed,
            OutcomeKind::Blocked => OutcomeState::Blocked,
            OutcomeKind::Aborted => OutcomeState::Aborted,
        },
        reason: outcome.reason,
        status: outcome.status,
        aws_request_id: outcome.aws_request_id,
        error_type: outcome.error_type,
        forwarded: outcome.forwarded,
        response_bytes: outcome.response_bytes,
        duration_ms: outcome.duration_ms,
        decision_ms: outcome.decision_ms,
        ended_at_ms: outcome.ended_at_ms,
        recorded_at_ms: now_ms,
        assurance,
    }
}

/// What AWS's answer says of the caller. Only an answer that came from AWS counts: the call was forwarded, and AWS named
/// its request or the exchange ran to its end.
fn assurance(outcome: &Outcome) -> Option<Assurance> {
    let from_aws =
        outcome.forwarded && (outcome.aws_request_id.is_some() || outcome.outcome == OutcomeKind::Completed);
    let status = outcome.status.filter(|_| from_aws)?;
    match identity_check(status, outcome.error_type.as_deref()) {
        IdentityCheck::Confirmed => Some(Assurance::Confirmed),
        IdentityCheck::Rejected => Some(Assurance::Rejected),
        IdentityCheck::Silent => None,
    }
}
