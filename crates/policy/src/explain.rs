//! Why a call got its verdict: every rule that was considered, condition by condition.

use crate::about::Asked;
use crate::charge::as_if_of;
use crate::field::FieldValue;
use crate::output;
use crate::predicate::{Predicate, Subject, Test, Written, all};
use crate::rule::Rule;
use crate::sequence::{Past, Sequence};
use crate::source::report::Pos;
use crate::template::shown;
use crate::view::View;
use crate::{Bundle, Call, Decision, Effect};
use serde_json::Value;

/// A verdict and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What [`Bundle::decide`] says.
    pub decision: Decision,
    /// One entry for each model that the call names (it is decided for each); one entry for a call without a model.
    pub parts: Vec<ExplainedPart>,
}

/// The rules, evaluated on the call as if it named one model only.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedPart {
    /// The model's identifier as the caller gave it; `None` for a call without one.
    pub model: Option<String>,
    /// Every enabled rule, in load order; Cedar policies last, as `cedar/<@id>`.
    pub rules: Vec<ExplainedRule>,
}

/// One rule and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRule {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// It is in shadow mode.
    pub shadow: bool,
    /// Whether all its conditions hold.
    pub truth: Verity,
    /// Selectors first, then the written conditions; all of them must hold. None: the rule holds for every call.
    pub conditions: Vec<ExplainedCondition>,
    /// File, relative to the bundle.
    pub path: String,
    /// Line of its id, from 1.
    pub line: u32,
    /// Column of its id, in characters, from 1.
    pub column: u32,
}

/// One condition (a selector, a test of a field, a group, a look at what was seen before) and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedCondition {
    /// As a person reads it: `request.max_tokens greater_than 4096`, `models: anthropic.*`, `any`.
    pub text: String,
    /// The field or selector that is tested; empty for groups.
    pub field: String,
    /// What the call says there, shortened: text that may be a prompt or an argument as its length only. Empty for
    /// groups.
    pub value: String,
    /// Whether it holds.
    pub truth: Verity,
    /// The members of a group (`all`, `any`, `not`, `blocked_by`, `requires`).
    pub parts: Vec<ExplainedCondition>,
    /// Line in the rule's file, from 1.
    pub line: u32,
    /// Column, in characters, from 1.
    pub column: u32,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verity {
    /// It does not hold.
    False,
    /// It depends on the request's text, which was not given.
    NeedsText,
    /// It holds.
    True,
}

impl Verity {
    /// `no`, `needs text` or `yes`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::False => "no",
            Self::NeedsText => "needs text",
            Self::True => "yes",
        }
    }
}

impl Bundle {
    /// Decides a call and says why. Slow beside [`Bundle::decide`]: it evaluates every condition of every rule.
    #[must_use]
    pub fn explain(&self, call: &Call) -> Explanation {
        let decision = self.decide(call);
        let route = decision.route.as_deref();
        let parts = if call.other_models.is_empty() {
            vec![self.explain_part(call, route)]
        } else {
            let models = call.model.iter().chain(&call.other_models);
            models.map(|model| self.explain_part(&as_if_of(call, model), route)).collect()
        };
        Explanation { decision, parts }
    }

    fn explain_part(&self, call: &Call, route: Option<&str>) -> ExplainedPart {
        let view = View::of(call, route).searched_by(&self.scanner);
        let asked = Asked::of(call);
        let rules = self.rules.iter().map(|rule| ExplainedRule {
            id: rule.id.clone(),
            effect: rule.effect,
            shadow: rule.shadow,
            truth: if rule.about.has(asked) { all(rule.conditions.iter(), &view) } else { Verity::False },
            conditions: if rule.about.has(asked) {
                rule.conditions.iter().map(|one| one.explain(&view)).collect()
            } else {
                vec![elsewhere(rule)]
            },
            path: rule.source.path.to_string(),
            line: rule.source.at.line,
            column: rule.source.at.column,
        });
        let cedar = self.cedar.iter().flat_map(|cedar| cedar.explain(&view));
        ExplainedPart {
            model: call.model.as_ref().map(|model| model.id.clone()),
            rules: rules.chain(cedar).collect(),
        }
    }
}

impl Predicate {
    pub(crate) fn explain(&self, view: &View<'_>) -> ExplainedCondition {
        let members = |parts: &[Self]| parts.iter().map(|part| part.explain(view)).collect();
        let (text, parts) = match self {
            Self::Test(test) => return test.explain(view),
            Self::All(parts, _) => ("all", members(parts)),
            Self::Any(parts, _) => ("any", members(parts)),
            Self::Not(part, _) => ("not", vec![part.explain(view)]),
            Self::Sequence(sequence) => ("blocked_by or requires", sequence.explain(view)),
            Self::Output(parts, _) => ("of one output all", output::explain(parts, view)),
        };
        group(text.to_owned(), self.eval(view), parts, self.at())
    }
}

impl Sequence {
    fn explain(&self, view: &View<'_>) -> Vec<ExplainedCondition> {
        let one = |past: &Past, verb: &str, wanted: bool| {
            let seen = past.was_seen(view);
            let held = if wanted { seen != Verity::False } else { seen != Verity::True };
            let truth = Verity::from(held);
            group(format!("{verb} {}", past.text), truth, Vec::new(), past.at)
        };
        let blocked_by = self.blocked_by.iter().map(|past| one(past, "seen before:", true));
        blocked_by.chain(self.requires.iter().map(|past| one(past, "not seen before:", false))).collect()
    }
}

/// Of a rule that is not asked.
fn elsewhere(rule: &Rule) -> ExplainedCondition {
    let text = format!("the rule is about {} only", rule.about.shown());
    group(text, Verity::False, Vec::new(), rule.source.at)
}

fn group(text: String, truth: Verity, parts: Vec<ExplainedCondition>, at: Pos) -> ExplainedCondition {
    ExplainedCondition {
        text,
        field: String::new(),
        value: String::new(),
        truth,
        parts,
        line: at.line,
        column: at.column,
    }
}

impl Test {
    fn explain(&self, view: &View<'_>) -> ExplainedCondition {
        let field = self.subject.to_string();
        let Written { operator, value, at } = &self.written;
        let text = match (operator.is_empty(), self.negated) {
            (true, false) => format!("{field}: {value}"),
            (true, true) => format!("{field}: not {value}"),
            (false, _) => format!("{field} {operator} {value}").trim_end().to_owned(),
        };
        ExplainedCondition {
            text,
            value: self.subject.summary(view),
            field,
            truth: self.eval(view),
            parts: Vec::new(),
            line: at.line,
            column: at.column,
        }
    }
}

impl Subject {
    /// The value for people; of what may be a prompt or an argument only kind and size.
    fn summary(&self, view: &View<'_>) -> String {
        let value = self.value(view);
        let content = matches!(self, Self::Field(field, _) if field.is_content());
        match value {
            FieldValue::NeedsText => "text that was not given".to_owned(),
            FieldValue::Text(text) if content => format!("text of {} characters", text.chars().count()),
            FieldValue::Json(Value::String(text)) => format!("text of {} characters", text.chars().count()),
            FieldValue::Json(Value::Array(items)) => format!("list of {} elements", items.len()),
            FieldValue::Json(Value::Object(map)) => format!("object of {} entries", map.len()),
            other => shown(other),
        }
    }
}
