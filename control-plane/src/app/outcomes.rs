//! What became of the calls.

use super::{App, Fault};
use crate::clock;
use crate::storage::{Event, EventKind};
use portcullis_audit::{Assurance, OutcomeRecord, OutcomeState, SCHEMA};
use portcullis_bedrock::CredentialKind as Form;
use portcullis_bedrock::answer::{IdentityCheck, identity_check, identity_check_of};
use portcullis_protocol::{
    AnswerFacts, CredentialKind, Outcome, OutcomeAck, OutcomeBatch, OutcomeKind, ToolOrigin,
};
use std::time::Duration;

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
        let mut records: Vec<_> =
            batch.outcomes.into_iter().map(|outcome| record(outcome, &batch.gate, now_ms)).collect();
        records.iter_mut().for_each(|record| self.redactor.outcome(record));
        let calls: Vec<_> = records.iter().map(|record| record.call_id.clone()).collect();
        let states: Vec<_> = records.iter().map(|record| record.state).collect();
        let deadline = self.settings.commit_timeout;
        if let Err(fault) = self.record_outcomes(records, gap, deadline).await {
            self.telemetry.fault(fault.code());
            return Err(fault);
        }
        calls.iter().for_each(|call| self.in_flight.forget(call));
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

    /// Where a second sink must have them, they are acknowledged when it has. A gate sends again what was not.
    async fn record_outcomes(
        &self,
        records: Vec<OutcomeRecord>,
        gap: Option<Event>,
        deadline: Duration,
    ) -> Result<(), Fault> {
        if let Some(sinks) = &self.sinks {
            sinks.check()?;
        }
        let commit = self.store.commit_outcomes(records, gap);
        tokio::time::timeout(deadline, commit).await.map_err(|_| Fault::CommitTimeout(deadline))??;
        match &self.sinks {
            Some(sinks) => Ok(sinks.settled(&*self.store).await?),
            None => Ok(()),
        }
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
        usage: outcome.usage.map(|used| portcullis_audit::Usage {
            input_tokens: used.input_tokens,
            output_tokens: used.output_tokens,
            cache_read_tokens: used.cache_read_tokens,
            cache_write_tokens: used.cache_write_tokens,
            tool_calls: used.tool_calls,
        }),
        answer: outcome.answer.map(|facts| Box::new(answer(*facts))),
    }
}

fn answer(facts: AnswerFacts) -> portcullis_audit::Answer {
    let AnswerFacts {
        first_byte_ms,
        sha256,
        stop_reason,
        guardrail,
        models,
        tool_calls,
        session,
        counted_tokens,
        flaw,
    } = facts;
    portcullis_audit::Answer {
        first_byte_ms,
        sha256,
        stop_reason,
        guardrail: guardrail
            .map(|said| portcullis_audit::Guardrail { action: said.action, policies: said.policies }),
        models,
        tool_calls: tool_calls
            .into_iter()
            .map(|call| portcullis_audit::SeenCall {
                id: call.id,
                name: call.name,
                origin: origin(call.origin).to_owned(),
            })
            .collect(),
        session,
        counted_tokens,
        flaw,
    }
}

/// The wire name.
pub(super) const fn origin(origin: ToolOrigin) -> &'static str {
    match origin {
        ToolOrigin::Model => "model",
        ToolOrigin::Server => "server",
        ToolOrigin::ReturnControl => "return_control",
        ToolOrigin::Agent => "agent",
        ToolOrigin::Guard => "guard",
    }
}

const fn credential_kind(kind: CredentialKind) -> Form {
    match kind {
        CredentialKind::None => Form::None,
        CredentialKind::Sigv4 => Form::Sigv4,
        CredentialKind::Sigv4a => Form::Sigv4a,
        CredentialKind::Presigned => Form::Presigned,
        CredentialKind::BearerShortTerm => Form::BearerShortTerm,
        CredentialKind::BearerLongTerm => Form::BearerLongTerm,
        CredentialKind::BearerOther => Form::BearerOther,
        CredentialKind::ApiKey => Form::ApiKey,
    }
}

/// What AWS's answer says of the caller. Only an answer that came from AWS counts: the call was forwarded, and AWS named
/// its request or the exchange ran to its end. Of a call that went out the gate stops good answers only; the status is its own
/// then, where it has replaced one.
fn assurance(outcome: &Outcome) -> Option<Assurance> {
    if outcome.forwarded && outcome.outcome == OutcomeKind::Blocked {
        return match outcome.credential {
            Some(CredentialKind::None) => None,
            _ => Some(Assurance::Confirmed),
        };
    }
    let from_aws =
        outcome.forwarded && (outcome.aws_request_id.is_some() || outcome.outcome == OutcomeKind::Completed);
    let status = outcome.status.filter(|_| from_aws)?;
    let error = outcome.error_type.as_deref();
    let check = match outcome.credential {
        Some(kind) => identity_check_of(credential_kind(kind), status, error),
        None => identity_check(status, error),
    };
    match check {
        IdentityCheck::Confirmed => Some(Assurance::Confirmed),
        IdentityCheck::Rejected => Some(Assurance::Rejected),
        IdentityCheck::Silent => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn aws_s_answer_confirms_or_rejects_what_the_credential_claims() {
        let sample = include_str!("../../../testdata/api/outcome.json");
        for (credential, status, error, expected) in [
            (Some(CredentialKind::Sigv4), 200, None, Some(Assurance::Confirmed)),
            (Some(CredentialKind::Sigv4), 403, Some("AccessDeniedException"), Some(Assurance::Confirmed)),
            // A bearer key that AWS does not know is refused by that name, too.
            (Some(CredentialKind::BearerLongTerm), 403, Some("AccessDeniedException"), None),
            (
                Some(CredentialKind::Sigv4),
                403,
                Some("UnrecognizedClientException"),
                Some(Assurance::Rejected),
            ),
            (Some(CredentialKind::Sigv4), 500, None, None),
            (Some(CredentialKind::None), 200, None, None),
            // A gate that does not say.
            (None, 200, None, Some(Assurance::Confirmed)),
            (None, 403, Some("AccessDeniedException"), None),
        ] {
            let mut outcome: Outcome = serde_json::from_str(sample).expect("the sample");
            outcome.credential = credential;
            outcome.status = Some(status);
            outcome.error_type = error.map(str::to_owned);
            let found = assurance(&outcome);
            println!("{credential:?} {status} {error:?} -> {found:?}");
            assert_eq!(found, expected);
        }
        // The gate stops good answers only, whatever it put in their place.
        for (forwarded, expected) in [(true, Some(Assurance::Confirmed)), (false, None)] {
            let mut outcome: Outcome = serde_json::from_str(sample).expect("the sample");
            (outcome.outcome, outcome.forwarded, outcome.status) =
                (OutcomeKind::Blocked, forwarded, Some(403));
            outcome.error_type = None;
            assert_eq!(assurance(&outcome), expected);
        }
    }
}
