//! Loops as timelines.

use super::*;

/// A question of a loop: its name, and the tool results that it sends back.
fn round(call_id: &str, quoted: &[&str]) -> Value {
    let mut question = question(json!({"call_id": call_id, "sdk": {}}));
    let results: Vec<_> =
        quoted.iter().map(|id| json!({"id": id, "name": "get_weather", "bytes": 120})).collect();
    question["body"]["tool_results"] = json!(results.len());
    question["body"]["results"] = json!(results);
    question
}

fn told(call_id: &str, proposed: &[&str]) -> Value {
    let mut outcome = testdata("outcome.json");
    outcome["call_id"] = json!(call_id);
    outcome["usage"] = json!({"input_tokens": 100, "output_tokens": 20, "tool_calls": proposed.len()});
    let calls: Vec<_> =
        proposed.iter().map(|id| json!({"id": id, "name": "get_weather", "origin": "model"})).collect();
    let stop = if proposed.is_empty() { "end_turn" } else { "tool_use" };
    outcome["answer"] = json!({"stop_reason": stop, "tool_calls": calls, "first_byte_ms": 40});
    outcome
}

async fn trace(plane: &Plane, id: &str) -> Value {
    let answer = plane.get(&format!("/v1/correlations/{id}")).await;
    assert_eq!(answer.status, StatusCode::OK, "{id}: {}", answer.text);
    answer.json()
}

fn pick<'a>(view: &'a Value, key: &str) -> Vec<&'a str> {
    view["steps"].as_array().unwrap().iter().map(|step| step[key].as_str().unwrap_or("-")).collect()
}

#[tokio::test]
async fn a_loop_of_five_rounds_is_one_timeline() {
    let plane = plane().await;
    let mut first = String::new();
    for at in 0..5 {
        let (name, before, own) = (format!("round-{at}"), format!("t{}", at - 1), format!("t{at}"));
        let quoted = if at == 0 { vec![] } else { vec![before.as_str()] };
        let decision = plane.decide(&round(&name, &quoted)).await;
        if at == 0 {
            first = decision["decision_id"].as_str().unwrap().to_owned();
        }
        let proposed = if at == 4 { vec![] } else { vec![own.as_str()] };
        for id in &proposed {
            let call = json!({"origin": "model", "id": id, "name": "get_weather", "arguments": "{\"city\": \"Bern\"}"});
            let asked = json!({"version": portcullis_protocol::VERSION, "call_id": name, "gate": "gate-1", "number": 1,
                "decision_id": decision["decision_id"], "subject": {"tool_call": call}, "released_bytes": 7});
            let answer = plane.post("/v1/inspections", asked.to_string()).await;
            assert_eq!(answer.json()["verdict"], "allow", "{}", answer.text);
        }
        assert_eq!(plane.report(json!([told(&name, &proposed)]), 0).await.status, StatusCode::OK);
    }
    let view = trace(&plane, &first).await;
    println!("{}", serde_json::to_string_pretty(&view).unwrap());
    assert_eq!((&view["id"], &view["truncated"]), (&json!(first), &json!(false)));
    let mut kinds = ["call", "tool_call", "outcome"].repeat(4);
    kinds.extend(["call", "outcome"]);
    assert_eq!(pick(&view, "kind"), kinds);
    assert_eq!(pick(&view, "correlation_id").iter().filter(|id| **id == first).count(), 9);
    assert!(view.get("more_ids").is_none(), "{view}");
    assert_eq!((&view["totals"]["calls"], &view["totals"]["tool_calls"]), (&json!(5), &json!(4)));
    assert_eq!(
        (&view["totals"]["tokens"]["input_tokens"], &view["totals"]["tokens"]["output_tokens"]),
        (&json!(500), &json!(100))
    );
    assert_eq!(
        (&view["steps"][1]["what"], &view["steps"][1]["tool"]["id"]),
        (&json!("get_weather"), &json!("t0"))
    );
    assert_eq!(view["steps"][2]["proposes"][0]["id"], "t0");
    assert_eq!(view["steps"][3]["results"][0]["id"], "t0");
    assert_eq!(view["steps"][13]["stop_reason"], "end_turn");
    let times: Vec<u64> =
        view["steps"].as_array().unwrap().iter().map(|step| step["at_ms"].as_u64().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for id in ["round-3", "round-2#1", "t2", view["steps"][9]["id"].as_str().unwrap()] {
        assert_eq!(trace(&plane, id).await, view, "by {id}");
    }
}

#[tokio::test]
async fn approvals_are_part_of_the_timeline() {
    let rules =
        "version: \"1.0\"\nname: r\nrules:\n- id: ask\n  action: require_approval\n  models: [\"*nova*\"]\n";
    let plane = plane_with(Settings::default(), Some(rules), defaults).await;
    let pending = plane.decide(&round("one", &[])).await;
    let approval = pending["approval_id"].as_str().unwrap();
    let path = format!("/v1/approvals/{approval}/approve");
    assert_eq!(plane.call("POST", &path, Some(json!({"why": "fine"}))).await.status, StatusCode::OK);
    let allowed = plane.decide(&round("two", &[])).await;
    assert_eq!(allowed["verdict"], "allow");
    for id in [approval, "one", "two"] {
        let view = trace(&plane, id).await;
        let steps = view["steps"].as_array().unwrap();
        let mut shown: Vec<_> = pick(&view, "kind").into_iter().zip(pick(&view, "what")).collect();
        shown.sort_unstable();
        let expected = [
            ("approval", "approved"),
            ("approval", "consumed"),
            ("approval", "pending"),
            ("call", "Converse"),
            ("call", "Converse"),
        ];
        assert_eq!(shown, expected, "by {id}");
        assert!(steps.iter().any(|step| step["who"] == "auditor" && step["message"] == "fine"), "{view}");
        assert_eq!(view["totals"]["refused"], 1);
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_cannot_be_asked() {
    let plane = plane().await;
    plane.decide(&round("one", &[])).await;
    for (path, status, code) in [
        ("/v1/correlations/nobody", StatusCode::NOT_FOUND, "correlation_not_found"),
        ("/v1/correlations/one?principal=nobody", StatusCode::NOT_FOUND, "correlation_not_found"),
        ("/v1/correlations/one?limit=0", StatusCode::BAD_REQUEST, "bad_request"),
        ("/v1/correlations/one?limit=1001", StatusCode::BAD_REQUEST, "bad_request"),
        ("/v1/correlations/one?limits=1", StatusCode::BAD_REQUEST, "bad_request"),
        ("/v1/correlations/%00%27", StatusCode::NOT_FOUND, "correlation_not_found"),
    ] {
        let answer = plane.get(path).await;
        println!("{path} -> {} {}", answer.status, answer.text);
        assert_eq!((answer.status, answer.code().as_str()), (status, code), "{path}");
    }
    let nobody = Request::get("/v1/correlations/one").body(Body::empty()).unwrap();
    assert_eq!(send(&plane.admin, nobody).await.status, StatusCode::UNAUTHORIZED);
}

/// The shape that the command line prints: of every field one.
#[test]
fn an_empty_view_survives_json() {
    let view = crate::http::CorrelationView::default();
    let json = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<crate::http::CorrelationView>(&json).unwrap(), view);
}
