//! How fast a body is read. `cargo test --release -p portcullis-bedrock --test body_speed -- --ignored --nocapture`
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_bedrock::{Body, BodyPlan, Extractor, Limits, PayloadKind};
use sha2::{Digest, Sha256};
use std::time::{Duration, Instant};

fn converse(text: &str, image: &str) -> Vec<u8> {
    serde_json::to_vec(&serde_json::json!({
        "messages": [{"role": "user", "content": [
            {"text": text},
            {"image": {"format": "png", "source": {"bytes": image}}},
        ]}],
        "system": [{"text": "You are a helpful assistant of a bank. Answer briefly."}],
        "inferenceConfig": {"maxTokens": 512, "temperature": 0.2},
        "guardrailConfig": {"guardrailIdentifier": "gr-abc123", "guardrailVersion": "1"},
    }))
    .unwrap()
}

fn turns(len: usize) -> Vec<u8> {
    let mut messages = Vec::new();
    let line = "The quick brown fox said \"hello\",\nand jumped over the lazy dog – grüß Gott. ";
    for at in 0..len / 650 {
        let role = if at % 2 == 0 { "user" } else { "assistant" };
        messages.push(serde_json::json!({"role": role, "content": [{"text": line.repeat(7)}]}));
    }
    serde_json::to_vec(&serde_json::json!({"messages": messages, "inferenceConfig": {"maxTokens": 512}}))
        .unwrap()
}

fn best(runs: usize, mut work: impl FnMut()) -> Duration {
    (0..runs)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn extract(plan: &BodyPlan, body: &[u8]) -> Body {
    let mut extractor = Extractor::new(plan.clone(), Limits::default());
    for slice in body.chunks(65_536) {
        extractor.push(slice).unwrap();
    }
    extractor.finish().unwrap()
}

#[test]
#[ignore = "a measurement; run it in release"]
fn speed() {
    let base64 = "iVBORw0KGgoAAAANSUhEUgAAAAUA".repeat(24 * 1024 * 1024 / 28);
    let cases = [
        ("650 B", converse("What is the balance of account 4711? ".repeat(6).trim(), "aGVsbG8="), 20_000),
        ("64 KB text", converse(&"All of it is plain text for the model. ".repeat(1_640), "aGVsbG8="), 2_000),
        ("64 KB turns", turns(64 * 1024), 2_000),
        ("24 MiB image", converse("What is this?", &base64), 8),
        ("24 MiB turns", turns(24 * 1024 * 1024), 8),
        (
            "24 MiB numbers",
            format!("{{\"embedding\":[{}0.5]}}", "0.12345,".repeat(3_000_000)).into_bytes(),
            4,
        ),
        (
            "24 MiB objects",
            format!("{{\"list\":[{}{{}}]}}", "{\"a\":1,\"b\":true},".repeat(1_480_000)).into_bytes(),
            4,
        ),
    ];
    println!("{:<16}{:>10}{:>14}{:>14}{:>14}", "case", "bytes", "hash only", "JSON only", "whole");
    for (name, body, runs) in cases {
        let rate = |time: Duration| body.len() as f64 / time.as_secs_f64() / 1_048_576.0;
        let hash = best(runs, || {
            std::hint::black_box(Sha256::digest(std::hint::black_box(&body)));
        });
        let opaque = best(runs, || {
            std::hint::black_box(extract(&BodyPlan::Opaque, std::hint::black_box(&body)));
        });
        let whole = best(runs, || {
            let plan = BodyPlan::RequiredJson(PayloadKind::Converse);
            std::hint::black_box(extract(&plan, std::hint::black_box(&body)));
        });
        let json = whole.saturating_sub(opaque);
        println!(
            "{name:<16}{:>10}{:>10.1} µs{:>10.1} µs{:>10.1} µs   {:.0} / {:.0} / {:.0} MiB/s",
            body.len(),
            hash.as_secs_f64() * 1e6,
            json.as_secs_f64() * 1e6,
            whole.as_secs_f64() * 1e6,
            rate(hash),
            rate(json),
            rate(whole),
        );
    }
}
