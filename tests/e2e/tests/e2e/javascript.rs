//! The AWS SDK for JavaScript, unmodified, through the transparent listener: it ignores `HTTPS_PROXY`, offers HTTP/2 only,
//! and signs `:authority`.

use anyhow::{Context, Result, ensure};
use e2e::fake::APP_ONE;
use e2e::{Stack, binaries, javascript};
use serde_json::Value;

const OPUS: &str = "anthropic.claude-3-opus-20240229-v1:0";

/// An application with a key and a region, and nothing about a gate.
fn environment(stack: &Stack) -> Vec<(String, String)> {
    let mut environment = stack.egress(APP_ONE);
    environment.retain(|(name, _)| !["HTTPS_PROXY", "AWS_CA_BUNDLE"].contains(&name.as_str()));
    environment
}

pub(crate) fn run(stack: &Stack, mark: &str, operations: &[&str]) -> Result<Vec<Value>> {
    let seen = javascript::run(stack, &environment(stack), mark, operations)?;
    if let Some(seen) = &seen {
        ensure!(seen.len() == operations.len(), "{seen:?}");
    } else {
        binaries::may_skip("node", "there is no node on PATH")?;
    }
    Ok(seen.unwrap_or_default())
}

/// The one request that left the SDK.
fn only_request(one: &Value) -> Result<&Value> {
    let sent = one["sent"].as_array().context("sent")?;
    ensure!(sent.len() == 1, "{} requests instead of one: {one}", sent.len());
    Ok(&sent[0])
}

#[test]
fn javascript_works_unmodified_over_http2_byte_identical() -> Result<()> {
    let stack = Stack::shared()?;
    let operations = [
        "Converse",
        "ConverseStream",
        "InvokeModel",
        "InvokeModelWithResponseStream",
        "InvokeAgent",
        "RetrieveAndGenerate",
    ];
    for one in run(&stack, "javascript", &operations)? {
        let name = one["operation"].as_str().context("operation")?;
        let said = one["result"]["ok"]["text"].as_str().unwrap_or_default();
        ensure!(said.contains(&format!("javascript {name}")), "{name} did not get its answer: {one}");
        let sent = only_request(&one)?;
        let sha256 = sent["sha256"].as_str().context("sha256")?;
        let arrived = stack.fake.calls_with_body(sha256)?;
        ensure!(arrived.len() == 1, "{name}: {} calls with the body the application sent", arrived.len());
        let call = &arrived[0];
        println!(
            "{name:30} sent {sha256:.12} {} arrived {:.12} {} signature_valid={} key={}",
            sent["path"],
            call["body_sha256"],
            call["protocol"],
            call["signature_valid"],
            call["access_key_id"]
        );
        ensure!(call["operation"] == name && call["path"] == sent["path"], "{call} is not {sent}");
        ensure!(call["signature_valid"] == true && call["access_key_id"] == APP_ONE.0, "{call}");
        ensure!(call["protocol"] == "HTTP/2.0", "the upstream speaks what the client spoke: {call}");
        let record = stack.control_plane.decision(sent["decision"].as_str().context("decision id")?)?;
        ensure!(record["operation"] == name && record.to_string().contains(sha256), "{record}");
        ensure!(record["principal"]["name"] == "app-one", "{}", record["principal"]);
    }
    Ok(())
}

#[test]
fn javascript_gets_access_denied_after_one_request() -> Result<()> {
    let stack = Stack::shared()?;
    let blocked: Vec<String> = ["Converse", "ConverseStream", "InvokeModel", "InvokeModelWithResponseStream"]
        .iter()
        .map(|operation| format!("{operation}={OPUS}"))
        .collect();
    let blocked: Vec<&str> = blocked.iter().map(String::as_str).collect();
    for one in run(&stack, "javascript blocked", &blocked)? {
        let (name, result) = (&one["operation"], &one["result"]);
        println!("{name} -> {} {}: {}", result["status"], result["error"], result["message"]);
        ensure!(result["error"] == "AccessDeniedException" && result["status"] == 403, "{one}");
        let message = result["message"].as_str().context("message")?;
        ensure!(
            message.contains("block-opus") && message.contains("Opus is not approved for this team"),
            "{message}"
        );
        let sent = only_request(&one)?;
        let sha256 = sent["sha256"].as_str().context("sha256")?;
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "{name} arrived");
        let record = stack.control_plane.decision(sent["decision"].as_str().context("decision id")?)?;
        ensure!(record["verdict"]["kind"] == "deny" && record.to_string().contains(sha256), "{record}");
    }
    Ok(())
}
