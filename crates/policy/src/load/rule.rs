//! One rule of the YAML form.

use super::rules::{MODES, Rules};
use super::units::duration;
use super::value;
use super::{approvals, message, scope, sequence};
use crate::decision::Effect;
use crate::limits::MAX_NAME_CHARS;
use crate::rule::{Metadata, Rule, Severity, Source};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader, describe};
use std::time::Duration;

pub(crate) const KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "enabled",
    "severity",
    "tags",
    "metadata",
    "action",
    "mode",
    "operations",
    "models",
    "principals",
    "regions",
    "tools",
    "agents",
    "knowledge_bases",
    "routes",
    "conditions",
    "condition_groups",
    "blocked_by",
    "requires",
    "message",
    "approval",
    "retry_after",
    "redact_with",
];
/// What rules do, as they write it.
pub(crate) const ACTIONS: &[(&str, Effect)] = &[
    ("allow", Effect::Allow),
    ("block", Effect::Deny),
    ("deny", Effect::Deny),
    ("require_approval", Effect::RequireApproval),
    ("ask", Effect::RequireApproval),
    ("redact", Effect::Redact),
    ("throttle", Effect::Throttle),
    ("warn", Effect::Warn),
    ("log", Effect::Log),
];
pub(crate) const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
const LONGEST_RETRY: Duration = Duration::from_secs(24 * 3_600);

/// Reads a rule and keeps it.
pub(crate) fn read(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node) {
    let Some(map) = reader.map(node, "a rule", KEYS) else { return };
    let id = reader.required(map, "id", "the rule");
    let id = id.and_then(|id| rules.read_id(reader, id));
    let effect = reader.required(map, "action", "the rule");
    let effect = effect.and_then(|action| reader.choice(action, "action", ACTIONS));
    let enabled = map.get("enabled").is_none_or(|node| reader.boolean(node, "`enabled`") != Some(false));
    let shadow = map.get("mode").and_then(|node| reader.choice(node, "mode", MODES)).unwrap_or(false);
    let said = About::read(reader, map);
    let message = map.get("message").and_then(|node| message::read(reader, node));
    let approval = map.get("approval").and_then(|node| approvals::read(reader, node, "`approval`"));
    let retry_after = map
        .get("retry_after")
        .and_then(|node| duration(reader, node, "`retry_after`", Duration::from_secs(1)..=LONGEST_RETRY));
    let redact_with =
        map.get("redact_with").and_then(|node| reader.text(node, "`redact_with`", MAX_NAME_CHARS));
    let terms = [
        ("approval", Effect::RequireApproval, "require_approval"),
        ("retry_after", Effect::Throttle, "throttle"),
        ("redact_with", Effect::Redact, "redact"),
    ];
    for (key, wanted, action) in terms {
        if let (Some(at), Some(effect)) = (map.key_at(key), effect)
            && effect != wanted
        {
            reader.error(at, format!("`{key}` goes with `action: {action}` only"));
        }
    }
    let models = rules.language.models.len();
    let mut scope = scope::read(reader, &mut rules.language, map);
    if effect != Some(Effect::Allow) {
        rules.language.models.truncate(models);
    }
    scope.conditions.extend(sequence::read(reader, &mut rules.language, map));
    let (Some(id), Some(effect)) = (id, effect) else { return };
    scope::only_tool_calls(&mut scope.conditions, id.at);
    if effect == Effect::Allow {
        scope::every_knowledge_base(&mut scope.conditions);
    }
    let about = scope::about(reader, &scope.conditions, effect, id.at);
    let rule = Rule {
        effect,
        about,
        shadow,
        message,
        approval: approval.map(Box::new),
        retry_after,
        redact_with: redact_with.map(|text| text.text),
        severity: said.severity,
        tags: said.tags,
        metadata: said.metadata,
        conditions: scope.conditions,
        names_unknown: scope.names_unknown,
        source: Source { path: rules.path(), at: id.at },
        id: id.text,
    };
    rules.keep(reader, rule, enabled);
}

/// What a rule says for people.
pub(crate) struct About {
    pub(crate) severity: Severity,
    pub(crate) tags: Vec<String>,
    pub(crate) metadata: Metadata,
}

impl About {
    /// `name`, `description`, `severity`, `tags` and `metadata`.
    pub(crate) fn read(reader: &mut Reader<'_>, map: Map<'_>) -> Self {
        if let Some(node) = map.get("name") {
            reader.text(node, "`name`", MAX_NAME_CHARS);
        }
        if let Some(node) = map.get("description") {
            reader.prose(node, "`description`");
        }
        let severity = map.get("severity").and_then(|node| reader.choice(node, "severity", SEVERITIES));
        Self {
            severity: severity.unwrap_or_default(),
            tags: map.get("tags").map(|node| read_tags(reader, node, "`tags`")).unwrap_or_default(),
            metadata: map.get("metadata").map(|node| read_metadata(reader, node)).unwrap_or_default(),
        }
    }
}

/// Tags; none at all is fine.
pub(crate) fn read_tags(reader: &mut Reader<'_>, node: &Node, what: &str) -> Vec<String> {
    if matches!(&node.value, Value::List(items) if items.is_empty()) {
        return Vec::new();
    }
    let texts: Vec<Located> = reader.texts(node, what).unwrap_or_default();
    texts.into_iter().map(|tag| tag.text).collect()
}

fn read_metadata(reader: &mut Reader<'_>, node: &Node) -> Metadata {
    if let serde_json::Value::Object(map) = value::json(node) {
        return map;
    }
    reader.error(node.at, format!("`metadata` must be a mapping, but this is {}", describe(node)));
    Metadata::new()
}
