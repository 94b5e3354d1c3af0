//! Reading the cases in `testdata/bodies`, and reading bodies in every way of cutting them.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "each test binary uses a part of this")]

use portcullis_bedrock::{Body, BodyPlan, Extractor, Limits, PayloadKind, Problem};
use serde::Deserialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Case {
    pub name: String,
    pub kind: String,
    pub body: Box<RawValue>,
    pub expect: Expect,
}

/// Every fact but bytes and hash; what is not named is at its default.
#[derive(Deserialize, Debug, Default, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Expect {
    pub model: Option<String>,
    pub other_models: Vec<String>,
    pub knowledge_bases: Vec<String>,
    pub max_tokens: Option<u64>,
    pub stream: bool,
    pub tools: Vec<String>,
    pub tool_results: u32,
    /// Id, name, bytes, error.
    pub results: Vec<(Option<String>, Option<String>, u64, bool)>,
    pub result_bytes: Option<u64>,
    pub result_text: String,
    pub result_text_truncated: bool,
    pub facts: BTreeMap<String, String>,
    pub guardrail: Option<String>,
    pub guardrail_version: Option<String>,
    pub request_metadata: BTreeMap<String, String>,
    pub session_attributes: BTreeMap<String, String>,
    pub s3_uris: Vec<String>,
    pub text: String,
    pub text_truncated: bool,
    pub truncated: bool,
}

impl From<Body> for Expect {
    fn from(body: Body) -> Self {
        Expect {
            model: body.model,
            other_models: body.other_models,
            knowledge_bases: body.knowledge_bases,
            max_tokens: body.max_tokens,
            stream: body.stream,
            tools: body.tools,
            tool_results: body.tool_results,
            // Said only where it is not the sum of those that are listed.
            result_bytes: (body.result_bytes != body.results.iter().map(|result| result.bytes).sum::<u64>())
                .then_some(body.result_bytes),
            results: body.results.into_iter().map(|r| (r.id, r.name, r.bytes, r.error)).collect(),
            result_text: body.result_text,
            result_text_truncated: body.result_text_truncated,
            facts: body.facts.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
            guardrail: body.guardrail,
            guardrail_version: body.guardrail_version,
            request_metadata: body.request_metadata,
            session_attributes: body.session_attributes,
            s3_uris: body.s3_uris,
            text: body.text,
            text_truncated: body.text_truncated,
            truncated: body.truncated,
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bad {
    pub name: String,
    #[serde(default)]
    pub kind: Option<String>,
    #[serde(default)]
    text: Option<String>,
    #[serde(default)]
    hex: Option<String>,
    pub detail: String,
}

impl Bad {
    pub fn bytes(&self) -> Vec<u8> {
        match (&self.text, &self.hex) {
            (Some(text), None) => text.clone().into_bytes(),
            (None, Some(hex)) => data_encoding::HEXLOWER.decode(hex.as_bytes()).unwrap(),
            _ => panic!("{}: exactly one of `text` and `hex`", self.name),
        }
    }
}

pub const FILES: [&str; 7] =
    ["converse", "invoke_model", "compatible", "agents", "generic", "results", "operations"];

pub fn cases() -> Vec<Case> {
    FILES.iter().flat_map(|file| load::<Vec<Case>>(file)).collect()
}

pub fn bad() -> Vec<Bad> {
    load("bad")
}

fn load<T: for<'de> Deserialize<'de>>(file: &str) -> T {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("../../testdata/bodies/{file}.json"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub fn kind(name: &str) -> PayloadKind {
    let all = [
        PayloadKind::Converse,
        PayloadKind::InvokeModel,
        PayloadKind::OpenAiChat,
        PayloadKind::OpenAiResponses,
        PayloadKind::AnthropicMessages,
        PayloadKind::InvokeAgent,
        PayloadKind::InvokeInlineAgent,
        PayloadKind::RetrieveAndGenerate,
        PayloadKind::StartAsyncInvoke,
        PayloadKind::CountTokens,
        PayloadKind::Harness,
        PayloadKind::Knowledge,
        PayloadKind::Flow,
        PayloadKind::BatchJob,
        PayloadKind::Guardrail,
        PayloadKind::AgentTool,
        PayloadKind::Generic,
    ];
    all.into_iter().find(|kind| format!("{kind:?}") == name).unwrap_or_else(|| panic!("no kind `{name}`"))
}

/// Reads a body in slices of at most `size` bytes.
pub fn read(plan: &BodyPlan, limits: Limits, body: &[u8], size: usize) -> Result<Body, Problem> {
    let mut extractor = Extractor::new(plan.clone(), limits);
    for slice in body.chunks(size.max(1)) {
        extractor.push(slice)?;
    }
    extractor.finish()
}
