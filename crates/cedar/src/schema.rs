//! The schema that we ship.

use cedar_policy::{EntityUid, Schema};
use std::collections::{HashMap, HashSet};

/// `schema.cedarschema`: every name that a policy may use, with its type.
pub const SCHEMA: &str = include_str!("../data/schema.cedarschema");

/// The action of a call that the gate does not know.
pub(crate) const UNKNOWN: (&str, &str) = ("bedrock", "Unknown");
/// The action of a tool call.
pub(crate) const TOOL_CALL: (&str, &str) = ("bedrock", "CallTool");

/// Parses the schema that we ship; the error is ours.
pub(crate) fn parse() -> Result<Schema, String> {
    Schema::from_cedarschema_str(SCHEMA).map(|(schema, _)| schema).map_err(|error| error.to_string())
}

/// The IAM actions of the schema, as `bedrock:InvokeModel`, in its order; [`UNKNOWN`] and tool calls are not among them.
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
