//! Whatever AWS's models hold to be a model, agent, knowledge base, guardrail or S3 location in any request's JSON body is
//! found there (`testdata/bodies/identifiers.tsv`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_bedrock::{Body, Extractor, Limits, OPERATIONS};
use std::collections::BTreeMap;

fn value(kind: &str) -> &'static str {
    match kind {
        "s3" => "s3://bucket/key",
        "bucket" => "the-bucket",
        "guardrail" => "gr1234567890",
        "knowledge_base" => "KB12345678",
        "model" => "amazon.nova-lite-v1:0",
        "agent" => "arn:aws:bedrock:eu-west-1:111122223333:agent-alias/AGENT12345/ALIAS12345",
        other => panic!("no kind `{other}`"),
    }
}

/// `{"a": [{"b": value}]}` for `a[].b`.
fn body(path: &str, value: &str) -> String {
    let mut open = String::new();
    let mut close = String::new();
    for segment in path.split('.') {
        let lists = segment.matches("[]").count();
        let name = segment.trim_end_matches("[]");
        let name = if name == "{}" { "any" } else { name };
        open += &format!("{{\"{name}\":{}", "[".repeat(lists));
        close = format!("{}}}{close}", "]".repeat(lists));
    }
    format!("{open}\"{value}\"{close}")
}

fn finds(body: &Body, kind: &str) -> bool {
    let value = value(kind);
    let fact = |name: &str| body.facts.get(name).is_some_and(|fact| fact == value);
    match kind {
        "s3" => body.s3_uris == [value],
        "bucket" => fact("s3_buckets"),
        "guardrail" => body.guardrail.as_deref() == Some(value) || fact("other_guardrails"),
        "knowledge_base" => body.knowledge_bases == [value],
        "model" => body.model.as_deref() == Some(value) || body.other_models == [value],
        _ => fact("agents"),
    }
}

#[test]
fn no_identifier_of_any_operation_is_missed() {
    let table = include_str!("../../../testdata/bodies/identifiers.tsv");
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    let mut missed = Vec::new();
    for line in table.lines().filter(|line| !line.starts_with('#')) {
        let [service, operation, path, kind] = line.split('\t').collect::<Vec<_>>()[..] else {
            panic!("{line}")
        };
        let known =
            OPERATIONS.iter().find(|known| known.service == service && known.name == operation).unwrap();
        let text = body(path, value(kind));
        let mut extractor = Extractor::new(known.body.clone(), Limits::default());
        extractor.push(text.as_bytes()).unwrap_or_else(|problem| panic!("{line}: {}", problem.detail));
        let read = extractor.finish().unwrap_or_else(|problem| panic!("{line}: {}", problem.detail));
        if !finds(&read, kind) {
            missed.push(line);
        }
        *counts.entry(kind).or_default() += 1;
    }
    println!("{counts:?}");
    assert!(missed.is_empty(), "{} missed:\n{}", missed.len(), missed.join("\n"));
}
