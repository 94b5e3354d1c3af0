//! The cases of `testdata/bodies`: every family's facts, every refused body, however the bytes arrive.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

mod body_common;

use body_common::{Expect, bad, cases, kind, read};
use portcullis_bedrock::{BodyPlan, Extractor, Limits, PayloadKind, ProblemCode};
use sha2::{Digest, Sha256};

const CONVERSE: BodyPlan = BodyPlan::RequiredJson(PayloadKind::Converse);

#[test]
fn every_family_gives_its_facts_however_the_bytes_arrive() {
    let cases = cases();
    for case in &cases {
        let bytes = case.body.get().as_bytes();
        let plan = BodyPlan::RequiredJson(kind(&case.kind));
        let whole = read(&plan, Limits::default(), bytes, usize::MAX)
            .unwrap_or_else(|problem| panic!("{}: {}", case.name, problem.detail));
        assert_eq!(whole.bytes, bytes.len() as u64, "{}", case.name);
        assert_eq!(whole.sha256[..], Sha256::digest(bytes)[..], "{}", case.name);
        for size in [1, 2, 3, 7, 64] {
            let cut = read(&plan, Limits::default(), bytes, size).expect("sound in slices, too");
            assert_eq!(cut, whole, "{} in slices of {size}", case.name);
        }
        assert_eq!(Expect::from(whole), case.expect, "{}", case.name);
    }
    println!("{} bodies: facts as expected, whole and in slices of 1, 2, 3, 7 and 64 bytes", cases.len());
}

#[test]
fn every_kind_has_a_case() {
    let cases = cases();
    for plan in [
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
    ] {
        assert!(cases.iter().any(|case| kind(&case.kind) == plan), "no case of {plan:?}");
    }
}

#[test]
fn every_bad_body_is_refused_with_its_place_however_the_bytes_arrive() {
    let bad = bad();
    for case in &bad {
        let plan = BodyPlan::RequiredJson(case.kind.as_deref().map_or(PayloadKind::Converse, kind));
        let bytes = case.bytes();
        let whole = read(&plan, Limits::default(), &bytes, usize::MAX)
            .expect_err(&format!("`{}` must be refused", case.name));
        assert_eq!(whole.code, ProblemCode::BadBody, "{}", case.name);
        assert!(whole.detail.contains(&case.detail), "{}: {}", case.name, whole.detail);
        for size in [1, 2, 3] {
            let cut = read(&plan, Limits::default(), &bytes, size).expect_err("refused in slices, too");
            assert_eq!(cut, whole, "{} in slices of {size}", case.name);
        }
        println!("{:<45} {}", case.name, whole.detail);
    }
}

#[test]
fn a_body_cut_at_any_byte_is_refused() {
    let mut cuts = 0;
    for case in cases() {
        let plan = BodyPlan::Json(kind(&case.kind));
        let bytes = case.body.get().as_bytes();
        for len in 1..bytes.len() {
            let problem = read(&plan, Limits::default(), &bytes[..len], usize::MAX)
                .expect_err(&format!("{} cut to {len} bytes", case.name));
            assert_eq!(problem.code, ProblemCode::BadBody);
            cuts += 1;
        }
    }
    println!("{cuts} truncated bodies, all refused");
}

#[test]
fn an_empty_body_is_refused_only_where_one_is_required() {
    let limits = Limits::default();
    assert_eq!(read(&CONVERSE, limits, b"", 1).expect_err("required").code, ProblemCode::BadBody);
    for plan in [BodyPlan::Json(PayloadKind::Generic), BodyPlan::Opaque, BodyPlan::AtHeaders] {
        let body = read(&plan, limits, b"", 1).expect("sound");
        assert_eq!(body.sha256[..], Sha256::digest(b"")[..], "{plan:?}");
    }
    assert!(read(&BodyPlan::Opaque, limits, b"\xff not JSON", 1).is_ok());
}

#[test]
fn a_body_over_the_limit_is_refused_as_soon_as_it_is() {
    let limits = Limits { max_body_bytes: 10, ..Limits::default() };
    let mut extractor = Extractor::new(CONVERSE, limits);
    extractor.push(b"{\"a\":1234").expect("nine bytes");
    extractor.push(b"5").expect("ten bytes");
    let problem = extractor.push(b"6").expect_err("eleven bytes");
    assert_eq!(problem.code, ProblemCode::BodyTooLarge);
    assert_eq!(extractor.push(b"}").expect_err("spent"), problem);
    assert_eq!(extractor.clone().so_far().bytes, 11);
    assert_eq!(extractor.finish().expect_err("spent"), problem);
    assert!(read(&BodyPlan::Opaque, limits, &[0; 11], 4).is_err());
    assert!(read(&BodyPlan::Opaque, limits, &[0; 10], 4).is_ok());
    assert!(read(&BodyPlan::AtHeaders, limits, &[0; 11], 4).is_ok(), "a bidirectional stream has no length");
}

#[test]
fn absurd_bodies_fail_early() {
    let deep = "{\"a\":".repeat(100_000);
    let problem = read(&CONVERSE, Limits::default(), deep.as_bytes(), 4_096).expect_err("deep");
    assert!(problem.detail.starts_with("at byte 640,"), "{}", problem.detail);
    assert!(problem.detail.contains("128 levels"), "{}", problem.detail);
    assert!(problem.detail.len() < 512, "{}", problem.detail);

    let key = format!("{{\"messages\":{{\"{}\":1}}}}", "k".repeat(5_000_000));
    let problem = read(&CONVERSE, Limits::default(), key.as_bytes(), 4_096).expect_err("huge key");
    assert!(problem.detail.contains("a key of more than 4,096 bytes"), "{}", problem.detail);
    assert!(problem.detail.len() < 512, "{}", problem.detail);

    let model = format!("{{\"modelId\":\"{}\"}}", "m".repeat(2_049));
    let plan = BodyPlan::RequiredJson(PayloadKind::StartAsyncInvoke);
    let problem = read(&plan, Limits::default(), model.as_bytes(), 100).expect_err("huge model id");
    assert!(problem.detail.contains("longer than 2,048 bytes"), "{}", problem.detail);
}

#[test]
fn repeated_keys_are_found_among_many() {
    let object = |keys: &mut dyn Iterator<Item = usize>| {
        let members: Vec<String> = keys.map(|key| format!("\"key number {key}\":0")).collect();
        format!("{{\"messages\":{{{}}}}}", members.join(","))
    };
    for size in [1, 31, 32, 33, 34, 1_000, 60_000] {
        let sound = object(&mut (0..size));
        assert!(read(&CONVERSE, Limits::default(), sound.as_bytes(), 999).is_ok(), "{size} keys");
        for repeated in [0, size / 2, size - 1] {
            let text = object(&mut (0..size).chain([repeated]));
            let problem = read(&CONVERSE, Limits::default(), text.as_bytes(), 999)
                .expect_err(&format!("key {repeated} of {size} again"));
            assert!(problem.detail.contains("same key twice"), "{}", problem.detail);
        }
    }
    let many = object(&mut (0..70_000));
    let problem = read(&CONVERSE, Limits::default(), many.as_bytes(), 999).expect_err("too many to tell");
    assert!(problem.detail.contains("65,536 keys are open"), "{}", problem.detail);
    // The same key in siblings, and in parent and child, is another key.
    let siblings = r#"{"a":{"a":{"a":1}},"b":[{"a":1},{"a":1}]}"#;
    assert!(read(&CONVERSE, Limits::default(), siblings.as_bytes(), 3).is_ok());
}

#[test]
fn text_and_lists_are_cut_at_their_caps_and_say_so() {
    let limits = Limits { max_text_bytes: 10, ..Limits::default() };
    for (text, kept) in
        [("0123456789", "0123456789"), ("01234567\u{20ac}x", "01234567"), ("0123456789x", "0123456789")]
    {
        let json =
            serde_json::json!({"messages": [{"content": [{"text": text}, {"text": "z"}]}]}).to_string();
        for size in [1, 5, 1_000] {
            let body = read(&CONVERSE, limits, json.as_bytes(), size).expect("sound");
            assert_eq!((body.text.as_str(), body.text_truncated), (kept, true), "{text} in slices of {size}");
        }
    }
    let fits = r#"{"messages":[{"content":"01234567"},{"content":"z"}]}"#;
    let body = read(&CONVERSE, limits, fits.as_bytes(), 4).expect("sound");
    assert_eq!((body.text.as_str(), body.text_truncated), ("01234567\nz", false));

    let tools: Vec<_> =
        (0..300).map(|n| serde_json::json!({"toolSpec": {"name": format!("t{n}")}})).collect();
    let json = serde_json::json!({"toolConfig": {"tools": tools}}).to_string();
    // A forbidden tool could hide behind a cap: what cannot be listed whole is refused.
    let problem = read(&CONVERSE, Limits::default(), json.as_bytes(), 50).expect_err("300 tools");
    println!("{}", problem.detail);
    assert!(problem.detail.contains("more than 256 tools"));

    let entries: serde_json::Map<_, _> = (0..100).map(|n| (format!("k{n}"), "v".into())).collect();
    let json = serde_json::json!({"requestMetadata": entries}).to_string();
    let body = read(&CONVERSE, Limits::default(), json.as_bytes(), 50).expect("sound");
    assert_eq!((body.request_metadata.len(), body.truncated), (64, true));

    let uris: Vec<_> = (0..100).map(|n| format!("s3://bucket/{n}")).collect();
    let json = serde_json::json!({"messages": [{"content": uris}]}).to_string();
    let body = read(&CONVERSE, Limits::default(), json.as_bytes(), 50).expect("sound");
    assert_eq!((body.s3_uris.len(), body.truncated), (64, true));

    let long = format!(r#"{{"toolConfig":{{"tools":[{{"toolSpec":{{"name":"{}"}}}}]}}}}"#, "é".repeat(200));
    let problem = read(&CONVERSE, Limits::default(), long.as_bytes(), 7).expect_err("a long name");
    assert!(problem.detail.contains("longer than 256"), "{}", problem.detail);

    let models: Vec<_> = (0..70).map(|n| serde_json::json!({"foundationModel": format!("m{n}")})).collect();
    let json = serde_json::json!({"foundationModel": "m", "collaborators": models}).to_string();
    let plan = BodyPlan::RequiredJson(PayloadKind::InvokeInlineAgent);
    let problem = read(&plan, Limits::default(), json.as_bytes(), 50).expect_err("71 models");
    assert!(problem.detail.contains("64 models"), "{}", problem.detail);
}
