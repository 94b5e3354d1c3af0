//! The use of limits, for people.

use super::Limits;
use portcullis_limits::Use;
use portcullis_policy::{Bundle, Measure};
use serde::{Deserialize, Serialize};
use std::collections::HashSet;

/// One limit's use by one key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LimitUse {
    /// The limit.
    pub limit: String,
    /// Whose count: the values of the limit's `per` fields as `field=value`, joined by commas; empty for one count for
    /// all, and for a limit that nobody has used.
    pub key: String,
    /// What it counts, such as `tokens`; absent for a limit that the active bundle does not have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub measure: Option<String>,
    /// What happens over it: `throttle`, `deny`, `require_approval`, `warn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// It only notes what it would do.
    pub shadow: bool,
    /// The active bundle has it. One that is gone is kept until its window has passed: it may come back.
    pub active: bool,
    /// Milliseconds of its sliding window.
    pub window_ms: u64,
    /// Most of it in any window: requests, tokens, billionths of the currency, tool calls.
    pub max: u64,
    /// Used in the window that ends now, reservations included.
    pub used: u64,
    /// The part of `used` that is reserved for calls that are still going on.
    pub reserved: u64,
    /// What is left; 0 when it is over.
    pub left: u64,
    /// `used` as a part of `max`, in per cent.
    pub fill_percent: f64,
    /// Unix milliseconds at which all of it is out of the window, if nothing else comes; absent when nothing is used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resets_at_ms: Option<u64>,
    /// The amounts in the currency of the bundle's prices, for a limit on cost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<CostUse>,
}

/// Amounts of a limit on cost, decimal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CostUse {
    /// Such as `USD`.
    pub currency: String,
    /// As in [`LimitUse`].
    pub max: String,
    /// As in [`LimitUse`].
    pub used: String,
    /// As in [`LimitUse`].
    pub reserved: String,
    /// As in [`LimitUse`].
    pub left: String,
}

/// Which uses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitsFilter {
    /// The limit.
    pub limit: Option<String>,
    /// The whole key.
    pub key: Option<String>,
    /// Limits that count by `principal.name`, for this one.
    pub principal: Option<String>,
}

impl Limits {
    /// The use of every limit that has one, and of those of the bundle that have none: the fullest first.
    #[must_use]
    pub fn usage(&self, bundle: Option<&Bundle>, now_ms: u64, filter: &LimitsFilter) -> Vec<LimitUse> {
        let uses = {
            let mut state = self.lock();
            if let Some(bundle) = bundle {
                state.configure(bundle);
            }
            state.ledger.usage(now_ms)
        };
        let used: HashSet<_> = uses.iter().map(|one| one.limit.clone()).collect();
        let limits = bundle.map(Bundle::limits).unwrap_or_default();
        let idle = limits.iter().filter(|limit| !used.contains(limit.id.as_str())).map(|limit| Use {
            limit: limit.id.as_str().into(),
            key: "".into(),
            used: 0,
            reserved: 0,
            max: limit.max,
            window_ms: limit.window_ms,
            resets_ms: 0,
        });
        let wanted = |one: &Use| {
            filter.limit.as_ref().is_none_or(|limit| **limit == *one.limit)
                && filter.key.as_ref().is_none_or(|key| **key == *one.key)
                && filter.principal.as_ref().is_none_or(|name| has_field(&one.key, "principal.name", name))
        };
        let shown = |one| shown(one, bundle);
        let mut all: Vec<_> = uses.iter().cloned().chain(idle).filter(wanted).map(shown).collect();
        all.sort_by(|a, b| {
            b.fill_percent
                .total_cmp(&a.fill_percent)
                .then_with(|| a.limit.cmp(&b.limit))
                .then_with(|| a.key.cmp(&b.key))
        });
        all
    }

    /// How full each limit of the bundle is for the key that uses most of it; 1 is full.
    #[must_use]
    pub fn fullest(&self, bundle: &Bundle, now_ms: u64) -> Vec<(String, f64)> {
        let mut state = self.lock();
        state.configure(bundle);
        let known: HashSet<_> = bundle.limits().iter().map(|limit| limit.id.as_str()).collect();
        let all = state.ledger.fullest(now_ms).filter(|(id, ..)| known.contains(id));
        all.map(|(id, used, max)| (id.to_owned(), ratio(used, max))).collect()
    }
}

fn shown(one: Use, bundle: Option<&Bundle>) -> LimitUse {
    let Use { limit, key, used, reserved, max, window_ms, resets_ms } = one;
    let spec = bundle.and_then(|bundle| bundle.limit(&limit));
    // Without its limit nobody knows what was allowed.
    let max = if spec.is_some() || max < u64::MAX { max } else { 0 };
    let left = max.saturating_sub(used);
    let currency = bundle.and_then(Bundle::currency);
    let cost = spec.filter(|spec| spec.measure == Measure::Cost).map(|_| CostUse {
        currency: currency.unwrap_or_default().to_owned(),
        max: decimal(max),
        used: decimal(used),
        reserved: decimal(reserved),
        left: decimal(left),
    });
    LimitUse {
        limit: limit.to_string(),
        key: key.to_string(),
        measure: spec.map(|spec| spec.measure.as_str().to_owned()),
        action: spec.map(|spec| spec.action.as_str().to_owned()),
        shadow: spec.is_some_and(|spec| spec.shadow),
        active: spec.is_some(),
        window_ms,
        max,
        used,
        reserved,
        left,
        fill_percent: (ratio(used, max) * 10_000.0).round() / 100.0,
        resets_at_ms: Some(resets_ms).filter(|ms| *ms > 0),
        cost,
    }
}

#[expect(clippy::cast_precision_loss, reason = "a ratio for people and graphs")]
fn ratio(used: u64, max: u64) -> f64 {
    if max == 0 { if used == 0 { 0.0 } else { 1.0 } } else { used as f64 / max as f64 }
}

/// Billionths as a decimal number with two digits at least: `0.0015` for 1,500,000.
pub(crate) fn decimal(nanos: u64) -> String {
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    let digits = format!("{rest:09}");
    let digits = digits.trim_end_matches('0');
    format!("{whole}.{digits:0<2}")
}

/// The key says `field=value`. Commas and backslashes in values are escaped with a backslash.
fn has_field(key: &str, field: &str, value: &str) -> bool {
    let mut parts = vec![String::new()];
    let mut chars = key.chars();
    while let Some(c) = chars.next() {
        match (c, parts.last_mut()) {
            (',', _) => parts.push(String::new()),
            ('\\', Some(part)) => part.extend(chars.next()),
            (c, Some(part)) => part.push(c),
            (_, None) => {}
        }
    }
    parts.iter().any(|part| part.strip_prefix(field).and_then(|rest| rest.strip_prefix('=')) == Some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn money_is_written_as_people_write_it() {
        for (nanos, text) in [
            (0, "0.00"),
            (1, "0.000000001"),
            (1_500_000, "0.0015"),
            (250_000_000_000, "250.00"),
            (1_100_000_000, "1.10"),
            (u64::MAX, "18446744073.709551615"),
        ] {
            assert_eq!(decimal(nanos), text);
        }
    }

    #[test]
    fn fields_are_found_in_keys() {
        let key = "tenant=a,principal.name=x\\,y\\\\,region=eu";
        for (field, value, expected) in [
            ("principal.name", "x,y\\", true),
            ("principal.name", "x", false),
            ("region", "eu", true),
            ("name", "x,y\\", false),
            ("tenant", "", false),
        ] {
            assert_eq!(has_field(key, field, value), expected, "{field}={value}");
        }
        assert!(!has_field("", "principal.name", "x"));
    }
}
