//! What a legal hold holds.

use crate::redaction::Redactor;
use crate::storage::{Logged, StoredHold};
use portcullis_audit::log::RecordKind;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which records a hold holds: those that fit everything it says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct HoldScope {
    /// Of this principal, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub principal: Option<String>,
    /// Of this tenant, exact.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// Of this tool-use loop or session: the correlation id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation: Option<String>,
    /// To this model, as called or its base model: exact, or with `*` and `?`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Written to the log at or after, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Written to the log before, Unix milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// From this index of the log on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first: Option<u64>,
    /// Up to this index of the log, itself included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last: Option<u64>,
}

impl HoldScope {
    /// What is wrong with it, for people.
    ///
    /// # Errors
    /// It says nothing, or nothing could ever fit.
    pub fn check(&self) -> Result<(), String> {
        if *self == HoldScope::default() {
            return Err("a hold says what it holds: a principal, tenant, correlation, model, a range of time or of indexes; \
                        `first: 0` alone holds everything"
                .to_owned());
        }
        let texts = [&self.principal, &self.tenant, &self.correlation, &self.model];
        if texts.into_iter().flatten().any(String::is_empty) {
            return Err("what a hold asks for must not be empty".to_owned());
        }
        let backwards = |from: Option<u64>, to: Option<u64>| from.zip(to).is_some_and(|(from, to)| from > to);
        if backwards(self.since_ms, self.until_ms) || backwards(self.first, self.last) {
            return Err("the range of the hold ends before it begins".to_owned());
        }
        Ok(())
    }

    /// The same for each form in which its values may stand in records: what is redacted on record is held by its value in the
    /// clear.
    fn as_recorded(&self, redactor: &Redactor) -> Vec<HoldScope> {
        let forms = |value: &Option<String>, forms: &dyn Fn(&str) -> Vec<String>| {
            value.as_deref().map_or_else(|| vec![None], |value| forms(value).into_iter().map(Some).collect())
        };
        let mut scopes = Vec::new();
        for principal in forms(&self.principal, &|name| redactor.principals(name)) {
            for tenant in forms(&self.tenant, &|name| redactor.tenants(name)) {
                for correlation in forms(&self.correlation, &|id| redactor.sessions(id)) {
                    let (principal, tenant) = (principal.clone(), tenant.clone());
                    scopes.push(HoldScope { principal, tenant, correlation, ..self.clone() });
                }
            }
        }
        scopes
    }

    /// Its ranges fit.
    fn in_range(&self, logged: &Logged) -> bool {
        let (index, time_ms) = (logged.index, logged.entry.time_ms);
        self.first.is_none_or(|first| index >= first)
            && self.last.is_none_or(|last| index <= last)
            && self.since_ms.is_none_or(|since| time_ms >= since)
            && self.until_ms.is_none_or(|until| time_ms < until)
    }

    /// It asks for something that only the record says.
    fn asks_content(&self) -> bool {
        [&self.principal, &self.tenant, &self.correlation, &self.model].into_iter().any(Option::is_some)
    }

    fn fits(&self, subject: &Subject) -> bool {
        let is = |wanted: &Option<String>, found: &Option<String>| {
            wanted.as_ref().is_none_or(|wanted| found.as_ref() == Some(wanted))
        };
        let model = self.model.as_ref();
        match subject {
            // What cannot be known any more is held rather than lost.
            Subject::Unknown => true,
            Subject::Call { principal, tenant, correlations, models } => {
                is(&self.principal, principal)
                    && is(&self.tenant, tenant)
                    && self.correlation.as_ref().is_none_or(|wanted| correlations.contains(wanted))
                    && model.is_none_or(|wanted| models.iter().any(|model| like(wanted, model)))
            }
            Subject::Event(texts) => {
                let has =
                    |wanted: &Option<String>| wanted.as_ref().is_none_or(|wanted| texts.contains(wanted));
                has(&self.principal)
                    && has(&self.tenant)
                    && has(&self.correlation)
                    && model.is_none_or(|wanted| texts.iter().any(|text| like(wanted, text)))
            }
        }
    }
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    /// A call, a tool call or the text of an answer, or what became of it.
    Call { principal: Option<String>, tenant: Option<String>, correlations: Vec<String>, models: Vec<String> },
    /// An event: every text in it.
    Event(Vec<String>),
    /// The record that would say so is gone.
    Unknown,
}

impl Subject {
    /// Of a record; `None` of an outcome, which its decision tells.
    pub(super) fn of(kind: RecordKind, record: &Value) -> Option<Subject> {
        if kind == RecordKind::Outcome {
            return None;
        }
        if kind.id_member() != "decision_id" {
            let mut texts = Vec::new();
            collect(record, &mut texts);
            return Some(Subject::Event(texts));
        }
        let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let mut models: Vec<String> = ["/model/id", "/model/base"].into_iter().filter_map(text).collect();
        let others = record.get("other_models").and_then(Value::as_array).into_iter().flatten();
        for other in others {
            let names = ["id", "base"].into_iter().filter_map(|name| other.get(name)?.as_str());
            models.extend(names.map(str::to_owned));
        }
        let correlations =
            ["/correlation_id", "/decision_id", "/parent"].into_iter().filter_map(text).collect();
        Some(Subject::Call {
            principal: text("/principal/name"),
            tenant: text("/principal/tenant"),
            correlations,
            models,
        })
    }
}

fn collect(value: &Value, texts: &mut Vec<String>) {
    match value {
        Value::String(text) => texts.push(text.clone()),
        Value::Array(values) => values.iter().for_each(|value| collect(value, texts)),
        Value::Object(members) => members.values().for_each(|value| collect(value, texts)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// `*` is any text, `?` any character; everything else stands for itself.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) = (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t, mut star) = (0, 0, None);
    while let Some(c) = text.get(t) {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(wanted) if *wanted == '?' || wanted == c => {
                p += 1;
                t += 1;
            }
            _ => match &mut star {
                Some((at, taken)) => {
                    *taken += 1;
                    (p, t) = (*at + 1, *taken);
                }
                None => return false,
            },
        }
    }
    pattern.iter().skip(p).all(|c| *c == '*')
}

/// Holds that are in force.
#[derive(Debug, Clone, Default)]
pub(super) struct InForce(Vec<(String, HoldScope)>);

impl InForce {
    /// Of all holds. One whose scope cannot be read holds everything: it was placed by a newer version.
    pub(super) fn of(holds: &[StoredHold], redactor: &Redactor) -> Self {
        let in_force = holds.iter().filter(|hold| hold.released.is_none());
        let scopes = in_force.flat_map(|hold| {
            let scope: HoldScope = serde_json::from_str(&hold.scope).unwrap_or_default();
            scope.as_recorded(redactor).into_iter().map(|scope| (hold.name.clone(), scope))
        });
        InForce(scopes.collect())
    }

    /// Whether somebody must know what a record is about.
    pub(super) fn asks_content(&self, logged: &Logged) -> bool {
        self.0.iter().any(|(_, scope)| scope.asks_content() && scope.in_range(logged))
    }

    /// The first hold that holds a record. `subject` may be anything where [`InForce::asks_content`] is false.
    pub(super) fn holding(&self, logged: &Logged, subject: &Subject) -> Option<&str> {
        let holding = self.0.iter().find(|(_, scope)| scope.in_range(logged) && scope.fits(subject));
        holding.map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use portcullis_audit::log::Entry;
    use serde_json::json;

    fn logged(kind: RecordKind, index: u64) -> Logged {
        Logged { index, entry: Entry::new("id", kind, 1_000 + index, b"{}"), record: Some("{}".into()) }
    }

    #[test]
    fn records_are_held_by_what_they_say() {
        let decision = json!({
            "decision_id": "d1", "correlation_id": "s1", "principal": {"name": "alice", "tenant": "t1"},
            "model": {"id": "eu.anthropic.claude-x", "base": "anthropic.claude-x"}, "other_models": [{"id": "cohere.rerank"}],
        });
        let tool = json!({"decision_id": "d2", "parent": "d1", "principal": {"name": "alice"}});
        let event =
            json!({"event_id": "e", "actor": "root", "detail": {"what": "key_created", "names": ["alice"]}});
        let cases = [
            (json!({"principal": "alice"}), [true, true, true]),
            (json!({"principal": "bob"}), [false, false, false]),
            (json!({"principal": "alice", "tenant": "t1"}), [true, false, false]),
            (json!({"principal": "alice", "tenant": "t2"}), [false, false, false]),
            (json!({"correlation": "s1"}), [true, false, false]),
            (json!({"correlation": "d1"}), [true, true, false]),
            (json!({"model": "anthropic.*"}), [true, false, false]),
            (json!({"model": "cohere.rerank"}), [true, false, false]),
            (json!({"model": "*titan*"}), [false, false, false]),
            (json!({"first": 5, "last": 5}), [true, true, true]),
            (json!({"first": 6}), [false, false, false]),
            (json!({"since_ms": 1_005, "until_ms": 1_006}), [true, true, true]),
            (json!({"until_ms": 1_005}), [false, false, false]),
            (json!({"first": 6, "principal": "alice"}), [false, false, false]),
            (json!({"from_the_future": 1}), [true, true, true]),
        ];
        for (scope, expected) in &cases {
            let hold = StoredHold {
                name: "h".to_owned(),
                scope: scope.to_string(),
                reason: String::new(),
                actor: String::new(),
                at_ms: 0,
                released: None,
            };
            let in_force = InForce::of(&[hold], &Redactor::default());
            let subjects = [
                (RecordKind::Decision, &decision),
                (RecordKind::ToolCall, &tool),
                (RecordKind::Admin, &event),
            ];
            let found = subjects.map(|(kind, record)| {
                let subject = Subject::of(kind, record).unwrap();
                in_force.holding(&logged(kind, 5), &subject) == Some("h")
            });
            assert_eq!(&found, expected, "{scope}");
        }
        assert_eq!(Subject::of(RecordKind::Outcome, &json!({"call_id": "c"})), None);
        println!("compared {} holds", cases.len());
    }

    #[test]
    fn what_is_not_known_is_held() {
        let scope = HoldScope { principal: Some("alice".to_owned()), ..HoldScope::default() };
        assert!(scope.fits(&Subject::Unknown));
    }

    #[test]
    fn holds_that_make_no_sense_are_refused() {
        let some = |text: &str| Some(text.to_owned());
        let cases = [
            (HoldScope::default(), false),
            (HoldScope { first: Some(0), ..HoldScope::default() }, true),
            (HoldScope { principal: some(""), ..HoldScope::default() }, false),
            (HoldScope { first: Some(5), last: Some(4), ..HoldScope::default() }, false),
            (HoldScope { since_ms: Some(5), until_ms: Some(4), ..HoldScope::default() }, false),
            (HoldScope { model: some("x*"), since_ms: Some(1), ..HoldScope::default() }, true),
        ];
        for (scope, good) in cases {
            assert_eq!(scope.check().is_ok(), good, "{scope:?}");
        }
    }

    #[test]
    fn patterns_match() {
        let cases = [
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("a*c", "acb", false),
            ("*", "", true),
            ("?", "", false),
            ("?é*", "xé", true),
            ("a**b*", "aXbYbZ", true),
            ("[a]", "a", false),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
