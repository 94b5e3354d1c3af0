//! What is read of questions and events, and what is answered; the endpoints themselves are in `http/tests/guard.rs`.

use super::{body, lambda};
use crate::app::{GuardAnswer, GuardClient, GuardQuestion};
use crate::http::problem::Problem;
use portcullis_protocol::Verdict;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::path::Path;
use std::time::Duration;

fn table(name: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../testdata/agents").join(name);
    let path = if path.exists() { path } else { Path::new("testdata/agents").join(name) };
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// What was read, as the tables write it: what is absent is left out.
fn shown(question: &GuardQuestion, arguments_as_text: bool) -> Value {
    let GuardQuestion { tool, context, wait } = question;
    let mut shown = Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        if let Some(value) = value {
            shown.insert(name.to_owned(), value);
        }
    };
    let text = |text: &Option<String>| text.as_ref().map(|text| json!(text));
    put("tool", Some(json!(tool.name)));
    put("id", text(&tool.id));
    put("group", text(&tool.group));
    put("method", text(&tool.method));
    put("problem", text(&tool.problem));
    if arguments_as_text {
        put("arguments_text", Some(json!(tool.arguments)));
    } else if tool.problem.is_none() {
        put("arguments", Some(serde_json::from_str(&tool.arguments).unwrap()));
    }
    put("agent", text(&context.agent_id));
    put("alias", text(&context.agent_alias));
    put("session", text(&context.session_id));
    put("user", text(&context.user_id));
    put("tenant", text(&context.tenant));
    put("region", text(&context.region));
    put("correlation", text(&context.correlation_id));
    put("delegation", Some(json!(context.delegation)).filter(|list| *list != json!([])));
    put("attributes", Some(json!(context.attributes)));
    put("wait", Some(json!(wait.as_secs())).filter(|wait| *wait != json!(0)));
    Value::Object(shown)
}

fn compare(case: &Value, read: Result<GuardQuestion, Problem>) {
    let name = &case["name"];
    match (case.get("read"), read) {
        (Some(expected), Ok(question)) => {
            let as_text = expected.get("arguments_text").is_some();
            assert_eq!(shown(&question, as_text), *expected, "{name}");
        }
        (None, Err(problem)) => {
            assert_eq!(json!(problem.pointer), case["pointer"], "{name}: {problem:?}");
            assert_eq!(problem.status, 400, "{name}: {problem:?}");
        }
        (_, read) => panic!("{name}: {read:?}"),
    }
}

fn written(case: &Value) -> String {
    case["text"].as_str().map_or_else(|| case["body"].to_string(), str::to_owned)
}

#[test]
fn questions_are_read_whole_or_not_at_all() {
    let cases = table("questions.json");
    for case in &cases {
        compare(case, body::read(written(case).as_bytes(), GuardClient::default()));
    }
    println!("compared {} questions", cases.len());
}

#[test]
fn events_are_read_as_aws_documents_them() {
    let cases = table("events.json");
    for case in &cases {
        let event = case["event"].to_string();
        compare(
            case,
            lambda::read(event.as_bytes(), Duration::ZERO, GuardClient::default())
                .map(|(_, question)| question),
        );
    }
    println!("compared {} events", cases.len());
}

#[test]
fn a_refusal_is_the_whole_lambda_response() {
    let rest = json!({
        "messageVersion": "1.0", "actionGroup": "payments", "sessionId": "s",
        "sessionAttributes": {"userId": "u-17", "nested": "kept"}, "promptSessionAttributes": {"locale": "de"},
    });
    let event = |form: &str| {
        let mut event = rest.clone();
        match form {
            "function" => event["function"] = json!("transfer_funds"),
            "api" => {
                event["apiPath"] = json!("/transfers/{id}");
                event["httpMethod"] = json!("PUT");
            }
            _ => event = json!({"actionGroup": "g", "function": "f"}),
        }
        event.to_string()
    };
    let cases = table("responses.json");
    for case in &cases {
        let text = event(case["form"].as_str().unwrap());
        let (event, _) = lambda::read(text.as_bytes(), Duration::ZERO, GuardClient::default()).unwrap();
        let verdict: Verdict = serde_json::from_value(case["verdict"].clone()).unwrap();
        let out_of_scope = case["out_of_scope"] == true;
        let answer = GuardAnswer { decision_id: "d-1".to_owned(), verdict, out_of_scope };
        let mut response = json!(event.refusal(&answer));
        // The body is JSON in text: compared as what it says.
        for place in [
            "/response/functionResponse/responseBody/TEXT/body",
            "/response/responseBody/application~1json/body",
        ] {
            if let Some(body) = response.pointer_mut(place) {
                *body = serde_json::from_str(body.as_str().unwrap()).unwrap();
            }
        }
        assert_eq!(response, case["response"], "{} {}", case["form"], case["verdict"]);
    }
    println!("compared {} responses", cases.len());
}

/// Nothing takes longer than its length.
#[test]
fn many_members_are_read_in_one_go() {
    let many: Vec<String> = (0..400_000).map(|n| format!("\"k{n}\":{{}}")).collect();
    let many = many.join(",");
    let bodies = [
        format!("{{\"tool\":\"t\",{many}}}"),
        format!("{{\"tool\":\"t\",\"arguments\":{{{many}}}}}"),
        format!("{{\"tool\":\"t\",\"context\":{{{many}}}}}"),
        format!("{{\"tool\":\"t\",\"context\":{{\"attributes\":{{{many}}}}}}}"),
        format!("{{\"actionGroup\":\"g\",\"function\":\"f\",\"requestBody\":{{\"content\":{{{many}}}}}}}"),
        format!("{{\"actionGroup\":\"g\",\"function\":\"f\",\"parameters\":[{{{many}}}]}}"),
    ];
    for body in &bodies {
        let question = body::read(body.as_bytes(), GuardClient::default());
        let event = lambda::read(body.as_bytes(), Duration::ZERO, GuardClient::default());
        let read = [question.is_ok(), event.is_ok()];
        assert!(!read[0] || body.contains("arguments"), "{read:?}");
    }
}

proptest! {
    /// Whatever comes, it is read or refused; what is read has been there.
    #[test]
    fn nothing_breaks_the_readers(bytes in prop::collection::vec(any::<u8>(), 0..200), at: prop::sample::Index, case: prop::sample::Index) {
        let cases = table("events.json");
        let mut event = cases[case.index(cases.len())]["event"].to_string().into_bytes();
        let place = at.index(event.len());
        event.splice(place..place, bytes.iter().copied());
        for bytes in [&bytes, &event] {
            let _ = body::read(bytes, GuardClient::default());
            if let Ok((_, question)) = lambda::read(bytes, Duration::ZERO, GuardClient::default()) {
                let text = String::from_utf8(bytes.clone()).unwrap();
                prop_assert!(serde_json::from_str::<Value>(&text).is_ok());
                prop_assert!(question.tool.problem.is_some() || serde_json::from_str::<Value>(&question.tool.arguments).is_ok());
            }
        }
    }

    /// A number reaches rules as a number, or the call is refused: never as text.
    #[test]
    fn numbers_are_numbers_or_nothing(value in "[-+0-9eE.,_ xX]{0,12}", kind in "integer|number") {
        let event = json!({"actionGroup": "g", "function": "f", "parameters": [{"name": "n", "type": kind, "value": value}]});
        let event = event.to_string();
        let (_, question) = lambda::read(event.as_bytes(), Duration::ZERO, GuardClient::default()).unwrap();
        match question.tool.problem {
            Some(problem) => prop_assert_eq!(problem, "argument_of_another_type"),
            None => {
                let arguments: Value = serde_json::from_str(&question.tool.arguments).unwrap();
                prop_assert!(arguments["n"].is_number(), "{}", arguments);
            }
        }
    }
}
