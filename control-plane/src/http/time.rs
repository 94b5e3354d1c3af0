//! Times in query strings.

use jiff::Timestamp;

/// Reads a time as Unix milliseconds: RFC 3339 (`2026-11-21T10:00:00Z`), Unix milliseconds, or how long ago (`90s`, `15m`,
/// `2h`, `7d`).
///
/// # Errors
/// What is accepted, when it is none of them.
pub fn parse(text: &str, now_ms: u64) -> Result<u64, String> {
    if let Ok(ms) = text.parse() {
        return Ok(ms);
    }
    if let Some(ago) = ago(text) {
        return Ok(now_ms.saturating_sub(ago));
    }
    text.parse::<Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok()).ok_or_else(|| {
        format!("`{text}` is no time; write 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago: 90s, 15m, 2h, 7d")
    })
}

fn ago(text: &str) -> Option<u64> {
    let unit = match text.chars().next_back()? {
        's' => 1_000,
        'm' => 60_000,
        'h' => 3_600_000,
        'd' => 86_400_000,
        _ => return None,
    };
    let digits = text.get(..text.len().checked_sub(1)?)?;
    digits.parse::<u64>().ok()?.checked_mul(unit)
}

/// Unix milliseconds as RFC 3339 in UTC.
#[must_use]
pub fn show(ms: u64) -> String {
    let time = i64::try_from(ms).ok().and_then(|ms| Timestamp::from_millisecond(ms).ok());
    time.map_or_else(|| ms.to_string(), |time| format!("{time:.3}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_forms_are_read() {
        let now = 1_000_000_000;
        let cases = [
            ("1700000000000", Ok(1_700_000_000_000)),
            ("90s", Ok(now - 90_000)),
            ("2h", Ok(now - 7_200_000)),
            ("1970-01-01T00:00:01Z", Ok(1_000)),
            ("99999999999d", Ok(0)),
        ];
        for (text, expected) in cases {
            assert_eq!(parse(text, now), expected, "{text}");
        }
        for text in ["", "x", "-1", "5 m", "tomorrow", "é", "1.5h"] {
            assert!(parse(text, now).is_err(), "{text:?}");
        }
        assert_eq!(show(1_700_000_000_123), "2023-11-14T22:13:20.123Z");
    }
}
