//! `audit.retention`: how long records stay.

use crate::config::ConfigError;
use portcullis_audit::log::RecordKind;
use serde::Deserialize;
use std::collections::BTreeMap;

const DAY_MS: u64 = 86_400_000;
/// Nobody asks about a call any more, no rule looks back so far, and its outcome is known.
const LEAST_DAYS: u64 = 1;
const MOST_DAYS: u64 = 36_500;

/// As the file says it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RawRetention {
    /// How long records of a kind stay: `400d`, `7y`, `forever`. `default` is for kinds that are not named [default: forever].
    pub keep: BTreeMap<String, String>,
}

/// How long records stay, by kind; kinds that are not in it stay for ever.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Retention {
    /// Milliseconds.
    pub keep: BTreeMap<RecordKind, u64>,
}

impl Retention {
    /// Checks it.
    ///
    /// # Errors
    /// What makes no sense.
    pub fn check(raw: &RawRetention) -> Result<Self, ConfigError> {
        let wrong = |reason| ConfigError::Value { key: "audit.retention.keep", reason };
        let default = raw.keep.get("default").map(|text| time(text)).transpose().map_err(wrong)?.flatten();
        let mut keep: BTreeMap<RecordKind, u64> =
            default.map(|ms| RecordKind::ALL.map(|kind| (kind, ms)).into()).unwrap_or_default();
        for (name, text) in raw.keep.iter().filter(|(name, _)| *name != "default") {
            let kind = RecordKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
                let known = RecordKind::ALL.map(RecordKind::as_str).join(", ");
                wrong(format!("`{name}` is no kind of record; use some of {known}, default"))
            })?;
            match time(text).map_err(|reason| wrong(format!("`{name}`: {reason}")))? {
                Some(ms) => keep.insert(kind, ms),
                None => keep.remove(&kind),
            };
        }
        Ok(Retention { keep })
    }
}

/// `400d`, `7y` (of 365 days and a quarter), `forever`.
fn time(text: &str) -> Result<Option<u64>, String> {
    if text == "forever" {
        return Ok(None);
    }
    let hint = || {
        format!(
            "`{text}` is no time that records can stay; write days or years, {LEAST_DAYS}d at least, such as 400d or 7y, or forever"
        )
    };
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let number: u64 = digits.parse().map_err(|_| hint())?;
    let days = match text.get(digits.len()..) {
        Some("d") => number,
        // Rounded up: who asks for a year of records gets a year of them.
        Some("y") if number <= 100 => (number * 1_461).div_ceil(4),
        _ => return Err(hint()),
    };
    if (LEAST_DAYS..=MOST_DAYS).contains(&days) { Ok(Some(days * DAY_MS)) } else { Err(hint()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(yaml: &str) -> Result<Retention, String> {
        let raw: RawRetention = serde_yaml_ng::from_str(yaml).map_err(|error| error.to_string())?;
        Retention::check(&raw).map_err(|error| error.to_string())
    }

    #[test]
    fn kinds_have_their_times() {
        assert_eq!(check("{}").unwrap(), Retention::default(), "for ever");
        let found = check("keep: {decision: 400d, outcome: 400d, admin: 7y, gap: forever}").unwrap().keep;
        let days: Vec<_> = found.iter().map(|(kind, ms)| (kind.as_str(), ms / DAY_MS)).collect();
        assert_eq!(days, [("decision", 400), ("outcome", 400), ("admin", 2_557)]);
        let found = check("keep: {default: 1y, gap: forever, admin: 10y}").unwrap().keep;
        assert_eq!((found.len(), found.get(&RecordKind::Gap)), (7, None));
        assert_eq!(found[&RecordKind::Admin], 3_653 * DAY_MS);
    }

    #[test]
    fn nonsense_is_refused_with_a_hint() {
        let cases = [
            ("keep: {decisions: 400d}", "decision, tool_call"),
            ("keep: {decision: 400}", "400d or 7y"),
            ("keep: {decision: 0d}", "1d at least"),
            ("keep: {decision: 12h}", "1d at least"),
            ("keep: {decision: 101y}", "400d or 7y"),
            ("keep: {default: soon}", "400d or 7y"),
            ("kept: {}", "kept"),
        ];
        for (yaml, hint) in cases {
            let error = check(yaml).unwrap_err();
            assert!(error.contains(hint), "{yaml}: {error}");
        }
        println!("compared {} mistakes", cases.len());
    }
}
