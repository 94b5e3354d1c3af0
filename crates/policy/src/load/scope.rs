//! Which calls something is about: selectors and conditions. Rules have them, and limits.

use super::condition::{self, Place};
use super::language::Language;
use super::operator::read_globs;
use crate::UNKNOWN_OPERATION;
use crate::about::About;
use crate::check::Check;
use crate::decision::Effect;
use crate::glob::Glob;
use crate::names::Selector;
use crate::predicate::{Predicate, Subject, Test, Written};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader};
use crate::source::report::Pos;

/// Which calls: those for which all of `conditions` hold.
#[derive(Debug, Default)]
pub(crate) struct Scope {
    /// Selectors first, then the written conditions.
    pub(crate) conditions: Vec<Predicate>,
    /// Its `operations` name `Unknown` in so many words.
    pub(crate) names_unknown: bool,
}

/// Reads the selectors and conditions of a mapping.
pub(crate) fn read(reader: &mut Reader<'_>, language: &mut Language, map: Map<'_>) -> Scope {
    let mut scope = Scope::default();
    for selector in Selector::ALL {
        if let Some(node) = map.get(selector.key()) {
            let read = read_selector(reader, language, node, *selector, &mut scope.names_unknown);
            scope.conditions.extend(read);
        }
    }
    if let Some(node) = map.get("conditions") {
        let read = condition::read_all(reader, language, node, "`conditions`", Place::Call);
        scope.conditions.extend(read);
    }
    if let Some(node) = map.get("condition_groups") {
        let read = condition::read_groups(reader, language, node, "`condition_groups`", Place::Call);
        scope.conditions.extend(read);
    }
    scope
}

/// Adds what is not written: a scope that reads what only tool calls have concerns tool calls only.
pub(crate) fn only_tool_calls(conditions: &mut Vec<Predicate>, at: Pos) {
    let selects_tools = |predicate: &Predicate| {
        matches!(predicate, Predicate::Test(Test { subject: Subject::Selector(Selector::Tools), .. }))
    };
    let reads_tools = conditions.iter().any(|one| one.any_field(&|field| field.is_of_tools()));
    if reads_tools
        && !conditions.iter().any(selects_tools)
        && let Ok(every) = Glob::parse("*")
    {
        conditions.insert(0, selector_test(Selector::Tools, vec![every], false, "*", at));
    }
}

/// What a rule is about, and what it can do about that.
pub(crate) fn about(reader: &mut Reader<'_>, conditions: &[Predicate], effect: Effect, at: Pos) -> About {
    let about = About::of(conditions);
    if about.tools && about.answers {
        reader.error(
            at,
            "the rule reads the text of answers and what only tool calls have, so it can never match; write two rules",
        );
    } else if !about.calls && conditions.iter().any(Predicate::needs_text) {
        let message = format!(
            "the rule is about {} and reads the text of the request, which is not kept until then; write a rule on the \
             request",
            about.shown()
        );
        reader.error(at, message);
    }
    if about.answers && !ON_ANSWERS.contains(&effect) {
        let message = format!(
            "a rule on the text of answers can `block`, `redact` (which blocks), `warn` or `log`; `{effect}` would come when \
             part of the answer has left"
        );
        reader.error(at, message);
    }
    about
}

/// What a rule on the text of answers can do.
const ON_ANSWERS: &[Effect] = &[Effect::Deny, Effect::Redact, Effect::Warn, Effect::Log];

/// Adds what is not written: a rule that allows lets out a call only when it is about all the knowledge bases that the call
/// names. Else one that is allowed would open every other that stands beside it in a body.
pub(crate) fn every_knowledge_base(conditions: &mut Vec<Predicate>) {
    let each = |predicate: &Predicate| match predicate {
        Predicate::Test(Test {
            subject: Subject::Selector(Selector::KnowledgeBases),
            check: Check::Globs { globs, .. },
            negated: false,
            written,
        }) => Some(Predicate::Test(Test {
            subject: Subject::Selector(Selector::KnowledgeBases),
            check: Check::Every(globs.clone()),
            negated: false,
            written: written.clone(),
        })),
        _ => None,
    };
    let added: Vec<Predicate> = conditions.iter().filter_map(each).collect();
    conditions.extend(added);
}

/// One selector.
pub(crate) fn read_selector(
    reader: &mut Reader<'_>,
    language: &mut Language,
    node: &Node,
    selector: Selector,
    names_unknown: &mut bool,
) -> Option<Predicate> {
    let mut negated = false;
    let mut list = node;
    if selector == Selector::Agents
        && let Value::Map(_) = node.value
    {
        let map = reader.map(node, "`agents`", &["not"])?;
        list = reader.required(map, "not", "`agents`")?;
        negated = true;
    }
    let texts = reader.texts(list, &format!("`{}`", selector.key()))?;
    match selector {
        Selector::Operations => {
            *names_unknown = texts.iter().any(|text| text.text.eq_ignore_ascii_case(UNKNOWN_OPERATION));
        }
        Selector::Principals => {
            language.principals.extend(literals(reader, &texts));
        }
        Selector::Models => language.models.extend(literals(reader, &texts)),
        Selector::Routes => {
            language.routes.extend(texts.iter().map(|text| (reader.path.to_owned(), text.clone())));
        }
        _ => {}
    }
    let globs = read_globs(reader, &texts, selector.folds_case())?;
    if selector == Selector::Operations {
        language.vocabulary.check(reader, &texts, &globs);
    }
    Some(selector_test(selector, globs, negated, &shown(&texts), node.at))
}

/// A selector as a condition.
pub(crate) fn selector_test(
    selector: Selector,
    globs: Vec<Glob>,
    negated: bool,
    value: &str,
    at: Pos,
) -> Predicate {
    let written = Written { operator: "", value: value.into(), at };
    // The names of a call are folded already, where the selector folds case.
    let check = Check::Globs { globs, folds: false };
    Predicate::Test(Test { subject: Subject::Selector(selector), check, negated, written })
}

/// What is written out, with its file.
fn literals(reader: &Reader<'_>, texts: &[Located]) -> Vec<(String, Located)> {
    let literal = texts.iter().filter(|text| !text.text.contains(['*', '?', '[']));
    literal.map(|text| (reader.path.to_owned(), text.clone())).collect()
}

fn shown(texts: &[Located]) -> String {
    const MOST: usize = 8;
    let mut shown: Vec<_> = texts.iter().take(MOST).map(|text| text.text.as_str()).collect();
    if texts.len() > MOST {
        shown.push("…");
    }
    shown.join(", ")
}
