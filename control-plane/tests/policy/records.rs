//! A data directory full of decisions, for replays.

use portcullis::storage::{SqliteOptions, SqliteStore, Store};
use portcullis_audit::{
    Credential, DecisionRecord, Endpoint, Model, PolicyTrace, Principal, Request, Source, VerdictKind,
};
use std::path::Path;

/// Names, base models and regions of the callers: their product repeats every so many records.
const PRINCIPALS: [(&str, &str); 4] = [
    ("billing", "AKIAIOSFODNN7EXAMPLE"),
    ("research", "AKIAI44QH8DHBEXAMPLE"),
    ("aws:unknown:AKIAXXXXXXXXEXAMPLE1", "AKIAXXXXXXXXEXAMPLE1"),
    ("aws:unknown:AKIAXXXXXXXXEXAMPLE2", "AKIAXXXXXXXXEXAMPLE2"),
];
const MODELS: [&str; 5] = [
    "anthropic.claude-sonnet-4-20250514-v1:0",
    "anthropic.claude-opus-4-20250514-v1:0",
    "anthropic.claude-3-haiku-20240307-v1:0",
    "amazon.nova-lite-v1:0",
    "meta.llama3-1-70b-instruct-v1:0",
];
const REGIONS: [&str; 3] = ["eu-central-1", "eu-west-1", "us-east-1"];

/// Record number `n`: about as large as a real one.
pub(super) fn record(n: usize) -> DecisionRecord {
    let (principal, key) = PRINCIPALS[n % PRINCIPALS.len()];
    let model = MODELS[(n / 4) % MODELS.len()];
    let region = REGIONS[(n / 20) % REGIONS.len()];
    let host = format!("bedrock-runtime.{region}.amazonaws.com");
    let mut record = DecisionRecord {
        schema: 1,
        call_id: format!("18a1b2c3d4e5f607-{n:08x}-1"),
        gate: "gate-1".to_owned(),
        entrance: "pass_through".to_owned(),
        operation: "Converse".to_owned(),
        action: "bedrock:InvokeModel".to_owned(),
        action_type: "model_invoked".to_owned(),
        principal: Principal { name: principal.to_owned(), ..Principal::default() },
        credential: Credential {
            kind: "sigv4".to_owned(),
            access_key_id: Some(key.to_owned()),
            account_hint: Some("581039954779".to_owned()),
            region: Some(region.to_owned()),
            service: Some("bedrock".to_owned()),
            ..Credential::default()
        },
        endpoint: Some(Endpoint {
            service: "bedrock-runtime".to_owned(),
            region: region.to_owned(),
            partition: "aws".to_owned(),
            ..Endpoint::default()
        }),
        model: Some(Model {
            id: format!("eu.{model}"),
            kind: "inference_profile".to_owned(),
            base: Some(model.to_owned()),
            provider: model.split('.').next().map(str::to_owned),
            geography: Some("eu".to_owned()),
            ..Model::default()
        }),
        labels: [("modelId".to_owned(), format!("eu.{model}"))].into(),
        request: Request {
            method: "POST".to_owned(),
            path: format!("/model/eu.{model}/converse"),
            bytes: 650,
            sha256: Some("9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08".to_owned()),
            max_tokens: Some(512),
            tools: vec!["get_weather".to_owned()],
            host: host.clone(),
            ..Request::default()
        },
        source: Source {
            address: Some(format!("10.1.2.3:{}", 10_000 + n % 50_000)),
            server_name: Some(host),
        },
        policy: PolicyTrace {
            bundle: "old".to_owned(),
            version: "1".to_owned(),
            digest: "0".repeat(64),
            ..PolicyTrace::default()
        },
        ..DecisionRecord::default()
    };
    record.verdict.kind = VerdictKind::Allow;
    record
}

/// Writes so many records; as many at once as the store's queue takes.
pub(super) async fn fill(directory: &Path, count: usize) {
    let store = SqliteStore::open(SqliteOptions::new(directory)).unwrap();
    for from in (0..count).step_by(2_000) {
        let pending: Vec<_> =
            (from..count.min(from + 2_000)).map(|n| store.commit_decision(record(n))).collect();
        for commit in pending {
            commit.await.unwrap();
        }
    }
}
