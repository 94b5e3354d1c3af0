//! What is taken out of captured text before it is kept: best effort, in time linear in the text.
//!
//! A detector finds what has the form of something; where the form has a check (Luhn, the check digits of an IBAN), what fails
//! it stays. What is written out in words, split over two messages, or encoded, is not found.

use regex::{Captures, Regex};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::LazyLock;

/// What it finds, the form, and what else must hold.
struct Detector {
    name: &'static str,
    form: LazyLock<Option<Regex>>,
    holds: fn(&str) -> bool,
}

macro_rules! detector {
    ($name:literal, $form:literal, $holds:expr) => {
        Detector { name: $name, form: LazyLock::new(|| Regex::new($form).ok()), holds: $holds }
    };
}

/// In this order: what an earlier one has taken out is not there for the later ones.
static DETECTORS: [Detector; 10] = [
    detector!(
        "private_key",
        r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----[^-]*(?:-----END [A-Z ]{0,30}PRIVATE KEY-----)?",
        |_| true
    ),
    detector!("jwt", r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", |_| true),
    detector!("bearer", r"(?i)\bbearer[ \t]+[A-Za-z0-9._~+/=-]{12,}", |_| true),
    detector!(
        "aws_key",
        r"\b(?:A3T[A-Z0-9]|AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AIPA|ANPA|ANVA|AROA)[A-Z2-7]{16}\b",
        |_| true
    ),
    detector!(
        "aws_secret",
        r#"(?i)\b(?:aws_?)?secret(?:_?access)?_?key["']?\s{0,3}[:=]\s{0,3}["']?[A-Za-z0-9/+]{40}\b"#,
        |_| true
    ),
    detector!(
        "email",
        r"(?i)\b[a-z0-9._%+-]{1,64}@[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*\.[a-z]{2,24}\b",
        |_| true
    ),
    detector!("iban", r"(?i)\b[a-z]{2}[0-9]{2}(?: ?[a-z0-9]{4}){2,7}(?: ?[a-z0-9]{1,3})?\b", is_iban),
    detector!("card", r"\b[0-9](?:[ -]?[0-9]){12,18}\b", is_card),
    detector!(
        "ip",
        r"(?i)\b(?:[0-9]{1,3}\.){3}[0-9]{1,3}\b|(?:\b[0-9a-f]{1,4}|:)(?::[0-9a-f]{0,4}){2,7}(?:\b|:)",
        is_address
    ),
    detector!("phone", r"(?:\+|\b00|\(|\b)[0-9](?:[ ()./-]{0,2}[0-9]){6,14}\b", is_phone),
];

/// The text with `[email]`, `[card]` … in the places of what was found.
#[must_use]
pub(super) fn redact(text: &str) -> String {
    let mut text = text.to_owned();
    for detector in &DETECTORS {
        let Some(form) = detector.form.as_ref() else { continue };
        if !form.is_match(&text) {
            continue;
        }
        let replaced = form.replace_all(&text, |found: &Captures<'_>| {
            let found = found.get(0).map_or("", |found| found.as_str());
            if (detector.holds)(found) { format!("[{}]", detector.name) } else { found.to_owned() }
        });
        text = replaced.into_owned();
    }
    text
}

fn digits(text: &str) -> impl DoubleEndedIterator<Item = u32> + '_ {
    text.chars().filter_map(|c| c.to_digit(10))
}

/// ISO/IEC 7812-1 annex B.
fn is_card(text: &str) -> bool {
    let sum: u32 = digits(text)
        .rev()
        .enumerate()
        .map(|(at, digit)| match (at % 2, digit * 2) {
            (0, _) => digit,
            (_, double) if double > 9 => double - 9,
            (_, double) => double,
        })
        .sum();
    sum.is_multiple_of(10) && digits(text).any(|digit| digit != 0)
}

/// ISO 13616: moved around, letters as numbers, the rest is 1 modulo 97.
fn is_iban(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(char::is_ascii_alphanumeric).collect();
    let Some((head, rest)) = plain.split_at_checked(4) else { return false };
    let remainder = rest.iter().chain(head).filter_map(|c| c.to_digit(36)).fold(0, |sum, value| {
        let shift = if value > 9 { 100 } else { 10 };
        (sum * shift + value) % 97
    });
    remainder == 1
}

fn is_address(text: &str) -> bool {
    // `::` alone is code, and `12:30:45` is a time.
    text.parse::<Ipv4Addr>().is_ok()
        || (text.parse::<Ipv6Addr>().is_ok() && text.bytes().filter(u8::is_ascii_alphanumeric).count() > 2)
}

/// A number with a country's prefix, or written in groups; not a plain count, nor a date.
fn is_phone(text: &str) -> bool {
    let count = digits(text).count();
    let international = text.starts_with('+') || text.starts_with("00");
    let groups = text.split(|c: char| !c.is_ascii_digit()).filter(|part| !part.is_empty()).count();
    let is_date = text.len() == 10 && groups == 3 && count == 8;
    (7..=15).contains(&count) && !is_date && (international || groups >= 2)
}
