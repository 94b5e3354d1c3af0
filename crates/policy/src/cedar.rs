//! Cedar policies beside the rules: each is a rule with the id `cedar/<@id>`, of which Cedar says whether it holds.

mod request;

use crate::decision::Effect;
use crate::explain::{ExplainedCondition, ExplainedRule, Verity};
use crate::rule::Rule;
use crate::view::View;
use portcullis_cedar::{Hit, Policies};

/// What the ids of Cedar policies start with, as rules.
pub(crate) const PREFIX: &str = "cedar/";

/// The Cedar policies of a bundle.
#[derive(Debug)]
pub(crate) struct Cedar {
    policies: Policies,
    entries: Vec<Entry>,
}

/// A policy as rules: which one holds depends on how the policy does.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) rule: Rule,
    /// Of a forbid: it could not be evaluated, which denies. Of a permit: it permits one of the call's resources, and only
    /// shadowed policies permit another.
    pub(crate) otherwise: Rule,
}

impl Cedar {
    /// `entries` are those of the policies, in their order.
    pub(crate) fn new(policies: Policies, entries: Vec<Entry>) -> Self {
        Self { policies, entries }
    }

    pub(crate) fn rules(&self) -> impl ExactSizeIterator<Item = &Rule> {
        self.entries.iter().map(|entry| &entry.rule)
    }

    /// Some policy has something to say of tool calls.
    pub(crate) fn concerns_tools(&self) -> bool {
        self.policies.infos().iter().any(|info| info.concerns_tool_calls)
    }

    /// Some policy on tool calls reads their arguments.
    pub(crate) fn reads_arguments(&self) -> bool {
        self.concerns_tools() && self.policies.reads("arguments")
    }

    /// Some policy reads what was counted.
    pub(crate) fn reads_counts(&self) -> bool {
        ["minute_count", "hourly_count", "daily_count"].iter().any(|name| self.policies.reads(name))
    }

    /// The policies that hold for a call that names at most one model.
    pub(crate) fn matches(&self, view: &View<'_>) -> Vec<&Rule> {
        // Policies know calls and tool calls; texts they do not read.
        if view.call.response.is_some() {
            return Vec::new();
        }
        let hits = self.policies.evaluate(&request::of(view));
        hits.iter().filter_map(|hit| self.entries.get(hit.policy)?.holding(hit)).collect()
    }

    /// Every policy and whether it holds.
    pub(crate) fn explain(&self, view: &View<'_>) -> Vec<ExplainedRule> {
        let hits = self.policies.evaluate(&request::of(view));
        let of = |number: usize| hits.iter().find(|hit| hit.policy == number);
        self.entries.iter().enumerate().map(|(number, entry)| entry.explain(of(number))).collect()
    }
}

impl Entry {
    fn holding(&self, hit: &Hit) -> Option<&Rule> {
        let permit = self.rule.effect == Effect::Allow;
        let effect = if permit { portcullis_cedar::Effect::Permit } else { portcullis_cedar::Effect::Forbid };
        let as_it_is = if permit { hit.shadow == self.rule.shadow } else { hit.error.is_none() };
        hit.holds(effect).then_some(if as_it_is { &self.rule } else { &self.otherwise })
    }

    fn explain(&self, hit: Option<&Hit>) -> ExplainedRule {
        let holding = hit.and_then(|hit| self.holding(hit));
        let rule = holding.unwrap_or(&self.rule);
        let at = rule.source.at;
        let truth = if holding.is_some() { Verity::True } else { Verity::False };
        let text = match hit {
            Some(Hit { error: Some(error), .. }) => format!("the policy cannot be evaluated: {error}"),
            Some(Hit { uncovered: true, .. }) => {
                "the policy holds for one of the resources that the call names, and nothing permits another".to_owned()
            }
            Some(_) if rule.shadow && !self.rule.shadow => {
                "the policy holds for one of the resources that the call names, and only shadowed policies permit another"
                    .to_owned()
            }
            _ => "the policy's scope and conditions".to_owned(),
        };
        let condition = ExplainedCondition {
            text,
            field: String::new(),
            value: String::new(),
            truth,
            parts: Vec::new(),
            line: at.line,
            column: at.column,
        };
        ExplainedRule {
            id: rule.id.clone(),
            effect: rule.effect,
            shadow: rule.shadow,
            truth,
            conditions: vec![condition],
            path: rule.source.path.to_string(),
            line: at.line,
            column: at.column,
        }
    }
}
