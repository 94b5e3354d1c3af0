//! Legal holds and exports over the API.

use super::*;

#[tokio::test]
async fn a_hold_is_placed_listed_and_released_and_all_of_it_is_on_record() {
    let plane = plane().await;
    let wish = json!({"name": "case-1", "reason": "litigation", "principal": "alice", "since": "2026-01-01T00:00:00Z"});
    let placed = plane.call("POST", "/v1/audit/holds", Some(wish.clone())).await;
    assert_eq!(placed.status, 201, "{}", placed.text);
    let hold = placed.json();
    assert_eq!((&hold["name"], &hold["by"]), (&json!("case-1"), &json!("auditor")));
    assert_eq!(hold["scope"], json!({"principal": "alice", "since_ms": 1_767_225_600_000_u64}));
    let mistakes = [
        (json!({"name": "case-1", "reason": "x", "first": 0}), 409, "hold_exists"),
        (json!({"name": "case 2", "reason": "x", "first": 0}), 422, "invalid_hold"),
        (json!({"name": "case-2", "first": 0}), 422, "invalid_hold"),
        (json!({"name": "case-2", "reason": "x"}), 422, "invalid_hold"),
        (json!({"name": "case-2", "reason": "x", "since": "soon"}), 422, "invalid_hold"),
        (json!({"name": "case-2", "reason": "x", "first": 2, "last": 1}), 422, "invalid_hold"),
        (json!({"name": "case-2", "reason": "x", "user": "alice"}), 422, "bad_document"),
    ];
    for (wish, status, code) in &mistakes {
        let refused = plane.call("POST", "/v1/audit/holds", Some(wish.clone())).await;
        assert_eq!((refused.status.as_u16(), &refused.json()["code"]), (*status, &json!(code)), "{wish}");
    }
    let release = |name: &str, body: Value| {
        let path = format!("/v1/audit/holds/{name}/release");
        let plane = &plane;
        async move { plane.call("POST", &path, Some(body.clone())).await }
    };
    assert_eq!(release("other", json!({"why": "x"})).await.status, 404);
    assert_eq!(release("case-1", json!({"why": " "})).await.status, 422);
    let released = release("case-1", json!({"why": "settled"})).await;
    assert_eq!((released.status.as_u16(), &released.json()["released"]["why"]), (200, &json!("settled")));
    assert_eq!(release("case-1", json!({"why": "settled"})).await.status, 409);
    let list = plane.get("/v1/audit/holds").await.json();
    assert_eq!(list["holds"].as_array().unwrap().len(), 1);
    let events = plane.get("/v1/events").await.json();
    let told: Vec<_> =
        events["events"].as_array().unwrap().iter().map(|event| &event["detail"]["what"]).collect();
    assert_eq!(told, [&json!("hold_released"), &json!("hold_placed")]);
    let retention = plane.get("/v1/audit/retention").await.json();
    assert_eq!((&retention["keep_ms"], &retention["pruned"]), (&json!({}), &json!(0)));
    assert_eq!(plane.get("/v1/audit/exports").await.json(), json!({"exports": []}));
}
