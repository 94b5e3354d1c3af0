//! The few members of a record that verification asks for, without building the rest.

use super::super::kind::RecordKind;
use serde::de::{Deserializer, Error, Visitor};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;

/// A string that is borrowed wherever it has no escapes (serde borrows no `Option<Cow<str>>` by itself).
#[derive(Debug, Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Texts;
        impl<'de> Visitor<'de> for Texts {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_borrowed_str<E: Error>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Texts)
    }
}

#[derive(Deserialize)]
struct Decision<'a> {
    #[serde(borrow)]
    decision_id: Text<'a>,
    #[serde(borrow)]
    call_id: Text<'a>,
    decided_at_ms: u64,
    #[serde(borrow)]
    verdict: Verdict<'a>,
    #[serde(borrow, default)]
    kind: Option<Text<'a>>,
    #[serde(default)]
    spilled: bool,
}

#[derive(Deserialize)]
struct Verdict<'a> {
    #[serde(borrow)]
    kind: Text<'a>,
}

#[derive(Deserialize)]
struct Outcome<'a> {
    #[serde(borrow)]
    call_id: Text<'a>,
    recorded_at_ms: u64,
    #[serde(borrow)]
    state: Text<'a>,
    #[serde(default)]
    forwarded: bool,
}

#[derive(Deserialize)]
struct Event<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    kind: Text<'a>,
    at_ms: u64,
}

/// Of the particulars of an event, those that say something of the log.
#[derive(Deserialize)]
struct Detailed {
    detail: Detail,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Detail {
    what: String,
    kinds: Vec<RecordKind>,
    first: Option<u64>,
    last: Option<u64>,
    unaudited: u64,
    lost: u64,
}

/// What a record says of itself.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Facts<'a> {
    /// Its id.
    pub(super) id: Cow<'a, str>,
    /// Its own time, Unix milliseconds; 0: it has none.
    pub(super) time_ms: u64,
    /// It says that it came into the log later than it was made: it was durable elsewhere first.
    pub(super) late: bool,
    /// What it says of a call or of the log.
    pub(super) says: Says<'a>,
}

/// What a record says of a call or of the log.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Says<'a> {
    /// Nothing that others would have to fit to.
    Nothing,
    /// The call is let out.
    Allowed { call_id: Cow<'a, str> },
    /// What became of it.
    Outcome { call_id: Cow<'a, str>, unknown: bool, forwarded: bool },
    /// A gate let so many calls out without a record and lost so many outcomes.
    Gap(Gap),
    /// Records were pruned.
    Pruned(Pruned),
}

/// Which records were pruned: those of these kinds, between these indexes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pruned {
    pub(super) kinds: Vec<RecordKind>,
    pub(super) first: u64,
    pub(super) end: u64,
}

/// Calls that are not on record.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// Calls that were let out without a record.
    pub unaudited: u64,
    /// Outcomes that were lost.
    pub lost: u64,
}

/// Reads a record of that kind.
pub(super) fn read(kind: RecordKind, record: &[u8]) -> Result<Facts<'_>, String> {
    let wrong = |error: serde_json::Error| error.to_string();
    let record = std::str::from_utf8(record).map_err(|_| "it is not UTF-8".to_owned())?;
    let other = |found: &str| Err(format!("it says that it is of kind `{found}`"));
    match kind {
        RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => {
            let found: Decision<'_> = serde_json::from_str(record).map_err(wrong)?;
            let own = found.kind.as_ref().map_or("call", |kind| &kind.0);
            if own != if kind == RecordKind::Decision { "call" } else { kind.as_str() } {
                return other(own);
            }
            // What is found in an answer has no outcome of its own.
            let says = if kind == RecordKind::Decision && found.verdict.kind.0 == "allow" {
                Says::Allowed { call_id: found.call_id.0 }
            } else {
                Says::Nothing
            };
            Ok(Facts { id: found.decision_id.0, time_ms: found.decided_at_ms, late: found.spilled, says })
        }
        RecordKind::Outcome => {
            let found: Outcome<'_> = serde_json::from_str(record).map_err(wrong)?;
            let (unknown, forwarded) = (found.state.0 == "unknown", found.forwarded);
            let says = Says::Outcome { call_id: found.call_id.0.clone(), unknown, forwarded };
            Ok(Facts { id: found.call_id.0, time_ms: found.recorded_at_ms, late: false, says })
        }
        RecordKind::Approval | RecordKind::Bundle | RecordKind::Admin | RecordKind::Gap => {
            let found: Event<'_> = serde_json::from_str(record).map_err(wrong)?;
            if found.kind.0 != kind.as_str() {
                return other(&found.kind.0);
            }
            let says = match kind {
                RecordKind::Admin | RecordKind::Gap => detail(kind, record),
                _ => Says::Nothing,
            };
            Ok(Facts { id: found.event_id.0, time_ms: found.at_ms, late: false, says })
        }
    }
}

fn detail(kind: RecordKind, record: &str) -> Says<'_> {
    // Particulars of another form say nothing of the log.
    let Ok(Detailed { detail }) = serde_json::from_str(record) else { return Says::Nothing };
    match (kind, detail.what.as_str()) {
        (RecordKind::Gap, _) => Says::Gap(Gap { unaudited: detail.unaudited, lost: detail.lost }),
        (_, "retention_pruned") => match (detail.first, detail.last) {
            (Some(first), Some(last)) => {
                Says::Pruned(Pruned { kinds: detail.kinds, first, end: last.saturating_add(1) })
            }
            _ => Says::Nothing,
        },
        _ => Says::Nothing,
    }
}
