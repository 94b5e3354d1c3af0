//! The differences that docs/policy.md names, and when each applies.

use serde_json::Value;
use std::collections::BTreeSet;

/// Why a rule may hold for one evaluator and not for the other; `None`: no reason that is documented.
pub(super) fn rule(rule: &Value, call: &Value) -> Option<&'static str> {
    let _ = call;
    if !rule["conditions"].is_null() && !rule["condition_groups"].is_null() {
        return Some("conditions and groups");
    }
    None
}

/// A message of ours for a rule that can never hold.
pub(super) fn refusal(message: &str) -> bool {
    message.contains("never")
}

/// The verdicts differ because we take the strictest of the rules that hold and they take the first.
pub(super) fn order(rules: &Value, held: &BTreeSet<&str>, theirs: &Value, ours: &str) -> bool {
    let actions: BTreeSet<&str> = rules
        .as_array()
        .into_iter()
        .flatten()
        .filter(|rule| rule["id"].as_str().is_some_and(|id| held.contains(id)))
        .filter_map(|rule| rule["action"].as_str())
        .collect();
    ours == "deny"
        && theirs["decision"] == "require_approval"
        && actions.contains("block")
        && actions.contains("require_approval")
}
