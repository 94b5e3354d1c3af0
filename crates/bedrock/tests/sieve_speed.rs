//! How fast answers are cut. `cargo test --release -p portcullis-bedrock --test sieve_speed -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod answer_common;

use answer_common::{frame, operation};
use portcullis_bedrock::{AnswerHead, AnswerReader, Found, Sieve, SieveLimits};
use serde_json::{Value, json};
use std::hint::black_box;
use std::time::{Duration, Instant};

fn best(mut run: impl FnMut()) -> Duration {
    let timed = |run: &mut dyn FnMut()| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..20).map(|_| timed(&mut run)).min().unwrap()
}

fn sift(name: &str, content_type: &str, text: bool, body: &[u8]) -> Duration {
    let head = AnswerHead { content_type: Some(content_type.as_bytes()), ..AnswerHead::default() };
    let limits = SieveLimits { max_arguments: 65_536, max_piece: 1 << 20, text };
    let mut found: Vec<Found> = Vec::new();
    best(|| {
        let mut sieve = Sieve::new(Some(operation(name)), &head, limits).unwrap().unwrap();
        for slice in body.chunks(1_500) {
            sieve.push(slice, &mut found);
            black_box(&found);
            found.clear();
        }
        sieve.finish(&mut found);
        assert!(!found.iter().any(|found| matches!(found, Found::Flaw(_))));
        found.clear();
    })
}

fn read(name: &str, content_type: &str, body: &[u8]) -> Duration {
    let head = AnswerHead { content_type: Some(content_type.as_bytes()), ..AnswerHead::default() };
    best(|| {
        let mut reader = AnswerReader::new(Some(operation(name)), &head);
        body.chunks(1_500).for_each(|slice| reader.push(slice));
        black_box(reader.finish());
    })
}

#[test]
#[ignore = "a measurement; run it in release"]
fn speed() {
    const EVENTS: usize = 2_000;
    let stream = "application/vnd.amazon.eventstream";
    let padding = "abcdefghijklmnop";
    let delta = json!({"contentBlockIndex": 0, "delta": {"text": "hello "}, "p": padding});
    let converse = frame("contentBlockDelta", &delta).repeat(EVENTS);
    let token =
        json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "hello "}});
    let chunk = |json: &Value| {
        let bytes = data_encoding::BASE64.encode(json.to_string().as_bytes());
        frame("chunk", &json!({"bytes": bytes, "p": padding}))
    };
    let anthropic = chunk(&token).repeat(EVENTS);
    let llama = chunk(&json!({"generation": "hello ", "generation_token_count": 1, "stop_reason": null}));
    let sse = format!("event: content_block_delta\ndata: {token}\n\n").repeat(EVENTS).into_bytes();
    let start = json!({"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "t", "name": "pay"}}});
    let part = json!({"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{\"amount"}}, "p": padding});
    let call = [
        frame("contentBlockStart", &start),
        frame("contentBlockDelta", &part).repeat(EVENTS),
        frame("contentBlockStop", &json!({"contentBlockIndex": 0})),
    ]
    .concat();
    for (what, name, kind, body) in [
        ("Converse, text", "ConverseStream", stream, converse),
        ("Converse, a tool call", "ConverseStream", stream, call),
        ("Anthropic in chunks", "InvokeModelWithResponseStream", stream, anthropic),
        ("Llama in chunks", "InvokeModelWithResponseStream", stream, llama.repeat(EVENTS)),
        ("Anthropic, SSE", "CreateMessage", "text/event-stream", sse),
    ] {
        let ns = |time: Duration| time.as_nanos() / EVENTS as u128;
        println!(
            "{what:<24}{:>6} bytes an event; ns an event: {:>6} sieve, {:>6} with text, {:>6} reader",
            body.len() / EVENTS,
            ns(sift(name, kind, false, &body)),
            ns(sift(name, kind, true, &body)),
            ns(read(name, kind, &body)),
        );
    }
}
