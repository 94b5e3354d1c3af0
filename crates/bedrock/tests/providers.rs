//! Hosts of other providers: known by the operator's list alone, with operations of their own.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Request, fill, table};
use portcullis_bedrock::{
    ApiShape, BodyPlan, Call, CredentialKind, Entrance, Extractor, GatewayEndpoint, Head, Limits,
    PayloadKind, ProblemCode, ProviderApi, ProviderHost, Refused, recognise_at,
};

fn providers() -> Vec<ProviderHost> {
    let host = |host: &str, provider: &str, api| ProviderHost {
        host: host.to_owned(),
        provider: provider.to_owned(),
        api,
    };
    vec![
        host("api.anthropic.com", "anthropic", ProviderApi::Anthropic),
        host("api.openai.com", "openai", ProviderApi::OpenAi),
        host("api.mistral.ai", "mistral", ProviderApi::OpenAi),
        // Nobody makes Bedrock another provider's.
        host("bedrock-runtime.us-east-1.amazonaws.com", "openai", ProviderApi::OpenAi),
    ]
}

fn read(request: &Request) -> Result<Call, Box<Refused>> {
    let head = Head {
        method: &request.method,
        authority: &request.authority,
        path: &request.path,
        headers: &request.headers,
        server_name: request.server_name.as_deref(),
        end_of_stream: false,
    };
    recognise_at(&head, &request.entrance, &providers())
}

#[test]
fn every_operation_of_a_listed_host_is_recognised_and_nothing_else_is() {
    let mut compared = 0;
    for row in table("providers") {
        let [service, name, method, uri, action, ..] = &row[..] else { panic!("{row:?}") };
        let hosts: &[&str] = if service == "anthropic" {
            &["api.anthropic.com"]
        } else {
            &["api.openai.com", "api.mistral.ai"]
        };
        for host in hosts {
            let path = fill(uri, |_| "a-1".to_owned());
            let key =
                if service == "anthropic" { ("x-api-key", "sk-1") } else { ("authorization", "Bearer sk-1") };
            let call = read(&Request::new(method, host, &path).header(key.0, key.1)).expect(&path);
            let operation = call.operation.unwrap_or_else(|| panic!("{host} {method} {path}"));
            assert_eq!((operation.name, operation.iam_action), (name.as_str(), action.as_str()));
            let endpoint = call.endpoint.unwrap();
            let provider = host.split('.').nth(1).unwrap();
            assert_eq!((endpoint.provider.as_str(), endpoint.service.as_str()), (provider, service.as_str()));
            assert!(!endpoint.is_aws() && endpoint.region.is_empty());
            // The same path, but not the same host.
            let elsewhere = read(&Request::new(method, "api.example.com", &path)).unwrap();
            assert!(elsewhere.endpoint.is_none() && elsewhere.operation.is_none(), "{path}");
            compared += 1;
        }
    }
    println!("compared {compared} operations");
    assert!(compared > 40);
    for (host, path, shape) in [
        ("api.anthropic.com", "/v1/complete", ApiShape::Anthropic),
        ("api.anthropic.com", "/v1/chat/completions", ApiShape::Anthropic),
        ("api.openai.com", "/v1/messages", ApiShape::OpenAi),
        ("api.openai.com", "/v1/assistants", ApiShape::OpenAi),
        ("api.mistral.ai", "/", ApiShape::OpenAi),
    ] {
        let call = read(&Request::new("POST", host, path)).unwrap();
        println!("{host}{path}: {:?} {:?}", call.operation.map(|o| o.name), call.shape);
        assert!(call.operation.is_none() && call.endpoint.is_some());
        assert_eq!(call.shape, shape, "{host}{path}");
    }
}

#[test]
fn bedrock_stays_bedrock_and_a_gateway_stands_for_nobody_else() {
    let host = "bedrock-runtime.us-east-1.amazonaws.com";
    let call = read(&Request::new("POST", host, "/openai/v1/chat/completions")).unwrap();
    let endpoint = call.endpoint.unwrap();
    assert_eq!((endpoint.provider.as_str(), endpoint.service.as_str()), ("aws", "bedrock-runtime"));
    // Names that only look like a service of AWS.
    for host in ["anthropic.us-east-1.amazonaws.com", "openai.us-east-1.api.aws"] {
        assert!(read(&Request::new("POST", host, "/v1/messages")).unwrap().endpoint.is_none(), "{host}");
    }
    let services = vec!["bedrock-runtime".to_owned()];
    let mut request = Request::new("POST", "api.anthropic.com", "/v1/messages");
    request.entrance = Entrance::Gateway(GatewayEndpoint { region: "us-east-1".to_owned(), services });
    let endpoint = read(&request).unwrap().endpoint.unwrap();
    assert!(endpoint.is_aws(), "{endpoint:?}");
    // The server name must be the same host here as well.
    let mut request = Request::new("POST", "api.openai.com", "/v1/responses");
    request.server_name = Some(b"api.anthropic.com".to_vec());
    assert_eq!(read(&request).unwrap_err().problem.code, ProblemCode::ServerNameMismatch);
}

#[test]
fn a_key_is_a_fingerprint_and_a_key_of_aws_does_not_get_there() {
    let path = "/v1/messages";
    let request = || Request::new("POST", "api.anthropic.com", path);
    let long_term = "Bearer ABSKQmVkcm9ja0FQSUtleS1hYmNkLWF0LTEyMzQ1Njc4OTAxMjpzZWNyZXQ=";
    for (request, kind, problem) in [
        (request().header("x-api-key", "sk-ant-1"), CredentialKind::ApiKey, None),
        (request().header("authorization", "Bearer sk-ant-oat"), CredentialKind::BearerOther, None),
        (
            request().header("authorization", "Bearer a").header("x-api-key", "b"),
            CredentialKind::BearerOther,
            Some(ProblemCode::TwoCredentials),
        ),
        (request().signed("bedrock"), CredentialKind::Sigv4, Some(ProblemCode::ForeignService)),
        (
            request().header("authorization", long_term),
            CredentialKind::BearerLongTerm,
            Some(ProblemCode::ForeignService),
        ),
        (request(), CredentialKind::None, None),
    ] {
        let (call, found) = match read(&request) {
            Ok(call) => (call, None),
            Err(refused) => (refused.call, Some(refused.problem)),
        };
        println!("{:?}: {:?}", call.credential.kind, found);
        assert_eq!((call.credential.kind, found.map(|found| found.code)), (kind, problem));
        let key = matches!(kind, CredentialKind::ApiKey | CredentialKind::BearerOther);
        assert_eq!(call.credential.secret_sha256.is_some(), key || kind == CredentialKind::BearerLongTerm);
        assert!(!key || call.credential.account_hint.is_none());
    }
}

#[test]
fn every_model_of_a_batch_is_read() {
    let body = br#"{"requests": [
        {"custom_id": "a", "params": {"model": "claude-opus-4-1", "max_tokens": 64, "stream": false,
            "metadata": {"user_id": "u"}, "system": "one", "messages": [{"role": "user", "content": "hello"}],
            "tools": [{"name": "t1", "input_schema": {"type": "object"}}]}},
        {"custom_id": "b", "params": {"model": "claude-haiku-4-5", "max_tokens": 128, "stream": false,
            "metadata": {"user_id": "v"}, "messages": [{"role": "user", "content": "there"}]}}]}"#;
    let plan = BodyPlan::RequiredJson(PayloadKind::MessageBatch);
    for cut in [body.len(), 1, 7] {
        let mut extractor = Extractor::new(plan.clone(), Limits::default());
        for piece in body.chunks(cut) {
            extractor.push(piece).unwrap();
        }
        let read = extractor.finish().unwrap();
        println!("{read:?}");
        assert_eq!(read.other_models, ["claude-opus-4-1", "claude-haiku-4-5"]);
        assert_eq!((read.model, read.tools), (None, vec!["t1".to_owned()]));
        let text = read.text;
        assert!(["one", "hello", "there"].iter().all(|word| text.contains(word)), "{text:?}");
    }
}
