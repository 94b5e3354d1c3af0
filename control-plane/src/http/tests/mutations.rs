//! Whatever changes something leaves a record in the log. Every endpoint that is not a GET is called; one that is new and not
//! in the table fails the test, as does one that leaves nothing without a reason.

use super::*;
use crate::bundle::pack;
use portcullis_audit::log::RecordKind;
use std::collections::{BTreeMap, BTreeSet};

/// Endpoints that leave no record, and why.
const NO_RECORD: &[(&str, &str)] = &[
    ("POST /v1/bundles/validate", "it says what a bundle would be, and keeps nothing"),
    (
        "DELETE /v1/bundles/pin",
        "with nothing pinned it is refused; its record is looked at in bundles.rs, which has a directory",
    ),
];

/// Commands that open a store themselves, and what of it they change.
const OFFLINE: &[(&str, &str)] = &[
    ("keys create", "the record of the endpoint: both are KeyRing::create"),
    ("keys list", "it reads"),
    ("keys revoke", "the record of the endpoint: both are KeyRing::revoke"),
    ("policy replay", "it reads"),
    ("audit verify", "it reads"),
    ("audit export", "it reads"),
    ("audit reconcile", "it reads; with `--record` the record of the endpoint"),
    ("audit key rotate", "a record in the log, with the signatures of both keys: storage/tests/log.rs"),
    ("audit key recover", "a record in the log: storage/tests/log.rs"),
    ("serve", "what it does is behind the endpoints"),
];

const RULES: &str = "version: \"1.0\"
name: Ask
rules:
- id: ask
  action: require_approval
  models: [\"*nova*\"]
- {id: no-pay, action: block, tools: [pay]}
";

/// Calls that leave a record by their method and path, and what is looked for in the log.
struct Calls<'p> {
    plane: &'p Plane,
    found: BTreeMap<String, Vec<RecordKind>>,
}

impl Calls<'_> {
    /// Calls an endpoint, and notes which records the log has after that and had not before.
    async fn call(&mut self, endpoint: &str, path: &str, body: Value) -> Answer {
        let method = endpoint.split(' ').next().unwrap();
        let data = matches!(path, "/v1/decisions" | "/v1/inspections" | "/v1/outcomes")
            || path.starts_with("/v1/guard");
        let (router, token) = if data {
            (&self.plane.data, &self.plane.data_token)
        } else {
            (&self.plane.admin, &self.plane.admin_token)
        };
        let request =
            Request::builder().method(method).uri(path).header("authorization", format!("Bearer {token}"));
        let body = if path.starts_with("/v1/bundles") && body.is_null() && method == "POST" {
            Body::from(bundle())
        } else {
            Body::from(body.to_string())
        };
        let before = self.plane.app.store.head().borrow().size;
        let answer = send(router, request.body(body).unwrap()).await;
        let new = self.plane.app.store.log_records(before, 100, usize::MAX).await.unwrap();
        let kinds: Vec<_> = new.iter().map(|logged| logged.entry.kind).collect();
        println!("{endpoint:<44} {} {kinds:?}", answer.status);
        if answer.status.is_success() {
            self.found.insert(endpoint.to_owned(), kinds);
        }
        answer
    }
}

fn bundle() -> Vec<u8> {
    let file = SourceFile { path: "bundle.yaml".to_owned(), bytes: BUNDLE.as_bytes().to_vec() };
    pack(&[file]).unwrap()
}

/// `METHOD /path` of the document that are not GET.
fn documented() -> BTreeSet<String> {
    let document = serde_json::to_value(crate::http::openapi_document()).unwrap();
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, methods)| {
        methods.as_object().unwrap().keys().map(move |method| format!("{} {path}", method.to_uppercase()))
    });
    all.filter(|endpoint| !endpoint.starts_with("GET ")).collect()
}

/// The same as the routers have it, by their source.
fn routed() -> BTreeSet<String> {
    let method = regex::Regex::new(r"\b(post|put|patch|delete|any)\(").unwrap();
    let mut found = BTreeSet::new();
    let mut folders = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http")];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() && !entry.ends_with("tests") {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let source = std::fs::read_to_string(&entry).unwrap();
                for route in source.split(".route(").skip(1).filter_map(|rest| rest.split("\n}").next()) {
                    let path = route.split('"').nth(1).unwrap_or_default();
                    let methods = method.captures_iter(route).map(|method| method[1].to_uppercase());
                    found.extend(methods.map(|method| format!("{method} {path}")));
                }
            }
        }
    }
    found
}

#[test]
fn the_document_and_the_routers_agree_on_what_changes_something() {
    let (documented, mut routed) = (documented(), routed());
    // A proxy for one client: any method, answered with how to ask instead.
    assert!(routed.remove("ANY /proxy/{*path}"), "{routed:?}");
    assert_eq!(documented, routed);
    println!("{} endpoints", documented.len());
}

#[tokio::test]
async fn every_endpoint_that_changes_something_leaves_a_record() {
    let plane = plane_with(Settings::default(), Some(RULES), defaults).await;
    let mut calls = Calls { plane: &plane, found: BTreeMap::new() };
    let other = |call: &str| {
        let mut question = question(json!({ "call_id": call }));
        question["model"]["id"] = json!("anthropic.claude-3-haiku-20240307-v1:0");
        question["model"]["base"] = json!("anthropic.claude-3-haiku-20240307-v1:0");
        question
    };
    let allowed = calls.call("POST /v1/decisions", "/v1/decisions", other("c1")).await.json();
    assert_eq!(allowed["verdict"], "allow", "{allowed}");
    let subject = json!({"tool_call": {"origin": "model", "id": "t1", "name": "pay", "arguments": "{}"}});
    let inspection = json!({"version": 2, "call_id": "c1", "decision_id": allowed["decision_id"], "gate": "g", "number": 1,
        "subject": subject, "released_bytes": 0});
    calls.call("POST /v1/inspections", "/v1/inspections", inspection).await;
    let mut outcome = testdata("outcome.json");
    outcome["call_id"] = json!("c1");
    let batch = json!({"version": portcullis_protocol::VERSION, "gate": "g", "outcomes": [outcome], "unaudited": 1, "lost": 0});
    calls.call("POST /v1/outcomes", "/v1/outcomes", batch).await;
    calls.call("POST /v1/guard", "/v1/guard", json!({"tool": "pay"})).await;
    let event = json!({"actionGroup": "g", "function": "pay", "agent": {"id": "A"}});
    calls.call("POST /v1/guard/bedrock-agent", "/v1/guard/bedrock-agent", event).await;

    for (verb, call) in [("approve", "c2"), ("deny", "c3")] {
        let mut asked = question(json!({ "call_id": call }));
        asked["body"]["sha256"] = json!(call.repeat(32));
        let pending = plane.decide(&asked).await;
        let path = format!("/v1/approvals/{}/{verb}", pending["approval_id"].as_str().unwrap());
        calls.call(&format!("POST /v1/approvals/{{id}}/{verb}"), &path, json!({"why": "test"})).await;
    }
    let wish = json!({"rule": "ask", "principal": "p", "uses": 2, "ttl": "8h", "why": "test"});
    let grant = calls.call("POST /v1/grants", "/v1/grants", wish).await.json();
    let path = format!("/v1/grants/{}?why=test", grant["id"].as_str().unwrap());
    let gone = calls.call("DELETE /v1/grants/{id}", &path, Value::Null).await;
    if !gone.status.is_success() {
        let path = format!("/v1/grants/{}", grant["id"].as_str().unwrap());
        calls.call("DELETE /v1/grants/{id}", &path, json!({"why": "test"})).await;
    }
    let key = calls.call("POST /v1/keys", "/v1/keys", json!({"kind": "data", "name": "k"})).await.json();
    calls
        .call("DELETE /v1/keys/{id}", &format!("/v1/keys/{}", key["id"].as_str().unwrap()), Value::Null)
        .await;

    calls.call("POST /v1/bundles/validate", "/v1/bundles/validate", Value::Null).await;
    let uploaded = calls.call("POST /v1/bundles", "/v1/bundles?why=test", Value::Null).await.json();
    let path = format!("/v1/bundles/{}/activate", uploaded["digest"].as_str().unwrap());
    calls.call("POST /v1/bundles/{digest}/activate", &path, json!({"why": "test"})).await;
    let second = b"version: \"1.0\"\nname: second\ndefault: allow\n".to_vec();
    let second = pack(&[SourceFile { path: "bundle.yaml".to_owned(), bytes: second }]).unwrap();
    let request = Request::post("/v1/bundles?why=test&activate=true")
        .header("authorization", format!("Bearer {}", plane.admin_token))
        .body(Body::from(second));
    assert!(send(&plane.admin, request.unwrap()).await.status.is_success());
    calls.call("POST /v1/bundles/rollback", "/v1/bundles/rollback", json!({"why": "test"})).await;
    let said = json!({
        "from_ms": 1, "to_ms": null, "inputs_sha256": "ab".repeat(32), "files": 3, "aws_events": 1, "aws_calls": 1,
        "decisions": 1, "matched": 1, "bypassed": 0, "mismatched": 0, "severe": 0, "unknown_to_aws": 0, "unread": 0,
    });
    calls.call("POST /v1/audit/reconciliations", "/v1/audit/reconciliations", said).await;
    calls.call("POST /v1/audit/keys/rotate", "/v1/audit/keys/rotate", json!({"why": "test"})).await;
    let hold = json!({"name": "case-1", "reason": "test", "principal": "p"});
    calls.call("POST /v1/audit/holds", "/v1/audit/holds", hold).await;
    let path = "/v1/audit/holds/case-1/release";
    calls.call("POST /v1/audit/holds/{name}/release", path, json!({"why": "test"})).await;

    let reasons: BTreeMap<_, _> = NO_RECORD.iter().copied().collect();
    for endpoint in documented() {
        let kinds = calls.found.get(&endpoint);
        match reasons.get(endpoint.as_str()) {
            Some(why) => {
                assert!(kinds.is_none_or(Vec::is_empty), "{endpoint} leaves {kinds:?}, though {why}")
            }
            None => assert!(
                kinds.is_some_and(|kinds| !kinds.is_empty()),
                "{endpoint} was not called, was refused, or left no record: {kinds:?}; call it here, or say why it needs none"
            ),
        }
    }
    use RecordKind::{Admin, Approval, Bundle, Decision, Gap, Outcome, ToolCall};
    for (endpoint, kind) in [
        ("POST /v1/decisions", Decision),
        ("POST /v1/inspections", ToolCall),
        ("POST /v1/outcomes", Outcome),
        ("POST /v1/outcomes", Gap),
        ("POST /v1/guard", ToolCall),
        ("POST /v1/approvals/{id}/approve", Approval),
        ("POST /v1/grants", Approval),
        ("POST /v1/keys", Admin),
        ("DELETE /v1/keys/{id}", Admin),
        ("POST /v1/bundles/{digest}/activate", Bundle),
    ] {
        assert!(calls.found[endpoint].contains(&kind), "{endpoint} leaves {:?}", calls.found[endpoint]);
    }
    println!("{} endpoints, {} without a record", documented().len(), NO_RECORD.len());
}

#[test]
fn every_command_that_opens_a_store_is_known() {
    fn walk(command: &clap::Command, name: &str, found: &mut BTreeSet<String>) {
        let opens = command.get_arguments().any(|argument| {
            let id = argument.get_id().as_str();
            id == "data_dir" || id == "store"
        });
        let leaf = command.get_subcommands().next().is_none();
        if opens && leaf {
            found.insert(name.to_owned());
        }
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            walk(inner, format!("{name} {}", inner.get_name()).trim(), found);
        }
    }
    let mut found = BTreeSet::new();
    walk(&crate::cli::command(), "", &mut found);
    let known: BTreeSet<String> = OFFLINE.iter().map(|(name, _)| (*name).to_owned()).collect();
    println!("{found:?}");
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "{new:?}: say here which record they leave, or why they need none");
}
