//! One call, one verdict.

use crate::about::Asked;
use crate::bundle::Bundle;
use crate::charge::{UNPRICED_RULE, UnpricedCall, as_if_of};
use crate::decision::{Decision, Effect, MatchedRule};
use crate::predicate::{Truth, all};
use crate::routes::{ROUTE_RULE, Route};
use crate::rule::Rule;
use crate::view::{NotAtHand, View};
use crate::{Call, UNKNOWN_OPERATION};

/// The built-in rule that denies calls to hosts and paths that the gate does not know.
pub const UNKNOWN_OPERATION_RULE: &str = "portcullis/unknown-operation";

impl Bundle {
    /// Decides a call. The strictest of what its route, the rules that hold and the prices say wins, the default of the route
    /// or the bundle where nothing does; shadowed, `log` and `warn` rules are noted and decide nothing. A bundle in shadow
    /// mode allows everything. Check [`Decision::needs_text`] before using the result.
    #[must_use]
    pub fn decide(&self, call: &Call) -> Decision {
        self.decide_without(call, NotAtHand::default())
    }

    /// Decides a call of which something is not at hand: where a rule needs that, [`Decision::needs_text`] is set.
    pub(crate) fn decide_without(&self, call: &Call, not_at_hand: NotAtHand) -> Decision {
        self.decide_with(call, not_at_hand, |view, tally| {
            for (number, rest) in self.index.candidates(view) {
                if let Some(rule) = self.rules.get(number) {
                    let rest = rest.iter().filter_map(|place| rule.conditions.get(*place));
                    tally.count(rule, all(rest, view));
                }
            }
        })
    }

    /// The same without the index: what the index must agree with.
    #[cfg(test)]
    pub(crate) fn decide_naively(&self, call: &Call) -> Decision {
        self.decide_with(call, NotAtHand::default(), |view, tally| {
            let asked = Asked::of(view.call);
            for rule in self.rules.iter().filter(|rule| rule.about.has(asked)) {
                tally.count(rule, all(rule.conditions.iter(), view));
            }
        })
    }

    fn decide_with<'b>(
        &'b self,
        call: &Call,
        not_at_hand: NotAtHand,
        evaluate: impl Fn(&View<'_>, &mut Tally<'b>),
    ) -> Decision {
        let route = self.route_of(call);
        per_model(call, |call| {
            let view = View::of(call, route.map(|route| route.id.as_str())).searched_by(&self.scanner);
            let view = view.without(not_at_hand);
            let mut tally = Tally::default();
            if let Some(why) = route.and_then(|route| route.refusal(&view)) {
                tally.built_in(ROUTE_RULE, why);
            }
            evaluate(&view, &mut tally);
            for rule in self.cedar.iter().flat_map(|cedar| cedar.matches(&view)) {
                tally.count(rule, Truth::True);
            }
            self.conclude(&view, route, tally)
        })
    }

    fn conclude(&self, view: &View<'_>, route: Option<&Route>, mut tally: Tally<'_>) -> Decision {
        let unpriced = self.unpriced(view, route.map(|route| route.id.as_str()));
        if let Some(UnpricedCall::Deny { shadow }) = unpriced {
            tally.built_in(UNPRICED_RULE, "the model has no price, and a limit on cost applies".to_owned());
            if let Some(last) = tally.claims.last_mut() {
                last.shadow = shadow;
            }
        }
        let operation = &view.call.operation;
        let asked = Asked::of(view.call);
        let unknown = asked == Asked::Call && (operation.is_empty() || operation == UNKNOWN_OPERATION);
        let fallback = self.fallback(asked, unknown, route);
        let enforced = strictest(unknown, &fallback, tally.claims.iter().filter(|claim| !claim.shadow));
        let unshadowed = strictest(unknown, &fallback, tally.claims.iter());
        // Of a bundle in shadow mode is told what it would do without: rules in shadow mode are that still.
        let allowed = Claim { effect: Effect::Allow, shadow: false, by: By::Default };
        let (enforced, unshadowed) = if self.shadow { (&allowed, enforced) } else { (enforced, unshadowed) };
        let differs = unshadowed.effect != enforced.effect;
        let mut matched: Vec<MatchedRule> =
            tally.claims.iter().filter_map(|claim| claim.matched(self.shadow)).collect();
        if unpriced == Some(UnpricedCall::Note) {
            matched.push(MatchedRule { id: UNPRICED_RULE.to_owned(), effect: Effect::Warn, shadow: false });
        }
        let (approval, retry_after_seconds) = match &enforced.by {
            By::Rule(rule) => (rule.approval(view, &self.approvals), rule.retry_after_seconds()),
            By::BuiltIn { .. } | By::Default => (None, None),
        };
        Decision {
            effect: enforced.effect,
            rule: enforced.id(),
            route: route.map(|route| route.id.clone()),
            message: self.message(enforced, route, view),
            matched,
            shadow_effect: differs.then_some(unshadowed.effect),
            shadow_rule: if differs { unshadowed.id() } else { None },
            retry_after_seconds,
            approval,
            needs_text: !tally.open.is_empty(),
            // What a bundle in shadow mode holds back is what it would do without: not what its rules hold back.
            open: match self.shadow {
                true => tally
                    .open
                    .into_iter()
                    .filter(|(_, shadow)| !shadow)
                    .map(|(open, _)| (open, true))
                    .collect(),
                false => tally.open,
            },
        }
    }

    /// What decides when nothing else does.
    fn fallback(&self, asked: Asked, unknown: bool, route: Option<&Route>) -> Claim<'static> {
        if unknown {
            let why = "the gate does not know this host or path of Bedrock".to_owned();
            return Claim {
                effect: Effect::Deny,
                shadow: false,
                by: By::BuiltIn { rule: UNKNOWN_OPERATION_RULE, why },
            };
        }
        let effect = match asked {
            Asked::Call => route.and_then(|route| route.default).unwrap_or(self.default),
            Asked::Tool => self.tool_default,
            Asked::Answer => Effect::Allow,
        };
        Claim { effect, shadow: false, by: By::Default }
    }

    /// For the caller of a call that is not let out.
    fn message(&self, claim: &Claim<'_>, route: Option<&Route>, view: &View<'_>) -> String {
        let asked = Asked::of(view.call);
        let what = match asked {
            Asked::Call => "this call",
            Asked::Tool => "this tool call",
            Asked::Answer => "this answer",
        };
        let does = match claim.effect {
            Effect::Log | Effect::Warn | Effect::Allow => return String::new(),
            Effect::Deny => format!("blocks {what}"),
            Effect::Redact => {
                format!("lets {what} out only without what must not leave, which this gate cannot take out")
            }
            Effect::Throttle => format!("blocks {what} for now"),
            Effect::RequireApproval => format!("lets {what} out with an approval only"),
        };
        match &claim.by {
            By::Rule(rule) => match rule.message(view) {
                Some(message) => format!("portcullis: rule `{}`: {message}", rule.id),
                None => format!("portcullis: rule `{}` {does}", rule.id),
            },
            By::BuiltIn { rule, why } => match route.filter(|_| *rule == ROUTE_RULE) {
                Some(route) => format!("portcullis: route `{}`: {why}", route.id),
                None => format!("portcullis: rule `{rule}`: {why}"),
            },
            By::Default => match route.filter(|route| route.default.is_some() && asked == Asked::Call) {
                Some(route) => {
                    format!(
                        "portcullis: no rule of bundle `{}` allows this call on route `{}`",
                        self.name, route.id
                    )
                }
                None => format!("portcullis: no rule of bundle `{}` allows {what}", self.name),
            },
        }
    }
}

/// The strictest claim, the first of several; the fallback where none counts.
fn strictest<'c, 'b>(
    unknown: bool,
    fallback: &'c Claim<'b>,
    claims: impl Iterator<Item = &'c Claim<'b>>,
) -> &'c Claim<'b> {
    let mut best: Option<&Claim<'_>> = None;
    for claim in claims {
        let counts = match claim.effect {
            Effect::Log | Effect::Warn => false,
            // Only a rule that says `Unknown` may let out what the gate cannot read.
            Effect::Allow => !unknown || matches!(claim.by, By::Rule(rule) if rule.names_unknown),
            Effect::Redact | Effect::Throttle | Effect::RequireApproval | Effect::Deny => true,
        };
        if counts && best.is_none_or(|best| claim.effect > best.effect) {
            best = Some(claim);
        }
    }
    best.unwrap_or(fallback)
}

/// A call that names several models is decided once for each, as if it named that one; the strictest decision wins.
fn per_model(call: &Call, decide: impl Fn(&Call) -> Decision) -> Decision {
    if call.other_models.is_empty() {
        return decide(call);
    }
    let mut models = call.model.iter().chain(&call.other_models);
    let one = |model| decide(&as_if_of(call, model));
    let first = models.next().map_or_else(|| decide(call), one);
    models.map(one).fold(first, Decision::stricter)
}

/// What holds so far.
#[derive(Default)]
struct Tally<'b> {
    claims: Vec<Claim<'b>>,
    /// What rules do of which is not known whether they hold, and whether in shadow mode; each once.
    open: Vec<(Effect, bool)>,
}

impl<'b> Tally<'b> {
    fn count(&mut self, rule: &'b Rule, truth: Truth) {
        match truth {
            Truth::True => {
                self.claims.push(Claim { effect: rule.effect, shadow: rule.shadow, by: By::Rule(rule) });
            }
            Truth::NeedsText => {
                let open = (rule.effect, rule.shadow);
                if !self.open.contains(&open) {
                    self.open.push(open);
                }
            }
            Truth::False => {}
        }
    }

    fn built_in(&mut self, rule: &'static str, why: String) {
        self.claims.push(Claim { effect: Effect::Deny, shadow: false, by: By::BuiltIn { rule, why } });
    }
}

/// What one part of the policy wants to become of the call.
struct Claim<'b> {
    effect: Effect,
    shadow: bool,
    by: By<'b>,
}

enum By<'b> {
    Rule(&'b Rule),
    /// `why` is for the caller.
    BuiltIn {
        rule: &'static str,
        why: String,
    },
    Default,
}

impl Claim<'_> {
    fn id(&self) -> Option<String> {
        match &self.by {
            By::Rule(rule) => Some(rule.id.clone()),
            By::BuiltIn { rule, .. } => Some((*rule).to_owned()),
            By::Default => None,
        }
    }

    /// The match, if a rule made it.
    fn matched(&self, shadow: bool) -> Option<MatchedRule> {
        match &self.by {
            By::Rule(rule) => {
                Some(MatchedRule { id: rule.id.clone(), effect: self.effect, shadow: self.shadow || shadow })
            }
            By::BuiltIn { .. } | By::Default => None,
        }
    }
}
