//! The tables of cases in `testdata/bedrock/`: hosts, model identifiers, credentials, heads.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{REGION, Request, testdata};
use portcullis_bedrock::{Call, CredentialKind, Endpoint, Entrance, GatewayEndpoint, ModelRef, ProblemCode};
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

fn cases<T: for<'a> Deserialize<'a>>(name: &str) -> Vec<T> {
    serde_json::from_str(&testdata(&format!("bedrock/{name}.json"))).unwrap_or_else(|e| panic!("{name}: {e}"))
}

/// Text, or `hex:` and bytes that are not.
fn bytes(text: &str) -> Vec<u8> {
    match text.strip_prefix("hex:") {
        Some(hex) => data_encoding::HEXLOWER.decode(hex.as_bytes()).expect("hex"),
        None => text.as_bytes().to_vec(),
    }
}

fn entrance(name: &str) -> Entrance {
    match name {
        "intercepted" => Entrance::Intercepted,
        "gateway" => Entrance::Gateway(GatewayEndpoint {
            region: REGION.to_owned(),
            services: vec!["bedrock-runtime".to_owned(), "bedrock-agent-runtime".to_owned()],
        }),
        other => panic!("entrance `{other}`"),
    }
}

/// The call, whatever came of it, and the code of its problem.
fn read(request: &Request) -> (Call, Option<ProblemCode>, String) {
    match request.recognise() {
        Ok(call) => (call, None, String::new()),
        Err(refused) => (refused.call, Some(refused.problem.code), refused.problem.detail),
    }
}

#[derive(Deserialize)]
struct HostCase {
    host: String,
    endpoint: Option<EndpointCase>,
}

#[derive(Deserialize)]
struct EndpointCase {
    service: String,
    region: String,
    partition: String,
    fips: bool,
    dual_stack: bool,
    vpc_endpoint: Option<String>,
}

#[test]
fn hosts() {
    let cases: Vec<HostCase> = cases("hosts");
    for case in &cases {
        let found = Endpoint::from_host(&case.host);
        let Some(expected) = &case.endpoint else {
            assert_eq!(found, None, "{}", case.host);
            continue;
        };
        let found = found.unwrap_or_else(|| panic!("{} is no endpoint", case.host));
        assert_eq!(
            (
                &*found.service,
                &*found.region,
                found.partition,
                found.fips,
                found.dual_stack,
                &found.vpc_endpoint
            ),
            (
                &*expected.service,
                &*expected.region,
                &*expected.partition,
                expected.fips,
                expected.dual_stack,
                &expected.vpc_endpoint
            ),
            "{}",
            case.host
        );
    }
    println!("{} hosts compared", cases.len());
}

#[derive(Deserialize)]
struct ModelCase {
    id: String,
    kind: String,
    base: Option<String>,
    provider: Option<String>,
    version: Option<String>,
    geography: Option<String>,
    region: Option<String>,
    account: Option<String>,
}

#[test]
fn model_identifiers() {
    let cases: Vec<ModelCase> = cases("models");
    for case in &cases {
        let found = ModelRef::parse(&case.id);
        assert_eq!(found.id, case.id);
        assert_eq!(
            (found.kind.as_str(), &found.base, &found.provider, &found.version),
            (&*case.kind, &case.base, &case.provider, &case.version),
            "{}",
            case.id
        );
        assert_eq!(
            (&found.geography, &found.region, &found.account),
            (&case.geography, &case.region, &case.account),
            "{}",
            case.id
        );
    }
    println!("{} model identifiers compared", cases.len());
}

#[derive(Deserialize)]
struct CredentialCase {
    name: String,
    host: String,
    path: String,
    entrance: String,
    headers: Vec<(String, String)>,
    expect: serde_json::Map<String, Value>,
    problem: Option<String>,
}

fn kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::None => "none",
        CredentialKind::Sigv4 => "sigv4",
        CredentialKind::Sigv4a => "sigv4a",
        CredentialKind::Presigned => "presigned",
        CredentialKind::BearerShortTerm => "bearer_short_term",
        CredentialKind::BearerLongTerm => "bearer_long_term",
        CredentialKind::BearerOther => "bearer_other",
        CredentialKind::ApiKey => "api_key",
    }
}

#[test]
fn credentials() {
    let cases: Vec<CredentialCase> = cases("credentials");
    for case in &cases {
        let mut request = Request::new("POST", &case.host, &case.path);
        request.entrance = entrance(&case.entrance);
        request.headers = case.headers.iter().map(|(n, v)| (bytes(n), bytes(v))).collect();
        let (call, problem, detail) = read(&request);
        assert_eq!(problem.map(ProblemCode::as_str), case.problem.as_deref(), "{}: {detail}", case.name);
        let found = &call.credential;
        let text = |key: &str| case.expect.get(key).and_then(Value::as_str).map(str::to_owned);
        assert_eq!(Some(kind(found.kind).to_owned()), text("kind"), "{}", case.name);
        assert_eq!(found.access_key_id, text("access_key_id"), "{}", case.name);
        assert_eq!(found.account_hint, text("account_hint"), "{}", case.name);
        assert_eq!(found.user_hint, text("user_hint"), "{}", case.name);
        assert_eq!(found.region, text("region"), "{}", case.name);
        assert_eq!(found.service, text("service"), "{}", case.name);
        let token = case.expect.get("session_token").and_then(Value::as_bool).unwrap_or(false);
        assert_eq!(found.session_token, token, "{}", case.name);
        if let Some(secret) = text("secret") {
            let hash: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
            assert_eq!(found.secret_sha256, Some(hash), "{}", case.name);
            let told = format!("{call:?} {detail}");
            assert!(!told.contains(&secret) || secret.len() < 8, "{}: the secret is in the call", case.name);
        }
        println!("{}: {}", case.name, case.problem.as_deref().unwrap_or("fine"));
    }
    println!("{} credentials compared", cases.len());
}

#[derive(Deserialize)]
struct HeadCase {
    name: String,
    method: String,
    authority: String,
    path: String,
    server_name: Option<String>,
    headers: Vec<(String, String)>,
    entrance: String,
    operation: Option<String>,
    problem: Option<String>,
    service: Option<String>,
    content_length: Option<u64>,
}

#[test]
fn heads() {
    let cases: Vec<HeadCase> = cases("heads");
    for case in &cases {
        let request = Request {
            method: bytes(&case.method),
            authority: bytes(&case.authority),
            path: bytes(&case.path),
            headers: case.headers.iter().map(|(n, v)| (bytes(n), bytes(v))).collect(),
            server_name: case.server_name.as_deref().map(bytes),
            entrance: entrance(&case.entrance),
        };
        let (call, problem, detail) = read(&request);
        assert_eq!(problem.map(ProblemCode::as_str), case.problem.as_deref(), "{}: {detail}", case.name);
        // Where a head is refused, an operation is told if it could be read, which cases say only where it matters.
        if case.problem.is_none() || case.operation.is_some() {
            assert_eq!(call.operation.map(|o| o.name), case.operation.as_deref(), "{}", case.name);
        }
        if let Some(service) = &case.service {
            assert_eq!(call.endpoint.as_ref().map(|e| &e.service), Some(service), "{}", case.name);
        }
        if case.content_length.is_some() {
            assert_eq!(call.content_length, case.content_length, "{}", case.name);
        }
        println!(
            "{}: {}",
            case.name,
            problem.map_or("fine".to_owned(), |p| format!("{}: {detail}", p.as_str()))
        );
    }
    println!("{} heads compared", cases.len());
}
