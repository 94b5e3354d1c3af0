//! The data plane.

use super::*;
use std::time::Duration;

#[tokio::test]
async fn an_allowed_call_is_on_record_when_it_is_answered() {
    let plane = plane().await;
    let answer = plane.decide(&question(json!({}))).await;
    assert_eq!(answer["verdict"], "allow");
    assert_eq!(answer["call_id"], "18a1b2c3d4e5f607-00000001-1");
    let shown = plane.get(&format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap())).await.json();
    assert_eq!(shown["verdict"]["kind"], "allow");
    assert_eq!(shown["state"], "pending");
    assert_eq!(shown["action_type"], "model_invoked");
    assert_eq!(shown["policy"]["bundle"], "test");
    assert_eq!(shown["correlation_id"], answer["decision_id"], "it is the first of its loop");
    assert_eq!(shown["request"]["sha256"], testdata("question.json")["body"]["sha256"]);
    assert_eq!(shown["model"], testdata("question.json")["model"]);
    assert_eq!(shown["assurance"], "claimed");
}

#[tokio::test]
async fn a_refusal_names_the_rule_and_its_message() {
    let plane = plane().await;
    let model = json!({"id": "amazon.titan-text-express-v1", "kind": "foundation_model"});
    let answer = plane.decide(&question(json!({"model": model}))).await;
    assert_eq!(answer["verdict"], "deny");
    let message = answer["message"].as_str().unwrap();
    assert!(message.contains("no-titan") && message.contains("Titan is retired"), "{message}");
    let shown = plane.get("/v1/decisions?verdict=deny").await.json();
    assert_eq!(shown["decisions"][0]["policy"]["rule"], "no-titan");
    assert_eq!(shown["decisions"][0]["state"], "blocked");
}

#[tokio::test]
async fn what_the_gate_refuses_is_recorded_even_without_a_bundle() {
    let plane = plane_with(Settings::default(), None, defaults).await;
    let problem = json!({"code": "two_credentials", "detail": "`authorization` twice"});
    let answer = plane.decide(&question(json!({"problem": problem}))).await;
    assert_eq!(answer["verdict"], "deny");
    assert!(answer["message"].as_str().unwrap().contains("two_credentials"), "{answer}");
    let shown = plane.get("/v1/decisions").await.json();
    assert_eq!(shown["decisions"][0]["policy"]["rule"], "portcullis/refused");
    assert_eq!(shown["decisions"][0]["problem"], problem);

    let answer = plane.post("/v1/decisions", question(json!({"call_id": "other"})).to_string()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no_bundle"));
}

#[tokio::test]
async fn a_caller_that_is_not_verified_is_never_signed_for() {
    let plane = plane().await;
    let cases = [
        (json!({"entrance": "resign"}), "not_signed"),
        (json!({"entrance": "resign", "call_id": "b", "signing": signing()}), "unknown_key"),
        (
            json!({"entrance": "resign", "call_id": "c", "signing": signing(), "credential": {"kind": "none"}}),
            "no_access_key_id",
        ),
    ];
    for (changes, reason) in cases {
        let answer = plane.decide(&question(changes)).await;
        assert_eq!(answer["verdict"], "deny", "{reason}");
        assert!(!answer["message"].as_str().unwrap().contains(reason), "the caller is not told: {answer}");
        let shown =
            plane.get(&format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap())).await.json();
        assert_eq!(
            (&shown["policy"]["rule"], &shown["policy"]["reason"]),
            (&json!("portcullis/unverified"), &json!(reason))
        );
    }
}

fn signing() -> Value {
    json!({
        "date": "20261121T100000Z", "scope": "20261121/eu-central-1/bedrock/aws4_request", "signature": "00",
        "headers": [["host", "x"]], "path": "/", "query": "", "payload_sha256": "00"
    })
}

const TEXT_RULES: &str = "version: \"1.0\"\nname: Text\nrules:\n- id: no-secret\n  action: block\n  conditions:\n  - {field: request.text, operator: contains, value: secret}\n  message: no secrets\n";

#[tokio::test]
async fn text_is_asked_for_once_and_never_recorded() {
    let plane = plane_with(Settings::default(), Some(TEXT_RULES), defaults).await;
    let answer = plane.decide(&question(json!({}))).await;
    assert_eq!(
        (&answer["verdict"], &answer["decision_id"], &answer["wants_text"]),
        (&json!("need_text"), &json!(""), &json!(true))
    );
    assert_eq!(plane.get("/v1/decisions").await.json()["decisions"], json!([]), "nothing is recorded");

    let mut with_text = question(json!({}));
    with_text["body"]["text"] = json!({"text": "my secret plan"});
    let answer = plane.decide(&with_text).await;
    assert_eq!(answer["verdict"], "deny", "{answer}");
    assert!(
        !plane.get("/v1/decisions").await.text.contains("secret plan"),
        "the text stays out of the record"
    );
}

#[tokio::test]
async fn the_same_question_again_is_answered_as_before() {
    let plane = plane().await;
    let first = plane.decide(&question(json!({}))).await;
    install(&plane.app.bundle, &RULES.replace("amazon.titan-*", "*nova*"));
    assert_eq!(plane.decide(&question(json!({}))).await, first, "policy has changed, the record has not");

    let other = question(json!({"operation": "InvokeModel"}));
    let answer = plane.post("/v1/decisions", other.to_string()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "call_id_reused"));
}

#[tokio::test]
async fn bad_questions_get_a_problem_and_no_verdict() {
    let plane = plane().await;
    let cases = testdata("bad_questions.json");
    for case in cases.as_array().unwrap() {
        let body = match case.get("body") {
            Some(body) => body.as_str().unwrap().to_owned(),
            None => question(case["merge"].clone()).to_string(),
        };
        let answer = plane.post("/v1/decisions", body).await;
        assert_eq!(
            answer.status.as_u16(),
            case["status"].as_u64().unwrap() as u16,
            "{case}: {}",
            answer.text
        );
        if let Some(code) = case["code"].as_str() {
            assert_eq!(answer.code(), code, "{case}");
        }
    }
    println!("compared {} bad questions", cases.as_array().unwrap().len());
}

#[tokio::test]
async fn strange_bodies_are_refused() {
    let plane = plane().await;
    let deep = format!("{{\"x\": {}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    let answer = plane.post("/v1/decisions", deep).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    let answer = plane.post("/v1/decisions", " ".repeat(8 * 1024 * 1024 + 1)).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large"));
    for (header, value) in [("content-type", "text/plain"), ("content-encoding", "gzip")] {
        let request = Request::post("/v1/decisions")
            .header("authorization", format!("Bearer {}", plane.data_token))
            .header(header, value)
            .body(Body::from(question(json!({})).to_string()));
        let answer = send(&plane.data, request.unwrap()).await;
        assert_eq!(answer.status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{header}: {}", answer.text);
    }
}

#[tokio::test]
async fn outcomes_are_taken_once_and_tell_of_identity() {
    let plane = plane().await;
    let id = plane.decide(&question(json!({}))).await["decision_id"].as_str().unwrap().to_owned();
    for _ in 0..2 {
        let answer = plane.report(json!([testdata("outcome.json")]), 0).await;
        assert_eq!((answer.status, answer.json()), (StatusCode::OK, json!({"accepted": 1})));
    }
    let shown = plane.get(&format!("/v1/decisions/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["assurance"]), (&json!("completed"), &json!("confirmed")));
    assert_eq!(shown["outcome"]["aws_request_id"], testdata("outcome.json")["aws_request_id"]);
    assert_eq!(shown["principal"]["assurance"], "claimed", "the record is not touched");
}

#[tokio::test]
async fn an_answer_that_is_not_from_aws_says_nothing_of_identity() {
    let plane = plane().await;
    let id = plane.decide(&question(json!({}))).await["decision_id"].as_str().unwrap().to_owned();
    let mut outcome = testdata("outcome.json");
    outcome["outcome"] = json!("failed");
    outcome["status"] = json!(503);
    outcome["aws_request_id"] = Value::Null;
    plane.report(json!([outcome]), 0).await;
    let shown = plane.get(&format!("/v1/decisions/{id}")).await.json();
    assert_eq!((&shown["state"], &shown["assurance"]), (&json!("failed"), &json!("claimed")));
}

#[tokio::test]
async fn gaps_are_on_record_and_counted() {
    let plane = plane().await;
    assert_eq!(plane.report(json!([]), 3).await.status, StatusCode::OK);
    let event = plane.get("/v1/events").await.json()["events"][0].clone();
    assert_eq!((&event["kind"], &event["actor"]), (&json!("gap"), &json!("gate-1")));
    assert_eq!(event["detail"], json!({"unaudited": 3, "lost": 0}));
    let metrics = plane.get("/metrics").await.text;
    assert!(metrics.contains("portcullis_unaudited_calls_total 3"), "{metrics}");
}

#[tokio::test]
async fn a_store_that_takes_nothing_refuses_every_call_and_recovers() {
    let short =
        |dir: &Path| SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::new(dir) };
    let plane = plane_with(Settings::default(), Some(RULES), short).await;
    let other = rusqlite::Connection::open(plane.dir.path().join("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = plane.post("/v1/decisions", question(json!({})).to_string()).await;
    assert_eq!(
        (answer.status, answer.code().as_str()),
        (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
    );
    let ready = plane.get("/readyz").await;
    assert_eq!(ready.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(ready.json()["store"]["error"].as_str().unwrap().contains("locked"), "{}", ready.text);
    assert!(plane.get("/metrics").await.text.contains("portcullis_store_writable 0"));
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(plane.decide(&question(json!({}))).await["verdict"], "allow");
}

#[tokio::test]
async fn a_record_that_is_late_refuses_its_call() {
    let settings = Settings { commit_timeout: Duration::from_millis(30), ..Settings::default() };
    let plane = plane_with(settings, Some(RULES), defaults).await;
    let other = rusqlite::Connection::open(plane.dir.path().join("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let answer = plane.post("/v1/decisions", question(json!({})).to_string()).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "commit_timeout"));
}

#[tokio::test]
async fn orphans_are_found_by_the_reaper() {
    let settings = Settings { outcome_deadline: Duration::from_secs(1), ..Settings::default() };
    let plane = plane_with(settings, Some(RULES), defaults).await;
    plane.decide(&question(json!({}))).await;
    let reaper = crate::app::Reaper::new(Arc::clone(&plane.app));
    assert_eq!(reaper.pass(crate::clock::unix_ms() + 2_000).await.unwrap(), 1);
    let shown = plane.get("/v1/decisions?outcome=unknown").await.json();
    assert_eq!(shown["decisions"][0]["outcome"]["reason"], "no_outcome_in_time");
    plane.report(json!([testdata("outcome.json")]), 0).await;
    assert_eq!(
        plane.get("/v1/decisions").await.json()["decisions"][0]["state"],
        "completed",
        "a late report counts"
    );
}
