//! Numbers with units: times and amounts of money.

use crate::source::node::{Node, Value};
use crate::source::read::{Reader, describe};
use std::ops::RangeInclusive;
use std::time::Duration;

/// Seconds of what a time may end in.
const UNITS: &[(char, u64)] = &[('d', 86_400), ('h', 3_600), ('m', 60), ('s', 1)];
const NANO_DIGITS: usize = 9;

/// `30s`, `15m`, `24h`, `30d`, or a bare number of seconds.
pub(crate) fn duration(
    reader: &mut Reader<'_>,
    node: &Node,
    what: &str,
    range: RangeInclusive<Duration>,
) -> Option<Duration> {
    let Value::Scalar { text, .. } = &node.value else { return not_a_time(reader, node, what) };
    let unit = UNITS.iter().find_map(|(unit, seconds)| Some((text.strip_suffix(*unit)?, *seconds)));
    let (number, seconds) = unit.unwrap_or((text, 1));
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return not_a_time(reader, node, what);
    }
    let read = number.parse::<u64>().ok().and_then(|number| number.checked_mul(seconds));
    let read = Duration::from_secs(read.unwrap_or(u64::MAX));
    if range.contains(&read) {
        return Some(read);
    }
    let (from, to) = (show_duration(*range.start()), show_duration(*range.end()));
    reader.error(node.at, format!("{what} is `{text}`; it must be at least {from} and at most {to}"));
    None
}

fn not_a_time(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<Duration> {
    let got = describe(node);
    reader.error(
        node.at,
        format!("{what} must be a time such as `30s`, `15m`, `24h` or `30d`, but this is {got}"),
    );
    None
}

/// In the largest unit that fits: `1m`, `400d`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    let unit = UNITS.iter().find(|(_, unit)| seconds >= *unit && seconds.is_multiple_of(*unit));
    let (unit, length) = unit.copied().unwrap_or(('s', 1));
    format!("{}{unit}", seconds / length)
}

/// A decimal number, 0 or more, in billionths.
pub(crate) fn nano(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<u128> {
    let read = match &node.value {
        Value::Scalar { text, plain: true } => parse_nano(text),
        Value::Scalar { .. } | Value::List(_) | Value::Map(_) => Err("must be a number, such as `3.75`"),
    };
    match read {
        Ok(nano) => Some(nano),
        Err(problem) => {
            let got = describe(node);
            reader.error(node.at, format!("{what} {problem}, but this is {got}"));
            None
        }
    }
}

fn parse_nano(text: &str) -> Result<u128, &'static str> {
    const WRONG: &str = "must be a number, such as `3.75`";
    if text.starts_with('-') && text.parse::<f64>().is_ok() {
        return Err("must not be less than 0");
    }
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(part) {
        return Err(WRONG);
    }
    let part = part.trim_end_matches('0');
    if part.len() > NANO_DIGITS {
        return Err("must have at most 9 decimal places");
    }
    let nano = format!("{whole}{part:0<NANO_DIGITS$}");
    // More digits than this overflow.
    nano.parse().map_err(|_| "is too large")
}
