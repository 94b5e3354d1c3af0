//! What a call says besides operation and credential: model, agent, guardrail, signature, error shape.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Request, host};
use portcullis_bedrock::answer::{IdentityCheck, error_type, identity_check, identity_check_of};
use portcullis_bedrock::{ApiShape, BodyPlan, CredentialKind, ModelKind, PayloadKind};

#[test]
fn a_model_invocation() {
    let call = Request::new(
        "POST",
        &host("bedrock-runtime"),
        "/model/us.anthropic.claude-3-5-sonnet-20241022-v2:0/invoke",
    )
    .signed("bedrock")
    .header("x-amzn-bedrock-guardrailidentifier", "gr1")
    .header("x-amzn-bedrock-guardrailversion", "DRAFT")
    .header("x-amzn-bedrock-request-metadata", r#"{"team":"a"}"#)
    .header("user-agent", &"Ü".repeat(400))
    .header("amz-sdk-invocation-id", "8a2f")
    .header("amz-sdk-request", "attempt=1; max=3")
    .recognise()
    .expect("sound");
    let model = call.model.expect("a model");
    assert_eq!((model.kind, model.geography.as_deref()), (ModelKind::InferenceProfile, Some("us")));
    assert_eq!(call.guardrail, Some(("gr1".to_owned(), Some("DRAFT".to_owned()))));
    assert_eq!(call.request_metadata.as_deref(), Some(r#"{"team":"a"}"#));
    assert!(call.user_agent.is_some_and(|u| u.len() <= 512 && u.starts_with('Ü')));
    assert_eq!(call.invocation_id.as_deref(), Some("8a2f"));
    assert_eq!(call.attempt.as_deref(), Some("attempt=1; max=3"));
    assert_eq!(call.body, BodyPlan::RequiredJson(PayloadKind::InvokeModel));
    assert_eq!(call.shape, ApiShape::Aws);
}

/// A guardrail that AWS does not apply must not count as one.
#[test]
fn guardrail_headers_count_only_where_aws_reads_them() {
    let cases = [
        ("bedrock-runtime", "/model/x/invoke", "gr1", true),
        ("bedrock-runtime", "/model/x/invoke-with-response-stream", "gr1", true),
        ("bedrock-runtime", "/openai/v1/chat/completions", "gr1", true),
        ("bedrock-runtime", "/model/x/invoke", "", false),
        ("bedrock-runtime", "/model/x/converse", "gr1", false),
        ("bedrock-runtime", "/anthropic/v1/messages", "gr1", false),
        ("bedrock-mantle", "/v1/chat/completions", "gr1", false),
        ("bedrock-agent-runtime", "/retrieveAndGenerate", "gr1", false),
        ("bedrock-runtime", "/nothing", "gr1", false),
    ];
    for (service, path, id, counts) in cases {
        let request = Request::new("POST", &host(service), path)
            .header("x-amzn-bedrock-guardrailidentifier", id)
            .header("x-amzn-bedrock-request-metadata", "{}");
        let call = request.recognise().expect("sound");
        assert_eq!(call.guardrail.is_some(), counts, "{service} {path} `{id}`");
        println!("{service} {path} `{id}`: {:?}", call.guardrail);
    }
}

#[test]
fn the_inputs_of_a_signature_check() {
    let request =
        Request::new("POST", "Bedrock-Runtime.us-east-1.amazonaws.com:443", "/model/x%3A0/converse?b=2&a=1");
    let mut request = request.signed("bedrock");
    request.server_name = Some(host("bedrock-runtime").into());
    let parts = request.recognise().expect("sound").signature.expect("a signature");
    assert_eq!(parts.scope, "20261121/us-east-1/bedrock/aws4_request");
    assert_eq!(parts.date, "20261121T100000Z");
    assert_eq!((&*parts.path, &*parts.query), ("/model/x%3A0/converse", "b=2&a=1"));
    let expected = [
        ("content-type", "application/json"),
        ("host", "Bedrock-Runtime.us-east-1.amazonaws.com:443"),
        ("x-amz-date", "20261121T100000Z"),
        ("x-amz-security-token", "FwoGZXIvYXdzEXAMPLE"),
    ];
    assert_eq!(parts.headers, expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    println!("{parts:?}");

    // A signed header that is not there, or not UTF-8, cannot be checked; the call itself is sound.
    for headers in [None, Some(b"\xff".to_vec())] {
        let mut request =
            Request::new("POST", &host("bedrock-runtime"), "/model/x/converse").signed("bedrock");
        for (_, value) in request.headers.iter_mut().filter(|(n, _)| n == b"authorization") {
            let text = String::from_utf8(value.clone())
                .expect("text")
                .replace("=content-type;", "=x-mine;content-type;");
            *value = text.into_bytes();
        }
        request.headers.extend(headers.map(|v| (b"x-mine".to_vec(), v)));
        assert_eq!(request.recognise().expect("sound").signature, None);
    }
}

#[test]
fn agents() {
    let runtime = "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fmine";
    let cases = [
        (
            "bedrock-agent-runtime",
            "POST",
            "/agents/A/agentAliases/B/sessions/C/text".to_owned(),
            ["A", "B", "C"],
        ),
        ("bedrock-agent-runtime", "POST", "/agents/S".to_owned(), ["", "", "S"]),
        ("bedrock-agent-runtime", "POST", "/flows/F/aliases/G".to_owned(), ["F", "G", ""]),
        ("bedrock-agent", "PUT", "/agents/A/".to_owned(), ["A", "", ""]),
        (
            "bedrock-agentcore",
            "POST",
            format!("/runtimes/{runtime}/invocations?qualifier=PROD%31&accountId=1"),
            ["arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/mine", "PROD1", "from-header"],
        ),
        (
            "bedrock-agentcore",
            "POST",
            "/harnesses/invoke?harnessArn=arn%3Aaws%3Ax&qualifier=q".to_owned(),
            ["arn:aws:x", "q", "from-header"],
        ),
        ("bedrock-runtime", "POST", "/model/x/converse".to_owned(), ["", "", ""]),
    ];
    for (service, method, path, expected) in cases {
        let request = Request::new(method, &host(service), &path)
            .header("x-amzn-bedrock-agentcore-runtime-session-id", "from-header");
        let call = request.recognise().unwrap_or_else(|r| panic!("{path}: {:?}", r.problem));
        let found = [call.agent.id, call.agent.alias, call.agent.session].map(Option::unwrap_or_default);
        assert_eq!(found, expected, "{path}");
        println!("{path}: {found:?}");
    }
}

/// What headers and path say that no body does: where the body is opaque, it is all that policy can go by.
#[test]
fn facts_of_the_head() {
    let prompt = "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Aprompt%2FABCDEF1234%3A2";
    let runtime = "arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fmine";
    type Pairs = &'static [(&'static str, &'static str)];
    let cases: [(&str, String, Pairs, Pairs, &str); 6] = [
        ("bedrock-runtime", format!("/model/{prompt}/converse"), &[], &[("prompt_by_arn", "true")], ""),
        (
            "bedrock-agentcore",
            format!("/runtimes/{runtime}/invocations?accountId=444455556666"),
            &[
                ("x-amzn-bedrock-agentcore-runtime-user-id", "jane"),
                ("mcp-method", "tools/call"),
                ("mcp-name", "transfer"),
                ("mcp-session-id", "m1"),
                ("mcp-protocol-version", "2026-06-18"),
            ],
            &[
                ("runtime_user_id", "jane"),
                ("mcp_session_id", "m1"),
                ("mcp_protocol_version", "2026-06-18"),
                ("mcp_method", "tools/call"),
                ("mcp_name", "transfer"),
                ("runtime_account_id", "444455556666"),
            ],
            "",
        ),
        (
            "bedrock-agentcore",
            "/code-interpreters/c/tools/invoke".to_owned(),
            &[("x-amzn-code-interpreter-session-id", "ci1")],
            &[],
            "ci1",
        ),
        (
            "bedrock-agent-runtime",
            "/agents/A/agentAliases/B/sessions/C/text".to_owned(),
            &[("x-amz-source-arn", "arn:aws:x"), ("mcp-method", "not here")],
            &[("source_arn", "arn:aws:x")],
            "C",
        ),
        (
            "bedrock-runtime",
            "/model/x/invoke".to_owned(),
            &[
                ("x-amzn-bedrock-service-tier", "flex"),
                ("x-amzn-bedrock-performanceconfig-latency", "optimized"),
            ],
            &[("service_tier", "flex"), ("latency", "optimized")],
            "",
        ),
        (
            "bedrock-runtime",
            "/model/x/converse".to_owned(),
            &[("x-amzn-bedrock-service-tier", "flex")],
            &[],
            "",
        ),
    ];
    for (service, path, headers, expected, session) in cases {
        let mut request = Request::new("POST", &host(service), &path);
        for (name, value) in headers {
            request = request.header(name, value);
        }
        let call = request.recognise().unwrap_or_else(|r| panic!("{path}: {:?}", r.problem));
        let found: Vec<(&str, &str)> = call.facts.iter().map(|(name, value)| (*name, &**value)).collect();
        println!("{path}: {found:?}, session {:?}", call.agent.session);
        assert_eq!(found, expected, "{path}");
        assert_eq!(call.agent.session.as_deref().unwrap_or_default(), session, "{path}");
    }
}

#[test]
fn error_shapes() {
    let cases = [
        ("bedrock-runtime", "/openai/v1/chat/completions", ApiShape::OpenAi),
        ("bedrock-runtime", "/openai/v1/nothing", ApiShape::OpenAi),
        ("bedrock-runtime", "/v1/chat/completions", ApiShape::OpenAi),
        ("bedrock-runtime", "/anthropic/v1/messages?beta=true", ApiShape::Anthropic),
        ("bedrock-runtime", "/anthropic/v2", ApiShape::Anthropic),
        ("bedrock-runtime", "/anthropics", ApiShape::Aws),
        ("bedrock-runtime", "/model/x/converse", ApiShape::Aws),
        ("bedrock-mantle", "/anthropic/v1/messages", ApiShape::Anthropic),
        ("bedrock-mantle", "/nothing", ApiShape::OpenAi),
        ("bedrock-agent", "/nothing", ApiShape::Aws),
    ];
    for (service, path, shape) in cases {
        let call = Request::new("POST", &host(service), path).recognise().expect("sound");
        assert_eq!(call.shape, shape, "{service} {path}");
    }
}

#[test]
fn answers() {
    for (raw, name) in [
        ("AccessDeniedException", "AccessDeniedException"),
        (
            "AccessDeniedException:http://internal.amazon.com/coral/com.amazon.bedrock/",
            "AccessDeniedException",
        ),
        ("com.amazon.coral.service#UnrecognizedClientException", "UnrecognizedClientException"),
        ("ns#Name:http://x#y", "Name"),
        ("", ""),
        ("#", ""),
    ] {
        assert_eq!(error_type(raw), name, "{raw}");
    }
    use IdentityCheck::{Confirmed, Rejected, Silent};
    for (status, error, expected) in [
        (200, None, Confirmed),
        (204, None, Confirmed),
        (301, None, Silent),
        (403, Some("UnrecognizedClientException"), Rejected),
        (403, Some("InvalidSignatureException"), Rejected),
        (200, Some("ThrottlingException"), Confirmed),
        (403, Some("SignatureDoesNotMatch"), Rejected),
        (403, Some("MissingAuthenticationTokenException"), Rejected),
        (403, Some("ExpiredTokenException"), Rejected),
        (400, Some("IncompleteSignature"), Rejected),
        (401, Some("AuthFailure"), Rejected),
        (403, None, Silent),
        (403, Some("AccessDeniedException"), Silent),
        (400, Some("ValidationException"), Silent),
        (404, Some("ResourceNotFoundException"), Confirmed),
        (404, Some("UnknownOperationException"), Silent),
        (424, Some("ModelErrorException"), Confirmed),
        (429, Some("ThrottlingException"), Silent),
        (429, Some("ModelNotReadyException"), Confirmed),
        (500, Some("InternalServerException"), Silent),
        (500, Some("UnrecognizedClientException"), Silent),
        (503, None, Silent),
    ] {
        assert_eq!(identity_check(status, error), expected, "{status} {error:?}");
    }
    let denied = Some("AccessDeniedException");
    assert_eq!(identity_check_of(CredentialKind::Sigv4, 403, denied), Confirmed);
    assert_eq!(identity_check_of(CredentialKind::BearerLongTerm, 403, denied), Silent);
    assert_eq!(identity_check_of(CredentialKind::None, 200, None), Silent);
}
