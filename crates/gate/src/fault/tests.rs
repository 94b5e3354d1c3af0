use super::*;
use crate::config::Config;

#[derive(Deserialize)]
struct Case {
    name: String,
    status: u16,
    body: String,
    expect: String,
}

fn call_id() -> CallId {
    CallId::new(1, 2, 3)
}

#[test]
fn only_a_whole_answer_to_this_call_is_a_verdict() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../testdata/gate/answers.json")).unwrap();
    for case in cases {
        let body = case.body.replace("CALL", call_id().as_str());
        let reply = CalloutReply { status: case.status, body: body.as_bytes() };
        let got = match judge(Ok(reply), &call_id()) {
            Ok(Answered::NeedText) => "need_text".to_owned(),
            Ok(Answered::Hold { approval_id, seconds }) => format!("hold {approval_id} {seconds}"),
            Ok(Answered::Decided(judged)) => {
                serde_json::to_value(&judged.verdict).unwrap()["verdict"].as_str().unwrap().to_owned()
            }
            Err(fault) => fault.code().to_owned(),
        };
        println!("{}: {got}", case.name);
        assert_eq!(got, case.expect, "{}", case.name);
    }
}

#[test]
fn an_answer_that_is_not_utf8_is_garbage() {
    let reply = CalloutReply { status: 200, body: b"\xff{\"verdict\":\"allow\"}" };
    assert_eq!(judge(Ok(reply), &call_id()).unwrap_err(), Fault::BadAnswer);
}

#[test]
fn a_callout_without_an_answer_is_a_fault() {
    assert_eq!(judge(Err(CalloutFailure::NotSent), &call_id()).unwrap_err(), Fault::DispatchFailed);
    assert_eq!(judge(Err(CalloutFailure::NoAnswer), &call_id()).unwrap_err(), Fault::NoAnswer);
}

#[test]
fn a_decision_id_that_is_too_long_for_a_header_is_none() {
    assert!(is_id(&"a".repeat(MAX_ID)));
    assert!(!is_id(&"a".repeat(MAX_ID + 1)));
}

#[test]
fn only_a_sound_call_at_an_intercepting_gate_that_was_told_so_fails_open() {
    let resign = r#"{"resign": {"region": "us-east-1", "services": ["bedrock-runtime"]}}"#;
    for (entrance, mode, standing, opens) in [
        (r#""pass_through""#, FailureMode::Open, Standing::Sound, true),
        (r#""pass_through""#, FailureMode::Open, Standing::Malformed, false),
        (r#""pass_through""#, FailureMode::Open, Standing::Held, false),
        (r#""pass_through""#, FailureMode::Closed, Standing::Sound, false),
        (r#""pass_through""#, FailureMode::Closed, Standing::Malformed, false),
        (resign, FailureMode::Open, Standing::Sound, false),
        (resign, FailureMode::Open, Standing::Malformed, false),
        (resign, FailureMode::Closed, Standing::Sound, false),
    ] {
        let config =
            format!(r#"{{"entrance": {entrance}, "control_plane": {{"cluster": "p", "authority": "p"}}}}"#);
        let mut gate = Config::parse(config.as_bytes()).unwrap().gate("g");
        // The configuration refuses the combination with `resign`; the fault handling does not rely on it.
        gate.failure_mode = mode;
        for fault in Fault::ALL {
            let got = matches!(settle(&gate, standing, *fault), Settled::FailOpen(_));
            println!("{entrance} {mode:?} {standing:?} {}: opens {got}", fault.code());
            assert_eq!(got, opens && *fault != Fault::QuestionRefused, "a caller can choose what is asked");
        }
    }
}

#[test]
fn codes_are_documented_and_distinct() {
    let doc = include_str!("../../../../docs/errors.md");
    let mut codes: Vec<_> = Fault::ALL.iter().map(|fault| fault.code()).collect();
    for code in &codes {
        assert!(doc.contains(&format!("`{code}`")), "docs/errors.md says nothing of `{code}`");
    }
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), Fault::ALL.len());
}
