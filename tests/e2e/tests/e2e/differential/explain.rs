//! The differences that docs/policy.md names, and when each applies.

use serde_json::Value;
use std::collections::BTreeSet;

/// Why a rule may hold for one evaluator and not for the other; `None`: no reason that is documented.
pub(super) fn rule(rule: &Value, call: &Value) -> Option<&'static str> {
    if !rule["conditions"].is_null() && !rule["condition_groups"].is_null() {
        return Some("conditions and groups");
    }
    let mut conditions = Vec::new();
    collect(rule, &mut conditions);
    let of_tools = |condition: &&Value| {
        condition["field"]
            .as_str()
            .is_some_and(|field| field == "tool_name" || field.starts_with("arguments."))
    };
    if rule["tools"].is_null() && !conditions.iter().any(of_tools) {
        return Some("rules of no tool");
    }
    conditions.into_iter().find_map(|condition| leaf(condition, call))
}

/// Every condition of a rule, those of its sequence constraints left out: they are about other calls.
fn collect<'r>(rule: &'r Value, into: &mut Vec<&'r Value>) {
    into.extend(rule["conditions"].as_array().into_iter().flatten());
    let groups = rule["condition_groups"].as_array().into_iter().flatten();
    into.extend(groups.flat_map(|group| group.as_array().into_iter().flatten()));
}

fn leaf(condition: &Value, call: &Value) -> Option<&'static str> {
    let value = field(condition["field"].as_str()?, call);
    let missing = value.is_null();
    match condition["operator"].as_str()? {
        _ if value.is_array() && condition["operator"] != "length_greater_than" => Some("lists by element"),
        // What their safety check refuses: a quantified alternation.
        "matches" if condition["value"].as_str().is_some_and(|pattern| pattern.contains("(a|b)+")) => {
            Some("regexes")
        }
        "not_contains" if missing || !(value.is_string() || value.is_array()) => {
            Some("not_contains of nothing")
        }
        _ => None,
    }
}

fn field<'c>(name: &str, call: &'c Value) -> &'c Value {
    match name {
        "tool_name" => &call["tool"],
        "agent_id" => &call["agent"],
        _ => name
            .strip_prefix("arguments.")
            .map_or(&Value::Null, |path| path.split('.').fold(&call["arguments"], |at, key| &at[key])),
    }
}

/// A message of ours for a rule that can never hold, or that compares a name with nothing.
pub(super) fn refusal(message: &str) -> bool {
    message.contains("never") || message.ends_with("is empty")
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
