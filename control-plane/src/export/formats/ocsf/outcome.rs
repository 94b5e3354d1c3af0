//! What became of a call.

use super::{Severity, Status, at, merge};
use portcullis_audit::{OutcomeRecord, OutcomeState};
use serde_json::{Value, json};

/// The event of an outcome whose decision is not beside it.
pub(super) fn event(record: &OutcomeRecord) -> Value {
    let mut event = json!({"activity_id": 99, "activity_name": "outcome"});
    let severity = match record.state {
        OutcomeState::Blocked => Severity::Medium,
        OutcomeState::Unknown | OutcomeState::Failed => Severity::Low,
        _ => Severity::Informational,
    };
    merge(&mut event, severity.members());
    merge(&mut event, status(record).members());
    let (action, disposition) = match record.state {
        OutcomeState::Blocked => ((2, "Denied"), (2, "Blocked")),
        OutcomeState::Unknown | OutcomeState::Pending => ((0, "Unknown"), (0, "Unknown")),
        _ => ((1, "Allowed"), (1, "Allowed")),
    };
    merge(
        &mut event,
        json!({
            "time": record.recorded_at_ms,
            "message": format!("call {}: {}", record.call_id, record.state.as_str()),
            // Who called is in the event of the decision; this one is told by a gate.
            "actor": {"app_name": "portcullis", "app_uid": record.gate},
            "api": {"operation": "outcome", "service": {"name": "bedrock"}, "request": {"uid": record.call_id}},
            "src_endpoint": {"name": if record.gate.is_empty() { "portcullis" } else { &record.gate }},
            "action_id": action.0,
            "action": action.1,
            "disposition_id": disposition.0,
            "disposition": disposition.1,
            "metadata": {"profiles": ["security_control"], "original_event_uid": record.decision_id},
            "unmapped": {"call_id": record.call_id, "gate": record.gate, "decision_id": record.decision_id},
        }),
    );
    add(&mut event, record);
    event
}

/// How it ended.
pub(super) fn status(record: &OutcomeRecord) -> Status {
    match record.state {
        OutcomeState::Completed if record.status.is_none_or(|status| status < 400) => Status::Success,
        OutcomeState::Completed | OutcomeState::Failed | OutcomeState::Aborted | OutcomeState::Blocked => {
            Status::Failure
        }
        OutcomeState::Unknown => Status::Unknown,
        OutcomeState::Pending => Status::Pending,
    }
}

/// Adds what an outcome says to the event of its decision, or to its own.
pub(super) fn add(event: &mut Value, record: &OutcomeRecord) {
    let answer = record.answer.as_deref();
    merge(
        event,
        json!({
            "duration": record.duration_ms,
            "start_time": record.ended_at_ms.saturating_sub(record.duration_ms),
            "end_time": record.ended_at_ms,
            "status_code": record.status.map(|status| status.to_string()),
        }),
    );
    if record.state == OutcomeState::Blocked {
        // The call was let out, and its answer was not.
        merge(event, Severity::Medium.members());
        merge(
            event,
            json!({"action_id": 2, "action": "Denied", "disposition_id": 2, "disposition": "Blocked"}),
        );
    }
    if let Some(reason) = &record.reason {
        *at(event, "status_detail") = json!(reason);
    }
    if let Some(code) = record.status {
        *at(event, "http_response") = json!({"code": code, "body_length": record.response_bytes});
    }
    let response =
        json!({"code": record.status, "error": record.error_type, "message": record.state.as_str()});
    *at(at(event, "api"), "response") = response;
    if let Some(id) = &record.aws_request_id {
        // As CloudTrail has it.
        *at(at(at(event, "api"), "request"), "uid") = json!(id);
    }
    let tokens = record.usage.map(|usage| {
        json!({
            "input": usage.input_tokens, "output": usage.output_tokens, "cache_read": usage.cache_read_tokens,
            "cache_write": usage.cache_write_tokens, "tool_calls": usage.tool_calls,
        })
    });
    merge(
        at(event, "unmapped"),
        json!({
            "outcome": record.state.as_str(),
            "forwarded": record.forwarded,
            "aws_request_id": record.aws_request_id,
            "decision_ms": record.decision_ms,
            "confirmed_assurance": record.assurance.map(|assurance| assurance.as_str()),
            "tokens": tokens,
            "first_byte_ms": answer.and_then(|answer| answer.first_byte_ms),
            "response_sha256": answer.and_then(|answer| answer.sha256.clone()),
            "stop_reason": answer.and_then(|answer| answer.stop_reason.clone()),
            "guardrail_action": answer.and_then(|answer| answer.guardrail.as_ref()).map(|guardrail| guardrail.action.clone()),
            "models": answer.map(|answer| answer.models.clone()),
            "tool_calls": answer.map(|answer| answer.tool_calls.iter().map(|call| call.name.clone()).collect::<Vec<_>>()),
            "flaw": answer.and_then(|answer| answer.flaw.clone()),
        }),
    );
}
