//! Rule files to rules.

use super::condition::{self, Regexes, read_globs};
use super::operations::Vocabulary;
use crate::decision::Effect;
use crate::limits::{MAX_MESSAGE_CHARS, MAX_NAME_CHARS, MAX_RULES};
use crate::names::Selector;
use crate::predicate::{Check, Predicate, Subject, Test};
use crate::rule::{Metadata, Rule, Severity, Source};
use crate::source::node::Node;
use crate::source::read::{Located, Map, Reader};
use crate::source::report::Report;
use std::collections::HashMap;
use std::sync::Arc;

/// The format of rule files that this version reads.
const FORMAT: &[(&str, ())] = &[("1.0", ()), ("1", ())];
const FILE_KEYS: &[&str] = &["version", "name", "description", "rules"];
const RULE_KEYS: &[&str] = &[
    "id",
    "name",
    "description",
    "enabled",
    "severity",
    "tags",
    "action",
    "mode",
    "operations",
    "models",
    "principals",
    "regions",
    "routes",
    "conditions",
    "condition_groups",
    "message",
];
const ACTIONS: &[(&str, Effect)] = &[("allow", Effect::Allow), ("block", Effect::Deny), ("log", Effect::Log)];
/// The modes of rules, limits and bundles: shadow or not.
pub(crate) const MODES: &[(&str, bool)] = &[("enforce", false), ("shadow", true)];
pub(crate) const SEVERITIES: &[(&str, Severity)] = &[
    ("info", Severity::Info),
    ("low", Severity::Low),
    ("medium", Severity::Medium),
    ("high", Severity::High),
    ("critical", Severity::Critical),
];
/// Ids of the rules that are built in start with this.
const RESERVED: &str = "portcullis/";

/// Reads rule files one after the other.
#[derive(Default)]
pub(crate) struct Rules {
    /// The file that is read.
    path: Arc<str>,
    pub(crate) rules: Vec<Rule>,
    ids: HashMap<String, Source>,
    regexes: Regexes,
    vocabulary: Vocabulary,
    /// Literal principals of selectors, to be compared with the directory.
    pub(crate) principals: Vec<(String, Located)>,
    /// Models that routes and rules that allow write out, to be compared with the prices.
    pub(crate) models: Vec<(String, Located)>,
    /// Routes of selectors, to be compared with those of the bundle.
    pub(crate) routes: Vec<(String, Located)>,
    full: bool,
}

impl Rules {
    /// Where the rule of this id is: file and line.
    pub(crate) fn place_of(&self, id: &str) -> Option<(String, u32)> {
        self.ids.get(id).map(|source| (source.path.to_string(), source.at.line))
    }

    /// Reads one file, already parsed.
    pub(crate) fn read_file(&mut self, path: &str, root: &Node, report: &mut Report) {
        self.path = Arc::from(path);
        let mut reader = Reader { path, report };
        let Some(map) = reader.map(root, "a rule file", FILE_KEYS) else { return };
        if let Some(version) = map.get("version") {
            reader.choice(version, "rule file version", FORMAT);
        }
        for key in ["name", "description"] {
            if let Some(node) = map.get(key) {
                reader.text(node, &format!("`{key}`"), MAX_NAME_CHARS);
            }
        }
        let Some(rules) = reader.required(map, "rules", "the rule file") else { return };
        let Some(rules) = reader.list(rules, "`rules`") else { return };
        for node in rules {
            self.read_rule(&mut reader, node);
        }
    }

    fn read_rule(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let Some(map) = reader.map(node, "a rule", RULE_KEYS) else { return };
        let id = self.read_id(reader, map);
        let effect = reader.required(map, "action", "the rule");
        let effect = effect.and_then(|action| reader.choice(action, "action", ACTIONS));
        let enabled = map.get("enabled").is_none_or(|node| reader.boolean(node, "`enabled`") != Some(false));
        let shadow = map.get("mode").and_then(|node| reader.choice(node, "mode", MODES)).unwrap_or(false);
        let severity = map.get("severity").and_then(|node| reader.choice(node, "severity", SEVERITIES));
        let tags = map.get("tags").and_then(|node| reader.texts(node, "`tags`")).unwrap_or_default();
        let message = map.get("message").and_then(|node| reader.text(node, "`message`", MAX_MESSAGE_CHARS));
        for key in ["name", "description"] {
            if let Some(node) = map.get(key) {
                reader.text(node, &format!("`{key}`"), MAX_NAME_CHARS);
            }
        }
        let mut names_unknown = false;
        let models = self.models.len();
        let mut conditions = Vec::new();
        for selector in Selector::ALL {
            conditions.extend(self.read_selector(reader, map, *selector, &mut names_unknown));
        }
        if let Some(node) = map.get("conditions") {
            conditions.extend(self.read_conditions(reader, node, "`conditions`"));
        }
        if let Some(node) = map.get("condition_groups") {
            conditions.extend(self.read_groups(reader, node));
        }
        if effect != Some(Effect::Allow) {
            self.models.truncate(models);
        }
        let (Some(id), Some(effect), true) = (id, effect, enabled) else { return };
        if self.rules.len() >= MAX_RULES {
            if !self.full {
                reader.error(id.at, format!("the bundle has more than {MAX_RULES} enabled rules"));
            }
            self.full = true;
            return;
        }
        self.rules.push(Rule {
            id: id.text,
            effect,
            shadow,
            message: message.map(|message| message.text),
            severity: severity.unwrap_or_default(),
            tags: tags.into_iter().map(|tag| tag.text).collect(),
            metadata: Metadata::new(),
            conditions,
            names_unknown,
            source: Source { path: Arc::clone(&self.path), at: id.at },
        });
    }

    fn read_id(&mut self, reader: &mut Reader<'_>, map: Map<'_>) -> Option<Located> {
        let id = reader.required(map, "id", "the rule")?;
        let id = reader.text(id, "`id`", 128)?;
        if !id.text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
            reader.error(id.at, format!("id `{}` may have only letters, digits and `-_.:/`", id.text));
            return None;
        }
        if id.text.starts_with(RESERVED) {
            reader.error(id.at, format!("ids that start with `{RESERVED}` are reserved for built-in rules"));
            return None;
        }
        if let Some(Source { path, at }) = self.ids.get(&id.text) {
            reader.error(id.at, format!("id `{}` is taken by the rule at {path}:{}", id.text, at.line));
            return None;
        }
        self.ids.insert(id.text.clone(), Source { path: Arc::clone(&self.path), at: id.at });
        Some(id)
    }

    /// What a selector key of a rule, a limit or a route says.
    pub(crate) fn read_selector(
        &mut self,
        reader: &mut Reader<'_>,
        map: Map<'_>,
        selector: Selector,
        names_unknown: &mut bool,
    ) -> Option<Predicate> {
        let texts = reader.texts(map.get(selector.key())?, &format!("`{}`", selector.key()))?;
        match selector {
            Selector::Operations => {
                *names_unknown =
                    texts.iter().any(|text| text.text.eq_ignore_ascii_case(crate::UNKNOWN_OPERATION));
            }
            Selector::Principals => {
                let literal = texts.iter().filter(|text| !text.text.contains(['*', '?', '[']));
                self.principals.extend(literal.map(|text| (reader.path.to_owned(), text.clone())));
            }
            Selector::Routes => {
                self.routes.extend(texts.iter().map(|text| (reader.path.to_owned(), text.clone())));
            }
            Selector::Models => {
                let literal = texts.iter().filter(|text| !text.text.contains(['*', '?', '[']));
                self.models.extend(literal.map(|text| (reader.path.to_owned(), text.clone())));
            }
            Selector::Regions => {}
        }
        let globs = read_globs(reader, &texts, selector.folds_case())?;
        if selector == Selector::Operations {
            self.vocabulary.check(reader, &texts, &globs);
        }
        let subject = Subject::Selector(selector);
        Some(Predicate::Test(Test { subject, check: Check::Globs(globs) }))
    }

    /// A list of conditions, all of which must hold.
    pub(crate) fn read_conditions(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        what: &str,
    ) -> Vec<Predicate> {
        let Some(items) = reader.list(node, what) else { return Vec::new() };
        if items.is_empty() {
            reader.error(node.at, format!("{what} is empty; leave the key out"));
        }
        items.iter().filter_map(|item| condition::read(reader, &mut self.regexes, item)).collect()
    }

    /// Any group, of each group all.
    fn read_groups(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Predicate> {
        let groups = reader.list(node, "`condition_groups`")?;
        if groups.is_empty() {
            reader.error(node.at, "`condition_groups` is empty; leave the key out");
        }
        let groups = groups.iter().map(|group| self.read_conditions(reader, group, "a condition group"));
        Some(Predicate::Any(groups.map(Predicate::All).collect()))
    }
}
