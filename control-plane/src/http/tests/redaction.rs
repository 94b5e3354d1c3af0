//! Records that do not say all; and everything that must work all the same.

use super::*;

/// Rules about tool calls that read of the call what its record does not have.
const HIDDEN: &str = "rules:
- {id: office, action: block, tools: [pay], conditions: [{field: network.source_ip, operator: cidr, value: 10.0.0.0/8}], message: not from the office}
- {id: session, action: block, tools: [close], conditions: [{field: agent.session, operator: equals, value: s-1}]}
- {id: team, action: block, tools: [mail], conditions: [{field: session_attributes.team, operator: equals, value: red}]}
";
const FIELDS: &[(&str, &str)] = &[
    ("source.address", "drop"),
    ("agent.session", "hmac"),
    ("request.session_attributes.team", "drop"),
    ("credential.access_key_id", "hmac"),
    ("sdk.user_agent", "drop"),
];
const PRINCIPAL: &str = "aws:581039954779:AKIAIOSFODNN7EXAMPLE";

fn call(name: &str) -> Value {
    let mut question = question(json!({
        "call_id": name,
        "source": {"address": "10.1.2.3:4711"},
        "agent": {"id": "A", "session": "s-1"},
    }));
    question["body"]["session_attributes"] = json!({"team": "red"});
    question
}

fn tool(call: &str, decision: &Value, number: u32, name: &str) -> String {
    let subject = json!({"tool_call": {"origin": "model", "id": format!("t{number}"), "name": name, "arguments": "{}"}});
    json!({"version": 2, "call_id": call, "decision_id": decision, "gate": "g", "number": number, "subject": subject,
        "released_bytes": 0})
    .to_string()
}

#[tokio::test]
async fn rules_see_of_an_answer_s_call_what_its_record_does_not_have() {
    let plane = plane_with(Settings::default(), Some(HIDDEN), defaults).await.redacting(1, FIELDS);
    let answer = plane.decide(&call("c1")).await;
    assert_eq!(answer["verdict"], "allow", "{answer}");
    let id = &answer["decision_id"];
    let record = plane.get(&format!("/v1/decisions/{}", id.as_str().unwrap())).await;
    println!("{}", record.text);
    for secret in ["10.1.2.3", "s-1", "\"red\"", "AKIAIOSFODNN7EXAMPLE"] {
        assert!(!record.text.contains(secret), "{secret} in {}", record.text);
    }
    for (number, name, rule) in [(1, "pay", "office"), (2, "close", "session"), (3, "mail", "team")] {
        let judged = plane.post("/v1/inspections", tool("c1", id, number, name)).await;
        assert_eq!(judged.json()["verdict"], "deny", "{name}: {}", judged.text);
        let found = plane.get(&format!("/v1/decisions?call_id=c1%23{number}")).await.json();
        let record = &found["decisions"][0];
        assert_eq!(record["policy"]["rule"], rule, "{record}");
        assert_eq!(record["correlation_id"], answer_correlation(&plane, "c1").await, "{record}");
        assert!(!record.to_string().contains("10.1.2.3"), "{record}");
    }
    // The same question again has the same answer; another one does not.
    assert_eq!(plane.decide(&call("c1")).await["decision_id"], *id);
    let mut other = call("c1");
    other["source"]["address"] = json!("192.0.2.1:1");
    let refused = plane.post("/v1/decisions", other.to_string()).await;
    assert_eq!((refused.status, refused.code().as_str()), (StatusCode::CONFLICT, "call_id_reused"));

    // Another process does not know any more what the rules ask about: it says so, and lets nothing out.
    let plane = plane.again(HIDDEN).await.redacting(1, FIELDS);
    let judged = plane.post("/v1/inspections", tool("c1", id, 9, "pay")).await;
    assert_eq!((judged.status, judged.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "call_forgotten"));
}

async fn answer_correlation(plane: &Plane, call: &str) -> Value {
    plane.get(&format!("/v1/decisions?call_id={call}")).await.json()["decisions"][0]["correlation_id"].clone()
}

#[tokio::test]
async fn records_are_found_by_what_they_do_not_say() {
    let plane = plane().await.redacting(1, FIELDS);
    plane.decide(&call("c1")).await;
    plane.decide(&call("c2")).await;
    let found = plane.get(&format!("/v1/decisions?principal={PRINCIPAL}")).await.json();
    assert_eq!(found["decisions"].as_array().unwrap().len(), 2, "{found}");
    let blind = found["decisions"][0]["principal"]["name"].as_str().unwrap().to_owned();
    assert!(blind.starts_with("aws:581039954779:hmac:1:"), "{blind}");
    let again = plane.get(&format!("/v1/decisions?principal={blind}")).await.json();
    assert_eq!(again["decisions"].as_array().unwrap().len(), 2, "as it stands in a record");
    for id in ["s-1", found["decisions"][0]["correlation_id"].as_str().unwrap()] {
        let trace = plane.get(&format!("/v1/correlations/{id}?principal={PRINCIPAL}")).await;
        assert_eq!(trace.status, StatusCode::OK, "{id}: {}", trace.text);
        assert_eq!(trace.text.matches("\"call_id\":\"c").count(), 2, "{}", trace.text);
    }
    let export = plane.get(&format!("/v1/decisions/export?principal={PRINCIPAL}")).await;
    assert_eq!(export.text.lines().count(), 2, "{}", export.text);
}

/// Counts and sequences of before count after a restart, and after the key was changed.
#[tokio::test]
async fn what_was_blinded_still_counts() {
    const RULES: &str = "rules:
- {id: often, action: block, operations: [Converse], conditions: [{field: context.hourly_count, operator: greater_than, value: 2}]}
- {id: after, action: block, operations: [InvokeModel], requires: [{operation: Converse}]}
";
    let fields = [("agent.session", "hmac"), ("principal.name", "hmac")];
    let mut plane = plane_with(Settings::default(), Some(RULES), defaults).await;
    for key in [1, 2, 3] {
        plane = plane.redacting(key, &fields);
        let answer = plane.decide(&call(&format!("c{key}"))).await;
        assert_eq!(answer["verdict"], "allow", "key {key}: {answer}");
        plane = plane.again(RULES).await;
    }
    plane = plane.redacting(3, &fields);
    let answer = plane.decide(&call("c4")).await;
    println!("{answer}");
    assert_eq!(answer["verdict"], "deny", "the fourth within the hour: {answer}");
    // It needs a Converse before it in its session: those of before the restart were.
    let mut later = call("c5");
    later["operation"] = json!("InvokeModel");
    assert_eq!(plane.decide(&later).await["verdict"], "allow");
    later["call_id"] = json!("c6");
    later["agent"]["session"] = json!("s-2");
    assert_eq!(plane.decide(&later).await["verdict"], "deny", "another session");
}

#[tokio::test]
async fn the_caller_is_told_in_the_clear() {
    const RULES: &str =
        "rules:\n- {id: no, action: block, models: ['*'], message: 'not for {network.source_ip}'}\n";
    let plane = plane_with(Settings::default(), Some(RULES), defaults).await.redacting(1, FIELDS);
    for _ in 0..2 {
        let answer = plane.decide(&call("c1")).await;
        println!("{answer}");
        assert!(answer["message"].as_str().unwrap().contains("10.1.2.3"), "{answer}");
    }
    let record = plane.get("/v1/decisions?call_id=c1").await;
    assert!(!record.text.contains("10.1.2.3"), "{}", record.text);
}
