//! Rules that ask what was before.

use super::*;

const COUNTED: &str = "rules:
- id: at-most-two
  action: block
  conditions: [{field: context.hourly_count, operator: greater_than_or_equal, value: 2}]
";
const ORDERED: &str = "rules:
- {id: after-retrieve, action: block, operations: InvokeAgent, requires: [{operation: Retrieve}]}
- {id: never-after, action: block, operations: Converse, blocked_by: [{operation: InvokeModel, within: 1h}]}
";

async fn verdict(plane: &Plane, changes: Value) -> String {
    plane.decide(&question(changes)).await["verdict"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn what_was_let_out_is_counted_for_rules() {
    let plane = plane_with(Settings::default(), Some(COUNTED), defaults).await;
    for (id, expected) in [("a", "allow"), ("b", "allow"), ("c", "deny"), ("d", "deny")] {
        assert_eq!(verdict(&plane, json!({"call_id": id})).await, expected, "{id}");
    }
    let other = json!({"call_id": "e", "credential": {"kind": "sigv4", "access_key_id": "AKIAOTHER"}});
    assert_eq!(verdict(&plane, other).await, "allow", "another principal");
}

#[tokio::test]
async fn sequences_see_what_the_session_has_done() {
    let plane = plane_with(Settings::default(), None, defaults).await;
    // Before any rule asks.
    let call = |id: &str, operation: &str, session: Option<&str>| json!({"call_id": id, "operation": operation, "agent": session.map(|session| json!({"session": session}))});
    install(&plane.app.bundle, "rules: []\n");
    assert_eq!(verdict(&plane, call("a", "Retrieve", Some("one"))).await, "allow");
    assert_eq!(verdict(&plane, call("b", "InvokeModel", None)).await, "allow");
    install(&plane.app.bundle, ORDERED);
    let cases = [
        ("c", "InvokeAgent", Some("one"), "allow"),
        ("d", "InvokeAgent", Some("two"), "deny"),
        ("e", "InvokeAgent", None, "deny"),
        ("f", "Converse", None, "deny"),
        ("g", "Converse", Some("one"), "allow"),
        ("h", "InvokeModel", Some("one"), "allow"),
        ("i", "Converse", Some("one"), "deny"),
        ("j", "Retrieve", Some("two"), "allow"),
        ("k", "InvokeAgent", Some("two"), "allow"),
    ];
    for (id, operation, session, expected) in cases {
        assert_eq!(
            verdict(&plane, call(id, operation, session)).await,
            expected,
            "{id}: {operation} in {session:?}"
        );
    }
    println!("compared {} calls", cases.len());
}
