//! A call with what is computed from it, once and only when it is asked for.

use crate::field::FieldValue;
use crate::fold::fold;
use crate::hours::DAYS;
use crate::names::Names;
use crate::output::Output;
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
    /// [`crate::Tool::arguments`].
    pub(crate) arguments: bool,
    /// [`crate::Response::text`].
    pub(crate) response: bool,
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
    output: Option<&'c Output>,
    results: OnceCell<Results>,
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
        // Arguments are an object; records do not keep them.
        let not_at_hand =
            NotAtHand { arguments: arguments.is_some_and(Value::is_null), ..NotAtHand::default() };
        Self::new(call, names, call.time, arguments).without(not_at_hand)
    }

    /// With what a bundle looks for in the request's text.
    pub(crate) fn searched_by(self, scanner: &'c Scanner) -> Self {
        Self { scanner: Some(scanner), ..self }
    }

    /// Without what is not at hand.
    pub(crate) fn without(self, not_at_hand: NotAtHand) -> Self {
        let own = self.not_at_hand;
        let not_at_hand = NotAtHand {
            counts: own.counts || not_at_hand.counts,
            history: own.history || not_at_hand.history,
            arguments: own.arguments || not_at_hand.arguments,
            response: own.response || not_at_hand.response,
        };
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
        // Arguments of what was seen before a restart are not kept.
        let not_at_hand =
            NotAtHand { arguments: is_tool && seen.arguments.is_null(), ..NotAtHand::default() };
        Self::new(nobody, names, seen.time, is_tool.then_some(&seen.arguments)).without(not_at_hand)
    }

    fn new(call: &'c Call, names: Names<'c>, time: u64, arguments: Option<&'c Value>) -> Self {
        Self {
            call,
            names,
            time,
            not_at_hand: NotAtHand::default(),
            arguments,
            scanner: None,
            output: None,
            results: OnceCell::new(),
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
        if self.not_at_hand.arguments && self.names.tools.is_some() {
            return FieldValue::NeedsText;
        }
        self.arguments.map_or(FieldValue::Missing, |arguments| at(arguments, path))
    }

    /// The stretch of the answer's text.
    pub(crate) fn response_text(&self) -> FieldValue<'_> {
        match &self.call.response {
            Some(_) if self.not_at_hand.response => FieldValue::NeedsText,
            Some(response) if !response.text.is_empty() => FieldValue::Text(&response.text),
            _ => FieldValue::Missing,
        }
    }

    /// What a tool, or the model, answered, at a path; its text for the empty one.
    pub(crate) fn output(&self, path: &str) -> FieldValue<'_> {
        self.output.map_or(FieldValue::Missing, |output| output.at(path))
    }

    /// The same for one of several outputs.
    pub(crate) fn with_output<'o>(&'o self, output: &'o Output) -> View<'o> {
        let names = Names::new(self.call, self.names.operation, self.names.tools, self.names.route);
        let view = View::new(self.call, names, self.time, self.arguments).without(self.not_at_hand);
        View { output: Some(output), scanner: self.scanner, ..view }
    }

    /// The tool results that are sent back, by what they say.
    pub(crate) fn results(&self) -> &Results {
        self.results.get_or_init(|| Results::of(self.call))
    }

    /// Text of the request that its rules read, `None` when it was not given.
    fn searched(&self) -> Option<&'c str> {
        match &self.call.response {
            Some(response) => Some(&response.text),
            None => self.call.request.text.as_ref().map(|text| text.text.as_str()),
        }
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

    /// The text that is searched with its case ignored; empty when it was not given.
    pub(crate) fn folded_text(&self) -> &str {
        self.folded_text.get_or_init(|| fold(self.searched().unwrap_or_default()))
    }

    /// What the patterns of the bundle found in the text that is searched: the request's, or the answer's where that is judged.
    /// `None` when it was not given.
    pub(crate) fn hits(&self) -> Option<&Hits> {
        let text = self.searched()?;
        let scanner = self.scanner?;
        Some(self.hits.get_or_init(|| scanner.scan(text, || self.folded_text())))
    }
}

/// The value at a path of names and list indexes, joined by dots; all of it for the empty one.
pub(crate) fn at<'v>(mut value: &'v Value, path: &str) -> FieldValue<'v> {
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

/// What the tool results say that are sent back.
#[derive(Debug, Default)]
pub(crate) struct Results {
    pub(crate) ids: Vec<String>,
    pub(crate) names: Vec<String>,
    /// Results whose tool is not known: they do not name it, or are more than the gate lists.
    pub(crate) unnamed: u64,
    pub(crate) max_bytes: u64,
    pub(crate) errors: u64,
}

impl Results {
    fn of(call: &crate::Call) -> Self {
        let request = &call.request;
        let mut results = Self::default();
        let mut named = 0_u64;
        for result in &request.results {
            results.ids.extend(result.id.clone().filter(|id| !id.is_empty()));
            let names = result.name.iter().chain(&result.proposed).filter(|name| !name.is_empty());
            let before = results.names.len();
            results.names.extend(names.cloned());
            named += u64::from(results.names.len() > before);
            results.max_bytes = results.max_bytes.max(result.bytes);
            results.errors += u64::from(result.error);
        }
        results.names.sort_unstable();
        results.names.dedup();
        results.unnamed = request.tool_results.saturating_sub(named);
        results
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
