//! `cedar/`: policies, and who and what is in which group.

use super::files::MANIFEST;
use super::rule::SEVERITIES;
use crate::SourceFile;
use crate::about::About;
use crate::cedar::{Cedar, Entry, PREFIX};
use crate::decision::Effect;
use crate::directory::Directory;
use crate::limits::{MAX_MESSAGE_CHARS, MAX_NAME_CHARS};
use crate::rule::{Metadata, Rule, Source};
use crate::source::node::{self, Node, Value};
use crate::source::read::{Reader, closest, describe};
use crate::source::report::{Pos, Report};
use crate::template::Template;
use portcullis_cedar::{Hierarchy, PolicyInfo};
use std::sync::Arc;

/// The memberships.
pub(crate) const ENTITIES: &str = "cedar/entities.json";
/// Ours alone.
pub(crate) const SCHEMA: &str = "cedar/schema.cedarschema";

/// The files of `cedar/`, sorted by path.
#[derive(Default)]
pub(crate) struct CedarFiles<'f> {
    pub(crate) policies: Vec<&'f SourceFile>,
    pub(crate) entities: Option<&'f SourceFile>,
    pub(crate) schema: Option<&'f SourceFile>,
}

impl CedarFiles<'_> {
    /// Compiles them; `None` when there are no policies, or none that is any good. `taken` says where a rule of this id is.
    pub(crate) fn read(
        &self,
        directory: Option<&Directory>,
        taken: impl Fn(&str) -> Option<(String, u32)>,
        report: &mut Report,
    ) -> Option<Cedar> {
        if let Some(file) = self.schema
            && file.bytes.trim_ascii() != portcullis_cedar::SCHEMA.trim().as_bytes()
        {
            let message = "this is not the schema of this version, and another cannot be used; leave the file out, or write what \
                           `portcullis policy schema --cedar` prints";
            report.error(SCHEMA, Pos::START, message);
        }
        let mut hierarchy = Hierarchy::default();
        if let Some(file) = self.entities {
            let root = node::parse(&file.path, &file.bytes, report)?;
            read_entities(&mut Reader { path: &file.path, report }, &root, &mut hierarchy);
        }
        let mut sources = Vec::new();
        for file in &self.policies {
            let text = node::utf8(&file.path, &file.bytes, report)?;
            sources.push(portcullis_cedar::Source { path: &file.path, text });
        }
        if sources.is_empty() {
            if self.entities.is_some() {
                report.warning(ENTITIES, Pos::START, "there are no Cedar policies, so nobody reads this");
            }
            return None;
        }
        let (policies, warnings) = match portcullis_cedar::compile(&sources, hierarchy) {
            Ok(compiled) => compiled,
            Err(findings) => {
                tell(&findings, report);
                return None;
            }
        };
        tell(&warnings, report);
        let mut entries = Vec::with_capacity(policies.infos().len());
        for info in policies.infos() {
            let at = Pos { line: info.line, column: info.column };
            let id = format!("{PREFIX}{}", info.id);
            if let Some((path, line)) = taken(&id) {
                report.error(&info.path, at, format!("id `{id}` is taken by the rule at {path}:{line}"));
            }
            if let Some(directory) = directory {
                warn_of_principals(info, at, directory, report);
            }
            entries.push(entry(info, id, at, report));
        }
        Some(Cedar::new(policies, entries))
    }
}

fn tell(findings: &[portcullis_cedar::Finding], report: &mut Report) {
    for finding in findings {
        let at = Pos { line: finding.line, column: finding.column };
        if finding.error {
            report.error(&finding.path, at, &finding.message);
        } else {
            report.warning(&finding.path, at, &finding.message);
        }
    }
}

fn entry(info: &PolicyInfo, id: String, at: Pos, report: &mut Report) -> Entry {
    let forbid = info.effect == portcullis_cedar::Effect::Forbid;
    let severity = info.severity.as_deref().and_then(|word| {
        let found = SEVERITIES.iter().find(|(name, _)| *name == word).map(|(_, severity)| *severity);
        if found.is_none() {
            let names: Vec<_> = SEVERITIES.iter().map(|(name, _)| *name).collect();
            let message = format!("unknown severity `{word}`; it is one of `{}`", names.join("`, `"));
            report.error(&info.path, at, message);
        }
        found
    });
    if info.message.as_ref().is_some_and(|message| message.chars().count() > MAX_MESSAGE_CHARS) {
        report.error(&info.path, at, format!("`@message` is longer than {MAX_MESSAGE_CHARS} characters"));
    }
    if info.message.as_ref().is_some_and(|message| message.chars().any(char::is_control)) {
        report.error(&info.path, at, "`@message` contains a control character");
    }
    let rule = Rule {
        id,
        effect: if forbid { Effect::Deny } else { Effect::Allow },
        about: About { calls: true, tools: true, answers: false },
        shadow: info.shadow,
        message: info.message.as_deref().map(Template::plain),
        approval: None,
        retry_after: None,
        redact_with: None,
        severity: severity.unwrap_or_default(),
        tags: Vec::new(),
        metadata: Metadata::new(),
        conditions: Vec::new(),
        names_unknown: info.names_unknown,
        source: Source { path: Arc::from(info.path.as_str()), at },
    };
    let otherwise = if forbid {
        let message = "the policy cannot be evaluated for this call, and so holds";
        Rule { message: Some(Template::plain(message)), ..rule.clone() }
    } else {
        Rule { shadow: true, ..rule.clone() }
    };
    Entry { rule, otherwise }
}

/// A name that is almost one of the directory's is most likely a typo; others may be virtual keys.
fn warn_of_principals(info: &PolicyInfo, at: Pos, directory: &Directory, report: &mut Report) {
    for name in &info.principals {
        if !directory.names().any(|known| known == name)
            && let Some(known) = closest(name, directory.names())
        {
            let message =
                format!("principal `{name}` is not in the directory of {MANIFEST}, did you mean `{known}`?");
            report.warning(&info.path, at, message);
        }
    }
}

/// `[{"uid": {"type": "Model", "id": "…"}, "parents": [{"type": "Group", "id": "…"}]}]`, as Cedar's tools write it.
fn read_entities(reader: &mut Reader<'_>, root: &Node, hierarchy: &mut Hierarchy) {
    for node in reader.list(root, "`entities.json`").unwrap_or_default() {
        let Some(map) = reader.map(node, "an entity", &["uid", "parents", "attrs", "tags"]) else { continue };
        for key in ["attrs", "tags"] {
            if let Some(node) = map.get(key)
                && !matches!(&node.value, Value::Map(entries) if entries.is_empty())
            {
                let got = describe(node);
                reader.error(
                    node.at,
                    format!("`{key}` must be empty, but this is {got}: attributes are those of the call"),
                );
            }
        }
        let uid = reader.required(map, "uid", "the entity").and_then(|node| read_uid(reader, node));
        let Some(parents) = reader.required(map, "parents", "the entity") else { continue };
        for node in reader.list(parents, "`parents`").unwrap_or_default() {
            let (Some(child), Some(parent)) = (&uid, read_uid(reader, node)) else { continue };
            if let Err(error) = hierarchy.add((&child.0, &child.1), (&parent.0, &parent.1)) {
                reader.error(node.at, error.to_string());
            }
        }
    }
}

fn read_uid(reader: &mut Reader<'_>, node: &Node) -> Option<(String, String)> {
    let inner = match &node.value {
        Value::Map(entries) => entries.iter().find(|entry| entry.key == "__entity").map(|entry| &entry.value),
        Value::List(_) | Value::Scalar { .. } => None,
    };
    let map = reader.map(inner.map_or(node, |inner| inner.as_ref()), "an entity's name", &["type", "id"])?;
    let kind =
        reader.required(map, "type", "the entity's name").and_then(|node| reader.text(node, "`type`", 128));
    let id = reader
        .required(map, "id", "the entity's name")
        .and_then(|node| reader.text(node, "`id`", MAX_NAME_CHARS));
    Some((kind?.text, id?.text))
}
