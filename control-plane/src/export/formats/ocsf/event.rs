//! Approvals, bundles, changes by people, gaps; and what is left of a pruned record.

use super::{Severity, Status, merge};
use crate::storage::Logged;
use portcullis_audit::EventRecord;
use portcullis_audit::log::RecordKind;
use serde_json::{Value, json};

/// Members of `detail` that an event keeps.
const MOST: usize = 32;

/// The event of an event: an activity on the gate's own API.
pub(super) fn event(kind: RecordKind, record: &EventRecord) -> Value {
    let what = record.detail.get("what").and_then(Value::as_str).unwrap_or_else(|| kind.as_str());
    let mut event = activity(what);
    let bad = what.contains("refused") || what.contains("gave_up") || what.contains("denied");
    let severity = match kind {
        RecordKind::Gap => Severity::High,
        _ if bad => Severity::Medium,
        RecordKind::Approval | RecordKind::Bundle => Severity::Low,
        _ => Severity::Informational,
    };
    merge(&mut event, severity.members());
    merge(
        &mut event,
        if bad || kind == RecordKind::Gap { Status::Failure } else { Status::Success }.members(),
    );
    let actor = if record.actor.is_empty() { "unknown" } else { &record.actor };
    merge(
        &mut event,
        json!({
            "time": record.at_ms,
            "message": format!("{what} by {actor}"),
            "actor": {"user": {"name": actor, "uid": actor}},
            "api": {
                "operation": what,
                "service": {"name": "portcullis"},
                "group": {"name": kind.as_str()},
                "request": {"uid": record.event_id},
            },
            // Where somebody sat who has used the admin API is not recorded.
            "src_endpoint": {"svc_name": "portcullis"},
            "resources": resources(&record.detail),
            "metadata": {"profiles": ["security_control"]},
            "unmapped": {"kind": kind.as_str(), "detail": detail(&record.detail)},
        }),
    );
    event
}

/// What is left of a pruned record: that it was there.
pub(super) fn pruned(logged: &Logged) -> Value {
    let mut event = json!({"activity_id": 0, "activity_name": "Unknown"});
    merge(&mut event, Severity::Informational.members());
    merge(&mut event, Status::Unknown.members());
    merge(
        &mut event,
        json!({
            "time": logged.entry.time_ms,
            "message": "the record was pruned; its entry in the log remains",
            "actor": {"app_name": "portcullis"},
            "api": {"operation": "Unknown", "request": {"uid": logged.entry.id}},
            "src_endpoint": {"name": "unknown"},
            "metadata": {"profiles": ["security_control"]},
            "unmapped": {"kind": logged.entry.kind.as_str(), "pruned": true},
        }),
    );
    event
}

fn activity(what: &str) -> Value {
    let has = |words: &[&str]| words.iter().any(|word| what.contains(word));
    let (id, name) = if has(&["created", "added", "uploaded", "requested", "made"]) {
        (1, "Create")
    } else if has(&["revoked", "deleted", "removed", "expired", "unpinned", "pruned"]) {
        (4, "Delete")
    } else if has(&["read", "exported"]) {
        (2, "Read")
    } else {
        (3, "Update")
    };
    json!({"activity_id": id, "activity_name": name})
}

fn resources(detail: &Value) -> Vec<Value> {
    let id = ["id", "approval_id", "digest"]
        .iter()
        .find_map(|key| detail.get(*key).and_then(Value::as_str))
        .filter(|id| !id.is_empty());
    id.map(|id| json!({"uid": id, "name": detail.get("name").and_then(Value::as_str)})).into_iter().collect()
}

/// The particulars, without what is nested deeper than a list.
fn detail(detail: &Value) -> Value {
    let Value::Object(map) = detail else { return detail.clone() };
    let flat = |value: &Value| match value {
        Value::Object(_) => Value::String(value.to_string()),
        other => other.clone(),
    };
    map.iter().take(MOST).map(|(key, value)| (key.clone(), flat(value))).collect()
}
