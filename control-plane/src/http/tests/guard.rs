//! Whoever runs a tool asks before he does.

use super::*;
use std::time::{Duration, Instant};

const TOOLS: &str = r#"
version: "1.0"
name: Tools
rules:
- id: no-large-transfers
  action: block
  tools: [transfer_funds]
  conditions:
  - {field: arguments.amount, operator: greater_than, value: 5000}
  message: Transfers over 5000 are not for agents
- id: no-deletions
  action: block
  tools: ["*DELETE /*"]
- id: ask-refunds
  action: require_approval
  tools: [refund]
  message: Refunds need a yes
- id: hold-wires
  action: require_approval
  tools: [wire]
  approval: {hold: 45s}
- id: slowly
  action: throttle
  retry_after: 7s
  tools: [search_slowly]
- id: finance-only
  action: block
  tools: ["ledger_*"]
  conditions:
  - not: {field: session_attributes.userDepartment, operator: equals, value: finance}
  message: The ledger is for finance
- id: verified-only
  action: block
  tools: [wipe]
  conditions:
  - {field: principal.assurance, operator: not_equals, value: verified}
- id: no-west
  action: block
  tools: [deploy]
  conditions:
  - {field: region, operator: equals, value: us-west-2}
"#;

async fn guarding() -> Plane {
    plane_with(Settings::default(), Some(TOOLS), defaults).await
}

fn wish(changes: Value) -> Value {
    let mut wish = json!({"kind": "agent", "name": "payments", "agent": "AGENT12345", "tools": ["*"]});
    for (key, value) in changes.as_object().unwrap() {
        wish[key] = value.clone();
    }
    wish
}

impl Plane {
    /// A token of an agent, and its id.
    async fn agent(&self, changes: Value) -> (String, String) {
        let made = self.call("POST", "/v1/keys", Some(wish(changes))).await;
        assert_eq!(made.status, StatusCode::CREATED, "{}", made.text);
        let text = |key: &str| made.json()[key].as_str().unwrap().to_owned();
        (text("token"), text("id"))
    }

    async fn ask_as(&self, token: &str, path: &str, body: &Value) -> Answer {
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        send(&self.data, request.body(Body::from(body.to_string())).unwrap()).await
    }

    /// A decision of `/v1/guard`, whichever.
    async fn guard(&self, token: &str, body: &Value) -> Value {
        let answer = self.ask_as(token, "/v1/guard", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{body}: {}", answer.text);
        answer.json()
    }

    async fn record(&self, answer: &Value) -> Value {
        let id = answer["decision_id"].as_str().unwrap();
        assert!(!id.is_empty(), "{answer}");
        let shown = self.get(&format!("/v1/decisions/{id}")).await;
        assert_eq!(shown.status, StatusCode::OK, "{}", shown.text);
        shown.json()
    }
}

#[tokio::test]
async fn every_decision_is_a_200_with_its_record() {
    let plane = guarding().await;
    let (token, key) = plane.agent(json!({"tenant": "emea"})).await;
    let finance = json!({"user_id": "u-17", "department": "finance"});
    let cases = [
        (json!({"tool": "transfer_funds", "arguments": {"amount": 4000}}), "allow", Value::Null),
        (
            json!({"tool": "transfer_funds", "arguments": {"amount": 8000}}),
            "deny",
            json!("no-large-transfers"),
        ),
        (
            json!({"tool": "TRANSFER_FUNDS", "arguments": {"amount": 8000}}),
            "deny",
            json!("no-large-transfers"),
        ),
        (json!({"tool": "refund", "arguments": {"amount": 1}}), "pending_approval", json!("ask-refunds")),
        (json!({"tool": "search_slowly"}), "throttle", json!("slowly")),
        (json!({"tool": "ledger_read", "context": finance}), "allow", Value::Null),
        (json!({"tool": "ledger_read", "context": {"department": "sales"}}), "deny", json!("finance-only")),
        (json!({"tool": "ledger_read"}), "deny", json!("finance-only")),
        (json!({"tool": "wipe"}), "allow", Value::Null),
        (json!({"tool": "deploy", "context": {"region": "eu-central-1"}}), "allow", Value::Null),
        (json!({"tool": "deploy", "context": {"region": "us-west-2"}}), "deny", json!("no-west")),
        (json!({"tool": "t", "arguments": [1]}), "deny", json!("portcullis/unreadable-tool-call")),
        (json!({"tool": "t", "arguments": null}), "deny", json!("portcullis/unreadable-tool-call")),
        (json!({"tool": "t".repeat(2_000)}), "deny", json!("portcullis/unreadable-tool-call")),
        (
            json!({"tool": "t", "arguments": {"a": "x".repeat(1_100_000)}}),
            "deny",
            json!("portcullis/unreadable-tool-call"),
        ),
    ];
    for (body, decision, rule) in &cases {
        let answer = plane.guard(&token, body).await;
        assert_eq!(answer["decision"], *decision, "{answer}");
        assert_eq!(answer["reason"] == "", *decision == "allow", "{answer}");
        assert_eq!(answer["approval_id"].is_string(), *decision == "pending_approval", "{answer}");
        assert_eq!(
            answer["retry_after_seconds"],
            if *decision == "throttle" { json!(7) } else { Value::Null }
        );
        let record = plane.record(&answer).await;
        assert_eq!(record["policy"]["rule"], *rule, "{record}");
        assert_eq!((&record["kind"], &record["tool"]["origin"]), (&json!("tool_call"), &json!("guard")));
        assert_eq!(record["principal"]["name"], "AGENT12345");
        assert_eq!(record["principal"]["assurance"], "verified");
        assert_eq!(record["principal"]["tenant"], "emea");
        assert_eq!(record["credential"]["access_key_id"], json!(key));
        assert_eq!(record["gate"], "guard/payments");
    }
    println!("compared {} decisions", cases.len());
}

#[tokio::test]
async fn the_record_says_on_whose_behalf_and_never_the_arguments() {
    let plane = guarding().await;
    let (token, _) = plane.agent(json!({"principal": "payments-agent"})).await;
    let body = json!({
        "tool": "transfer_funds", "arguments": {"amount": 4000, "iban": "DE02120300000000202051"},
        "context": {
            "agent_alias": "PROD", "session_id": "s-1", "user_id": "u-17", "department": "finance", "roles": ["clerk"],
            "delegation": ["agent SUPERVISOR"], "region": "eu-central-1", "correlation_id": "trace-1", "tool_use_id": "tooluse_1",
            "tenant": "emea", "attributes": {"channel": "chat"},
        },
    });
    let record = plane.record(&plane.guard(&token, &body).await).await;
    assert_eq!(record["delegation"], json!(["agent AGENT12345", "agent SUPERVISOR", "user u-17"]));
    assert_eq!(record["principal"]["name"], "payments-agent");
    assert_eq!(
        record["principal"]["tenant"],
        Value::Null,
        "what the user says of his tenant is no tenant of the agent"
    );
    assert_eq!(record["agent"], json!({"id": "AGENT12345", "alias": "PROD", "session": "s-1"}));
    assert_eq!(
        record["request"]["session_attributes"],
        json!({"channel": "chat", "tenant": "emea", "userDepartment": "finance", "userId": "u-17", "userRole": "clerk"})
    );
    assert_eq!(record["correlation_id"], "trace-1");
    assert_eq!(record["endpoint"]["region"], "eu-central-1");
    assert_eq!(
        (&record["tool"]["id"], &record["tool"]["names"]),
        (&json!("tooluse_1"), &json!(["transfer_funds"]))
    );
    assert_eq!(record["tool"]["arguments_sha256"].as_str().unwrap().len(), 64);
    assert!(!record.to_string().contains("DE021203"), "{record}");
}

#[tokio::test]
async fn what_a_token_does_not_cover_is_denied_and_recorded() {
    let plane = guarding().await;
    let scope = json!({"tools": ["get_*", "transfer_funds", "GET /accounts/*"], "tenant": "emea"});
    let (token, _) = plane.agent(scope).await;
    let cases = [
        (json!({"tool": "get_balance"}), None),
        (json!({"tool": "get_balance", "context": {"agent_id": "AGENT12345", "tenant": "emea"}}), None),
        (json!({"tool": "refund"}), Some("the token does not cover the tool `refund`")),
        (
            json!({"tool": "get_balance", "context": {"agent_id": "OTHER"}}),
            Some("for agent `AGENT12345`, not `OTHER`"),
        ),
        (
            json!({"tool": "get_balance", "context": {"tenant": "apac"}}),
            Some("for tenant `emea`, not `apac`"),
        ),
    ];
    for (body, why) in cases {
        let answer = plane.guard(&token, &body).await;
        let record = plane.record(&answer).await;
        match why {
            None => assert_eq!(answer["decision"], "allow", "{answer}"),
            Some(why) => {
                assert_eq!(answer["decision"], "deny", "{answer}");
                let reason = answer["reason"].as_str().unwrap();
                assert!(reason.contains(why) && reason.contains("portcullis/agent-token-scope"), "{reason}");
                assert_eq!(record["policy"]["rule"], "portcullis/agent-token-scope");
                assert_eq!(record["verdict"]["kind"], "deny");
            }
        }
    }
    // A bundle in shadow mode lets everything pass but this.
    let file = |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
    let shadow = format!("{BUNDLE}mode: shadow\n");
    let bundle = compile(&[file("bundle.yaml", &shadow), file("rules/test.yaml", TOOLS)]).unwrap();
    plane.app.bundle.install(Arc::new(bundle), Path::new("/bundle"), 1);
    let large = json!({"tool": "transfer_funds", "arguments": {"amount": 8000}});
    assert_eq!(plane.guard(&token, &large).await["decision"], "allow");
    assert_eq!(plane.guard(&token, &json!({"tool": "refund"})).await["decision"], "deny");
    // The agent of an event is held against the token, too; another try of the model would not help.
    let event = json!({"actionGroup": "g", "function": "get_balance", "agent": {"id": "OTHER"}});
    let answer = plane.ask_as(&token, "/v1/guard/bedrock-agent", &event).await.json();
    assert_eq!(answer["decision"], "deny", "{answer}");
    assert_eq!(answer["response"]["response"]["functionResponse"]["responseState"], "FAILURE");
}

#[tokio::test]
async fn a_token_ends_with_its_time_or_when_it_is_revoked() {
    let plane = guarding().await;
    let (token, id) = plane.agent(json!({"expires_in": "1h"})).await;
    assert_eq!(plane.guard(&token, &json!({"tool": "t"})).await["decision"], "allow");
    let listed = plane.get("/v1/keys").await.json()["keys"][0].clone();
    assert_eq!((&listed["agent"], &listed["tools"]), (&json!("AGENT12345"), &json!(["*"])));
    let lasts = listed["expires_at_ms"].as_u64().unwrap() - listed["created_at_ms"].as_u64().unwrap();
    assert_eq!(lasts, 3_600_000);
    assert_eq!(plane.call("DELETE", &format!("/v1/keys/{id}"), None).await.status, StatusCode::NO_CONTENT);
    let (late, _) = plane.agent(json!({"name": "late", "expires_in": "1ms"})).await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_millis(3) {
        tokio::task::yield_now().await;
    }
    for (token, part) in [(token, "revoked"), (late, "expired")] {
        for path in ["/v1/guard", "/v1/guard/bedrock-agent"] {
            let answer = plane.ask_as(&token, path, &json!({"tool": "t"})).await;
            assert_eq!(
                (answer.status, answer.code().as_str()),
                (StatusCode::UNAUTHORIZED, "unauthenticated")
            );
            assert!(answer.text.contains(part), "{}", answer.text);
        }
    }
    let (_, forever) = plane.agent(json!({"name": "forever", "expires_in": "never"})).await;
    let keys = plane.get("/v1/keys").await.json();
    let kept = keys["keys"].as_array().unwrap().iter().find(|key| key["id"] == json!(forever)).unwrap();
    assert_eq!(kept["expires_at_ms"], Value::Null);
    // An agent's token opens nothing else.
    let (agent, _) = plane.agent(json!({"name": "curious"})).await;
    let answer = plane.ask_as(&agent, "/v1/decisions", &question(json!({}))).await;
    assert_eq!(answer.code(), "wrong_token_kind");
    let request = Request::get("/v1/keys").header("authorization", format!("Bearer {agent}"));
    assert_eq!(send(&plane.admin, request.body(Body::empty()).unwrap()).await.code(), "wrong_token_kind");
}

#[tokio::test]
async fn a_data_plane_token_may_speak_for_any_agent_and_proves_none() {
    let plane = guarding().await;
    let body = json!({"tool": "get", "context": {"agent_id": "AGENT12345", "tenant": "emea"}});
    let record = plane.record(&plane.guard(&plane.data_token, &body).await).await;
    assert_eq!(
        record["principal"],
        json!({"name": "agent:AGENT12345", "assurance": "claimed", "tenant": "emea"})
    );
    let answer = plane.guard(&plane.data_token, &json!({"tool": "wipe"})).await;
    assert_eq!(answer["decision"], "deny");
    assert_eq!(plane.record(&answer).await["principal"]["name"], "anonymous");
}

#[tokio::test]
async fn a_call_waits_for_its_approval_as_long_as_it_says() {
    let plane = guarding().await;
    let (token, _) = plane.agent(json!({})).await;
    let refund = |amount: u32, wait: u32| json!({"tool": "refund", "arguments": {"amount": amount}, "wait_seconds": wait});
    let asked = plane.guard(&token, &refund(1, 0)).await;
    assert_eq!(asked["decision"], "pending_approval");
    let id = asked["approval_id"].as_str().unwrap().to_owned();
    assert!(asked["reason"].as_str().unwrap().contains(&id), "{asked}");
    let shown = plane.get(&format!("/v1/approvals/{id}")).await.json();
    assert_eq!(shown["call"]["tool"], json!({"name": "refund", "arguments": {"amount": 1}}));

    // Whoever asks says how long he waits, not the rule.
    let started = Instant::now();
    assert_eq!(plane.guard(&token, &json!({"tool": "wire"})).await["decision"], "pending_approval");
    assert!(started.elapsed() < Duration::from_secs(20));

    // It waits in vain.
    let started = Instant::now();
    let again = plane.guard(&token, &refund(1, 1)).await;
    assert_eq!((&again["decision"], &again["approval_id"]), (&json!("pending_approval"), &json!(id)));
    assert!(started.elapsed() >= Duration::from_secs(1), "{:?}", started.elapsed());

    // It is answered the moment somebody has decided.
    for (amount, verb, expected) in [(1, "approve", "allow"), (2, "deny", "deny"), (3, "approve", "allow")] {
        let body = refund(amount, 50);
        let waiting = plane.guard(&token, &body);
        let answered = async {
            let live = plane.app.store.live();
            let id = loop {
                let shown = plane.get("/v1/approvals?state=pending").await.json();
                let all = shown["approvals"].as_array().unwrap();
                let mut ids = all.iter().filter_map(|one| one["id"].as_str());
                match ids.find(|id| live.waiting(id) > 0) {
                    Some(id) => break id.to_owned(),
                    None => tokio::task::yield_now().await,
                }
            };
            let path = format!("/v1/approvals/{id}/{verb}");
            assert_eq!(plane.call("POST", &path, Some(json!({"why": "test"}))).await.status, StatusCode::OK);
            Instant::now()
        };
        let (answer, decided) = tokio::join!(waiting, answered);
        assert_eq!(answer["decision"], expected, "{answer}");
        assert!(decided.elapsed() < Duration::from_secs(5));
        let record = plane.record(&answer).await;
        assert_eq!(record["approval"].is_object(), expected == "allow", "{record}");
    }
    assert_eq!(plane.guard(&token, &refund(1, 0)).await["decision"], "pending_approval", "single use");
    assert_eq!(plane.guard(&token, &refund(2, 0)).await["decision"], "deny", "what was denied stays so");
}

#[tokio::test]
async fn an_event_of_an_action_group_is_answered_whole() {
    let plane = guarding().await;
    let (token, _) = plane.agent(json!({})).await;
    let event = |changes: Value| {
        let mut event = json!({
            "messageVersion": "1.0", "agent": {"name": "payments", "id": "AGENT12345", "alias": "PROD", "version": "3"},
            "inputText": "secret plans", "sessionId": "s-1", "actionGroup": "payments", "parameters": [],
            "sessionAttributes": {"userId": "u-17", "userDepartment": "finance"}, "promptSessionAttributes": {"locale": "de"},
        });
        for (key, value) in changes.as_object().unwrap() {
            event[key] = value.clone();
        }
        event
    };
    let amount = |value: &str| json!([{"name": "amount", "type": "number", "value": value}]);
    let cases = [
        (json!({"function": "transfer_funds", "parameters": amount("4000")}), "allow", Value::Null),
        (json!({"function": "transfer_funds", "parameters": amount("8000")}), "deny", json!("REPROMPT")),
        (json!({"function": "transfer_funds", "parameters": amount("8_000")}), "deny", json!("REPROMPT")),
        (json!({"function": "refund", "parameters": amount("1")}), "pending_approval", json!("REPROMPT")),
        (json!({"function": "search_slowly"}), "throttle", json!("FAILURE")),
        (json!({"function": "ledger_read"}), "allow", Value::Null),
        (
            json!({"function": "ledger_read", "sessionAttributes": {"userDepartment": "sales"}}),
            "deny",
            json!("REPROMPT"),
        ),
        (json!({"apiPath": "/accounts/{id}", "httpMethod": "GET"}), "allow", Value::Null),
        (json!({"apiPath": "/accounts/{id}", "httpMethod": "DELETE"}), "deny", json!(403)),
    ];
    for (changes, decision, state) in &cases {
        let event = event(changes.clone());
        let answer = plane.ask_as(&token, "/v1/guard/bedrock-agent", &event).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        let answer = answer.json();
        assert_eq!(answer["decision"], *decision, "{event}: {answer}");
        let response = &answer["response"];
        if *decision == "allow" {
            assert_eq!(*response, Value::Null);
        } else {
            assert_eq!(response["sessionAttributes"], event["sessionAttributes"]);
            assert_eq!(response["promptSessionAttributes"], event["promptSessionAttributes"]);
            let response = &response["response"];
            let told = response.get("httpStatusCode");
            assert_eq!(told.unwrap_or(&response["functionResponse"]["responseState"]), state);
        }
        let record = plane.record(&answer).await;
        assert_eq!(record["delegation"][0], "agent AGENT12345");
        assert_eq!(record["agent"]["session"], "s-1");
        assert!(!record.to_string().contains("secret plans"));
    }
    let names = |record: &Value| record["tool"]["names"].clone();
    let shown = plane.get("/v1/decisions?limit=2").await.json();
    assert_eq!(
        names(&shown["decisions"][0]),
        json!(["DELETE /accounts/{id}", "payments/DELETE /accounts/{id}", "payments::DELETE /accounts/{id}"])
    );
    println!("compared {} events", cases.len());
}

#[tokio::test]
async fn what_cannot_be_read_is_told_by_its_pointer() {
    let plane = guarding().await;
    let (token, _) = plane.agent(json!({})).await;
    let cases = [
        ("/v1/guard", json!({"tool": "t", "context": {"agentId": "A"}}), "/context/agentId"),
        ("/v1/guard", json!({}), "/tool"),
        ("/v1/guard/bedrock-agent", json!({"actionGroup": "g"}), "/function"),
    ];
    for (path, body, pointer) in cases {
        let answer = plane.ask_as(&token, path, &body).await;
        assert_eq!((answer.status, answer.code().as_str()), (StatusCode::BAD_REQUEST, "bad_question"));
        assert_eq!(answer.json()["pointer"], pointer);
    }
    let answer = plane.ask_as(&token, "/v1/guard/bedrock-agent?wait_seconds=51", &json!({})).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert_eq!(plane.get("/v1/decisions").await.json()["decisions"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_decided_or_recorded_is_no_decision() {
    let short =
        |dir: &Path| SqliteOptions { busy_timeout: Duration::from_millis(20), ..SqliteOptions::new(dir) };
    let plane = plane_with(Settings::default(), Some(TOOLS), short).await;
    let (token, _) = plane.agent(json!({})).await;
    let other = rusqlite::Connection::open(plane.dir.path().join("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let event = json!({"actionGroup": "g", "function": "f"});
    for (path, body) in [("/v1/guard", json!({"tool": "t"})), ("/v1/guard/bedrock-agent", event)] {
        let answer = plane.ask_as(&token, path, &body).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::SERVICE_UNAVAILABLE, "store_unavailable")
        );
    }
    assert_eq!(check(&plane, &token, Some("t"), &[]).await.status, StatusCode::SERVICE_UNAVAILABLE);
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(plane.guard(&token, &json!({"tool": "t"})).await["decision"], "allow");

    let plane = plane_with(Settings::default(), None, defaults).await;
    let (token, _) = plane.agent(json!({})).await;
    let answer = plane.ask_as(&token, "/v1/guard", &json!({"tool": "t"})).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::SERVICE_UNAVAILABLE, "no_bundle"));
}

/// As the MeshGuard client asks.
async fn check(plane: &Plane, token: &str, action: Option<&str>, headers: &[(&str, &str)]) -> Answer {
    let mut request = Request::get("/proxy/check").header("authorization", format!("Bearer {token}"));
    if let Some(action) = action {
        request = request.header("x-meshguard-action", action);
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(&plane.data, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_meshguard_client_reads_the_decision_from_the_status() {
    let plane = guarding().await;
    install(
        &plane.app.bundle,
        &TOOLS.replace("[wipe]", "[\"delete:*\"]").replace("[refund]", "[\"write:email\"]"),
    );
    let (token, _) = plane.agent(json!({})).await;
    let trace = [("x-meshguard-trace-id", "trace-9"), ("x-meshguard-resource", "contacts/7")];
    let allowed = check(&plane, &token, Some("read:contacts"), &trace).await;
    assert_eq!(allowed.status, StatusCode::OK, "{}", allowed.text);
    let body = allowed.json();
    assert_eq!((&body["allowed"], &body["decision"]), (&json!(true), &json!("allow")));
    assert_eq!((&body["policy"], &body["trace_id"]), (&json!("test"), &json!("trace-9")));
    let record = plane.record(&body).await;
    assert_eq!(
        (&record["correlation_id"], &record["tool"]["names"]),
        (&json!("trace-9"), &json!(["read:contacts"]))
    );

    let data = plane.data_token.clone();
    let denied = check(&plane, &data, Some("delete:database"), &[]).await;
    assert_eq!(denied.status, StatusCode::FORBIDDEN);
    let body = denied.json();
    assert_eq!(
        (&body["action"], &body["rule"], &body["policy"]),
        (&json!("delete:database"), &json!("verified-only"), &json!("test"))
    );
    assert!(body["message"].as_str().unwrap().contains("verified-only"), "{body}");

    let pending = check(&plane, &token, Some("write:email"), &[]).await;
    assert_eq!(
        (pending.status, &pending.json()["decision"]),
        (StatusCode::FORBIDDEN, &json!("pending_approval"))
    );
    assert_eq!(check(&plane, &token, Some("search_slowly"), &[]).await.status, StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(
        check(&plane, "pcl_agent_guess", Some("read:contacts"), &[]).await.status,
        StatusCode::UNAUTHORIZED
    );
    assert_eq!(check(&plane, &token, None, &[]).await.status, StatusCode::BAD_REQUEST);
    let twice = [("x-meshguard-action", "b")];
    assert_eq!(check(&plane, &token, Some("a"), &twice).await.status, StatusCode::BAD_REQUEST);

    let health = send(&plane.data, Request::get("/health").body(Body::empty()).unwrap()).await;
    assert_eq!((health.status, &health.json()["status"]), (StatusCode::OK, &json!("healthy")));
    let answer = plane.ask_as(&token, "/proxy/api/contacts", &json!({})).await;
    assert_eq!((answer.status, answer.code().as_str()), (StatusCode::NOT_IMPLEMENTED, "not_a_proxy"));
}

/// Agents that cannot reach the data plane have a listener of their own, which knows nothing else.
#[tokio::test]
async fn the_listener_of_agents_has_nothing_of_gates_or_people() {
    let plane = guarding().await;
    let agents = crate::http::agents_api(Arc::clone(&plane.app));
    let (token, _) = plane.agent(json!({})).await;
    let ask = |path: &str, token: &str, body: &Value| {
        let request = Request::post(path).header("authorization", format!("Bearer {token}"));
        request.body(Body::from(body.to_string())).unwrap()
    };
    let answer = send(&agents, ask("/v1/guard", &token, &json!({"tool": "t"}))).await;
    assert_eq!((answer.status, &answer.json()["decision"]), (StatusCode::OK, &json!("allow")));
    for path in ["/v1/decisions", "/v1/outcomes", "/v1/inspections", "/v1/keys", "/metrics"] {
        for token in [&plane.data_token, &plane.admin_token] {
            assert_eq!(send(&agents, ask(path, token, &json!({}))).await.code(), "not_found", "{path}");
        }
    }
}
