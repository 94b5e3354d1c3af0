//! What `output_rules` read: what tools answered that is sent back, and the text that a model answers.
//!
//! The gate sends what all tools answered as one text. Conditions are asked of that text as a whole and, where it is not one
//! JSON document itself, of every line that is one: so the conditions of a rule hold together of one document.

use crate::about::Asked;
use crate::explain::ExplainedCondition;
use crate::field::FieldValue;
use crate::predicate::{Predicate, Truth, all};
use crate::view::View;
use serde_json::Value;

/// Lines that are looked at as documents; more are seen in the whole text only.
const MAX_DOCUMENTS: usize = 1_024;

/// One output.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Output {
    /// As it was sent: a text.
    text: Value,
    /// The JSON document that it is; `null` where it is none.
    document: Value,
}

impl Output {
    /// The text for the empty path, else what is there in the document.
    pub(crate) fn at(&self, path: &str) -> FieldValue<'_> {
        if path.is_empty() {
            return match &self.text {
                Value::String(text) if text.is_empty() => FieldValue::Missing,
                text => FieldValue::Json(text),
            };
        }
        crate::view::at(&self.document, path)
    }

    fn of(text: &str) -> Self {
        Self { text: Value::String(text.to_owned()), document: document(text).unwrap_or_default() }
    }
}

/// All of the conditions hold for one of the outputs.
pub(crate) fn eval(conditions: &[Predicate], view: &View<'_>) -> Truth {
    let Some(outputs) = outputs(view) else { return Truth::NeedsText };
    let mut best = Truth::False;
    for output in &outputs {
        best = best.max(all(conditions.iter(), &view.with_output(output)));
        if best == Truth::True {
            break;
        }
    }
    best
}

/// The conditions of the output for which they hold, else of the first.
pub(crate) fn explain(conditions: &[Predicate], view: &View<'_>) -> Vec<ExplainedCondition> {
    let outputs = outputs(view).unwrap_or_default();
    let holds = |output: &&Output| all(conditions.iter(), &view.with_output(output)) == Truth::True;
    match outputs.iter().find(holds).or(outputs.first()) {
        Some(output) => {
            let view = view.with_output(output);
            conditions.iter().map(|condition| condition.explain(&view)).collect()
        }
        None => conditions.iter().map(|condition| condition.explain(view)).collect(),
    }
}

/// The outputs, the whole text first; `None` when there are some and their text was not given.
fn outputs(view: &View<'_>) -> Option<Vec<Output>> {
    let call = view.call;
    let text = match Asked::of(call) {
        Asked::Answer if view.not_at_hand.response => return None,
        Asked::Answer => call.response.as_ref().map_or("", |response| response.text.as_str()),
        Asked::Call if call.request.tool_results == 0 => return Some(Vec::new()),
        Asked::Call => call.request.text.as_ref()?.tool_results.as_str(),
        Asked::Tool => return Some(Vec::new()),
    };
    let whole = Output::of(text);
    let lines = whole.document.is_null().then(|| text.lines().filter(|line| *line != text)).into_iter();
    let documents =
        lines.flatten().filter(|line| document(line).is_some()).take(MAX_DOCUMENTS).map(Output::of);
    Some(std::iter::once(whole.clone()).chain(documents).collect())
}

/// An object or a list; other JSON is text.
fn document(text: &str) -> Option<Value> {
    let text = text.trim();
    let looks_like_one =
        (text.starts_with('{') && text.ends_with('}')) || (text.starts_with('[') && text.ends_with(']'));
    looks_like_one.then(|| serde_json::from_str(text).ok()).flatten()
}
