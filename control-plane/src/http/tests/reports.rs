//! The export, explanations of records, and the shadow report.

use super::{Plane, defaults, plane, plane_with, question, send};
use crate::app::Settings;
use crate::storage::RecordQuery;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use portcullis_audit::DecisionRecord;
use serde_json::json;

/// A rule in shadow mode on the model of the sample question.
const SHADOWED: &str = "rules:\n- id: no-nova\n  action: block\n  mode: shadow\n  models: [\"amazon.nova-*\"]\n- {id: no-titan, action: block, models: [\"amazon.titan-*\"]}\n";

async fn shadowed() -> Plane {
    plane_with(Settings::default(), Some(SHADOWED), defaults).await
}

async fn ask(plane: &Plane, call_id: &str) -> String {
    let answer = plane.decide(&question(json!({"call_id": call_id}))).await;
    answer["decision_id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_export_has_every_record_as_committed_in_order() {
    let plane = plane().await;
    let mut ids = Vec::new();
    for n in 0..25 {
        ids.push(ask(&plane, &format!("call-{n:02}")).await);
    }
    let answer = plane.get("/v1/decisions/export").await;
    assert_eq!((answer.status, answer.content_type.as_str()), (StatusCode::OK, "application/x-ndjson"));
    let records: Vec<DecisionRecord> =
        answer.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(records.iter().map(|record| record.decision_id.clone()).collect::<Vec<_>>(), ids);
    assert!(answer.text.ends_with("}\n"), "every line ends");
    for (path, count) in [
        ("/v1/decisions/export?until=1h", 0),
        ("/v1/decisions/export?since=1h", 25),
        ("/v1/decisions/export?principal=nobody", 0),
        ("/v1/decisions/export?operation=Converse", 25),
    ] {
        let answer = plane.get(path).await;
        println!("{path}: {} lines", answer.text.lines().count());
        assert_eq!((answer.status, answer.text.lines().count()), (StatusCode::OK, count), "{path}");
    }
}

#[tokio::test]
async fn pages_of_every_size_give_the_same_records() {
    let plane = plane().await;
    for n in 0..12 {
        ask(&plane, &format!("call-{n:02}")).await;
    }
    let whole = plane.app.store.records(RecordQuery::default()).await.unwrap();
    assert!(!whole.more);
    for (limit, max_bytes) in [(1, usize::MAX), (5, usize::MAX), (1_000, 1), (1_000, 2_000), (12, usize::MAX)]
    {
        let mut query = RecordQuery { limit, max_bytes, ..RecordQuery::default() };
        let mut records = Vec::new();
        loop {
            let page = plane.app.store.records(query.clone()).await.unwrap();
            records.extend(page.records);
            query.after = page.last;
            if !page.more {
                break;
            }
        }
        println!("pages of {limit} records, {max_bytes} bytes");
        assert_eq!(records, whole.records);
    }
    assert_eq!(plane.app.store.count_records(RecordQuery::default()).await.unwrap(), 12);
}

#[tokio::test]
async fn who_leaves_an_export_stops_it() {
    let plane = plane().await;
    ask(&plane, "one").await;
    let request = Request::get("/v1/decisions/export")
        .header("authorization", format!("Bearer {}", plane.admin_token))
        .body(Body::empty())
        .unwrap();
    let response = tower::ServiceExt::oneshot(plane.admin.clone(), request).await.unwrap();
    drop(response);
    // The store still answers: nothing holds a page or a connection.
    assert!(plane.get("/v1/decisions/export").await.text.contains("one"));
}

#[tokio::test]
async fn reports_want_a_token_and_sound_parameters() {
    let plane = plane().await;
    for path in ["/v1/decisions/export", "/v1/shadow-report", "/v1/decisions/x/explain"] {
        let request = Request::get(path).body(Body::empty()).unwrap();
        assert_eq!(send(&plane.admin, request).await.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in
        ["/v1/decisions/export?since=soon", "/v1/shadow-report?until=never", "/v1/decisions/export?sinse=7d"]
    {
        assert_eq!(plane.get(path).await.code(), "bad_request", "{path}");
    }
}

#[tokio::test]
async fn the_shadow_report_counts_what_was_held_back() {
    let plane = shadowed().await;
    let ids = [ask(&plane, "a").await, ask(&plane, "b").await];
    let titan = json!({"id": "amazon.titan-embed-text-v2:0", "kind": "foundation_model", "base": "amazon.titan-embed-text-v2:0"});
    plane.decide(&question(json!({"call_id": "c", "model": titan}))).await;
    // A caller's own words do not count as a verdict.
    let mut named = question(json!({"call_id": "d", "model": titan}));
    named["body"]["request_metadata"] = json!({"shadow": "deny"});
    plane.decide(&named).await;
    let report = plane.get("/v1/shadow-report?since=1h").await.json();
    assert_eq!((&report["decisions"], &report["changed"]), (&json!(4), &json!(2)), "{report}");
    assert_eq!(
        report["by_rule"],
        json!([{"rule": "no-nova", "to": "deny", "count": 2, "examples": [ids[1], ids[0]]}])
    );
    assert_eq!(report["by_verdict"], json!([{"from": "allow", "to": "deny", "count": 2}]));
    assert_eq!(report["by_operation"], json!([{"name": "Converse", "count": 2}]));
    assert_eq!(report["by_model"], json!([{"name": "amazon.nova-lite-v1:0", "count": 2}]));
}

#[tokio::test]
async fn a_recorded_decision_is_explained_by_the_active_bundle() {
    let plane = shadowed().await;
    let id = ask(&plane, "a").await;
    let view = plane.get(&format!("/v1/decisions/{id}/explain")).await.json();
    assert_eq!(
        (&view["effect"], &view["shadow"], &view["shadow_rule"]),
        (&json!("allow"), &json!("deny"), &json!("no-nova"))
    );
    assert_eq!(view["parts"][0]["rules"][0]["holds"], "yes");
    assert!(view["not_recorded"].as_array().unwrap().contains(&json!("request.text")));
    let missing = plane.get("/v1/decisions/00000000-0000-7000-8000-000000000000/explain").await;
    assert_eq!((missing.status, missing.code().as_str()), (StatusCode::NOT_FOUND, "decision_not_found"));
    let refused = question(json!({"call_id": "r", "problem": {"code": "bad_body", "detail": "x"}}));
    let refused = plane.decide(&refused).await;
    let id = refused["decision_id"].as_str().unwrap();
    let answer = plane.get(&format!("/v1/decisions/{id}/explain")).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::CONFLICT, "not_decided_by_policy"));
}
