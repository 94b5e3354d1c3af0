//! Rule files to rules.

use super::extends::{self, Header};
use super::language::Language;
use super::output;
use super::rule::{ACTIONS, read_tags};
use super::{condition, contradiction, policy, rule, scope};
use crate::limits::{MAX_NAME_CHARS, MAX_RULES};
use crate::names::Selector;
use crate::predicate::Predicate;
use crate::rule::{Rule, Source};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader};
use crate::source::report::Report;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

/// The format of rule files that this version reads.
const FORMAT: &[(&str, ())] = &[("1.0", ()), ("1", ())];
pub(crate) const FILE_KEYS: &[&str] =
    &["version", "name", "description", "extends", "rules", "output_rules", "settings"];
pub(crate) const SETTINGS_KEYS: &[&str] = &["default_action", "fail_mode", "global_tags"];
/// The modes of rules, limits and bundles: shadow or not.
pub(crate) const MODES: &[(&str, bool)] = &[("enforce", false), ("shadow", true)];
/// Ids of the rules that are built in start with one of these.
const RESERVED: &[&str] = &["portcullis/", "limit/"];

/// Reads rule files: first all are added, then all are read.
#[derive(Default)]
pub(crate) struct Rules {
    files: Vec<Rc<Node>>,
    headers: Vec<Header>,
    /// The file that is read, by number.
    file: usize,
    path: Arc<str>,
    /// Tags of all rules of the file that is read.
    global_tags: Vec<String>,
    pub(crate) language: Language,
    pub(crate) rules: Vec<Rule>,
    /// By id: where it was written, and in which file.
    ids: HashMap<String, (Source, usize)>,
    /// Ids of rules that a file standing on theirs has replaced.
    replaced: HashSet<String>,
    full: bool,
}

impl Rules {
    /// Where the rule of this id is: file and line.
    pub(crate) fn place_of(&self, id: &str) -> Option<(String, u32)> {
        self.ids.get(id).map(|(source, _)| (source.path.to_string(), source.at.line))
    }

    /// Adds a file, already parsed.
    pub(crate) fn add_file(&mut self, path: &str, root: Rc<Node>) {
        self.headers.push(Header::of(path, &root));
        self.files.push(root);
    }

    /// Reads all files, in the order in which they were added.
    pub(crate) fn read_files(&mut self, report: &mut Report) {
        extends::resolve(&mut self.headers, report);
        for (number, root) in std::mem::take(&mut self.files).into_iter().enumerate() {
            let path = self.headers.get(number).map(|header| header.path.clone()).unwrap_or_default();
            self.file = number;
            self.path = Arc::from(path.as_str());
            self.global_tags = Vec::new();
            let mut reader = Reader { path: &path, report };
            if policy::is_policy(&root) {
                policy::read_file(self, &mut reader, &root);
            } else {
                self.read_file(&mut reader, &root);
            }
        }
    }

    fn read_file(&mut self, reader: &mut Reader<'_>, root: &Node) {
        if let Value::List(_) = root.value {
            reader
                .error(root.at, "a rule file must be a mapping, but this is a list; write `rules:` above it");
            return;
        }
        let Some(map) = reader.map(root, "a rule file", FILE_KEYS) else { return };
        if let Some(version) = map.get("version") {
            reader.choice(version, "rule file version", FORMAT);
        }
        for key in ["name", "extends"] {
            if let Some(node) = map.get(key) {
                reader.text(node, &format!("`{key}`"), MAX_NAME_CHARS);
            }
        }
        if let Some(node) = map.get("description") {
            reader.prose(node, "`description`");
        }
        if let Some(node) = map.get("settings") {
            self.read_settings(reader, node);
        }
        let (rules, output_rules) = (map.get("rules"), map.get("output_rules"));
        if rules.is_none() && output_rules.is_none() && map.get("extends").is_none() {
            reader.required(map, "rules", "the rule file");
        }
        for node in rules.and_then(|rules| reader.list(rules, "`rules`")).unwrap_or_default() {
            rule::read(self, reader, node);
        }
        if let Some(node) = output_rules {
            output::read(self, reader, node);
        }
    }

    /// What the file says of all its rules.
    fn read_settings(&mut self, reader: &mut Reader<'_>, node: &Node) {
        let Some(map) = reader.map(node, "`settings`", SETTINGS_KEYS) else { return };
        if let Some(tags) = map.get("global_tags") {
            self.global_tags = read_tags(reader, tags, "`global_tags`");
        }
        if let Some(node) = map.get("default_action") {
            reader.choice(node, "default_action", ACTIONS);
            reader.warning(
                node.at,
                "`default_action` is heeded in no rule file: the verdict when no rule matches is `default` of bundle.yaml",
            );
        }
        if let Some(node) = map.get("fail_mode")
            && let Some(true) = reader.choice(node, "fail_mode", &[("open", true), ("closed", false)])
        {
            reader.warning(
                node.at,
                "`fail_mode: open` is not heeded: what cannot be decided is refused, unless the gate is told otherwise",
            );
        }
    }

    /// The path of the file that is read.
    pub(crate) fn path(&self) -> Arc<str> {
        Arc::clone(&self.path)
    }

    /// A rule's id, checked.
    pub(crate) fn read_id(&mut self, reader: &mut Reader<'_>, node: &Node) -> Option<Located> {
        let id = reader.text(node, "`id`", 128)?;
        self.check_id(reader, id)
    }

    /// The same for an id that was made. `None` when it is no good or not to be loaded.
    pub(crate) fn check_id(&mut self, reader: &mut Reader<'_>, id: Located) -> Option<Located> {
        if !id.text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.:/".contains(c)) {
            reader.error(id.at, format!("id `{}` may have only letters, digits and `-_.:/`", id.text));
            return None;
        }
        if let Some(prefix) = RESERVED.iter().find(|prefix| id.text.starts_with(**prefix)) {
            reader.error(id.at, format!("ids that start with `{prefix}` are reserved for what is built in"));
            return None;
        }
        if let Some((Source { path, at }, file)) = self.ids.get(&id.text) {
            if extends::stands_on(&self.headers, *file, self.file) {
                // The file that stands on this one has its own rule of this id.
                return None;
            }
            if !extends::stands_on(&self.headers, self.file, *file) {
                reader.error(id.at, format!("id `{}` is taken by the rule at {path}:{}", id.text, at.line));
                return None;
            }
            self.replaced.insert(id.text.clone());
        }
        self.ids.insert(id.text.clone(), (Source { path: self.path(), at: id.at }, self.file));
        Some(id)
    }

    /// Keeps a rule, if it is enabled.
    pub(crate) fn keep(&mut self, reader: &mut Reader<'_>, mut rule: Rule, enabled: bool) {
        if self.replaced.remove(&rule.id) {
            self.rules.retain(|other| other.id != rule.id);
        }
        contradiction::check(reader, &rule.conditions);
        if !enabled {
            return;
        }
        if self.rules.len() >= MAX_RULES {
            if !self.full {
                reader.error(rule.source.at, format!("the bundle has more than {MAX_RULES} enabled rules"));
            }
            self.full = true;
            return;
        }
        rule.tags.extend(self.global_tags.iter().cloned());
        self.rules.push(rule);
    }

    /// What a selector key of a rule, a limit or a route says.
    pub(crate) fn read_selector(
        &mut self,
        reader: &mut Reader<'_>,
        map: Map<'_>,
        selector: Selector,
        names_unknown: &mut bool,
    ) -> Option<Predicate> {
        let node = map.get(selector.key())?;
        scope::read_selector(reader, &mut self.language, node, selector, names_unknown)
    }

    /// A list of conditions, all of which must hold.
    pub(crate) fn read_conditions(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        what: &str,
    ) -> Vec<Predicate> {
        condition::read_all(reader, &mut self.language, node, what, condition::Place::Call)
    }
}
