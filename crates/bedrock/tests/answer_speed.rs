//! How fast an answer is read. `cargo test --release -p portcullis-bedrock --test answer_speed -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;

use answer_common::{frame, operation};
use portcullis_bedrock::{AnswerHead, AnswerReader};
use serde_json::json;
use std::time::{Duration, Instant};

fn read(name: &str, content_type: &str, body: &[u8]) -> Duration {
    let head = AnswerHead { content_type: Some(content_type.as_bytes()), ..AnswerHead::default() };
    (0..20)
        .map(|_| {
            let start = Instant::now();
            let mut reader = AnswerReader::new(Some(operation(name)), &head);
            body.chunks(16_384).for_each(|slice| reader.push(slice));
            assert!(reader.finish().usage.is_some());
            start.elapsed()
        })
        .min()
        .unwrap()
}

#[test]
#[ignore = "a measurement; run it in release"]
fn speed() {
    let stream = "application/vnd.amazon.eventstream";
    let usage = json!({"usage": {"inputTokens": 1, "outputTokens": 2}});
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": "hello "}, "p": "abcdefghijklmnop"});
    let converse = [frame("contentBlockDelta", &delta).repeat(2_000), frame("metadata", &usage)].concat();
    let token =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello "}});
    let chunk = |json: serde_json::Value| {
        let bytes = data_encoding::BASE64.encode(json.to_string().as_bytes());
        frame("chunk", &json!({"bytes": bytes, "p": "abcdefghijklmnop"}))
    };
    let stop = json!({"amazon-bedrock-invocationMetrics": {"inputTokenCount": 1, "outputTokenCount": 2}});
    let anthropic = [chunk(token.clone()).repeat(2_000), chunk(stop)].concat();
    let mut sse = format!("event: content_block_delta\ndata: {token}\n\n").repeat(2_000);
    sse.push_str("data: {\"usage\":{\"input_tokens\":1}}\n\n");
    let mut whole = json!({"output": {"message": {"content": [{"text": "A sentence. ".repeat(1_000)}]}}});
    whole["usage"] = usage["usage"].clone();
    for (name, kind, body, events) in [
        ("ConverseStream", stream, converse, 2_001),
        ("InvokeModelWithResponseStream", stream, anthropic, 2_001),
        ("CreateMessage", "text/event-stream", sse.into_bytes(), 2_001),
        ("Converse", "application/json", whole.to_string().into_bytes(), 1),
    ] {
        let best = read(name, kind, &body);
        println!(
            "{name:<32}{:>8} bytes {:>8.0} MB/s {:>8.0} ns an event",
            body.len(),
            body.len() as f64 / best.as_secs_f64() / 1e6,
            best.as_nanos() as f64 / f64::from(events)
        );
    }
}
