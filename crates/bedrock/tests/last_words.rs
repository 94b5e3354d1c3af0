//! What ends a stream in its author's stead, byte for byte: `testdata/answers/last_words.json` was made by another framer and
//! taken by botocore.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, reason = "tests")]

use portcullis_bedrock::{AnswerForm, StreamEnding};
use serde::Deserialize;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    form: String,
    end: String,
    message: String,
    hex: String,
}

const ENDS: [(&str, StreamEnding); 3] = [
    ("Denied", StreamEnding::Denied),
    ("Undecided", StreamEnding::Undecided),
    ("Unreadable", StreamEnding::Unreadable),
];

#[test]
fn frames_are_those_that_botocore_takes() {
    let cases: Vec<Case> =
        serde_json::from_str(include_str!("../../../testdata/answers/last_words.json")).unwrap();
    for case in &cases {
        let form = match case.form.as_str() {
            "ModelEvents" => AnswerForm::ModelEvents,
            "HarnessEvents" => AnswerForm::HarnessEvents,
            "AgentEvents" => AnswerForm::AgentEvents,
            other => panic!("no form `{other}`"),
        };
        let (_, end) = ENDS.iter().find(|(name, _)| *name == case.end).unwrap();
        let got = hex::encode(form.last_words(*end, &case.message));
        println!("{} {}: {got}", case.form, case.end);
        assert_eq!(got, case.hex);
    }
    assert_eq!(cases.len(), 18);
}

#[test]
fn events_are_those_of_the_other_apis() {
    let message = "blocked: \"a\"\n\u{1}";
    let text = |form: AnswerForm, end| String::from_utf8(form.last_words(end, message)).unwrap();
    for (end, kind, code, anthropic) in [
        (StreamEnding::Denied, "invalid_request_error", "access_denied", "permission_error"),
        (StreamEnding::Undecided, "server_error", "service_unavailable", "overloaded_error"),
        (StreamEnding::Unreadable, "server_error", "stream_error", "api_error"),
    ] {
        let expected = format!(
            "data: {{\"error\":{{\"message\":\"blocked: \\\"a\\\"\\n\\u0001\",\"type\":\"{kind}\",\"code\":\"{code}\"}}}}\n\n\
             data: [DONE]\n\n"
        );
        assert_eq!(text(AnswerForm::OpenAiEvents, end), expected);
        let expected = format!(
            "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{anthropic}\",\
             \"message\":\"blocked: \\\"a\\\"\\n\\u0001\"}}}}\n\n"
        );
        assert_eq!(text(AnswerForm::AnthropicEvents, end), expected);
        assert_eq!(text(AnswerForm::Document, end), "");
    }
}
