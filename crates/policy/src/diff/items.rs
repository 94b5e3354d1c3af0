//! A bundle's files to comparable items: what is written differently and means the same is equal.

use super::Section;
use crate::SourceFile;
use crate::load::cedar::ENTITIES;
use crate::load::files::MANIFEST;
use crate::load::operator::OPERATORS;
use crate::names::Selector;
use crate::source::node::{self, Node, Value as Node_};
use crate::source::report::Report;
use crate::value::json;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// One thing of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Item {
    /// Its keys and values, in one canonical form.
    pub(super) fields: BTreeMap<String, Value>,
    pub(super) path: String,
    pub(super) line: u32,
}

/// The items of a bundle, in load order within each section.
#[derive(Debug, Default)]
pub(super) struct Items {
    pub(super) of: Vec<((Section, String), Item)>,
}

/// Lists of which the order says nothing, beside the selectors.
const SETS: &[&str] = &[
    "tags",
    "roles",
    "access_keys",
    "accounts",
    "api_key_sha256",
    "hosts",
    "tenants",
    "approvers",
    "per",
    "conditions",
    "condition_groups",
    "all",
    "any",
    "blocked_by",
    "requires",
];
/// What is as good as not said.
const DEFAULTS: &[(&str, Plain)] = &[
    ("enabled", Plain::Boolean(true)),
    ("case_sensitive", Plain::Boolean(false)),
    ("mode", Plain::Word("enforce")),
    ("severity", Plain::Word("medium")),
];
enum Plain {
    Boolean(bool),
    Word(&'static str),
}

impl Plain {
    fn is(&self, value: &Value) -> bool {
        match self {
            Self::Boolean(own) => value.as_bool() == Some(*own),
            Self::Word(own) => value.as_str() == Some(own),
        }
    }
}

/// Other names of words.
const ALIASES: &[(&str, &str, &str)] = &[
    ("action", "deny", "block"),
    ("action", "ask", "require_approval"),
    ("decision", "deny", "block"),
    ("decision", "ask", "require_approval"),
];

impl Items {
    pub(super) fn of(files: &[SourceFile]) -> Self {
        let mut items = Self::default();
        let mut sorted: Vec<&SourceFile> = files.iter().collect();
        sorted.sort_by(|a, b| a.path.cmp(&b.path));
        for file in sorted {
            if file.path == MANIFEST {
                items.manifest(file);
            } else if file.path == ENTITIES {
                items
                    .parse(file, |items, root| items.add(Section::Entities, ENTITIES, root, &file.path, &[]));
            } else if file.path.starts_with("rules/") && !file.path.ends_with(".md") {
                items.parse(file, |items, root| items.rules(root, &file.path));
            } else if file.path.ends_with(".cedar") {
                items.cedar(file);
            }
        }
        items
    }

    fn parse(&mut self, file: &SourceFile, read: impl FnOnce(&mut Self, &Node)) {
        // The bundle has loaded: there is nothing to report.
        if let Some(root) = node::parse(&file.path, &file.bytes, &mut Report::default()) {
            read(self, &root);
        }
    }

    fn add(&mut self, section: Section, id: &str, node: &Node, path: &str, without: &[&str]) {
        let mut fields = BTreeMap::new();
        match canonical("", &json(node)) {
            Value::Object(map) => {
                fields.extend(map.into_iter().filter(|(key, _)| !without.contains(&key.as_str())))
            }
            other => {
                fields.insert("value".to_owned(), other);
            }
        }
        let item = Item { fields, path: path.to_owned(), line: node.at.line };
        let mut id = id.to_owned();
        // What has no name of its own may be there twice.
        while self.of.iter().any(|((own, taken), _)| *own == section && *taken == id) {
            id.push('\'');
        }
        self.of.push(((section, id), item));
    }

    fn manifest(&mut self, file: &SourceFile) {
        self.parse(file, |items, root| {
            const APART: &[&str] = &["principals", "routes", "limits", "prices", "approvals", "estimate"];
            items.add(Section::Bundle, MANIFEST, root, MANIFEST, APART);
            for node in list(root, "principals") {
                items.add(Section::Principal, &text(node, "name"), node, MANIFEST, &[]);
            }
            let routes = list(root, "routes");
            for node in routes {
                items.add(Section::Route, &text(node, "id"), node, MANIFEST, &["limits"]);
            }
            // The first that fits is taken.
            items.order(Section::Route, routes.iter().map(|node| text(node, "id")).collect());
            for node in list(root, "limits") {
                items.add(Section::Limit, &text(node, "id"), node, MANIFEST, &[]);
            }
            for route in routes {
                for node in list(route, "limits") {
                    items.add(Section::Limit, &text(node, "id"), node, MANIFEST, &[]);
                    if let Some((_, item)) = items.of.last_mut() {
                        item.fields.insert("route".to_owned(), Value::String(text(route, "id")));
                    }
                }
            }
            for (key, section) in [("approvals", Section::Approvals), ("estimate", Section::Estimate)] {
                if let Some(node) = root.entry(key) {
                    items.add(section, key, node, MANIFEST, &[]);
                }
            }
            if let Some(prices) = root.entry("prices") {
                items.add(Section::Prices, "prices", prices, MANIFEST, &["models"]);
                let rows = list(prices, "models");
                let id = |node: &Node| {
                    node.entry("models")
                        .map_or_else(String::new, |node| short(&canonical("models", &json(node))))
                };
                for node in rows {
                    items.add(Section::Price, &id(node), node, MANIFEST, &["models"]);
                }
                items.order(Section::Price, rows.iter().map(|node| id(node)).collect());
            }
        });
    }

    /// The order of a section, as one more item of it.
    fn order(&mut self, section: Section, ids: Vec<String>) {
        if ids.len() > 1 {
            let ids = Value::Array(ids.into_iter().map(Value::String).collect());
            let fields = BTreeMap::from([("order".to_owned(), ids)]);
            self.of
                .push(((section, "(order)".to_owned()), Item { fields, path: MANIFEST.to_owned(), line: 1 }));
        }
    }

    fn rules(&mut self, root: &Node, path: &str) {
        let named = |node: &Node| {
            let id = text(node, "id");
            if id.is_empty() { text(node, "name") } else { id }
        };
        let or_path = |id: String| if id.is_empty() { path.to_owned() } else { id };
        let listed: Vec<(&str, Section)> = vec![
            ("rules", Section::Rule),
            ("policies", Section::Rule),
            ("output_rules", Section::OutputRule),
        ];
        if let Node_::List(nodes) = &root.value {
            for node in nodes {
                self.add(Section::Rule, &or_path(named(node)), node, path, &[]);
            }
            return;
        }
        if listed.iter().all(|(key, _)| root.entry(key).is_none()) && root.entry("decision").is_some() {
            self.add(Section::Rule, &or_path(named(root)), root, path, &[]);
            return;
        }
        for (key, section) in listed {
            for node in list(root, key) {
                self.add(section, &or_path(named(node)), node, path, &[]);
            }
        }
        // What the file says of all its rules.
        if ["settings", "extends"].iter().any(|key| root.entry(key).is_some()) {
            self.add(
                Section::File,
                path,
                root,
                path,
                &["rules", "output_rules", "policies", "version", "name", "description"],
            );
        }
    }

    fn cedar(&mut self, file: &SourceFile) {
        let Ok(text) = std::str::from_utf8(&file.bytes) else { return };
        for policy in portcullis_cedar::written(portcullis_cedar::Source { path: &file.path, text }) {
            // The meaning is what is compared, the text what is shown.
            let fields = BTreeMap::from([
                ("policy".to_owned(), Value::String(collapsed(&policy.text))),
                (super::MEANING.to_owned(), Value::String(policy.meaning)),
            ]);
            let line = text.split(&policy.text).next().map_or(1, |before| before.matches('\n').count() + 1);
            let item = Item { fields, path: file.path.clone(), line: u32::try_from(line).unwrap_or(1) };
            let id = if policy.id.is_empty() { file.path.clone() } else { format!("cedar/{}", policy.id) };
            self.of.push(((Section::Cedar, id), item));
        }
    }
}

fn list<'n>(node: &'n Node, key: &str) -> &'n [std::rc::Rc<Node>] {
    match node.entry(key).map(|node| &node.value) {
        Some(Node_::List(items)) => items,
        _ => &[],
    }
}

fn text(node: &Node, key: &str) -> String {
    match node.entry(key).map(|node| &node.value) {
        Some(Node_::Scalar { text, .. }) => text.clone(),
        _ => String::new(),
    }
}

fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A value as text, for people.
pub(super) fn short(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) if items.iter().all(|item| !item.is_object() && !item.is_array()) => {
            items.iter().map(short).collect::<Vec<_>>().join(", ")
        }
        Value::Array(items) => items.iter().map(short).collect::<Vec<_>>().join("; "),
        Value::Object(map) => condition(map).unwrap_or_else(|| value.to_string()),
        other => other.to_string(),
    }
}

/// A condition, or a group of them, as one reads it aloud.
fn condition(map: &Map<String, Value>) -> Option<String> {
    if let (Some(field), Some(operator)) = (map.get("field"), map.get("operator")) {
        let value = map.get("value").map(|value| format!(" {}", short(value))).unwrap_or_default();
        let case = if map.contains_key("case_sensitive") { " (case heeded)" } else { "" };
        return Some(format!("{} {}{value}{case}", short(field), short(operator)));
    }
    let groups: Option<Vec<String>> = map
        .iter()
        .map(|(key, value)| {
            ["all", "any", "not"].contains(&key.as_str()).then(|| format!("{key} ({})", short(value)))
        })
        .collect();
    groups.filter(|groups| !groups.is_empty()).map(|groups| groups.join(" and "))
}

/// One form of what can be written in several: long operators, lists for single texts, no defaults, sets in one order.
fn canonical(key: &str, value: &Value) -> Value {
    match value {
        Value::Object(map) => {
            let mut out = Map::new();
            for (name, value) in map {
                let name = if name == "op" { "operator" } else { name };
                let value = word(name, canonical(name, value));
                let is_default = DEFAULTS.iter().any(|(default, plain)| *default == name && plain.is(&value));
                if !is_default {
                    out.insert(name.to_owned(), value);
                }
            }
            Value::Object(out)
        }
        Value::Array(items) => {
            let mut items: Vec<Value> = items.iter().map(|item| canonical("", item)).collect();
            // The members of a group stand in a list of their own.
            if is_set(key) {
                for item in &mut items {
                    if let Value::Array(inner) = item {
                        inner.sort_by_key(Value::to_string);
                    }
                }
                items.sort_by_key(Value::to_string);
            }
            Value::Array(items)
        }
        // One text, or a list of it.
        Value::String(_) if is_set(key) => Value::Array(vec![value.clone()]),
        other => other.clone(),
    }
}

fn is_set(key: &str) -> bool {
    SETS.contains(&key) || Selector::ALL.iter().any(|selector| selector.key() == key)
}

fn word(key: &str, value: Value) -> Value {
    let Value::String(text) = &value else { return value };
    if key == "operator"
        && let Some((_, operator)) = OPERATORS.iter().find(|(name, _)| name == text)
        && let Some((long, _)) = OPERATORS.iter().find(|(_, other)| other == operator)
    {
        return Value::String((*long).to_owned());
    }
    match ALIASES.iter().find(|(own, alias, _)| *own == key && *alias == text.as_str()) {
        Some((_, _, name)) => Value::String((*name).to_owned()),
        None => value,
    }
}
