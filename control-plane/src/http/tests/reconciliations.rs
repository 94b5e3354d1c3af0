use super::plane;
use axum::http::StatusCode;
use serde_json::json;

#[tokio::test]
async fn a_reconciliation_is_an_admin_record() {
    let plane = plane().await;
    let mut said = json!({
        "from_ms": 1, "to_ms": null, "inputs_sha256": "ab".repeat(32), "files": 3, "aws_events": 10_000, "aws_calls": 9_394,
        "decisions": 9_166, "matched": 9_065, "bypassed": 7, "mismatched": 0, "severe": 0, "unknown_to_aws": 0, "unread": 0,
    });
    let answer = plane.call("POST", "/v1/audit/reconciliations", Some(said.clone())).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
    let events = plane.call("GET", "/v1/events", None).await.json();
    let event = &events["events"][0];
    println!("{event}");
    assert_eq!((&event["kind"], &event["actor"]), (&json!("admin"), &json!("auditor")));
    assert_eq!((&event["detail"]["what"], &event["detail"]["reconciliation"]), (&json!("reconciled"), &said));

    said["inputs_sha256"] = json!("ab");
    let answer = plane.call("POST", "/v1/audit/reconciliations", Some(said.clone())).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{}", answer.text);
    said["note"] = json!("nothing that is not known is recorded");
    let answer = plane.call("POST", "/v1/audit/reconciliations", Some(said)).await;
    assert!(answer.status.is_client_error(), "{}", answer.text);
    assert_eq!(plane.call("GET", "/v1/events", None).await.json()["events"].as_array().unwrap().len(), 1);
}
