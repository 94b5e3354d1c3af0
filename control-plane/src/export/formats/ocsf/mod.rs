//! Events of the Open Cybersecurity Schema Framework, 1.7.0: API Activity (class 6003) with the profiles `cloud` and
//! `security_control`. <https://schema.ocsf.io/1.7.0/classes/api_activity>
//!
//! A decision and the outcome that is known with it are one event; an outcome that comes later is one of its own. What OCSF has no
//! place for is under `unmapped`. docs/audit.md has the table of fields.

mod clean;
mod decision;
mod event;
mod outcome;

use super::{FormatError, Parsed, parse};
use crate::storage::Logged;
use portcullis_audit::log::RecordKind;
use serde_json::{Map, Value, json};
use std::collections::{HashMap, HashSet};

/// The version of OCSF.
pub const VERSION: &str = "1.7.0";

/// Among how many records, by index, the outcome of a decision is looked for. Blocks begin at multiples of it, so that the same
/// records make the same events, in however many pieces they are exported.
pub const BLOCK: u64 = 4_096;

/// The events of consecutive records, as lines: see [`VERSION`]. A decision whose outcome is among them has it in its event (the
/// last one, where a late report has replaced `unknown`), and that outcome has none of its own. `wanted` says which records are
/// asked for; an outcome is asked for if its decision is.
///
/// # Errors
/// [`FormatError`].
pub fn lines(
    origin: &str,
    records: &[Logged],
    wanted: impl Fn(&Logged) -> bool,
    out: &mut String,
) -> Result<u64, FormatError> {
    let mut decided: HashMap<&str, u64> = HashMap::new();
    let mut folded: HashMap<u64, &Logged> = HashMap::new();
    let parsed: Vec<Parsed> = records.iter().map(parse).collect::<Result<_, _>>()?;
    for (logged, parsed) in records.iter().zip(&parsed) {
        match parsed {
            Parsed::Decision(record) if wanted(logged) => {
                decided.insert(&record.call_id, logged.index);
            }
            Parsed::Outcome(record) if wanted(logged) => {
                if let Some(decision) = decided.get(record.call_id.as_str()) {
                    folded.insert(*decision, logged);
                }
            }
            _ => {}
        }
    }
    let told: HashSet<u64> = folded.values().map(|outcome| outcome.index).collect();
    let mut written = 0;
    for (logged, parsed) in records.iter().zip(&parsed) {
        if !wanted(logged) || (logged.entry.kind == RecordKind::Outcome && told.contains(&logged.index)) {
            continue;
        }
        let outcome = folded.get(&logged.index);
        let later = outcome.map(|outcome| parse(outcome)).transpose()?;
        let mut event = match (parsed, &later) {
            (Parsed::Decision(record), Some(Parsed::Outcome(outcome))) => {
                decision::event(record, Some(outcome))
            }
            (Parsed::Decision(record), _) => decision::event(record, None),
            (Parsed::Outcome(record), _) => outcome::event(record),
            (Parsed::Event(record), _) => event::event(logged.entry.kind, record),
            (Parsed::Pruned, _) => event::pruned(logged),
        };
        stamp(&mut event, origin, logged, outcome.copied());
        clean::clean(&mut event);
        out.push_str(&event.to_string());
        out.push('\n');
        written += 1;
    }
    Ok(written)
}

/// What every event says of itself and of its place in the log.
fn stamp(event: &mut Value, origin: &str, logged: &Logged, outcome: Option<&Logged>) {
    let activity = event.get("activity_id").and_then(Value::as_u64).unwrap_or(0);
    let name = event.get("activity_name").and_then(Value::as_str).unwrap_or("Unknown").to_owned();
    let more = json!({
        "category_uid": 6,
        "category_name": "Application Activity",
        "class_uid": 6003,
        "class_name": "API Activity",
        "type_uid": 600_300 + activity,
        "type_name": format!("API Activity: {name}"),
        "raw_data_hash": {"algorithm_id": 3, "algorithm": "SHA-256", "value": hex::encode(logged.entry.sha256)},
    });
    merge(event, more);
    let metadata = json!({
        "version": VERSION,
        "product": {"name": "Portcullis", "vendor_name": "Portcullis", "version": env!("CARGO_PKG_VERSION")},
        "uid": logged.entry.id,
        "event_code": logged.entry.kind.as_str(),
        "sequence": logged.index,
        "log_name": origin,
        "log_version": portcullis_audit::SCHEMA.to_string(),
        "logged_time": logged.entry.time_ms,
    });
    merge(at(event, "metadata"), metadata);
    // Sequence numbers of OCSF have 32 bits in some readers; this one is exact.
    let unmapped = json!({
        "log_index": logged.index,
        "outcome_log_index": outcome.map(|outcome| outcome.index),
        "outcome_sha256": outcome.map(|outcome| hex::encode(outcome.entry.sha256)),
    });
    merge(at(event, "unmapped"), unmapped);
}

/// A member of an object; `null` where there was none.
fn at<'a>(value: &'a mut Value, member: &str) -> &'a mut Value {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    match value {
        Value::Object(map) => map.entry(member).or_insert(Value::Null),
        other => other,
    }
}

/// Adds the members of one object to another.
fn merge(to: &mut Value, more: Value) {
    if to.is_null() {
        *to = Value::Object(Map::new());
    }
    if let (Value::Object(to), Value::Object(more)) = (to, more) {
        to.extend(more);
    }
}

/// How much it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Informational = 1,
    Low = 2,
    Medium = 3,
    High = 4,
}

impl Severity {
    fn members(self) -> Value {
        let name = match self {
            Severity::Informational => "Informational",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
        };
        json!({"severity_id": self as u8, "severity": name, "is_alert": self >= Severity::Medium})
    }
}

/// How it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Status {
    Unknown,
    Success,
    Failure,
    Pending,
}

impl Status {
    fn members(self) -> Value {
        let (id, name) = match self {
            Status::Unknown => (0, "Unknown"),
            Status::Success => (1, "Success"),
            Status::Failure => (2, "Failure"),
            Status::Pending => (99, "Pending"),
        };
        json!({"status_id": id, "status": name})
    }
}

/// The activity of an operation: what its name begins with, else the operation itself.
fn activity(operation: &str) -> Value {
    let begins = |words: &[&str]| words.iter().any(|word| operation.starts_with(word));
    let (id, name) = if operation.is_empty() || operation == "Unknown" {
        (0, "Unknown")
    } else if begins(&["Create", "Start", "Put", "Ingest", "Register", "Associate"]) {
        (1, "Create")
    } else if begins(&["Get", "List", "Search", "Describe", "Retrieve", "CountTokens"]) {
        (2, "Read")
    } else if begins(&["Update", "Prepare", "Tag", "Untag"]) {
        (3, "Update")
    } else if begins(&["Delete", "Stop", "Deregister", "Disassociate"]) {
        (4, "Delete")
    } else {
        (99, operation)
    };
    json!({"activity_id": id, "activity_name": name})
}
