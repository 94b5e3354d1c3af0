//! Files of AWS's, in all forms in which they are delivered, one event at a time.
//!
//! | form | from |
//! |---|---|
//! | `{"Records": […]}` | CloudTrail's files in S3, the event history's download |
//! | `{"Events": [{"CloudTrailEvent": "…"}]}` | `aws cloudtrail lookup-events` |
//! | `{"detail-type": …, "detail": {…}}` | EventBridge |
//! | one JSON document a line | invocation logs in S3, CloudTrail Lake, `jq -c` |
//! | `[…]` | whatever a script made of them |
//! | `{"logEvents": [{"message": "…"}]}`, `{"events": [{"message": "…"}]}` | CloudWatch Logs: subscriptions, `aws logs filter-log-events` |
//! | `2026-11-21T10:00:00.000Z {…}` | CloudWatch Logs exported to S3 |

use crate::names::Names;
use crate::seen::Seen;
use crate::{cloudtrail, invocation};
use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};
use std::fmt;
use std::io::{BufRead, Cursor, Read};

/// What one event turned out to be.
#[derive(Debug)]
pub(crate) enum Line {
    /// A call to Bedrock.
    Seen(Box<Seen>),
    /// Something else: another service, a digest, an insight.
    Other,
}

/// Why an event cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    #[error("the event has no `{0}`")]
    Missing(&'static str),
    #[error("`{0}` is no time")]
    Time(String),
    #[error("neither a CloudTrail event nor a line of an invocation log")]
    Stranger,
}

/// What could not be read of a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Broken {
    /// `line 3, column 10`, or `event 17`.
    pub place: String,
    /// What is wrong there.
    pub what: String,
}

/// What was found in a file.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Document {
    /// Events about Bedrock.
    pub events: u64,
    /// Events about something else.
    pub other: u64,
    /// What could not be read. Of a file of lines only these lines are missing; of another, all that comes after.
    pub broken: Vec<Broken>,
}

/// Unix milliseconds of an RFC 3339 time.
pub(crate) fn time(text: &str) -> Result<u64, Fault> {
    let parsed =
        text.parse::<jiff::Timestamp>().ok().and_then(|time| u64::try_from(time.as_millisecond()).ok());
    parsed.ok_or_else(|| Fault::Time(text.to_owned()))
}

/// Longest first line by which a file is seen to be one of lines.
const PEEK: u64 = 64 * 1024;
/// Longest line. Bedrock puts bodies above 100 KB into objects of their own.
const MAX_LINE: u64 = 64 * 1024 * 1024;
/// Events in messages in events: as deep as any delivery goes.
const MAX_WRAPS: u8 = 4;
/// Broken places that are named in one file. A file of another kind has millions.
const MAX_BROKEN: usize = 20;

impl Document {
    /// Reads a file, unpacked. `each` gets every event about Bedrock.
    ///
    /// # Errors
    /// When the reader fails. What is wrong with the file itself is in [`Document::broken`].
    pub fn read(
        mut reader: impl BufRead,
        names: &mut Names,
        each: &mut dyn FnMut(Seen),
    ) -> std::io::Result<Self> {
        let mut sink = Sink { found: Document::default(), seen: 0, names, each };
        let mut first = Vec::new();
        (&mut reader).take(PEEK).read_until(b'\n', &mut first)?;
        if first.ends_with(b"\n") && stands_alone(&first) {
            sink.lines(first, &mut reader)?;
        } else {
            sink.whole(Cursor::new(first).chain(reader))?;
        }
        Ok(sink.found)
    }
}

/// The line is all of an event, so that the next one is another.
fn stands_alone(line: &[u8]) -> bool {
    let json = after_time(line);
    !json.trim_ascii().is_empty() && serde_json::from_slice::<IgnoredAny>(json).is_ok()
}

/// The line without the time that an export of CloudWatch Logs puts before it.
fn after_time(line: &[u8]) -> &[u8] {
    let line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let Some(space) = line.iter().position(|byte| *byte == b' ') else { return line };
    match line.split_at_checked(space) {
        Some((before, after)) if before.first().is_some_and(u8::is_ascii_digit) && before.contains(&b'T') => {
            after
        }
        _ => line,
    }
}

struct Sink<'a> {
    found: Document,
    /// Events so far, of any kind.
    seen: u64,
    names: &'a mut Names,
    each: &'a mut dyn FnMut(Seen),
}

impl Sink<'_> {
    fn lines(&mut self, first: Vec<u8>, reader: &mut impl BufRead) -> std::io::Result<()> {
        let (mut line, mut number) = (first, 1_u64);
        while !line.is_empty() {
            let json = after_time(&line).trim_ascii();
            if !json.is_empty() {
                let mut json = serde_json::Deserializer::from_slice(json);
                let read = Any { sink: self, wraps: 0 }.deserialize(&mut json);
                if let Err(error) = read.and_then(|()| json.end()) {
                    self.broken(format!("line {number}, column {}", error.column()), said(&error));
                }
            }
            line.clear();
            reader.take(MAX_LINE).read_until(b'\n', &mut line)?;
            number += 1;
        }
        Ok(())
    }

    fn whole(&mut self, reader: impl Read) -> std::io::Result<()> {
        let mut reader = Spaced { inner: reader, failed: None };
        let mut json = serde_json::Deserializer::from_reader(&mut reader);
        let mut problem = None;
        // The end of the file is the end where a document is over; within one, it is an error with its place.
        while json.end().is_err() {
            if let Err(error) = (Any { sink: self, wraps: 0 }).deserialize(&mut json) {
                problem = Some(error);
                break;
            }
        }
        if let Some(error) = reader.failed {
            return Err(error);
        }
        if let Some(error) = problem {
            let place = format!("line {}, column {}", error.line(), error.column());
            self.broken(place, format!("{}; what comes after it in this file was not read", said(&error)));
        }
        Ok(())
    }

    fn event(&mut self, event: &Map<String, Value>) {
        self.seen += 1;
        let invocation = event.get("schemaType").is_some_and(|kind| kind == "ModelInvocationLog")
            || ["operation", "modelId", "requestId"].iter().all(|key| event.contains_key(*key));
        let line = if event.contains_key("eventName")
            || event.contains_key("eventSource")
            || event.contains_key("eventVersion")
        {
            cloudtrail::read(event, self.names)
        } else if invocation {
            invocation::read(event, self.names)
        } else if event.contains_key("digestStartTime") {
            Ok(Line::Other)
        } else {
            Err(Fault::Stranger)
        };
        match line {
            Ok(Line::Seen(seen)) => {
                self.found.events += 1;
                (self.each)(*seen);
            }
            Ok(Line::Other) => self.found.other += 1,
            Err(fault) => self.broken(format!("event {}", self.seen), fault.to_string()),
        }
    }

    fn broken(&mut self, place: String, what: String) {
        match self.found.broken.len() {
            count if count < MAX_BROKEN => self.found.broken.push(Broken { place, what }),
            MAX_BROKEN => {
                self.found.broken.push(Broken { place, what: format!("{what}; and there may be more") })
            }
            _ => {}
        }
    }
}

/// Keeps the reader's own error, which serde_json would turn into one of its own.
struct Spaced<R> {
    inner: R,
    failed: Option<std::io::Error>,
}

impl<R: Read> Read for Spaced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.inner.read(buffer).inspect_err(|error| {
            self.failed = Some(std::io::Error::new(error.kind(), error.to_string()));
        })
    }
}

/// The message without the place, which is told apart.
fn said(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ").map_or(text.clone(), |(what, _)| what.to_owned())
}

/// What an event is read from; everything else, prompts and answers too, is passed over and never held.
const WHOLE: &[&str] = &[
    "accountId",
    "awsRegion",
    "digestStartTime",
    "errorCode",
    "eventCategory",
    "eventID",
    "eventName",
    "eventSource",
    "eventTime",
    "eventType",
    "eventVersion",
    "identity",
    "inferenceRegion",
    "managementEvent",
    "modelId",
    "operation",
    "readOnly",
    "recipientAccountId",
    "region",
    "requestID",
    "requestId",
    "schemaType",
    "sessionCredentialFromConsole",
    "sharedEventID",
    "sourceIPAddress",
    "timestamp",
    "userAgent",
    "userIdentity",
    "vpcEndpointId",
];

/// What is needed of members that may be megabytes.
fn few(key: &str) -> Option<&'static [&'static str]> {
    match key {
        "requestParameters" => Some(&["modelId", "model", "callWithBearerToken"]),
        "additionalEventData" => Some(&["inferenceRegion", "callWithBearerToken"]),
        "input" => Some(&["inputTokenCount"]),
        "output" => Some(&["outputTokenCount"]),
        _ => None,
    }
}

/// Any document: an event, a list of them, or something that wraps them.
struct Any<'a, 'b> {
    sink: &'a mut Sink<'b>,
    wraps: u8,
}

impl<'de> DeserializeSeed<'de> for Any<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Any<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an event or a list of events")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Any { sink: self.sink, wraps: self.wraps })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut event = Map::new();
        let mut wrapped = false;
        while let Some(key) = map.next_key::<String>()? {
            match key.as_str() {
                "Records" | "Events" | "events" | "logEvents" | "detail" => {
                    wrapped = true;
                    map.next_value_seed(Any { sink: self.sink, wraps: self.wraps })?;
                }
                "CloudTrailEvent" | "message" => {
                    wrapped = true;
                    let text = map.next_value::<Value>()?;
                    self.sink
                        .wrapped(text.as_str().unwrap_or_default(), self.wraps)
                        .map_err(A::Error::custom)?;
                }
                key if WHOLE.contains(&key) => {
                    event.insert(key.to_owned(), map.next_value()?);
                }
                key => match few(key) {
                    Some(keys) => {
                        let value = map.next_value_seed(Few(keys))?;
                        event.insert(key.to_owned(), value);
                    }
                    None => {
                        map.next_value::<IgnoredAny>()?;
                    }
                },
            }
        }
        // An event of ours has no such members; `message` alone may stand in one of another service's.
        if !wrapped || event.contains_key("eventName") {
            self.sink.event(&event);
        }
        Ok(())
    }
}

impl Sink<'_> {
    /// An event as text in another one. Other text is none of ours: CloudWatch Logs holds anything.
    fn wrapped(&mut self, text: &str, wraps: u8) -> Result<(), String> {
        if wraps >= MAX_WRAPS || !text.trim_start().starts_with('{') {
            self.seen += 1;
            self.found.other += 1;
            return Ok(());
        }
        let mut json = serde_json::Deserializer::from_str(text);
        let read = Any { sink: self, wraps: wraps + 1 }.deserialize(&mut json);
        read.and_then(|()| json.end())
            .map_err(|error| format!("in the text of event {}: {error}", self.seen + 1))
    }
}

/// An object of which only some members are kept; anything else is null.
struct Few(&'static [&'static str]);

impl<'de> DeserializeSeed<'de> for Few {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Few {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut kept = Map::new();
        while let Some(key) = map.next_key::<String>()? {
            if self.0.contains(&key.as_str()) {
                kept.insert(key, map.next_value()?);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(Value::Object(kept))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Value, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_str<E>(self, _: &str) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }
}

#[cfg(test)]
mod tests;
