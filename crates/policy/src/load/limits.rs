//! `limits` of `bundle.yaml` and of its routes.

use super::files::MANIFEST;
use super::routes::read_id;
use super::rules::{MODES, Rules};
use super::units::{duration, nano};
use super::{condition, message};
use crate::charge::Limit;
use crate::decision::Effect;
use crate::field::FieldKind;
use crate::limit::{LimitSpec, Measure};
use crate::limits::{MAX_LIMITS, MAX_NAME_CHARS};
use crate::names::Selector;
use crate::predicate::{Predicate, Subject};
use crate::price::PriceTable;
use crate::source::node::Node;
use crate::source::read::{Located, Map, Reader};
use crate::source::report::{Pos, Report};
use std::sync::Arc;
use std::time::Duration;

/// Beside the selectors.
pub(crate) const KEYS: &[&str] =
    &["id", "description", "measure", "max", "window", "per", "action", "mode", "message", "conditions"];
pub(crate) const ACTIONS: &[(&str, Effect)] = &[
    ("throttle", Effect::Throttle),
    ("block", Effect::Deny),
    ("require_approval", Effect::RequireApproval),
    ("warn", Effect::Warn),
];
pub(crate) const MEASURES: &[(&str, Measure)] = &[
    ("requests", Measure::Requests),
    ("tokens", Measure::Tokens),
    ("input_tokens", Measure::InputTokens),
    ("output_tokens", Measure::OutputTokens),
    ("cache_read_tokens", Measure::CacheReadTokens),
    ("cache_write_tokens", Measure::CacheWriteTokens),
    ("cost", Measure::Cost),
    ("tool_calls", Measure::ToolCalls),
];
const SHORTEST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(400 * 24 * 3_600);
const MAX_PER: usize = 8;

/// Limits, in load order, and what is to be checked when everything is read.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    pub(crate) limits: Vec<Limit>,
    ids: Vec<Located>,
    /// The first limit on cost.
    cost: Option<Pos>,
}

impl Limits {
    /// Reads a list of limits; `route` is the one that they stand in.
    pub(crate) fn read(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        rules: &mut Rules,
        route: Option<&str>,
    ) {
        for node in reader.list(node, "`limits`").unwrap_or_default() {
            let Some(limit) = self.read_limit(reader, node, rules, route) else { continue };
            if self.limits.len() >= MAX_LIMITS {
                reader.error(node.at, format!("the bundle has more than {MAX_LIMITS} limits"));
                return;
            }
            self.limits.push(limit);
        }
    }

    fn read_limit(
        &mut self,
        reader: &mut Reader<'_>,
        node: &Node,
        rules: &mut Rules,
        route: Option<&str>,
    ) -> Option<Limit> {
        let keys: Vec<&str> = KEYS.iter().copied().chain(Selector::ALL.iter().map(|s| s.key())).collect();
        let map = reader.map(node, "a limit", &keys)?;
        let id = self.read_id(reader, map);
        if let Some(node) = map.get("description") {
            reader.text(node, "`description`", MAX_NAME_CHARS);
        }
        let measure = reader.required(map, "measure", "the limit");
        let measure_at = measure.map(|node| node.at);
        let measure = measure.and_then(|node| reader.choice(node, "measure", MEASURES));
        let max = reader.required(map, "max", "the limit");
        let max = max.and_then(|node| read_max(reader, node, measure?));
        let window = reader.required(map, "window", "the limit");
        let window = window.and_then(|node| duration(reader, node, "`window`", SHORTEST..=LONGEST));
        let per = map.get("per").map_or_else(|| Some(Vec::new()), |node| read_per(reader, node));
        let action = map.get("action").map(|node| reader.choice(node, "action", ACTIONS));
        let shadow = map.get("mode").and_then(|node| reader.choice(node, "mode", MODES)).unwrap_or(false);
        let message = map.get("message").and_then(|node| message::read(reader, node));
        let models = rules.language.models.len();
        let mut conditions = Vec::new();
        for selector in Selector::ALL {
            conditions.extend(rules.read_selector(reader, map, *selector, &mut false));
        }
        // What a limit counts need not be allowed.
        rules.language.models.truncate(models);
        if let Some(node) = map.get("conditions") {
            let read = rules.read_conditions(reader, node, "`conditions`");
            if read.iter().any(Predicate::needs_text) {
                reader
                    .error(node.at, "the conditions of a limit cannot read the request's text; write a rule");
            }
            conditions.extend(read);
        }
        let (id, measure, per) = (id?, measure?, per?);
        check_kinds(reader, &id, measure, &conditions);
        if measure == Measure::Cost {
            self.cost = self.cost.or(measure_at);
        }
        let (names, fields) = per.into_iter().unzip();
        let default = match measure {
            Measure::Requests | Measure::ToolCalls => Effect::Throttle,
            _ => Effect::Deny,
        };
        let spec = LimitSpec {
            id: id.text,
            measure,
            max: max?,
            window_ms: u64::try_from(window?.as_millis()).ok()?,
            per: names,
            action: action.unwrap_or(Some(default))?,
            shadow,
            message: message.as_ref().map(|message| message.source().to_owned()),
        };
        let route = route.map(str::to_owned);
        Some(Limit { spec: Arc::new(spec), per: fields, conditions, route, message })
    }

    fn read_id(&mut self, reader: &mut Reader<'_>, map: Map<'_>) -> Option<Located> {
        let id = read_id(reader, map, "the limit")?;
        if let Some(other) = self.ids.iter().find(|other| other.text == id.text) {
            reader.error(id.at, format!("id `{}` is taken by the limit in line {}", id.text, other.at.line));
            return None;
        }
        self.ids.push(id.clone());
        Some(id)
    }

    /// The whole bundle is in shadow mode.
    pub(crate) fn shadow(&mut self) {
        for limit in &mut self.limits {
            Arc::make_mut(&mut limit.spec).shadow = true;
        }
    }

    /// What limits on cost need of the prices.
    pub(crate) fn check_prices(&self, rules: &Rules, prices: Option<&PriceTable>, report: &mut Report) {
        let Some(at) = self.cost else { return };
        let Some(prices) = prices else {
            report.error(MANIFEST, at, "a limit on `cost` needs `prices` in the bundle");
            return;
        };
        if prices.unpriced.is_none() {
            let message = "a limit on `cost` needs `unpriced: deny` or `unpriced: allow` in `prices`: what becomes of a \
                           call to a model that has no price?";
            report.error(MANIFEST, at, message);
        }
        for (path, model) in &rules.language.models {
            if !prices.knows(model) {
                report.warning(path, model.at, format!("model `{}` has no price in `prices`", model.text));
            }
        }
    }
}

/// A limit by tool counts tool calls; none counts texts.
fn check_kinds(reader: &mut Reader<'_>, id: &Located, measure: Measure, conditions: &[Predicate]) {
    let text = &id.text;
    if conditions.iter().any(Predicate::selects_tools) && measure != Measure::ToolCalls {
        reader.error(
            id.at,
            format!("limit `{text}` is about certain tools, so its measure must be `tool_calls`"),
        );
    }
    if conditions.iter().any(Predicate::reads_answers) {
        reader
            .error(id.at, format!("limit `{text}` reads the text of answers, and counts none; write a rule"));
    }
}

fn read_max(reader: &mut Reader<'_>, node: &Node, measure: Measure) -> Option<u64> {
    let max = match measure {
        Measure::Cost => {
            let max = nano(reader, node, "`max`")?;
            if u64::try_from(max).is_err() {
                reader.error(node.at, "`max` is too large");
            }
            u64::try_from(max).ok()?
        }
        _ => {
            let max = reader.integer(node, "`max`")?;
            if max < 0 {
                reader.error(node.at, format!("`max` must not be less than 0, but this is {max}"));
            }
            u64::try_from(max).ok()?
        }
    };
    if max == 0 && !matches!(measure, Measure::Requests | Measure::ToolCalls) {
        reader.error(node.at, "`max` is 0, which no call fits; write a rule that blocks");
        return None;
    }
    Some(max)
}

/// The fields to count by, with their names.
fn read_per(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<(String, Subject)>> {
    let texts = reader.texts(node, "`per`")?;
    if texts.len() > MAX_PER {
        reader.error(node.at, format!("`per` has more than {MAX_PER} fields"));
        return None;
    }
    let mut fields = Vec::with_capacity(texts.len());
    for text in &texts {
        let Some((field, key)) = condition::resolve(reader, text, condition::Place::Call) else { continue };
        let problem = if field.is_content() {
            format!("`{}` cannot be counted by: it is what the call says, not whose it is", text.text)
        } else if matches!(field.kind, FieldKind::Text | FieldKind::Map) {
            fields.push((text.text.clone(), Subject::Field(field, key)));
            continue;
        } else {
            format!("`{}` is a {}; only text can be counted by", text.text, field.kind.as_str())
        };
        reader.error(text.at, problem);
    }
    (fields.len() == texts.len()).then_some(fields)
}
