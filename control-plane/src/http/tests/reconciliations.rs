use super::{plane, question, testdata};
use crate::reconcile::{Lines, Records, Stored};
use crate::storage::LogReader;
use axum::http::StatusCode;
use portcullis_reconcile::{Names, Ours};
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

fn all(mut records: impl Records) -> Vec<Ours> {
    let mut found = Vec::new();
    let tally = records.each(&mut Names::default(), &mut |ours| found.push(ours), &mut |_| ()).unwrap();
    println!("{tally:?}");
    assert_eq!((tally.broken.len(), tally.pruned), (0, 0));
    found
}

#[tokio::test]
async fn a_store_and_what_the_api_exports_tell_the_same_calls() {
    let plane = plane().await;
    let id = plane.decide(&question(json!({}))).await["decision_id"].as_str().unwrap().to_owned();
    plane.report(json!([testdata("outcome.json")]), 0).await;
    let request_id = testdata("outcome.json")["aws_request_id"].as_str().unwrap().to_owned();
    let stored = all(Stored(LogReader::open(plane.dir.path()).unwrap()));
    assert_eq!(stored.len(), 1, "{stored:?}");
    assert_eq!(
        (&*stored[0].decision_id, stored[0].aws_request_id.as_deref()),
        (id.as_str(), Some(request_id.as_str()))
    );
    assert!(stored[0].allowed && stored[0].forwarded, "{stored:?}");

    // The lines of /v1/audit/records are those of an export; a directory stands for its files.
    let lines = plane.get("/v1/audit/records?from=0").await.text;
    std::fs::create_dir(plane.dir.path().join("export")).unwrap();
    std::fs::write(plane.dir.path().join("export/records-000000000000.jsonl"), lines).unwrap();
    std::fs::write(plane.dir.path().join("export/manifest.json"), "not a record").unwrap();
    let exported = all(Lines(vec![plane.dir.path().join("export")]));
    assert_eq!(format!("{exported:?}"), format!("{stored:?}"));
}
