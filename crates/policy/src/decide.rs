//! One call, one verdict.

use crate::bundle::Bundle;
use crate::decision::{Decision, Effect, MatchedRule};
use crate::predicate::{Truth, View, all};
use crate::rule::Rule;
use crate::{Call, Model, UNKNOWN_OPERATION};

/// The built-in rule that denies calls to hosts and paths that the gate does not know.
pub const UNKNOWN_OPERATION_RULE: &str = "portcullis/unknown-operation";

impl Bundle {
    /// Decides a call. The strictest rule that holds wins, the bundle's default where none does; shadowed and `log`
    /// rules are noted and decide nothing. Check [`Decision::needs_text`] before using the result.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        per_model(call, |call| {
            let view = View::of(call);
            let mut tally = Tally::default();
            for (number, rest) in self.index.candidates(&view) {
                if let Some(rule) = self.rules.get(number) {
                    let rest = rest.iter().filter_map(|place| rule.conditions.get(*place));
                    tally.count(rule, all(rest, &view));
                }
            }
            self.conclude(call, tally)
        })
    }

    /// The same without the index: what the index must agree with.
    #[cfg(test)]
    pub(crate) fn decide_naively(&self, call: &Call) -> Decision {
        per_model(call, |call| {
            let view = View::of(call);
            let mut tally = Tally::default();
            for rule in &self.rules {
                tally.count(rule, all(rule.conditions.iter(), &view));
            }
            self.conclude(call, tally)
        })
    }

    fn conclude(&self, call: &Call, tally: Tally<'_>) -> Decision {
        let unknown = call.operation.is_empty() || call.operation == UNKNOWN_OPERATION;
        let enforced = self.verdict(unknown, tally.matched.iter().filter(|rule| !rule.shadow).copied());
        let shadowed = self.verdict(unknown, tally.matched.iter().copied());
        let message = match (enforced.effect, enforced.rule) {
            (Effect::Deny, Deciding::Rule(rule)) => match &rule.message {
                Some(message) => format!("portcullis: rule `{}`: {message}", rule.id),
                None => format!("portcullis: rule `{}` blocks this call", rule.id),
            },
            (Effect::Deny, Deciding::UnknownOperation) => format!(
                "portcullis: rule `{UNKNOWN_OPERATION_RULE}`: the gate does not know this host or path of Bedrock"
            ),
            (Effect::Deny, Deciding::Default) => {
                format!("portcullis: no rule of bundle `{}` allows this call", self.name)
            }
            _ => String::new(),
        };
        Decision {
            effect: enforced.effect,
            rule: match enforced.rule {
                Deciding::Rule(rule) => Some(rule.id.clone()),
                Deciding::UnknownOperation => Some(UNKNOWN_OPERATION_RULE.to_owned()),
                Deciding::Default => None,
            },
            route: None,
            message,
            matched: tally.matched.iter().map(|rule| rule.matched()).collect(),
            shadow_effect: Some(shadowed.effect).filter(|effect| *effect != enforced.effect),
            shadow_rule: None,
            retry_after_seconds: None,
            approval: None,
            needs_text: tally.needs_text,
        }
    }

    fn verdict<'b>(&self, unknown: bool, rules: impl Iterator<Item = &'b Rule>) -> Verdict<'b> {
        let mut best: Option<&Rule> = None;
        for rule in rules {
            // Only a rule that says `Unknown` may let out what the gate cannot read.
            let counts = match rule.effect {
                Effect::Log | Effect::Warn => false,
                Effect::Allow => !unknown || rule.names_unknown,
                Effect::Redact | Effect::Throttle | Effect::RequireApproval | Effect::Deny => true,
            };
            if counts && best.is_none_or(|best| rule.effect > best.effect) {
                best = Some(rule);
            }
        }
        match best {
            Some(rule) => Verdict { effect: rule.effect, rule: Deciding::Rule(rule) },
            None if unknown => Verdict { effect: Effect::Deny, rule: Deciding::UnknownOperation },
            None => Verdict { effect: self.default, rule: Deciding::Default },
        }
    }
}

/// A call that names several models is decided once for each, as if it named that one; the strictest decision wins.
fn per_model(call: &Call, decide: impl Fn(&Call) -> Decision) -> Decision {
    let mut models = call.model.iter().chain(&call.other_models);
    if call.other_models.is_empty() {
        return decide(call);
    }
    let one = |model: &Model| {
        decide(&Call { model: Some(model.clone()), other_models: Vec::new(), ..call.clone() })
    };
    let first = models.next().map_or_else(|| decide(call), one);
    models.map(one).fold(first, Decision::stricter)
}

/// The rules that hold so far.
#[derive(Default)]
struct Tally<'b> {
    matched: Vec<&'b Rule>,
    needs_text: bool,
}

impl<'b> Tally<'b> {
    fn count(&mut self, rule: &'b Rule, truth: Truth) {
        match truth {
            Truth::True => self.matched.push(rule),
            Truth::NeedsText => self.needs_text = true,
            Truth::False => {}
        }
    }
}

struct Verdict<'b> {
    effect: Effect,
    rule: Deciding<'b>,
}

#[derive(Clone, Copy)]
enum Deciding<'b> {
    Rule(&'b Rule),
    UnknownOperation,
    Default,
}

impl Rule {
    fn matched(&self) -> MatchedRule {
        MatchedRule { id: self.id.clone(), effect: self.effect, shadow: self.shadow }
    }
}
