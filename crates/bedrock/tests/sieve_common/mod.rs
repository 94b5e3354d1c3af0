//! The table of what is found in answers, `testdata/answers/sieve/`. Event streams are made by AWS's own encoder.
#![allow(dead_code, reason = "not every test needs all of it")]

use crate::answer_common::{frame, operation};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_bedrock::{
    AnswerFlaw, AnswerHead, CallOrigin, CallProblem, Found, FoundCall, Sieve, SieveLimits,
};
use serde::Deserialize;
use serde_json::{Value, json};

/// What a case starts from; see the README beside the table.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) operation: String,
    /// Of its service, where several have such an operation.
    pub(crate) service: Option<String>,
    pub(crate) content_type: Option<String>,
    json: Option<Value>,
    raw: Option<String>,
    hex: Option<String>,
    events: Option<Vec<(String, Value)>>,
    sse: Option<String>,
    #[serde(default)]
    pub(crate) wants_text: bool,
    pub(crate) max_arguments: Option<usize>,
    pub(crate) max_piece: Option<usize>,
    pub(crate) found: Vec<Expected>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "snake_case")]
pub(crate) enum Expected {
    Text(String),
    Call(ExpectedCall),
    /// One piece, with its calls.
    Piece(Vec<u32>),
    /// So many pieces without calls.
    Pieces(usize),
    Flaw(String),
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpectedCall {
    key: u32,
    #[serde(default)]
    origin: Option<String>,
    id: Option<String>,
    name: String,
    group: Option<String>,
    method: Option<String>,
    agent: Option<String>,
    #[serde(default)]
    arguments: String,
    problem: Option<String>,
}

pub(crate) fn cases() -> Vec<Case> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../testdata/answers/sieve");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    files.sort();
    files
        .iter()
        .flat_map(|path| {
            let text = std::fs::read_to_string(path).unwrap();
            let cases: Vec<Case> =
                serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            cases
        })
        .collect()
}

/// Bytes of a text: `~` stands for a padding that makes a payload long.
fn payload(value: &Value) -> Value {
    match value.as_object() {
        Some(object) if object.contains_key("json") => {
            json!({"bytes": STANDARD.encode(object["json"].to_string()), "p": "abcdefgh"})
        }
        Some(object) if object.contains_key("raw64") => {
            json!({"bytes": STANDARD.encode(object["raw64"].as_str().unwrap())})
        }
        _ => value.clone(),
    }
}

impl Case {
    /// The answer, as the pieces that it should be cut into, where the table tells them.
    pub(crate) fn parts(&self) -> Vec<Vec<u8>> {
        if let Some(json) = &self.json {
            return vec![json.to_string().into_bytes()];
        }
        if let Some(hex) = &self.hex {
            return vec![hex::decode(hex).unwrap()];
        }
        if let Some(events) = &self.events {
            return events.iter().map(|(name, value)| frame(name, &payload(value))).collect();
        }
        vec![self.sse.clone().or_else(|| self.raw.clone()).expect("a body").into_bytes()]
    }

    pub(crate) fn body(&self) -> Vec<u8> {
        self.parts().concat()
    }

    pub(crate) fn is_event_stream(&self) -> bool {
        self.events.is_some()
    }

    pub(crate) fn limits(&self) -> SieveLimits {
        SieveLimits {
            max_arguments: self.max_arguments.unwrap_or(65_536),
            max_piece: self.max_piece.unwrap_or(1_048_576),
            text: self.wants_text,
        }
    }

    pub(crate) fn sieve(&self) -> Sieve {
        let usual = match (&self.events, &self.sse) {
            (Some(_), _) => "application/vnd.amazon.eventstream",
            (_, Some(_)) => "text/event-stream; charset=utf-8",
            _ => "application/json",
        };
        let content_type = self.content_type.as_deref().unwrap_or(usual);
        let head = AnswerHead { content_type: Some(content_type.as_bytes()), ..AnswerHead::default() };
        Sieve::new(Some(operation(&self.operation)), &head, self.limits())
            .expect("it is read")
            .expect("it can say something")
    }

    /// Reads these bytes as this answer, in slices of these lengths; what is left comes in one.
    pub(crate) fn read(&self, body: &[u8], cuts: &[usize]) -> Vec<Found> {
        let mut sieve = self.sieve();
        let mut found = Vec::new();
        let mut rest = body;
        for cut in cuts {
            let (slice, tail) = rest.split_at((*cut).min(rest.len()));
            sieve.push(slice, &mut found);
            rest = tail;
        }
        sieve.push(rest, &mut found);
        sieve.finish(&mut found);
        found
    }

    /// What should be found, but for the lengths of pieces.
    pub(crate) fn expected(&self) -> Vec<Found> {
        let mut found = Vec::new();
        for expected in &self.found {
            match expected {
                Expected::Text(text) => found.push(Found::Text(text.clone())),
                Expected::Call(call) => found.push(call.found()),
                Expected::Piece(calls) => found.push(Found::Piece { len: 0, calls: calls.clone() }),
                Expected::Pieces(count) => {
                    found.extend(std::iter::repeat_n(Found::Piece { len: 0, calls: vec![] }, *count));
                }
                Expected::Flaw(flaw) => found.push(Found::Flaw(match flaw.as_str() {
                    "unreadable" => AnswerFlaw::Unreadable,
                    "truncated" => AnswerFlaw::Truncated,
                    "broken" => AnswerFlaw::Broken,
                    "too_long" => AnswerFlaw::TooLong,
                    other => panic!("no flaw `{other}`"),
                })),
            }
        }
        found
    }
}

impl ExpectedCall {
    fn found(&self) -> Found {
        Found::Call {
            key: self.key,
            call: FoundCall {
                origin: match self.origin.as_deref() {
                    None => CallOrigin::Model,
                    Some("server") => CallOrigin::Server,
                    Some("return_control") => CallOrigin::ReturnControl,
                    Some("agent") => CallOrigin::Agent,
                    Some(other) => panic!("no origin `{other}`"),
                },
                id: self.id.clone(),
                name: self.name.clone(),
                group: self.group.clone(),
                method: self.method.clone(),
                agent: self.agent.clone(),
                arguments: self.arguments.clone(),
                problem: self.problem.as_deref().map(|problem| match problem {
                    "name_too_long" => CallProblem::NameTooLong,
                    "mistyped" => CallProblem::Mistyped,
                    "arguments_too_long" => CallProblem::ArgumentsTooLong,
                    "unfinished" => CallProblem::Unfinished,
                    other => panic!("no problem `{other}`"),
                }),
            },
        }
    }
}

/// The same without the lengths of pieces.
pub(crate) fn without_lengths(found: &[Found]) -> Vec<Found> {
    found
        .iter()
        .cloned()
        .map(|found| match found {
            Found::Piece { calls, .. } => Found::Piece { len: 0, calls },
            other => other,
        })
        .collect()
}

/// The same with parts that follow each other as one.
pub(crate) fn with_whole_parts(found: &[Found]) -> Vec<Found> {
    let mut whole: Vec<Found> = Vec::new();
    for found in found {
        match (whole.last_mut(), found) {
            (Some(Found::Part { len }), Found::Part { len: more }) => *len += more,
            _ => whole.push(found.clone()),
        }
    }
    whole
}

/// How many bytes the pieces have.
pub(crate) fn tiled(found: &[Found]) -> usize {
    found
        .iter()
        .map(|found| match found {
            Found::Piece { len, .. } | Found::Part { len } => *len,
            _ => 0,
        })
        .sum()
}
