//! Values of conditions that are more than text or a number.

use super::language::Language;
use crate::check::Scalar;
use crate::cidr::Network;
use crate::hours::{DAYS, Window, clock};
use crate::limits::MAX_NAME_CHARS;
use crate::number::Number;
use crate::source::node::{Node, Value};
use crate::source::read::{Map, Reader, as_bool, is_null};

/// A plain value, or a hint why it is none.
pub(crate) fn scalar(node: &Node) -> Result<Scalar, &'static str> {
    match &node.value {
        Value::Scalar { text, plain: true } if is_null(text) => Err("; use `exists` or `not_exists`"),
        Value::Scalar { text, plain: true } if is_other_number(text) => {
            Err("; write the number in plain decimal digits, or the text in quotes")
        }
        Value::Scalar { text, plain: true } => Ok(as_bool(text)
            .map(Scalar::Boolean)
            .or_else(|| Number::parse(text).map(Scalar::Number))
            .unwrap_or_else(|| Scalar::Text(text.clone()))),
        Value::Scalar { text, plain: false } => Ok(Scalar::Text(text.clone())),
        Value::List(_) => Err("; use `in`"),
        Value::Map(_) => Err(""),
    }
}

/// What YAML, in one of its versions, takes for a number and we for text, which no number equals: `0x10`, `1_000`, `.inf`.
fn is_other_number(text: &str) -> bool {
    let bare = text.trim_start_matches(['+', '-']).to_ascii_lowercase();
    let based = ["0x", "0o"].iter().filter_map(|prefix| bare.strip_prefix(prefix)).any(|digits| {
        !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'_')
    });
    let grouped = bare.contains('_')
        && bare.starts_with(|c: char| c.is_ascii_digit())
        && bare.bytes().all(|byte| byte.is_ascii_digit() || b"_.".contains(&byte));
    based || grouped || bare == ".inf" || bare == ".nan"
}

/// A value as a person reads it, shortened.
pub(crate) fn show(node: &Node) -> String {
    const MOST: usize = 200;
    let mut out = String::new();
    show_into(node, &mut out, MOST);
    if out.chars().count() > MOST {
        out = out.chars().take(MOST).chain(['…']).collect();
    }
    out
}

fn show_into(node: &Node, out: &mut String, most: usize) {
    if out.len() > 4 * most {
        return;
    }
    match &node.value {
        Value::Scalar { text, .. } => out.push_str(text),
        Value::List(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                show_into(item, out, most);
            }
            out.push(']');
        }
        Value::Map(entries) => {
            out.push('{');
            for (index, entry) in entries.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                out.push_str(&entry.key);
                out.push_str(": ");
                show_into(&entry.value, out, most);
            }
            out.push('}');
        }
    }
}

/// Any value, as JSON: for metadata.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Scalar { text, plain: true } if is_null(text) => serde_json::Value::Null,
        Value::Scalar { text, plain: true } => match as_bool(text) {
            Some(value) => value.into(),
            None => text
                .parse::<i64>()
                .map(serde_json::Value::from)
                .ok()
                .or_else(|| {
                    Number::parse(text)
                        .map(|number| number.approx())
                        .and_then(|value| serde_json::Number::from_f64(value).map(serde_json::Value::Number))
                })
                .unwrap_or_else(|| text.as_str().into()),
        },
        Value::Scalar { text, plain: false } => text.as_str().into(),
        Value::List(items) => items.iter().map(|item| json(item)).collect(),
        Value::Map(entries) => entries
            .iter()
            .map(|entry| (entry.key.clone(), json(&entry.value)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
    }
}

/// One network or a list of them.
pub(crate) fn networks(reader: &mut Reader<'_>, node: &Node) -> Option<Vec<Network>> {
    let texts = reader.texts(node, "`value` of `cidr`")?;
    let mut networks = Vec::with_capacity(texts.len());
    for text in &texts {
        match Network::parse(&text.text) {
            Ok(network) => networks.push(network),
            Err(message) => reader.error(text.at, message),
        }
    }
    (networks.len() == texts.len()).then_some(networks)
}

/// `{start: "09:00", end: "17:00", timezone: Europe/Berlin, days: [mon, tue]}`
pub(crate) fn window(reader: &mut Reader<'_>, language: &mut Language, node: &Node) -> Option<Window> {
    const WHAT: &str = "a window of hours";
    let map = reader.map(node, WHAT, &["start", "end", "timezone", "days"])?;
    let start = time_of_day(reader, map, "start");
    let end = time_of_day(reader, map, "end");
    let zone = reader.required(map, "timezone", WHAT);
    let zone = zone.and_then(|zone| reader.text(zone, "`timezone`", MAX_NAME_CHARS));
    let zone = zone.and_then(|zone| language.zone(reader, &zone));
    let days = match map.get("days") {
        Some(node) => read_days(reader, node),
        None => Some([true; 7]),
    };
    Some(Window { start: start?, end: end?, zone: zone?, days: days? })
}

fn time_of_day(reader: &mut Reader<'_>, map: Map<'_>, key: &str) -> Option<u16> {
    let node = reader.required(map, key, "a window of hours")?;
    let text = reader.text(node, &format!("`{key}`"), MAX_NAME_CHARS)?;
    let time = clock(&text.text);
    if time.is_none() {
        let message = format!(
            "`{key}` must be a time of day from `00:00` to `23:59`, but this is `{}`; write it in quotes, with two digits \
             each",
            text.text
        );
        reader.error(text.at, message);
    }
    time
}

fn read_days(reader: &mut Reader<'_>, node: &Node) -> Option<[bool; 7]> {
    let mut days = [false; 7];
    let written = reader.texts(node, "`days`")?;
    let mut sound = true;
    for day in &written {
        let lower = day.text.to_ascii_lowercase();
        let place = LONG_DAYS.iter().position(|(long, short)| lower == *long || lower == *short);
        match place.and_then(|place| days.get_mut(place)) {
            Some(slot) => *slot = true,
            None => {
                let names = DAYS.join("`, `");
                reader.error(day.at, format!("unknown day `{}`; it is one of `{names}`", day.text));
                sound = false;
            }
        }
    }
    sound.then_some(days)
}

/// Sunday first.
const LONG_DAYS: [(&str, &str); 7] = [
    ("sunday", "sun"),
    ("monday", "mon"),
    ("tuesday", "tue"),
    ("wednesday", "wed"),
    ("thursday", "thu"),
    ("friday", "fri"),
    ("saturday", "sat"),
];
