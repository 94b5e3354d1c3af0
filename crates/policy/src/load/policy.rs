//! The JSON form of a rule: `{"mode": "rules", "conditions": […], "decision": "deny"}`.

use super::rule::About;
use super::rules::Rules;
use super::{approvals, condition, message, scope, words};
use crate::check::Check;
use crate::decision::Effect;
use crate::field;
use crate::glob::Glob;
use crate::names::Selector;
use crate::predicate::{Predicate, Subject, Test, Written};
use crate::rule::{Rule, Source};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader};

pub(crate) const KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "priority",
    "mode",
    "conditions",
    "condition_groups",
    "decision",
    "scope",
    "enabled",
    "status",
    "severity",
    "tags",
    "metadata",
    "message",
    "approval",
];
pub(crate) const DECISIONS: &[(&str, Effect)] = &[
    ("allow", Effect::Allow),
    ("deny", Effect::Deny),
    ("block", Effect::Deny),
    ("require_approval", Effect::RequireApproval),
    ("ask", Effect::RequireApproval),
];
const MODES: &[(&str, Mode)] = &[
    ("rules", Mode::Rules),
    ("ai", Mode::Judged),
    ("consensus", Mode::Judged),
    ("content_scan", Mode::Scanned),
];
pub(crate) const STATUSES: &[(&str, bool)] = &[
    ("active", true),
    ("enabled", true),
    ("inactive", false),
    ("disabled", false),
    ("paused", false),
    ("draft", false),
    ("archived", false),
];

#[derive(Clone, Copy)]
enum Mode {
    Rules,
    Judged,
    Scanned,
}

/// The file is of this form: one policy, a list of them, or `{"policies": […]}`.
pub(crate) fn is_policy(root: &Node) -> bool {
    match &root.value {
        // A list of rules of the YAML form has lost its `rules:`.
        Value::List(items) => items.iter().all(|item| item.entry("action").is_none()),
        Value::Map(_) => {
            root.entry("rules").is_none()
                && root.entry("output_rules").is_none()
                && ["policies", "decision", "mode"].iter().any(|key| root.entry(key).is_some())
        }
        Value::Scalar { .. } => false,
    }
}

/// Reads a file of policies.
pub(crate) fn read_file(rules: &mut Rules, reader: &mut Reader<'_>, root: &Node) {
    let list = match &root.value {
        Value::List(items) => items,
        _ if root.entry("policies").is_some() => {
            let Some(map) = reader.map(root, "a file of policies", &["policies", "version"]) else { return };
            let Some(node) = map.get("policies") else { return };
            let Some(items) = reader.list(node, "`policies`") else { return };
            items
        }
        _ => return read(rules, reader, root, None),
    };
    for (number, node) in list.iter().enumerate() {
        read(rules, reader, node, Some(number + 1).filter(|_| list.len() > 1));
    }
}

/// Reads one policy; `number` is its place in a list.
fn read(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node, number: Option<usize>) {
    let Some(map) = reader.map(node, "a policy", KEYS) else { return };
    let id = read_id(rules, reader, map, number);
    if let Some(node) = map.get("mode") {
        let problem = match reader.choice(node, "mode of a policy", MODES) {
            Some(Mode::Judged) => Some(
                "lets models judge the call; this gate decides by rules alone, the same call always the same way. Write \
                 its conditions as rules",
            ),
            Some(Mode::Scanned) => {
                Some("scans content; write rules with `contains` or `matches` on `request.text`")
            }
            Some(Mode::Rules) | None => None,
        };
        if let (Some(problem), Value::Scalar { text, .. }) = (problem, &node.value) {
            reader.error(node.at, format!("`mode: {text}` {problem}"));
        }
    }
    let effect = reader.required(map, "decision", "the policy");
    let effect = effect.and_then(|node| reader.choice(node, "decision", DECISIONS));
    let enabled = map.get("enabled").is_none_or(|node| reader.boolean(node, "`enabled`") != Some(false))
        && map.get("status").is_none_or(|node| reader.choice(node, "status", STATUSES) != Some(false));
    if let Some(node) = map.get("priority") {
        // The strictest wins, whatever its priority.
        reader.number(node, "`priority`");
    }
    let said = About::read(reader, map);
    let message = map.get("message").and_then(|node| message::read(reader, node));
    let approval = map.get("approval").and_then(|node| approvals::read(reader, node, "`approval`"));
    let mut conditions = Vec::new();
    if let Some(node) = map.get("scope") {
        read_scope(rules, reader, node, &mut conditions);
    }
    let language = &mut rules.language;
    let is_empty = |node: &Node| matches!(&node.value, Value::List(items) if items.is_empty());
    // An empty list is how this form says that there are none.
    if let Some(node) = map.get("conditions").filter(|node| !is_empty(node)) {
        let place = condition::Place::Call;
        conditions.extend(condition::read_all(reader, language, node, "`conditions`", place));
    }
    if let Some(node) = map.get("condition_groups").filter(|node| !is_empty(node)) {
        let place = condition::Place::Call;
        conditions.extend(condition::read_groups(reader, language, node, "`condition_groups`", place));
    }
    let (Some(id), Some(effect)) = (id, effect) else { return };
    scope::only_tool_calls(&mut conditions, id.at);
    let about = scope::about(reader, &conditions, effect, id.at);
    let rule = Rule {
        effect,
        about,
        shadow: false,
        message,
        approval: approval.map(Box::new),
        retry_after: None,
        redact_with: None,
        severity: said.severity,
        tags: said.tags,
        metadata: said.metadata,
        conditions,
        names_unknown: false,
        source: Source { path: rules.path(), at: id.at },
        id: id.text,
    };
    rules.keep(reader, rule, enabled);
}

/// `id`, or made of the name, or of the file's name.
fn read_id(
    rules: &mut Rules,
    reader: &mut Reader<'_>,
    map: Map<'_>,
    number: Option<usize>,
) -> Option<Located> {
    if let Some(node) = map.get("id") {
        return rules.read_id(reader, node);
    }
    let named = map.get("name").and_then(|node| match &node.value {
        Value::Scalar { text, .. } => Some(Located { text: slug(text), at: node.at }),
        Value::List(_) | Value::Map(_) => None,
    });
    if let Some(id) = named.filter(|id| !id.text.is_empty()) {
        return rules.check_id(reader, id);
    }
    let path = rules.path();
    let file = path.rsplit('/').next().unwrap_or_default();
    let stem = slug(file.rsplit_once('.').map_or(file, |(stem, _)| stem));
    let text = match number {
        Some(number) => format!("{stem}-{number}"),
        None => stem,
    };
    rules.check_id(reader, Located { text, at: map.at })
}

/// Letters and digits in lower case, everything else one hyphen.
fn slug(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars() {
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
    }
    out.truncate(128);
    out.trim_end_matches('-').to_owned()
}

/// `{agent_ids: […], action_types: […]}`
fn read_scope(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node, conditions: &mut Vec<Predicate>) {
    let Some(map) = reader.map(node, "`scope`", &["agent_ids", "action_types"]) else { return };
    let present = |key: &str| {
        map.get(key).filter(|node| !matches!(&node.value, Value::List(items) if items.is_empty()))
    };
    if let Some(node) = present("agent_ids") {
        let agents = scope::read_selector(reader, &mut rules.language, node, Selector::Agents, &mut false);
        conditions.extend(agents);
    }
    if let Some(node) = present("action_types")
        && let Some(texts) = reader.texts(node, "`action_types`")
        && let Some((field, key)) = field::lookup("action_type")
    {
        let value: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
        let written = Written { operator: "in", value: value.join(", ").into(), at: node.at };
        let mut globs = Vec::with_capacity(texts.len());
        for text in &texts {
            let folded = crate::fold::fold(&text.text).into_owned();
            globs.extend(words::known(reader, text.at, field.name, folded).map(|word| Glob::literal(&word)));
        }
        let subject = Subject::Field(field, key);
        let check = Check::Globs { globs, folds: true };
        conditions.push(Predicate::Test(Test { subject, check, negated: false, written }));
    }
}
