//! What a call takes from the limits, and what becomes of it when a limit says no.

use crate::bundle::Bundle;
use crate::decision::{Decision, Effect, MatchedRule};
use crate::field::FieldValue;
use crate::limit::{Charge, LimitSpec, Measure, Price};
use crate::predicate::{Predicate, Subject, Truth, all};
use crate::price::Unpriced;
use crate::routes::runs_model;
use crate::template::Template;
use crate::view::View;
use crate::{Call, Model};
use sha2::{Digest, Sha256};
use std::sync::Arc;

/// The built-in rule that denies (or notes) a call to a model without a price, where a limit on cost applies.
pub const UNPRICED_RULE: &str = "portcullis/unpriced";
/// What the ids of limits begin with where a verdict names them.
pub const LIMIT_PREFIX: &str = "limit/";
/// Longer values are shortened to a part of them and a digest: many keys are kept.
const MAX_VALUE_CHARS: usize = 128;

/// A limit as it is evaluated.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) spec: Arc<LimitSpec>,
    /// The fields of `per`.
    pub(crate) per: Vec<Subject>,
    /// Which calls count: all must hold.
    pub(crate) conditions: Vec<Predicate>,
    /// Only calls on this route count.
    pub(crate) route: Option<String>,
    /// For the caller.
    pub(crate) message: Option<Template>,
}

/// How the use of a call is estimated before it is made.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Estimate {
    pub(crate) bytes_per_token: u64,
    /// Of a call that does not bound its answer.
    pub(crate) output_tokens: u64,
}

impl Default for Estimate {
    fn default() -> Self {
        Self { bytes_per_token: 3, output_tokens: 4_096 }
    }
}

/// What becomes of a call whose cost cannot be known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnpricedCall {
    /// It is refused; `shadow`: by limits in shadow mode only.
    Deny { shadow: bool },
    /// It is noted.
    Note,
}

impl Limit {
    fn concerns(&self, view: &View<'_>, route: Option<&str>) -> bool {
        self.route.as_ref().is_none_or(|own| Some(own.as_str()) == route)
            && self.measures(view.call)
            && all(self.conditions.iter(), view) == Truth::True
    }

    /// A call of this kind can use what the limit counts.
    fn measures(&self, call: &Call) -> bool {
        let by_tool = self.conditions.iter().any(Predicate::selects_tools);
        if call.response.is_some() {
            return false;
        }
        if call.tool.is_some() {
            return by_tool && self.spec.measure == Measure::ToolCalls;
        }
        match self.spec.measure {
            _ if by_tool => false,
            Measure::Requests => true,
            _ => runs_model(call) || call.action_type == "agent_invoked",
        }
    }

    /// `field=value` joined by commas.
    fn key(&self, view: &View<'_>) -> String {
        let mut key = String::new();
        for (subject, name) in self.per.iter().zip(&self.spec.per) {
            if !key.is_empty() {
                key.push(',');
            }
            key.push_str(name);
            key.push('=');
            if let FieldValue::Text(value) = subject.value(view) {
                // Hosts and models are the same in any case; a caller must not get another count by writing another one.
                let fold = name == "host" || name.starts_with("model.");
                push_value(&mut key, value, fold);
            }
        }
        key
    }
}

/// Adds a value so that no two lists of values give the same key.
fn push_value(key: &mut String, value: &str, fold: bool) {
    let folded;
    let value = if fold {
        folded = value.to_ascii_lowercase();
        folded.as_str()
    } else {
        value
    };
    let mut push = |c: char| match c {
        ',' | '\\' => key.extend(['\\', c]),
        other if other.is_control() => key.extend(other.escape_unicode()),
        other => key.push(other),
    };
    if value.chars().nth(MAX_VALUE_CHARS).is_none() {
        value.chars().for_each(push);
        return;
    }
    value.chars().take(MAX_VALUE_CHARS / 2).for_each(&mut push);
    let digest = hex::encode(Sha256::digest(value.as_bytes()));
    "…sha256:".chars().chain(digest.chars().take(32)).for_each(push);
}

impl Estimate {
    /// Input and output tokens.
    fn tokens(self, call: &Call) -> (u64, u64) {
        let input = call.request.bytes.div_ceil(self.bytes_per_token.max(1));
        (input, call.request.max_tokens.unwrap_or(self.output_tokens))
    }

    fn cost(self, call: &Call, price: Price) -> u64 {
        let (input, output) = self.tokens(call);
        // What is written to the cache is not known before.
        let dearest = price.input.max(price.cache_write);
        input.saturating_mul(dearest).saturating_add(output.saturating_mul(price.output))
    }

    fn amount(self, measure: Measure, call: &Call, price: Option<Price>) -> u64 {
        let (input, output) = self.tokens(call);
        match measure {
            Measure::Requests => 1,
            Measure::Tokens => input.saturating_add(output),
            Measure::InputTokens | Measure::CacheReadTokens | Measure::CacheWriteTokens => input,
            Measure::OutputTokens => output,
            Measure::Cost => price.map_or(0, |price| self.cost(call, price)),
            Measure::ToolCalls => u64::from(call.tool.is_some()),
        }
    }
}

impl Bundle {
    /// What a call takes from the limits that apply to it, estimated before it is made. `decision` is what
    /// [`Bundle::decide`] said of it; ask only for calls that would be let out. In load order; a call that names several
    /// models is priced by the dearest, and counts once for each key that it gives.
    #[must_use]
    pub fn charges(&self, call: &Call, decision: &Decision) -> Vec<Charge> {
        if self.limits.is_empty() {
            return Vec::new();
        }
        let route = decision.route.as_deref();
        if call.other_models.is_empty() {
            return self.charges_of(&[View::of(call, route)], route);
        }
        let models = call.model.iter().chain(&call.other_models);
        let calls: Vec<Call> = models.map(|model| as_if_of(call, model)).collect();
        let views: Vec<View<'_>> = calls.iter().map(|call| View::of(call, route)).collect();
        self.charges_of(&views, route)
    }

    fn charges_of(&self, views: &[View<'_>], route: Option<&str>) -> Vec<Charge> {
        let mut price: Option<Option<Price>> = None;
        let mut charges: Vec<Charge> = Vec::new();
        for limit in &self.limits {
            for view in views.iter().filter(|view| limit.concerns(view, route)) {
                let key = limit.key(view);
                if charges.iter().any(|other| Arc::ptr_eq(&other.limit, &limit.spec) && other.key == key) {
                    continue;
                }
                let price = match limit.spec.measure {
                    Measure::Cost => *price.get_or_insert_with(|| self.dearest(views)),
                    _ => None,
                };
                let amount = self.estimate.amount(limit.spec.measure, view.call, price);
                charges.push(Charge { limit: Arc::clone(&limit.spec), key, amount, price });
            }
        }
        charges
    }

    /// The price that makes the call dearest.
    fn dearest(&self, views: &[View<'_>]) -> Option<Price> {
        let table = self.prices.as_ref()?;
        let prices = views.iter().filter_map(|view| {
            let price = table.of(view.names.get(crate::names::Selector::Models))?;
            Some((self.estimate.cost(view.call, price), price))
        });
        prices.max_by_key(|(cost, _)| *cost).map(|(_, price)| price)
    }

    /// What becomes of a call (that names one model) because its cost cannot be known; `None` when that does not matter.
    pub(crate) fn unpriced(&self, view: &View<'_>, route: Option<&str>) -> Option<UnpricedCall> {
        let table = self.prices.as_ref()?;
        let mut concerned = self
            .limits
            .iter()
            .filter(|limit| limit.spec.measure == Measure::Cost && limit.concerns(view, route));
        let first = concerned.next()?;
        if table.of(view.names.get(crate::names::Selector::Models)).is_some() {
            return None;
        }
        // A limit that only warns must not refuse.
        let mut refusing = std::iter::once(first).chain(concerned).filter(|l| l.spec.action != Effect::Warn);
        match (table.unpriced, refusing.next()) {
            (Some(Unpriced::Allow) | None, _) | (_, None) => Some(UnpricedCall::Note),
            (Some(Unpriced::Deny), Some(limit)) => Some(UnpricedCall::Deny {
                shadow: limit.spec.shadow && refusing.all(|limit| limit.spec.shadow),
            }),
        }
    }

    /// Every limit, in load order: those of the bundle, then those of its routes.
    #[must_use]
    pub fn limits(&self) -> &[Arc<LimitSpec>] {
        &self.limit_specs
    }

    /// The limit of this id.
    #[must_use]
    pub fn limit(&self, id: &str) -> Option<&Arc<LimitSpec>> {
        self.limit_specs.iter().find(|limit| limit.id == id)
    }

    /// What becomes of a decision when a limit is exceeded: the strictest of both. `retry_after_seconds` is when there
    /// will be room again; `None`: waiting does not help, the call alone is more than the limit. A limit that warns, or is in shadow mode, is
    /// only noted.
    #[must_use]
    pub fn exceeded(
        &self,
        decision: &Decision,
        limit: &LimitSpec,
        retry_after_seconds: Option<u64>,
        call: &Call,
    ) -> Decision {
        let rule = format!("{LIMIT_PREFIX}{}", limit.id);
        let mut after = decision.clone();
        let matched = MatchedRule { id: rule.clone(), effect: limit.action, shadow: limit.shadow };
        if !after.matched.contains(&matched) {
            after.matched.push(matched);
        }
        if !limit.action.decides() {
            return after;
        }
        let unshadowed = after.shadow_effect.unwrap_or(after.effect);
        if limit.shadow {
            if limit.action > unshadowed {
                (after.shadow_effect, after.shadow_rule) = (Some(limit.action), Some(rule));
            }
            return after;
        }
        let seconds = retry_after_seconds.map(|seconds| u32::try_from(seconds).unwrap_or(u32::MAX));
        if limit.action == Effect::Throttle && after.effect == Effect::Throttle {
            after.retry_after_seconds = after.retry_after_seconds.max(seconds);
        }
        if limit.action <= after.effect {
            return after;
        }
        if limit.action >= unshadowed {
            (after.shadow_effect, after.shadow_rule) = (None, None);
        }
        after.effect = limit.action;
        let told =
            self.limits.iter().find(|own| own.spec.id == limit.id).and_then(|own| own.message.as_ref());
        let told = told.map(|message| message.fill(&View::of(call, decision.route.as_deref())));
        after.retry_after_seconds = seconds.filter(|_| limit.action == Effect::Throttle);
        after.approval =
            (limit.action == Effect::RequireApproval).then(|| self.approvals.terms(&rule, told.as_deref()));
        after.message = message(&limit.id, told, retry_after_seconds);
        after.rule = Some(rule);
        after
    }
}

fn message(id: &str, told: Option<String>, retry_after_seconds: Option<u64>) -> String {
    match (told, retry_after_seconds) {
        (Some(told), _) => format!("portcullis: limit `{id}`: {told}"),
        (None, Some(seconds)) => {
            format!("portcullis: limit `{id}` is used up; there will be room in {seconds} s")
        }
        (None, None) => format!("portcullis: limit `{id}` has no room for this call"),
    }
}

/// The call as if it named this model alone.
pub(crate) fn as_if_of(call: &Call, model: &Model) -> Call {
    Call { model: Some(model.clone()), other_models: Vec::new(), ..call.clone() }
}
