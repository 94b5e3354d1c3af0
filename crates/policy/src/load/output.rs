//! `output_rules`: rules on what a tool answers. Read and checked; not applied by this version.

use super::condition::{Place, read_all, read_groups};
use super::rule::About;
use super::rules::Rules;
use super::scope::read_selector;
use crate::decision::Effect;
use crate::limits::MAX_NAME_CHARS;
use crate::names::Selector;
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

/// A rule on what a tool answers: checked and listed; nobody evaluates it yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutputRule {
    /// Its id.
    pub id: String,
    /// What it does with an answer.
    pub effect: Effect,
    /// With [`Effect::Redact`]: what is put in place of what must not be seen.
    pub redact_with: Option<String>,
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
    // Read for their mistakes.
    let language = &mut rules.language;
    if let Some(node) = map.get("tools") {
        read_selector(reader, language, node, Selector::Tools, &mut false);
    }
    if let Some(node) = map.get("output_conditions") {
        read_all(reader, language, node, "`output_conditions`", Place::Output);
    }
    if let Some(node) = map.get("output_condition_groups") {
        read_groups(reader, language, node, "`output_condition_groups`", Place::Output);
    }
    if let (Some(id), Some(effect), true) = (id, effect, enabled) {
        let redact_with = redact_with.map(|text| text.text);
        rules.output_rules.push(OutputRule { id: id.text, effect, redact_with });
    }
}
