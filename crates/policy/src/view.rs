//! A call with what is computed from it, once and only when it is asked for.

use crate::field::FieldValue;
use crate::fold::fold;
use crate::hours::DAYS;
use crate::names::Names;
use crate::text::{Hits, Scanner};
use crate::{Call, Seen};
use serde_json::Value;
use std::borrow::Cow;
use std::cell::OnceCell;

/// What is not at hand beside the call: conditions on it can be neither true nor false.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct NotAtHand {
    /// [`Call::counts`].
    pub(crate) counts: bool,
    /// [`Call::history`].
    pub(crate) history: bool,
}

/// A call, or something seen before, as conditions see it.
#[derive(Debug)]
pub(crate) struct View<'c> {
    pub(crate) call: &'c Call,
    /// The names under which selectors know it.
    pub(crate) names: Names<'c>,
    /// Unix time in milliseconds.
    pub(crate) time: u64,
    pub(crate) not_at_hand: NotAtHand,
    arguments: Option<&'c Value>,
    scanner: Option<&'c Scanner>,
    details: OnceCell<String>,
    iso_time: OnceCell<String>,
    folded_text: OnceCell<Cow<'c, str>>,
    hits: OnceCell<Hits>,
}

impl<'c> View<'c> {
    /// A call on a route.
    pub(crate) fn of(call: &'c Call, route: Option<&'c str>) -> Self {
        let tools = call.tool.as_ref().map(|tool| tool.names.as_slice());
        let arguments = call.tool.as_ref().map(|tool| &tool.arguments);
        let names = Names::new(call, &call.operation, tools, route);
        Self::new(call, names, call.time, arguments)
    }

    /// With what a bundle looks for in the request's text.
    pub(crate) fn searched_by(self, scanner: &'c Scanner) -> Self {
        Self { scanner: Some(scanner), ..self }
    }

    /// Without what is not at hand.
    pub(crate) fn without(self, not_at_hand: NotAtHand) -> Self {
        Self { not_at_hand, ..self }
    }

    /// A count of the call, where it is at hand.
    pub(crate) fn count(&self, count: impl Fn(&crate::Counts) -> u64) -> FieldValue<'_> {
        if self.not_at_hand.counts {
            FieldValue::NeedsText
        } else {
            FieldValue::Integer(count(&self.call.counts))
        }
    }

    /// Something seen before. `nobody` is a call that says nothing: conditions on the past read only what was kept of it.
    pub(crate) fn of_seen(seen: &'c Seen, nobody: &'c Call) -> Self {
        let is_tool = !seen.tools.is_empty();
        let tools = is_tool.then_some(seen.tools.as_slice());
        let names = Names::new(nobody, &seen.operation, tools, None);
        Self::new(nobody, names, seen.time, is_tool.then_some(&seen.arguments))
    }

    fn new(call: &'c Call, names: Names<'c>, time: u64, arguments: Option<&'c Value>) -> Self {
        Self {
            call,
            names,
            time,
            not_at_hand: NotAtHand::default(),
            arguments,
            scanner: None,
            details: OnceCell::new(),
            iso_time: OnceCell::new(),
            folded_text: OnceCell::new(),
            hits: OnceCell::new(),
        }
    }

    pub(crate) fn operation(&self) -> &'c str {
        self.names.operation
    }

    pub(crate) fn tool_names(&self) -> &'c [String] {
        self.names.tools.unwrap_or_default()
    }

    /// The argument at a path; all of them for the empty one.
    pub(crate) fn argument(&self, path: &str) -> FieldValue<'c> {
        let Some(mut value) = self.arguments else { return FieldValue::Missing };
        for part in path.split('.').filter(|part| !part.is_empty()) {
            let inner = match value {
                Value::Object(map) => map.get(part),
                Value::Array(items) => part.parse::<usize>().ok().and_then(|index| items.get(index)),
                _ => None,
            };
            let Some(inner) = inner else { return FieldValue::Missing };
            value = inner;
        }
        if value.is_null() { FieldValue::Missing } else { FieldValue::Json(value) }
    }

    pub(crate) fn details(&self) -> &str {
        self.details.get_or_init(|| details(self))
    }

    pub(crate) fn iso_time(&self) -> &str {
        self.iso_time.get_or_init(|| {
            let millis = i64::try_from(self.time).unwrap_or(i64::MAX);
            jiff::Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |time| time.to_string())
        })
    }

    pub(crate) fn weekday(&self) -> &'static str {
        // 1 January 1970 was a Thursday.
        let day = (self.time / 86_400_000 + 4) % 7;
        usize::try_from(day).ok().and_then(|day| DAYS.get(day)).copied().unwrap_or_default()
    }

    /// The request's text with its case ignored; empty when it was not given.
    pub(crate) fn folded_text(&self) -> &str {
        let text = self.call.request.text.as_ref().map_or("", |text| text.text.as_str());
        self.folded_text.get_or_init(|| fold(text))
    }

    /// What the patterns of the bundle found in the request's text; `None` when it was not given.
    pub(crate) fn hits(&self) -> Option<&Hits> {
        let text = self.call.request.text.as_ref()?;
        let scanner = self.scanner?;
        Some(self.hits.get_or_init(|| scanner.scan(&text.text, || self.folded_text())))
    }
}

/// `Bedrock invoke_model: ID`, as the action logs of agent frameworks write it.
fn details(view: &View<'_>) -> String {
    let call = view.call;
    if view.operation().is_empty() {
        return String::new();
    }
    let model = call.model.as_ref().map(|model| model.id.as_str());
    let agent = call.agent.id.as_deref();
    let (verb, target) = match call.action_type.as_str() {
        "model_invoked" => ("invoke_model".to_owned(), model),
        "agent_invoked" => ("invoke_agent".to_owned(), agent),
        _ => (snake_case(view.operation()), model.or(agent)),
    };
    match target {
        Some(target) => format!("Bedrock {verb}: {target}"),
        None => format!("Bedrock {verb}"),
    }
}

fn snake_case(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    let mut before = None;
    for c in name.chars() {
        let boundary = c.is_uppercase() && before.is_some_and(|before: char| !before.is_uppercase());
        if boundary {
            out.push('_');
        }
        out.extend(c.to_lowercase());
        before = Some(c);
    }
    out
}
