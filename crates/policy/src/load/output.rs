//! `output_rules`: rules on what a tool answers. Read and checked; not applied by this version.

use super::condition::{Place, read_all, read_groups};
use super::rule::About;
use super::rules::Rules;
use super::scope::read_selector;
use crate::decision::Effect;
use crate::limits::MAX_NAME_CHARS;
use crate::names::Selector;
use crate::predicate::Predicate;
use crate::source::node::Node;
use crate::source::read::Reader;

pub(crate) const KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "enabled",
    "severity",
    "action",
    "tools",
    "output_conditions",
    "output_condition_groups",
    "redact_with",
    "tags",
    "metadata",
];
pub(crate) const ACTIONS: &[(&str, Effect)] =
    &[("block", Effect::Deny), ("redact", Effect::Redact), ("warn", Effect::Warn), ("log", Effect::Log)];

/// A rule on an answer.
#[derive(Debug, Clone)]
#[expect(dead_code, reason = "checked at load, and counted; answers are not decided by this version")]
pub(crate) struct OutputRule {
    pub(crate) id: String,
    pub(crate) effect: Effect,
    pub(crate) redact_with: Option<String>,
    pub(crate) conditions: Vec<Predicate>,
}

/// Reads the list.
pub(crate) fn read(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node) {
    let Some(items) = reader.list(node, "`output_rules`") else { return };
    for item in items {
        read_one(rules, reader, item);
    }
    if !items.is_empty() {
        reader.warning(
            node.at,
            "`output_rules` are checked and kept, but this version does not inspect answers",
        );
    }
}

fn read_one(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node) {
    let Some(map) = reader.map(node, "an output rule", KEYS) else { return };
    let id = reader.required(map, "id", "the output rule");
    let id = id.and_then(|id| rules.read_id(reader, id));
    let effect = reader.required(map, "action", "the output rule");
    let effect = effect.and_then(|action| reader.choice(action, "action of an output rule", ACTIONS));
    let enabled = map.get("enabled").is_none_or(|node| reader.boolean(node, "`enabled`") != Some(false));
    About::read(reader, map);
    let redact_with =
        map.get("redact_with").and_then(|node| reader.text(node, "`redact_with`", MAX_NAME_CHARS));
    let mut conditions = Vec::new();
    if let Some(node) = map.get("tools") {
        let tools = read_selector(reader, &mut rules.language, node, Selector::Tools, &mut false);
        conditions.extend(tools);
    }
    if let Some(node) = map.get("output_conditions") {
        let what = "`output_conditions`";
        conditions.extend(read_all(reader, &mut rules.language, node, what, Place::Output));
    }
    if let Some(node) = map.get("output_condition_groups") {
        let what = "`output_condition_groups`";
        conditions.extend(read_groups(reader, &mut rules.language, node, what, Place::Output));
    }
    if let (Some(id), Some(effect), true) = (id, effect, enabled) {
        let redact_with = redact_with.map(|text| text.text);
        rules.output_rules.push(OutputRule { id: id.text, effect, redact_with, conditions });
    }
}
