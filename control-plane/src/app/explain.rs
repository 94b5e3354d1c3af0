//! Why a call got its verdict, in a form that crosses the API and that the command line prints.

use super::recall::{LOST, Recalled, recall};
use super::{App, Fault};
use portcullis_audit::DecisionRecord;
use portcullis_policy::{
    Bundle, Call, Decision, ExplainedCondition, ExplainedPart, ExplainedRule, Explanation, Verity,
};
use serde::{Deserialize, Serialize};

/// A verdict and how it came about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ExplanationView {
    /// The bundle that explains.
    pub bundle: String,
    /// Its version.
    pub version: String,
    /// Its digest.
    pub digest: String,
    /// What it says: `allow`, `deny`, `redact`, `throttle`, `require_approval`.
    pub effect: String,
    /// The rule that decides; absent for the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// The route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// For the caller.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The verdict without shadow mode; absent when the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
    /// The rule that would decide then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_rule: Option<String>,
    /// Ids of what holds, in load order: rules, routes, Cedar policies.
    pub matched: Vec<String>,
    /// The decision needs the request's text, which is not at hand: it may be another one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub needs_text: bool,
    /// One for each model that the call names; one for a call without a model.
    pub parts: Vec<PartView>,
    /// What the record does not have, of a recorded call: a rule on it sees nothing.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_recorded: Vec<String>,
}

/// The rules, evaluated on the call as if it named one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PartView {
    /// The model; absent for a call without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Every enabled rule, in load order.
    pub rules: Vec<RuleView>,
}

/// One rule.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RuleView {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: String,
    /// It is in shadow mode.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
    /// Whether it holds: `yes`, `no`, `needs text`.
    pub holds: String,
    /// All of these must hold; none: the rule holds for every call.
    pub conditions: Vec<ConditionView>,
    /// File, relative to the bundle.
    pub path: String,
    /// Line in it.
    pub line: u32,
}

/// One condition.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ConditionView {
    /// As a person reads it.
    pub text: String,
    /// The field or selector that is tested; empty for groups.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub field: String,
    /// What the call says there, shortened; never a prompt.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub value: String,
    /// Whether it holds: `yes`, `no`, `needs text`.
    pub holds: String,
    /// The members of a group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(no_recursion)]
    pub parts: Vec<ConditionView>,
}

impl ExplanationView {
    /// Explains what `bundle` says of `call`.
    #[must_use]
    pub fn of(bundle: &Bundle, call: &Call) -> Self {
        let Explanation { decision, parts } = bundle.explain(call);
        let Decision {
            effect, rule, route, message, matched, shadow_effect, shadow_rule, needs_text, ..
        } = decision;
        ExplanationView {
            bundle: bundle.name().to_owned(),
            version: bundle.version().to_owned(),
            digest: bundle.digest().to_owned(),
            effect: effect.to_string(),
            rule,
            route,
            message,
            shadow: shadow_effect.map(|effect| effect.to_string()),
            shadow_rule,
            matched: matched.into_iter().map(|rule| rule.id).collect(),
            needs_text,
            parts: parts.into_iter().map(PartView::from).collect(),
            not_recorded: Vec::new(),
        }
    }

    /// Explains what `bundle` says of a recorded call; `None` when policy was not asked.
    #[must_use]
    pub fn of_record(bundle: &Bundle, record: DecisionRecord) -> Option<Self> {
        let redacted = record.redaction.clone().map(|redaction| redaction.fields).unwrap_or_default();
        match recall(record, bundle) {
            Recalled::Decided { call, .. } => {
                let of_tools = call.tool.is_some().then_some(super::recall::LOST_OF_TOOLS);
                let lost = LOST.iter().chain(super::recall::COUNTED).copied().chain(of_tools);
                let not_recorded = lost.map(str::to_owned).chain(redacted).collect();
                Some(ExplanationView { not_recorded, ..ExplanationView::of(bundle, &call) })
            }
            Recalled::Refused | Recalled::Text => None,
        }
    }
}

impl From<ExplainedPart> for PartView {
    fn from(part: ExplainedPart) -> Self {
        PartView { model: part.model, rules: part.rules.into_iter().map(RuleView::from).collect() }
    }
}

impl From<ExplainedRule> for RuleView {
    fn from(rule: ExplainedRule) -> Self {
        RuleView {
            id: rule.id,
            effect: rule.effect.to_string(),
            shadow: rule.shadow,
            holds: rule.truth.as_str().to_owned(),
            conditions: rule.conditions.into_iter().map(ConditionView::from).collect(),
            path: rule.path,
            line: rule.line,
        }
    }
}

impl From<ExplainedCondition> for ConditionView {
    fn from(condition: ExplainedCondition) -> Self {
        let ExplainedCondition { text, field, value, truth, parts, .. } = condition;
        let parts = parts.into_iter().map(ConditionView::from).collect();
        ConditionView { text, field, value, holds: truth.as_str().to_owned(), parts }
    }
}

/// Whether something holds, as the views write it.
#[must_use]
pub fn holds(text: &str) -> bool {
    text == Verity::True.as_str()
}

/// What came of asking for an explanation of a recorded decision.
#[derive(Debug)]
pub enum Explained {
    /// Here it is.
    Explained(Box<ExplanationView>),
    /// There is no such decision.
    NoDecision,
    /// The gate or the control plane refused the call on its own, or it is about text, which records do not keep.
    NotPolicy,
}

impl App {
    /// Explains a recorded decision with the active bundle.
    ///
    /// # Errors
    /// When the record cannot be read, or no bundle is active.
    pub async fn explain(&self, decision_id: String) -> Result<Explained, Fault> {
        let Some(stored) = self.store.decision(decision_id).await? else { return Ok(Explained::NoDecision) };
        let bundle = self.bundle.current().ok_or(Fault::NoBundle)?;
        let view = ExplanationView::of_record(&bundle, stored.record);
        Ok(view.map_or(Explained::NotPolicy, |view| Explained::Explained(Box::new(view))))
    }
}
