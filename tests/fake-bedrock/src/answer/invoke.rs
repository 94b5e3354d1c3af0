//! InvokeModel and InvokeModelWithResponseStream.

use super::Ask;
use super::families::Family;
use super::said::{BLOCKED, Said, assessment};
use super::stream;
use crate::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const GUARDRAIL: &str = "x-amzn-bedrock-guardrailidentifier";

pub(super) fn whole(ask: &Ask<'_>) -> Reply {
    if !ask.json.is_object() {
        return ask.invalid("Malformed input request, please reformat your input and try again.");
    }
    let said = Said::new(ask, ask.header(GUARDRAIL).is_some());
    let model = ask.model.as_deref().unwrap_or_default();
    let mut body = Family::of(model, &ask.json).whole(ask, &said);
    mark(ask, &said, &mut body);
    let reply = Reply::ok(&body).header("x-amzn-bedrock-invocation-latency", "42");
    if !said.counted {
        return reply;
    }
    reply
        .header("x-amzn-bedrock-input-token-count", said.input_tokens.to_string())
        .header("x-amzn-bedrock-output-token-count", said.output_tokens.to_string())
        .header("x-amzn-bedrock-cache-read-input-token-count", said.cache_read_tokens.to_string())
        .header("x-amzn-bedrock-cache-write-input-token-count", said.cache_write_tokens.to_string())
}

pub(super) fn stream(ask: &Ask<'_>) -> Reply {
    if !ask.json.is_object() {
        return ask.invalid("Malformed input request, please reformat your input and try again.");
    }
    let said = Said::new(ask, ask.header(GUARDRAIL).is_some());
    let model = ask.model.as_deref().unwrap_or_default();
    let mut chunks = Family::of(model, &ask.json).chunks(ask, &said);
    if let Some(last) = chunks.last_mut() {
        if said.counted {
            last["amazon-bedrock-invocationMetrics"] = json!({
                "inputTokenCount": said.input_tokens, "outputTokenCount": said.output_tokens,
                "cacheReadInputTokenCount": said.cache_read_tokens,
                "cacheWriteInputTokenCount": said.cache_write_tokens,
                "invocationLatency": 42, "firstByteLatency": 7,
            });
        }
        mark(ask, &said, last);
    }
    let wrap = |chunk: Value| json!({"bytes": STANDARD.encode(chunk.to_string()), "p": "abcdefghijkl"});
    stream::wrapped(ask, chunks.into_iter().map(|chunk| ("chunk", chunk)).collect(), wrap)
        .header("x-amzn-bedrock-content-type", "application/json")
}

/// The keys that an attached guardrail adds to the model's own JSON.
fn mark(ask: &Ask<'_>, said: &Said, body: &mut Value) {
    let Some(id) = ask.header(GUARDRAIL) else { return };
    body["amazon-bedrock-guardrailAction"] = json!(if said.blocked { "INTERVENED" } else { "NONE" });
    if matches!(ask.header("x-amzn-bedrock-trace"), Some("ENABLED" | "ENABLED_FULL")) {
        let assessed = assessment(said.blocked, ask.directives.rest.chars().count());
        body["amazon-bedrock-trace"] = json!({"guardrail": {"input": {id: assessed}}});
        if said.blocked {
            body["amazon-bedrock-trace"]["guardrail"]["modelOutput"] = json!([BLOCKED]);
        }
    }
}
