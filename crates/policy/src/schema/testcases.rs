//! The schema of test cases.

use super::shape::{Key, Shape, key, object};
use crate::testcase::{CALL_KEYS, DECISION_WORDS, EXPECT_KEYS};
use serde_json::{Value, json};

pub(crate) const FILE: &[Key] = &[
    key("version", Shape::Text, "The format: `1.0`."),
    key("name", Shape::Text, "For people."),
    key("description", Shape::Text, "For people."),
    key("call", Shape::Def("call"), "What the calls of all cases say, unless a case says otherwise."),
    key("tests", Shape::Defs("test"), "The cases."),
];
pub(crate) const CASE: &[Key] = &[
    key("name", Shape::Text, "What it shows."),
    key("description", Shape::Text, "For people."),
    key("call", Shape::Def("call"), "The call."),
    key("expect", Shape::Def("expect"), "What must come of it."),
    key("cases", Shape::Defs("case"), "A table: each case lays its `call` and `expect` over those above."),
];
pub(crate) const VETO_FILE: &[Key] = &[
    key("suite", Shape::Text, "Name of the suite."),
    key("description", Shape::Text, "For people."),
    key("tests", Shape::Defs("fixture"), "The cases."),
];
pub(crate) const VETO_CASE: &[Key] = &[
    key("id", Shape::Text, "Its name."),
    key("name", Shape::Text, "Its name, where it has no `id`."),
    key("description", Shape::Text, "For people."),
    key("tool", Shape::Texts, "The tool that is called."),
    key("arguments", Shape::AnyMap, "Its arguments."),
    key("context", Shape::AnyMap, "Counts, session, caller, time."),
    key("expect", Shape::Def("fixture_expect"), "What must come of it."),
];
pub(crate) const VETO_EXPECT: &[Key] = &[
    key("decision", Shape::Choice(DECISION_WORDS), "The decision."),
    key("rule_id", Shape::TextOrNull, "The rule that decides; `null`: any."),
];

pub(super) fn schema() -> Value {
    let nested: Vec<Key> = CASE.iter().filter(|key| key.name != "cases").copied().collect();
    json!({
        "if": {"type": "object", "required": ["suite"]},
        "then": object(VETO_FILE, &["suite", "tests"]),
        "else": object(FILE, &["tests"]),
        "$defs": {
            "call": object(CALL_KEYS, &[]),
            "expect": object(EXPECT_KEYS, &[]),
            "test": object(CASE, &["name"]),
            "case": object(&nested, &[]),
            "fixture": object(VETO_CASE, &["tool", "expect"]),
            "fixture_expect": object(VETO_EXPECT, &["decision"]),
        },
    })
}
