//! Values that only test cases have: any text, durations, times, JSON.

use crate::source::node::{Node, Value};
use crate::source::read::{Reader, describe};
use jiff::Timestamp;
use serde_json::Number;

/// Text of any length and with any characters: what a caller may send.
pub(crate) fn any_text(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<String> {
    match &node.value {
        Value::Scalar { text, .. } => Some(text.clone()),
        Value::List(_) | Value::Map(_) => {
            reader.error(node.at, format!("{what} must be text, but this is {}", describe(node)));
            None
        }
    }
}

/// One text of any kind, or a list of them; it may be empty.
pub(crate) fn any_texts(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Vec<String>> {
    match &node.value {
        Value::List(items) => items.iter().map(|item| any_text(reader, item, what)).collect(),
        Value::Scalar { .. } | Value::Map(_) => any_text(reader, node, what).map(|text| vec![text]),
    }
}

/// A whole number, 0 or more.
pub(crate) fn count(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<u64> {
    let number = reader.integer(node, what)?;
    let positive = u64::try_from(number).ok();
    if positive.is_none() {
        reader.error(node.at, format!("{what} must not be negative"));
    }
    positive
}

/// `30s`, `15m`, `24h`, `30d` or a number of seconds, in milliseconds.
pub(crate) fn duration(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<u64> {
    let Value::Scalar { text, .. } = &node.value else {
        reader.error(node.at, format!("{what} must be a duration, but this is {}", describe(node)));
        return None;
    };
    let found = duration_ms(text);
    if found.is_none() {
        reader.error(
            node.at,
            format!(
                "{what} must be a duration such as `30s`, `15m`, `24h` or `30d`, but this is {}",
                describe(node)
            ),
        );
    }
    found
}

fn duration_ms(text: &str) -> Option<u64> {
    const UNITS: [(char, u64); 4] = [('s', 1_000), ('m', 60_000), ('h', 3_600_000), ('d', 86_400_000)];
    let found = UNITS.iter().find_map(|(unit, ms)| Some((text.strip_suffix(*unit)?, *ms)));
    let (digits, ms) = found.unwrap_or((text, 1_000));
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    digits.parse::<u64>().ok()?.checked_mul(ms)
}

/// RFC 3339, or Unix seconds; in Unix milliseconds.
pub(crate) fn time(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<u64> {
    let text = any_text(reader, node, what)?;
    let seconds = text.parse::<u64>().ok().and_then(|seconds| seconds.checked_mul(1_000));
    let found = seconds.or_else(|| {
        let time = text.parse::<Timestamp>().ok()?;
        u64::try_from(time.as_millisecond()).ok()
    });
    if found.is_none() {
        reader.error(
            node.at,
            format!("{what} must be a time such as `2026-11-21T10:00:00Z`, but this is {}", describe(node)),
        );
    }
    found
}

/// YAML 1.2's core schema, as JSON.
pub(crate) fn json(node: &Node) -> serde_json::Value {
    use serde_json::Value as Json;
    match &node.value {
        Value::List(items) => Json::Array(items.iter().map(|item| json(item)).collect()),
        Value::Map(entries) => {
            Json::Object(entries.iter().map(|entry| (entry.key.clone(), json(&entry.value))).collect())
        }
        Value::Scalar { text, plain: false } => Json::String(text.clone()),
        Value::Scalar { text, plain: true } => match text.as_str() {
            "" | "~" | "null" | "Null" | "NULL" => Json::Null,
            "true" | "True" | "TRUE" => Json::Bool(true),
            "false" | "False" | "FALSE" => Json::Bool(false),
            _ => number(text).map_or_else(|| Json::String(text.clone()), Json::Number),
        },
    }
}

/// Digits that `f64` would read and YAML does not (`inf`, `nan`, `1_000`) are text.
fn number(text: &str) -> Option<Number> {
    if !text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b)) {
        return None;
    }
    if let Ok(whole) = text.parse::<i64>() {
        return Some(whole.into());
    }
    if let Ok(whole) = text.parse::<u64>() {
        return Some(whole.into());
    }
    text.parse::<f64>().ok().and_then(Number::from_f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_numbers() {
        for (text, ms) in [
            ("30s", Some(30_000)),
            ("5m", Some(300_000)),
            ("24h", Some(86_400_000)),
            ("30d", Some(2_592_000_000)),
            ("7", Some(7_000)),
            ("", None),
            ("m", None),
            ("-1s", None),
            ("1.5h", None),
            ("99999999999999999d", None),
        ] {
            assert_eq!(duration_ms(text), ms, "{text}");
        }
        for (text, is_number) in
            [("1", true), ("-2.5", true), ("1e3", true), ("1_000", false), ("inf", false), ("-", false)]
        {
            assert_eq!(number(text).is_some(), is_number, "{text}");
        }
    }
}
