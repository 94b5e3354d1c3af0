//! The schema that we ship.

use cedar_policy::{EntityUid, Schema};
use std::collections::{HashMap, HashSet};

/// `schema.cedarschema`: every name that a policy may use, with its type.
pub const SCHEMA: &str = include_str!("../data/schema.cedarschema");

/// The action of a call that the gate does not know.
pub(crate) const UNKNOWN: (&str, &str) = ("bedrock", "Unknown");
/// The action of a tool call.
pub(crate) const TOOL_CALL: (&str, &str) = ("bedrock", "CallTool");
/// It, and the group that it is in.
pub(crate) const TOOL_CALLS: [(&str, &str); 2] = [TOOL_CALL, ("bedrock", "ToolCall")];

/// Parses the schema that we ship; the error is ours.
pub(crate) fn parse() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| error.to_string())
}

/// The schema for policies that name these actions and no others (`bedrock:InvokeModel`): of the rest one of each kind stands for
/// all. Policies are checked once for each action, and all of one kind look alike to a policy that names none of them.
pub(crate) fn parse_for(named: &HashSet<String>) -> Result<Schema, String> {
    let mut text = String::with_capacity(SCHEMA.len() / 4);
    let (mut namespace, mut block) = (String::new(), Vec::new());
    for line in SCHEMA.lines() {
        if let Some(name) = line.strip_prefix("namespace ") {
            namespace = name.trim_end_matches(" {").replace('_', "-");
        }
        match line.strip_prefix("    \"") {
            Some(name) => {
                let name = name.trim_end_matches(',').trim_end_matches('"');
                if block.is_empty() || named.contains(&format!("{namespace}:{name}")) {
                    block.push(format!("\"{name}\""));
                }
            }
            None => {
                text.push_str(&block.join(","));
                block.clear();
                text.push_str(line);
                text.push('\n');
            }
        }
    }
    Schema::from_cedarschema_str(&text).map(|(schema, _)| schema).map_err(|error| error.to_string())
}

/// An action as IAM writes it.
pub(crate) fn iam_name(action: &EntityUid) -> String {
    format!("{}:{}", action.type_name().namespace().replace('_', "-"), action.id().unescaped())
}

/// The IAM actions of the schema, as `bedrock:InvokeModel`, in its order; `UNKNOWN` and tool calls are not among them.
pub fn actions() -> impl Iterator<Item = String> {
    let mut namespace = "";
    SCHEMA.lines().filter_map(move |line| {
        if let Some(name) = line.strip_prefix("namespace ") {
            namespace = name.trim_end_matches(" {");
        }
        let name = line.strip_prefix("    \"")?.trim_end_matches(',').trim_end_matches('"');
        Some(format!("{}:{name}", namespace.replace('_', "-")))
    })
}

/// Every action of the schema with the groups that it is in.
pub(crate) fn groups(schema: &Schema) -> HashMap<EntityUid, HashSet<EntityUid>> {
    // The schema is ours and was parsed: its actions are no cycle.
    let Ok(entities) = schema.action_entities() else { return HashMap::new() };
    let above = |action: &EntityUid| entities.ancestors(action).into_iter().flatten().cloned().collect();
    schema.actions().map(|action| (action.clone(), above(action))).collect()
}
