//! What a case expects, and how a decision differs from it.

use crate::schema::shape::{Key, Shape, names};
use crate::source::node::{Node, Value};
use crate::source::read::Reader;
use crate::value::{any_text, any_texts};
use crate::{Call, Decision, Effect};
use std::collections::BTreeSet;

/// What a case says of the decision; what it does not say may be anything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Expect {
    /// The verdict.
    pub verdict: Option<Effect>,
    /// The rule that decides; `Some(None)`: none does, the default decides.
    pub rule: Option<Option<String>>,
    /// The route; `Some(None)`: none fits.
    pub route: Option<Option<String>>,
    /// Part of the message for the caller.
    pub message: Option<String>,
    /// The rules that hold, in any order, shadowed ones included; no others.
    pub matched: Option<Vec<String>>,
    /// The verdict without shadow mode; `Some(None)`: the same.
    pub shadow: Option<Option<Effect>>,
    /// The rule that would decide without shadow mode.
    pub shadow_rule: Option<String>,
    /// The limits that the call is counted by, in any order; no others.
    pub limits: Option<Vec<String>>,
    /// The caller's name.
    pub principal: Option<String>,
}

/// One thing that is not as expected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The key of `expect`.
    pub what: &'static str,
    /// As the case says.
    pub expected: String,
    /// As it is.
    pub got: String,
}

const VERDICTS: &[(&str, Effect)] = &[
    ("allow", Effect::Allow),
    ("deny", Effect::Deny),
    ("block", Effect::Deny),
    ("throttle", Effect::Throttle),
    ("require_approval", Effect::RequireApproval),
    ("redact", Effect::Redact),
];
const VERDICT_WORDS: &[&str] = &["allow", "deny", "block", "throttle", "require_approval", "redact"];
const SHADOW_WORDS: &[&str] = &["none", "allow", "deny", "block", "throttle", "require_approval", "redact"];

/// Every key of `expect`.
pub(crate) const EXPECT_KEYS: &[Key] = &[
    Key { name: "verdict", shape: Shape::Choice(VERDICT_WORDS), doc: "The verdict; `block` is `deny`." },
    Key {
        name: "rule",
        shape: Shape::TextOrNull,
        doc: "The rule that decides; `null`: the bundle's default does.",
    },
    Key { name: "route", shape: Shape::TextOrNull, doc: "The route; `null`: none fits." },
    Key { name: "message", shape: Shape::Text, doc: "Part of the message that the caller gets." },
    Key {
        name: "matched",
        shape: Shape::Texts,
        doc: "The rules that hold, in any order, shadowed ones included; no others.",
    },
    Key {
        name: "shadow",
        shape: Shape::Choice(SHADOW_WORDS),
        doc: "The verdict without shadow mode; `none`: the same.",
    },
    Key { name: "shadow_rule", shape: Shape::Text, doc: "The rule that would decide without shadow mode." },
    Key {
        name: "limits",
        shape: Shape::Texts,
        doc: "The limits that the call is counted by, in any order; no others.",
    },
    Key {
        name: "principal",
        shape: Shape::Text,
        doc: "The caller's name, where it comes from the directory.",
    },
];

/// Reads `expect`.
pub(super) fn read(reader: &mut Reader<'_>, node: &Node) -> Expect {
    let Some(map) = reader.map(node, "`expect`", &names(EXPECT_KEYS)) else { return Expect::default() };
    if EXPECT_KEYS.iter().all(|key| map.get(key.name).is_none()) {
        reader.error(node.at, "`expect` says nothing; write at least `verdict`");
    }
    let text = |reader: &mut Reader<'_>, key: &str| any_text(reader, map.get(key)?, &format!("`{key}`"));
    let texts = |reader: &mut Reader<'_>, key: &str| {
        let node = map.get(key)?;
        if matches!(&node.value, Value::Scalar { text, plain: true } if text.is_empty()) {
            return Some(Vec::new());
        }
        any_texts(reader, node, &format!("`{key}`"))
    };
    let shadows: Vec<(&str, Option<Effect>)> = std::iter::once(("none", None))
        .chain(VERDICTS.iter().map(|(name, effect)| (*name, Some(*effect))))
        .collect();
    Expect {
        verdict: map.get("verdict").and_then(|node| reader.choice(node, "verdict", VERDICTS)),
        rule: map.get("rule").and_then(|node| nullable(reader, node, "`rule`")),
        route: map.get("route").and_then(|node| nullable(reader, node, "`route`")),
        message: text(reader, "message"),
        matched: texts(reader, "matched"),
        shadow: map.get("shadow").and_then(|node| reader.choice(node, "shadow", &shadows)),
        shadow_rule: text(reader, "shadow_rule"),
        limits: texts(reader, "limits"),
        principal: text(reader, "principal"),
    }
}

fn nullable(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Option<String>> {
    match &node.value {
        Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null") => Some(None),
        _ => any_text(reader, node, what).map(Some),
    }
}

impl Expect {
    /// Everything that is not as expected; empty when all is. `limits` are the ids of those that the call is charged to.
    #[must_use]
    pub fn compare(&self, call: &Call, decision: &Decision, limits: &[String]) -> Vec<Mismatch> {
        let mut found = Vec::new();
        let mut check = |what, expected: String, got: String, same: bool| {
            if !same {
                found.push(Mismatch { what, expected, got });
            }
        };
        if let Some(verdict) = self.verdict {
            check("verdict", verdict.to_string(), decision.effect.to_string(), verdict == decision.effect);
        }
        for (what, expected, got) in
            [("rule", &self.rule, &decision.rule), ("route", &self.route, &decision.route)]
        {
            if let Some(expected) = expected {
                check(what, or_none(expected.as_deref()), or_none(got.as_deref()), expected == got);
            }
        }
        if let Some(part) = &self.message {
            check(
                "message",
                part.clone(),
                decision.message.clone(),
                decision.message.contains(part.as_str()),
            );
        }
        if let Some(ids) = &self.matched {
            let got: BTreeSet<&str> = decision.matched.iter().map(|rule| rule.id.as_str()).collect();
            set("matched", ids, &got, &mut check);
        }
        if let Some(shadow) = self.shadow {
            let show = |effect: Option<Effect>| or_none(effect.map(Effect::as_str));
            check("shadow", show(shadow), show(decision.shadow_effect), shadow == decision.shadow_effect);
        }
        if let Some(rule) = &self.shadow_rule {
            let got = decision.shadow_rule.as_deref();
            check("shadow_rule", rule.clone(), or_none(got), got == Some(rule));
        }
        if let Some(ids) = &self.limits {
            set("limits", ids, &limits.iter().map(String::as_str).collect(), &mut check);
        }
        if let Some(name) = &self.principal {
            check("principal", name.clone(), call.principal.name.clone(), *name == call.principal.name);
        }
        found
    }
}

fn set(
    what: &'static str,
    expected: &[String],
    got: &BTreeSet<&str>,
    check: &mut impl FnMut(&'static str, String, String, bool),
) {
    let expected: BTreeSet<&str> = expected.iter().map(String::as_str).collect();
    let show = |ids: &BTreeSet<&str>| format!("[{}]", ids.iter().copied().collect::<Vec<_>>().join(", "));
    check(what, show(&expected), show(got), expected == *got);
}

fn or_none(text: Option<&str>) -> String {
    text.unwrap_or("(none)").to_owned()
}
