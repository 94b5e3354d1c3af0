//! The operation table cannot drift from `testdata/operations.json`, nor grow two operations for one request.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic, its helpers too"
)]

mod common;

use common::{Modelled, modelled, table};
use portcullis_bedrock::{BodyPlan, OPERATIONS, Operation, PayloadKind};
use std::collections::{BTreeMap, BTreeSet};

const HEAD: &str = "\
# Every operation of the AWS models. Mechanical: tests/drift.rs compares it with testdata/operations.json
# and rewrites it when PORTCULLIS_BLESS=1. What the models do not say is in overrides.tsv.
# body: none | optional | required (members that AWS requires) | payload; stream: - | in | out | both
# service\toperation\tmethod\turi\tbody\tstream
";

fn body(operation: &Modelled) -> &'static str {
    match (operation.input_members.get("payload"), operation.input_members.get("body")) {
        (Some(_), _) => "payload",
        (None, Some(members)) if members.iter().any(|m| m.ends_with('*')) => "required",
        (None, Some(_)) => "optional",
        (None, None) => "none",
    }
}

#[test]
fn operations_tsv_is_what_the_models_say() {
    let mut rows: Vec<String> = modelled()
        .iter()
        .map(|o| {
            let stream = match (o.input_event_stream, o.output_event_stream) {
                (false, false) => "-",
                (true, false) => "in",
                (false, true) => "out",
                (true, true) => "both",
            };
            [&o.service, &o.operation, &o.method, &o.request_uri, body(o), stream].join("\t")
        })
        .collect();
    rows.sort();
    let expected = format!("{HEAD}{}\n", rows.join("\n"));
    let path = format!("{}/data/operations.tsv", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("PORTCULLIS_BLESS").is_some() {
        std::fs::write(&path, &expected).expect("write operations.tsv");
    }
    let actual = std::fs::read_to_string(&path).expect("operations.tsv");
    assert!(
        actual == expected,
        "data/operations.tsv is not what testdata/operations.json says: PORTCULLIS_BLESS=1 cargo test -p portcullis-bedrock --test drift"
    );
    println!("{} rows compared", rows.len());
}

#[test]
fn the_compiled_table_has_every_modelled_operation() {
    let models = modelled();
    assert_eq!(models.len(), 523);
    for model in &models {
        let found: Vec<&Operation> = OPERATIONS
            .iter()
            .filter(|o| o.service == model.service && o.name == model.operation && o.uri == model.request_uri)
            .collect();
        let [operation] = found[..] else { panic!("`{}` `{}`: {found:?}", model.service, model.operation) };
        assert_eq!(operation.method, model.method);
        assert_eq!(operation.input_stream, model.input_event_stream, "{operation:?}");
        assert_eq!(operation.output_stream, model.output_event_stream, "{operation:?}");
        let guardrail = model
            .input_members
            .get("header")
            .is_some_and(|h| h.iter().any(|m| m.contains("=X-Amzn-Bedrock-GuardrailIdentifier")));
        assert_eq!(
            guardrail,
            operation.body == BodyPlan::RequiredJson(PayloadKind::InvokeModel),
            "{operation:?}"
        );
        match body(model) {
            "none" => assert_eq!(operation.body, BodyPlan::Opaque, "{operation:?}"),
            // An override may ask for more: Converse models every member as optional.
            "optional" => assert!(
                matches!(operation.body, BodyPlan::Json(_) | BodyPlan::RequiredJson(_)),
                "{operation:?}"
            ),
            "required" => assert!(matches!(operation.body, BodyPlan::RequiredJson(_)), "{operation:?}"),
            _ => {}
        }
    }
    let compatible = table("compatible").len() + table("providers").len();
    assert_eq!(OPERATIONS.len(), models.len() + compatible);
    println!("{} modelled and {compatible} compatible operations compared", models.len());
}

/// Trailing slashes are accepted with and without: sound only while no two operations differ in one alone. Two
/// templates that can take the same path are sound while one of them has a literal where the other has a label.
#[test]
fn no_request_is_two_operations() {
    let mut shapes: BTreeMap<(&str, &str, String), &str> = BTreeMap::new();
    let mut overlaps = BTreeSet::new();
    for a in OPERATIONS.iter().filter(|o| o.service != "bedrock-data-automation-runtime") {
        let shape: Vec<&str> = a
            .uri
            .split('/')
            .filter(|s| !s.is_empty())
            .map(|s| if s.starts_with('{') { "{}" } else { s })
            .collect();
        let before = shapes.insert((a.service, a.method, shape.join("/")), a.name);
        assert_eq!(before, None, "{} {} {}", a.service, a.method, a.uri);
        for b in OPERATIONS.iter().filter(|b| b.service == a.service && b.method == a.method && b.uri < a.uri)
        {
            let (left, right): (Vec<&str>, Vec<&str>) = (segments(a.uri), segments(b.uri));
            let meet = |(x, y): (&&str, &&str)| x == y || x.starts_with('{') || y.starts_with('{');
            if left.len() == right.len() && left.iter().zip(&right).all(meet) {
                overlaps.insert(format!("{} {}: {} | {}", a.service, a.method, b.uri, a.uri));
            }
        }
    }
    println!("templates that can take the same path, the literal one first: {overlaps:#?}");
}

fn segments(uri: &str) -> Vec<&str> {
    uri.split('/').filter(|s| !s.is_empty()).collect()
}

#[test]
fn iam_actions_and_kinds() {
    let expected = [
        ("bedrock-runtime", "Converse", "bedrock:InvokeModel", "model_invoked"),
        ("bedrock-runtime", "ConverseStream", "bedrock:InvokeModelWithResponseStream", "model_invoked"),
        ("bedrock-runtime", "InvokeModel", "bedrock:InvokeModel", "model_invoked"),
        (
            "bedrock-runtime",
            "InvokeModelWithResponseStream",
            "bedrock:InvokeModelWithResponseStream",
            "model_invoked",
        ),
        ("bedrock-runtime", "InvokeModelWithBidirectionalStream", "bedrock:InvokeModel", "model_invoked"),
        ("bedrock-runtime", "StartAsyncInvoke", "bedrock:InvokeModel", "model_invoked"),
        ("bedrock-runtime", "CountTokens", "bedrock:CountTokens", "model_invoked"),
        ("bedrock-runtime", "ApplyGuardrail", "bedrock:ApplyGuardrail", "other"),
        ("bedrock-runtime", "CreateChatCompletion", "bedrock:InvokeModel", "model_invoked"),
        ("bedrock-runtime", "CreateMessage", "bedrock:InvokeModel", "model_invoked"),
        ("bedrock-mantle", "CreateResponse", "bedrock-mantle:CreateInference", "model_invoked"),
        ("bedrock-agent-runtime", "InvokeAgent", "bedrock:InvokeAgent", "agent_invoked"),
        (
            "bedrock-agent-runtime",
            "RetrieveAndGenerateStream",
            "bedrock:RetrieveAndGenerate",
            "model_invoked",
        ),
        ("bedrock-agentcore", "InvokeAgentRuntime", "bedrock-agentcore:InvokeAgentRuntime", "agent_invoked"),
        ("bedrock-agentcore-control", "CreateAgentRuntime", "bedrock-agentcore:CreateAgentRuntime", "other"),
        (
            "bedrock-data-automation-runtime",
            "InvokeDataAutomationAsync",
            "bedrock:InvokeDataAutomationAsync",
            "other",
        ),
        ("bedrock", "CreateModelInvocationJob", "bedrock:CreateModelInvocationJob", "model_invoked"),
        ("bedrock", "CreateGuardrail", "bedrock:CreateGuardrail", "other"),
    ];
    for (service, name, action, kind) in expected {
        let operation = OPERATIONS.iter().find(|o| o.service == service && o.name == name).expect(name);
        assert_eq!((operation.iam_action, operation.action_type()), (action, kind), "{service} {name}");
        println!("{service} {name}: {action}, {kind}");
    }
}
