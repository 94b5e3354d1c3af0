//! The table of answers, as bytes. Event streams are made by AWS's own encoder, which shares nothing with our decoder.
#![allow(dead_code, reason = "not every test needs all of it")]

use aws_smithy_eventstream::frame::write_message_to;
use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_bedrock::{AnswerHead, AnswerReader, AnswerSummary, OPERATIONS, Operation};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) operation: String,
    pub(crate) content_type: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    json: Option<Value>,
    text: Option<String>,
    events: Option<Vec<(String, Value)>>,
    sse: Option<String>,
    /// Tool input of so many levels.
    deep: Option<usize>,
    /// Compressed as its `content-encoding` says.
    #[serde(default)]
    gzip: bool,
    pub(crate) usage: Option<[u64; 4]>,
    #[serde(default)]
    pub(crate) tool_calls: u64,
    pub(crate) exception: Option<String>,
    pub(crate) flaw: Option<String>,
    pub(crate) stop: Option<String>,
    /// `intervened` or `none`, and then the policies.
    pub(crate) guardrail: Option<Vec<String>>,
    #[serde(default)]
    pub(crate) models: Vec<String>,
    /// Id, name, origin.
    #[serde(default)]
    pub(crate) calls: Vec<(Option<String>, String, String)>,
    pub(crate) session: Option<String>,
    pub(crate) counted: Option<u64>,
}

pub(crate) fn cases() -> Vec<Case> {
    serde_json::from_str(include_str!("../../../../testdata/answers/answers.json")).unwrap()
}

pub(crate) fn operation(name: &str) -> &'static Operation {
    OPERATIONS.iter().find(|operation| operation.name == name).unwrap_or_else(|| panic!("no `{name}`"))
}

pub(crate) fn frame(name: &str, payload: &Value) -> Vec<u8> {
    let text =
        |name: &'static str, value: &str| Header::new(name, HeaderValue::String(value.to_owned().into()));
    let mut message = Message::new(payload.to_string().into_bytes())
        .add_header(text(":content-type", "application/json"))
        // Kinds of headers that Bedrock does not send.
        .add_header(Header::new("bool", HeaderValue::Bool(true)))
        .add_header(Header::new("byte", HeaderValue::Byte(1)))
        .add_header(Header::new("short", HeaderValue::Int16(2)))
        .add_header(Header::new("int", HeaderValue::Int32(3)))
        .add_header(Header::new("long", HeaderValue::Int64(4)))
        .add_header(Header::new("bytes", HeaderValue::ByteArray(vec![5; 300].into())))
        .add_header(Header::new("uuid", HeaderValue::Uuid(6)));
    message = match name.strip_prefix('!') {
        Some(name) => {
            message.add_header(text(":exception-type", name)).add_header(text(":message-type", "exception"))
        }
        None => message.add_header(text(":event-type", name)).add_header(text(":message-type", "event")),
    };
    let mut bytes = Vec::new();
    write_message_to(&message, &mut bytes).unwrap();
    bytes
}

/// Compresses, with a header that has every optional part.
pub(crate) fn compress(coding: &str, plain: &[u8]) -> Vec<u8> {
    use miniz_oxide::deflate::{compress_to_vec, compress_to_vec_zlib};
    if coding.eq_ignore_ascii_case("deflate") {
        return compress_to_vec_zlib(plain, 6);
    }
    let mut bytes = vec![0x1f, 0x8b, 8, 2 | 4 | 8 | 16, 0, 0, 0, 0, 0, 255, 3, 0, 1, 2, 3];
    bytes.extend(b"name\0comment\0");
    bytes.extend([0, 0]);
    bytes.extend(compress_to_vec(plain, 6));
    bytes.extend(crc32fast::hash(plain).to_le_bytes());
    bytes.extend((plain.len() as u32).to_le_bytes());
    bytes
}

impl Case {
    pub(crate) fn body(&self) -> Vec<u8> {
        let plain = self.plain();
        match self.headers.get("content-encoding") {
            Some(coding) if self.gzip => compress(coding, &plain),
            _ => plain,
        }
    }

    fn plain(&self) -> Vec<u8> {
        if let Some(levels) = self.deep {
            let input = format!("{}1{}", "{\"a\":[".repeat(levels), "]}".repeat(levels));
            let call = format!("{{\"toolUse\":{{\"toolUseId\":\"1\",\"name\":\"a\",\"input\":{input}}}}}");
            let output = format!("{{\"message\":{{\"content\":[{call}]}}}}");
            return format!("{{\"output\":{output},\"usage\":{{\"inputTokens\":1,\"outputTokens\":2}}}}")
                .into_bytes();
        }
        if let Some(json) = &self.json {
            return json.to_string().into_bytes();
        }
        if let Some(events) = &self.events {
            let frames = events.iter().map(|(name, payload)| match payload.get("json") {
                Some(inner) => {
                    frame(name, &json!({"bytes": STANDARD.encode(inner.to_string()), "p": "abcdefgh"}))
                }
                None => frame(name, payload),
            });
            return frames.collect::<Vec<_>>().concat();
        }
        self.sse.clone().or_else(|| self.text.clone()).expect("a body").into_bytes()
    }

    pub(crate) fn reader(&self) -> AnswerReader {
        AnswerReader::new(Some(operation(&self.operation)), &self.head())
    }

    pub(crate) fn head(&self) -> AnswerHead<'_> {
        let usual = match (&self.events, &self.sse) {
            (Some(_), _) => "application/vnd.amazon.eventstream",
            (_, Some(_)) => "text/event-stream; charset=utf-8",
            _ => "application/json",
        };
        let header = |name: &str| self.headers.get(name).map(String::as_bytes);
        AnswerHead {
            content_type: Some(self.content_type.as_deref().unwrap_or(usual).as_bytes()),
            content_encoding: header("content-encoding"),
            input_tokens: header("x-amzn-bedrock-input-token-count"),
            output_tokens: header("x-amzn-bedrock-output-token-count"),
            cache_read_tokens: header("x-amzn-bedrock-cache-read-input-token-count"),
            cache_write_tokens: header("x-amzn-bedrock-cache-write-input-token-count"),
            session: header("session"),
        }
    }

    pub(crate) const fn is_compressed(&self) -> bool {
        self.gzip
    }

    pub(crate) fn is_event_stream(&self) -> bool {
        self.events.is_some()
    }

    /// Reads these bytes as this answer, in pieces of these lengths; what is left comes in one.
    pub(crate) fn read(&self, body: &[u8], cuts: &[usize]) -> AnswerSummary {
        let mut reader = self.reader();
        let mut rest = body;
        for cut in cuts {
            let (slice, tail) = rest.split_at((*cut).min(rest.len()));
            reader.push(slice);
            rest = tail;
        }
        reader.push(rest);
        reader.finish()
    }
}
