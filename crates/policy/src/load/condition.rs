//! Written conditions to predicates.

use super::language::Language;
use super::operator::{self, OPERATORS};
use crate::field::{self, ALIASES, Field, FieldKind};
use crate::limits::MAX_NAME_CHARS;
use crate::predicate::{Predicate, Subject};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader, did_you_mean};

/// What conditions are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The call.
    Call,
    /// Something seen before: its arguments, name and time are kept.
    Past,
    /// What a tool answered.
    Output,
}

pub(crate) const GROUPS: [&str; 3] = ["all", "any", "not"];
pub(crate) const CONDITION_KEYS: &[&str] = &["field", "operator", "op", "value", "case_sensitive"];
const ALL_KEYS: &[&str] = &["field", "operator", "op", "value", "case_sensitive", "all", "any", "not"];

/// Reads `conditions`: a list of which all must hold, or one condition or group.
pub(crate) fn read_all(
    reader: &mut Reader<'_>,
    language: &mut Language,
    node: &Node,
    what: &str,
    place: Place,
) -> Vec<Predicate> {
    if matches!(node.value, Value::Map(_)) {
        return read(reader, language, node, place).into_iter().collect();
    }
    let Some(items) = reader.list(node, what) else { return Vec::new() };
    if items.is_empty() {
        reader.error(node.at, format!("{what} is empty; leave the key out"));
    }
    items.iter().filter_map(|item| read(reader, language, item, place)).collect()
}

/// Reads `condition_groups`: of one group all must hold.
pub(crate) fn read_groups(
    reader: &mut Reader<'_>,
    language: &mut Language,
    node: &Node,
    what: &str,
    place: Place,
) -> Option<Predicate> {
    let groups = reader.list(node, what)?;
    if groups.is_empty() {
        reader.error(node.at, format!("{what} is empty; leave the key out"));
    }
    let group = |group: &std::rc::Rc<Node>| {
        let conditions = read_all(reader, language, group, "a condition group", place);
        Predicate::All(conditions, group.at)
    };
    Some(Predicate::Any(groups.iter().map(group).collect(), node.at))
}

/// Reads `{field, operator, value}`, or a group: `{all: […]}`, `{any: […]}`, `{not: …}`.
fn read(reader: &mut Reader<'_>, language: &mut Language, node: &Node, place: Place) -> Option<Predicate> {
    let is_group = matches!(&node.value, Value::Map(entries)
        if entries.iter().any(|entry| GROUPS.contains(&entry.key.as_str())));
    if !is_group {
        let mentions_group = matches!(&node.value, Value::Map(entries) if entries.iter().all(|entry| {
            !CONDITION_KEYS.contains(&entry.key.as_str())
        }));
        let map = reader.map(node, "a condition", if mentions_group { ALL_KEYS } else { CONDITION_KEYS })?;
        return read_test(reader, language, node, map, place);
    }
    let map = reader.map(node, "a group of conditions", &GROUPS)?;
    let mut parts = Vec::new();
    for (key, what) in [("all", "`all`"), ("any", "`any`"), ("not", "`not`")] {
        let Some(inner) = map.get(key) else { continue };
        let members = read_all(reader, language, inner, what, place);
        let at = map.key_at(key).unwrap_or(inner.at);
        parts.push(match key {
            "all" => Predicate::All(members, at),
            "any" => Predicate::Any(members, at),
            _ => Predicate::Not(Box::new(one_or_all(members, at)), at),
        });
    }
    Some(one_or_all(parts, node.at))
}

fn one_or_all(mut parts: Vec<Predicate>, at: crate::source::report::Pos) -> Predicate {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            Predicate::All(parts, at)
        }
    }
}

fn read_test(
    reader: &mut Reader<'_>,
    language: &mut Language,
    node: &Node,
    map: Map<'_>,
    place: Place,
) -> Option<Predicate> {
    let name = reader.required(map, "field", "the condition");
    let name = name.and_then(|name| reader.text(name, "`field`", MAX_NAME_CHARS));
    let operator = match (map.get("operator"), map.get("op")) {
        (Some(_), Some(second)) => {
            reader.error(second.at, "`op` is another name for `operator`; write one of them");
            None
        }
        (Some(operator), None) | (None, Some(operator)) => Some(operator),
        (None, None) => reader.required(map, "operator", "the condition"),
    };
    let operator_at = operator.map_or(node.at, |operator| operator.at);
    let operator = operator.and_then(|operator| reader.choice(operator, "operator", OPERATORS));
    let case_sensitive =
        map.get("case_sensitive").and_then(|node| reader.boolean(node, "`case_sensitive`")).unwrap_or(false);
    let (field, key) = resolve(reader, &name?, place)?;
    let operator = operator?;
    let mut condition = operator::Condition {
        reader,
        language,
        subject: Subject::Field(field, key),
        field,
        operator,
        folds: !case_sensitive,
        place,
        operator_at,
    };
    condition.read(map, node).map(Predicate::Test)
}

/// The field of a name, or an error that says which was meant.
pub(crate) fn resolve(
    reader: &mut Reader<'_>,
    name: &Located,
    place: Place,
) -> Option<(&'static Field, String)> {
    let found = match place {
        Place::Call | Place::Past => field::lookup(&name.text),
        Place::Output => field::lookup_output(&name.text),
    };
    if let Some((field, key)) = found {
        if place == Place::Output && (field.is_of_tools() || field.is_of_answers() || field.needs_text) {
            let message = format!(
                "`{}` is not there when outputs are judged; write `output` or `output.PATH`",
                name.text
            );
            reader.error(name.at, message);
            return None;
        }
        let kept =
            matches!(field.name, "arguments" | "tool.name" | "operation") || field.name.starts_with("time.");
        if place == Place::Past && !kept {
            let message = format!(
                "`{}` is not kept of what was seen before; `arguments.…`, `tool.name`, `operation` and `time.…` are",
                name.text
            );
            reader.error(name.at, message);
            return None;
        }
        return Some((field, key));
    }
    let fields = field::fields();
    let message = match fields.iter().find(|field| field.kind == FieldKind::Map && field.name == name.text) {
        Some(map) => format!("field `{}` needs a key, as in `{}.KEY`", name.text, map.name),
        None => {
            let names = fields.iter().map(|field| field.name).chain(ALIASES.iter().map(|(alias, _)| *alias));
            let hint = match did_you_mean(&name.text, names) {
                none if none.is_empty() && !name.text.contains('.') => {
                    format!("; an argument of a tool is `arguments.{}`", name.text)
                }
                hint => hint,
            };
            format!("unknown field `{}`{hint}", name.text)
        }
    };
    reader.error(name.at, message);
    None
}
