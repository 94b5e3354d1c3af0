//! All the other ways to make Bedrock work (testdata/bedrock/ways.json): each arrives as it was sent, is decided as what it is,
//! and is on record with facts of its own.

use super::{at_the_fake, decision, ended};
use anyhow::{Context, Result, ensure};
use e2e::Stack;
use e2e::client::{Request, Signer};
use e2e::fake::APP_ONE;
use serde_json::{Value, json};

const WAYS: &str = include_str!("../../../../../testdata/bedrock/ways.json");

#[test]
fn every_way_is_decided_and_recorded_with_its_own_facts() -> Result<()> {
    let stack = Stack::shared()?;
    let mut wrong = Vec::new();
    let ways: Vec<Value> = serde_json::from_str(WAYS)?;
    for way in &ways {
        let (name, recorded) =
            (&way["name"], recorded(&stack, way).with_context(|| way["name"].to_string())?);
        println!("{name}: {recorded}");
        if recorded != way["record"] {
            wrong.push(format!("{name}:\n  expected {}\n  recorded {recorded}", way["record"]));
        }
    }
    ensure!(wrong.is_empty(), "{} of {} ways:\n{}", wrong.len(), ways.len(), wrong.join("\n"));
    Ok(())
}

/// Sends one; gives back what its record says of it that others' do not.
fn recorded(stack: &Stack, way: &Value) -> Result<Value> {
    let text = |key: &str, default: &'static str| way[key].as_str().unwrap_or(default).to_owned();
    let service = text("host", "bedrock-runtime");
    let host = format!("{service}.us-east-1.amazonaws.com");
    let mut request = Request::new("POST", &host, &text("path", "/"), way["body"].to_string());
    let own = way["headers"].as_object().cloned().unwrap_or_default();
    if !own.contains_key("content-type") {
        request = request.header("content-type", "application/json");
    }
    for (name, value) in &own {
        request = request.header(name, value.as_str().context("a header is text")?);
    }
    let signing = if service == "bedrock-agentcore" { "bedrock-agentcore" } else { "bedrock" };
    let request = Signer::new(APP_ONE).service(signing).sign(request)?;
    let mut connection = crate::raw::tunnel(stack, &host, &host)?;
    connection.send(&request.to_http1())?;
    let answer = connection.answer()?;
    ensure!(answer.status < 300 && answer.complete, "{} {}", answer.status, answer.text());

    let record = ended(stack, &decision(&answer)?)?;
    ensure!(record["state"] == "completed", "{}", record["outcome"]);
    ensure!(record["operation"] == way["operation"], "decided as {}", record["operation"]);
    ensure!(record["correlation_id"].is_string(), "{record}");
    let call = at_the_fake(stack, &record)?;
    ensure!(call["operation"] == way["operation"] && call["signature_valid"] == true, "{call}");
    ensure!(
        record["outcome"]["response_bytes"] == call["sent"]["bytes"],
        "{} {}",
        record["outcome"],
        call["sent"]
    );
    let said = &call["said"];
    let usage = &record["outcome"]["usage"];
    for tokens in ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] {
        // Not every answer says; what one says is on record.
        ensure!(
            usage.is_null() || usage[tokens] == said[tokens] || said.is_null(),
            "{tokens}: {usage}, sent {said}"
        );
    }
    let mut found = json!({});
    let mut keep = |name: &str, value: &Value| {
        if !value.is_null() && *value != json!([]) && *value != json!({}) {
            found[name] = value.clone();
        }
    };
    keep("action", &record["action"]);
    keep("model", &record["model"]["id"]);
    keep("agent", &record["agent"]);
    keep("labels", &record["labels"]);
    for name in [
        "knowledge_bases",
        "facts",
        "tools",
        "guardrail",
        "guardrail_version",
        "s3_uris",
        "session_attributes",
    ] {
        keep(name, &record["request"][name]);
    }
    for name in ["stop_reason", "guardrail", "models", "session"] {
        keep(&format!("answer.{name}"), &record["outcome"]["answer"][name]);
    }
    if !usage.is_null() {
        keep(
            "usage",
            &json!([
                usage["input_tokens"],
                usage["output_tokens"],
                usage["cache_read_tokens"],
                usage["cache_write_tokens"]
            ]),
        );
    }
    Ok(found)
}
