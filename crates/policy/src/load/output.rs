//! `output_rules`: rules on what tools answered that is sent back, and, without `tools`, on the text that a model answers.

use super::condition::{Place, read_all, read_groups};
use super::operator::read_globs;
use super::rule::About as Said;
use super::rules::Rules;
use crate::about::About;
use crate::check::Check;
use crate::decision::Effect;
use crate::field::{self, Field};
use crate::limits::MAX_NAME_CHARS;
use crate::number::{Comparison, Number};
use crate::predicate::{Predicate, Subject, Test, Written};
use crate::rule::{Rule, Source};
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
/// The tools whose results are sent back.
const NAMES: &str = "tool_result.names";
/// Results whose tool is not known.
const UNNAMED: &str = "tool_result.unnamed";

/// Reads the list.
pub(crate) fn read(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node) {
    for item in reader.list(node, "`output_rules`").unwrap_or_default() {
        read_one(rules, reader, item);
    }
}

fn read_one(rules: &mut Rules, reader: &mut Reader<'_>, node: &Node) {
    let Some(map) = reader.map(node, "an output rule", KEYS) else { return };
    let id = reader.required(map, "id", "the output rule");
    let id = id.and_then(|id| rules.read_id(reader, id));
    let effect = reader.required(map, "action", "the output rule");
    let effect = effect.and_then(|action| reader.choice(action, "action of an output rule", ACTIONS));
    let enabled = map.get("enabled").is_none_or(|node| reader.boolean(node, "`enabled`") != Some(false));
    let said = Said::read(reader, map);
    let redact_with =
        map.get("redact_with").and_then(|node| reader.text(node, "`redact_with`", MAX_NAME_CHARS));
    if let (Some(at), Some(effect)) = (map.key_at("redact_with"), effect)
        && effect != Effect::Redact
    {
        reader.error(at, "`redact_with` goes with `action: redact` only");
    }
    let mut conditions: Vec<Predicate> =
        map.get("tools").and_then(|node| read_tools(reader, node)).into_iter().collect();
    let language = &mut rules.language;
    let mut of_outputs = Vec::new();
    if let Some(node) = map.get("output_conditions") {
        of_outputs.extend(read_all(reader, language, node, "`output_conditions`", Place::Output));
    }
    if let Some(node) = map.get("output_condition_groups") {
        of_outputs.extend(read_groups(reader, language, node, "`output_condition_groups`", Place::Output));
    }
    let (Some(id), Some(effect)) = (id, effect) else { return };
    let reads_results = of_outputs.iter().any(|one| one.any_field(&Field::is_of_results));
    let about = About { calls: true, tools: false, answers: conditions.is_empty() && !reads_results };
    conditions.push(Predicate::Output(of_outputs, node.at));
    let rule = Rule {
        effect,
        about,
        shadow: false,
        message: None,
        approval: None,
        retry_after: None,
        redact_with: redact_with.map(|text| text.text),
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

/// Some result is of one of these tools, or nobody knows of which tool it is.
fn read_tools(reader: &mut Reader<'_>, node: &Node) -> Option<Predicate> {
    let texts = reader.texts(node, "`tools`")?;
    let globs = read_globs(reader, &texts, true)?;
    let value: Vec<_> = texts.iter().map(|text| text.text.as_str()).collect();
    let written = |operator, value: &str| Written { operator, value: value.into(), at: node.at };
    let (names, key) = field::lookup(NAMES)?;
    let named = Test {
        subject: Subject::Field(names, key),
        check: Check::Globs { globs, folds: true },
        negated: false,
        written: written("glob", &value.join(", ")),
    };
    let (unnamed, key) = field::lookup(UNNAMED)?;
    let unknown = Test {
        subject: Subject::Field(unnamed, key),
        check: Check::Compare(Comparison::Greater, Number::integer(0)),
        negated: false,
        written: written("greater_than", "0"),
    };
    Some(Predicate::Any(vec![Predicate::Test(named), Predicate::Test(unknown)], node.at))
}
