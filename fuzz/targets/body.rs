//! However a body is cut, it reads the same; what it takes is JSON, and what it refuses has a reason.
#![no_main]

use libfuzzer_sys::{Corpus, fuzz_target};
use portcullis_bedrock::{Body, BodyPlan, Extractor, Limits, PayloadKind, Problem};

/// Longer inputs find nothing that shorter ones don't.
const MAX_INPUT: usize = 64 * 1024;

const KINDS: [PayloadKind; 17] = [
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

/// Refusals that serde_json does not share: our own rules, by their words.
const OWN_RULES: [&str; 10] = [
    "one JSON object",
    "128 levels",
    "more than 1,024 bytes",
    "more than 4,096 bytes",
    "65,536 keys",
    "same key twice",
    "longer than 2,048 bytes",
    "in two places",
    // Of the body within a CountTokens body, whatever is wrong with it.
    "`/input/invokeModel/body`",
    "the body is empty",
];

fuzz_target!(|data: &[u8]| -> Corpus {
    // Two bytes choose the kind and the cut, the rest is the body.
    let [kind, cut, body @ ..] = data else { return Corpus::Reject };
    // serde_json's own key for numbers of arbitrary precision is not JSON to it.
    if body.len() > MAX_INPUT || body.windows(11).any(|window| window == b"$serde_json") {
        return Corpus::Reject;
    }
    let plan = BodyPlan::RequiredJson(KINDS[usize::from(*kind) % KINDS.len()]);
    let limits = Limits { max_text_bytes: 1 + usize::from(*cut) * 4, ..Limits::default() };
    let whole = read(&plan, limits, body, usize::MAX);
    assert_eq!(whole, read(&plan, limits, body, 1 + usize::from(*cut) % 16));
    let theirs = their_verdict(body);
    match whole {
        Ok(body) => {
            assert_ne!(theirs, Verdict::NotJson, "only serde_json refuses");
            assert!(body.text.len() <= limits.max_text_bytes);
        }
        Err(problem) if OWN_RULES.iter().any(|rule| problem.detail.contains(rule)) => {}
        Err(problem) => assert_ne!(theirs, Verdict::Json, "only we refuse: {}", problem.detail),
    }
    Corpus::Keep
});

fn read(plan: &BodyPlan, limits: Limits, body: &[u8], size: usize) -> Result<Body, Problem> {
    let mut extractor = Extractor::new(plan.clone(), limits);
    for slice in body.chunks(size) {
        extractor.push(slice)?;
    }
    extractor.finish()
}

fn their_verdict(body: &[u8]) -> Verdict {
    match serde_json::from_slice::<serde_json::Value>(body) {
        Ok(_) => Verdict::Json,
        // Its limit is 127 levels, ours 128.
        Err(error) if error.to_string().starts_with("recursion limit") => Verdict::Unknown,
        Err(_) => Verdict::NotJson,
    }
}

#[derive(Debug, PartialEq)]
enum Verdict {
    Json,
    NotJson,
    Unknown,
}
