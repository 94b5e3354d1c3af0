use super::*;

#[derive(Deserialize)]
struct Case {
    name: String,
    config: serde_json::Value,
    error: Option<String>,
}

#[test]
fn configurations_are_read_or_refused_with_the_key() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../../testdata/gate/configs.json")).unwrap();
    for case in cases {
        let got = Config::parse(case.config.to_string().as_bytes());
        let message = got.as_ref().err().map(ToString::to_string);
        println!("{}: {message:?}", case.name);
        match (&message, &case.error) {
            (None, None) => {}
            (Some(message), Some(expected)) => assert!(message.contains(expected.as_str()), "{message}"),
            _ => panic!("{}: got {message:?}, expected {:?}", case.name, case.error),
        }
    }
}

#[test]
fn a_repeated_key_is_refused() {
    let json = br#"{"entrance": "pass_through", "control_plane": {"cluster": "p", "authority": "p"},
                    "failure_mode": "closed", "failure_mode": "open"}"#;
    assert!(Config::parse(json).unwrap_err().to_string().contains("duplicate field `failure_mode`"));
}

#[test]
fn defaults_are_those_of_the_documentation() {
    let json = br#"{"entrance": "pass_through", "control_plane": {"cluster": "p", "authority": "p"}}"#;
    let gate = Config::parse(json).unwrap().gate("node-1");
    assert_eq!(gate.name, "node-1");
    assert_eq!(gate.failure_mode, FailureMode::Closed);
    assert_eq!(gate.limits.max_body_bytes, 26_214_400);
    assert_eq!(gate.body_timeout_us, 300_000_000);
    assert_eq!(gate.decision_timeout_us, 5_000_000);
    let answers = (1_048_576, 16_777_216, 26_214_400);
    let AnswerLimits { max_tool_call_bytes, max_held_bytes, max_held_answer_bytes } = gate.answers;
    assert_eq!((max_tool_call_bytes, max_held_bytes, max_held_answer_bytes), answers);
}

#[test]
fn a_token_does_not_show() {
    let token = Token::new("pcl_data_secret").unwrap();
    assert!(!format!("{token:?}").contains("secret"));
    assert_eq!(token.bearer(), "Bearer pcl_data_secret");
    assert!(Token::new("").is_none());
    assert!(Token::new("a b").is_none());
}
