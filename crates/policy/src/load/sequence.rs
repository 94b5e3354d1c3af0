//! `blocked_by` and `requires` of a rule.

use super::condition::{self, Place};
use super::language::Language;
use super::operator::read_globs;
use super::units::duration;
use super::value;
use crate::glob::Glob;
use crate::predicate::Predicate;
use crate::sequence::{DEFAULT_WITHIN, Past, Sequence};
use crate::source::node::Node;
use crate::source::read::{Map, Reader};
use std::time::Duration;

pub(crate) const KEYS: &[&str] = &["tool", "operation", "within", "conditions", "condition_groups"];
const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30 * 24 * 3_600);

/// Reads both lists; `None` when the rule has neither.
pub(crate) fn read(reader: &mut Reader<'_>, language: &mut Language, map: Map<'_>) -> Option<Predicate> {
    let mut list = |key: &str| -> (Vec<Past>, Option<&Node>) {
        let Some(node) = map.get(key) else { return (Vec::new(), None) };
        let Some(items) = reader.list(node, &format!("`{key}`")) else { return (Vec::new(), Some(node)) };
        if items.is_empty() {
            reader.error(node.at, format!("`{key}` is empty; leave the key out"));
        }
        (items.iter().filter_map(|item| read_past(reader, language, item)).collect(), Some(node))
    };
    let (blocked_by, first) = list("blocked_by");
    let (requires, second) = list("requires");
    let at = first.or(second)?.at;
    Some(Predicate::Sequence(Box::new(Sequence { blocked_by, requires, at })))
}

fn read_past(reader: &mut Reader<'_>, language: &mut Language, node: &Node) -> Option<Past> {
    const WHAT: &str = "something seen before";
    let map = reader.map(node, WHAT, KEYS)?;
    let tool = map.get("tool").map(|node| one_glob(reader, node, "`tool`").map(|(glob, _)| glob));
    let operation = map.get("operation").map(|node| read_operation(reader, language, node));
    if tool.is_some() == operation.is_some() {
        let problem = if tool.is_some() {
            "`tool` and `operation`; write"
        } else {
            "neither `tool` nor `operation`; write"
        };
        reader.error(node.at, format!("{WHAT} has {problem} one of them"));
        return None;
    }
    let within = match map.get("within") {
        Some(node) => {
            let within = duration(reader, node, "`within`", SHORTEST..=LONGEST)?;
            u64::try_from(within.as_millis()).unwrap_or(DEFAULT_WITHIN)
        }
        None => DEFAULT_WITHIN,
    };
    let mut conditions = Vec::new();
    if let Some(node) = map.get("conditions") {
        conditions = condition::read_all(reader, language, node, "`conditions`", Place::Past);
    }
    if let Some(node) = map.get("condition_groups") {
        let what = "`condition_groups`";
        conditions.extend(condition::read_groups(reader, language, node, what, Place::Past));
    }
    let text = value::show(node).into_boxed_str();
    // What is written and no good has been reported.
    let sound = |written: Option<Option<Glob>>| match written {
        Some(read) => read.map(Some),
        None => Some(None),
    };
    Some(Past { tool: sound(tool)?, operation: sound(operation)?, within, conditions, text, at: node.at })
}

fn one_glob(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
) -> Option<(Glob, crate::source::read::Located)> {
    let text = reader.text(node, what, crate::limits::MAX_NAME_CHARS)?;
    let glob = read_globs(reader, std::slice::from_ref(&text), true)?.pop()?;
    Some((glob, text))
}

fn read_operation(reader: &mut Reader<'_>, language: &mut Language, node: &Node) -> Option<Glob> {
    let (glob, text) = one_glob(reader, node, "`operation`")?;
    if text.text.contains(':') {
        let message = format!(
            "`{}`: of what was seen before only the operation's name is kept, such as `Converse`",
            text.text
        );
        reader.error(text.at, message);
        return None;
    }
    language.vocabulary.check(reader, std::slice::from_ref(&text), std::slice::from_ref(&glob));
    Some(glob)
}
