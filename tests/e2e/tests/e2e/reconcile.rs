//! What went round the gate: real calls through it and past it, CloudTrail as the fake would write it, the real command.

use crate::application::script;
use crate::raw::{HOST, MODEL, converse, send, signed};
use anyhow::{Context, Result, ensure};
use e2e::client::{Connection, Request, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, binaries, python, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

const CALLS: &str = "
c, a = client('bedrock-runtime'), client('bedrock-agent-runtime')
messages = [{'role':'user','content':[{'text':MARK + ' [[words:20]]'}]}]
c.converse(modelId=M, messages=messages)
for e in c.converse_stream(modelId=M, messages=messages)['stream']: pass
c.invoke_model(modelId=M, body=json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':MARK}]}))
for e in a.invoke_agent(agentId='AGENT12345', agentAliasId='ALIAS12345', sessionId='s-'+MARK, inputText=MARK)['completion']: pass
out(caught(lambda: c.converse(modelId='anthropic.claude-3-opus-20240229-v1:0', messages=messages))['status'])";

/// The same host and signature, past the gate.
fn around(stack: &Stack, request: &Request) -> Result<String> {
    let mut connection = Connection::open(&stack.fake.https)?.tls(&Tls::trusting(&stack.fake.ca, HOST)?)?;
    connection.send(&request.to_http1())?;
    let answer = connection.answer()?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    Ok(answer.header("x-amzn-requestid").context("no request id")?.to_owned())
}

fn reconcile(
    stack: &Stack,
    trail: &str,
    more: &[&str],
    environment: &[(&str, &str)],
) -> Result<(i32, String)> {
    let mut command = Command::new(binaries::portcullis()?);
    command.args(["audit", "reconcile", "--cloudtrail", trail]).args(more).envs(environment.iter().copied());
    command.env("PORTCULLIS_URL", &stack.control_plane.admin.url);
    command.env("PORTCULLIS_ADMIN_TOKEN", stack.control_plane.admin.token.as_deref().unwrap_or_default());
    let output = command.output()?;
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    Ok((output.status.code().context("killed")?, String::from_utf8(output.stdout)?))
}

fn save_trail(stack: &Stack, path: &Path) -> Result<()> {
    let (status, trail) = stack.fake.control.get("/cloudtrail")?;
    ensure!(status == 200, "{status}");
    Ok(std::fs::write(path, trail.to_string())?)
}

#[test]
fn of_calls_through_the_gate_and_two_around_it_reconcile_names_the_two() -> Result<()> {
    let stack = Builder::default().start()?;
    let directory = tempfile::tempdir()?;
    let trail = directory.path().join("trail.json");
    let trail_path = trail.to_str().context("path")?;

    ensure!(python::ask(&stack.egress(APP_ONE), &script("reconcile", CALLS))? == json!(403));
    let through = send(&stack, &signed(converse("through"))?.to_http1())?;
    ensure!(through.status == 200, "{}", through.status);
    wait::until("every outcome", || {
        let pending = stack.control_plane.decisions("outcome=pending")?;
        ensure!(pending.is_empty(), "{} pending", pending.len());
        Ok(())
    })?;
    save_trail(&stack, &trail)?;
    let (code, text) = reconcile(&stack, trail_path, &[], &[])?;
    println!("{text}");
    ensure!(code == 0 && text.starts_with("clean"), "exit code {code}");

    // The same key, model and operation as a call that was let out; and one that the gate would have refused.
    let opus = Request::converse(HOST, "anthropic.claude-3-opus-20240229-v1:0", "around");
    let mut ids = [
        around(&stack, &signed(Request::converse(HOST, MODEL, "around"))?)?,
        around(&stack, &signed(opus)?)?,
    ];
    ids.sort();
    save_trail(&stack, &trail)?;
    let (code, text) = reconcile(&stack, trail_path, &[], &[])?;
    println!("{text}");
    ensure!(code == 2, "exit code {code}");
    let (code, json) = reconcile(&stack, trail_path, &["--output", "json", "--record"], &[])?;
    let report: Value = serde_json::from_str(&json)?;
    let mut found: Vec<&str> = report["bypassed"]
        .as_array()
        .context("list")?
        .iter()
        .filter_map(|call| call["request_id"].as_str())
        .collect();
    found.sort_unstable();
    ensure!(code == 2 && found == ids, "{code} {report:#}");
    ensure!(report["matched_by_id"] == 5 && report["unknown_to_aws"] == 0, "{report:#}");
    ensure!(report["mismatched"] == json!([]), "{report:#}");
    let (_, events) = stack.control_plane.admin.get("/v1/events?limit=10")?;
    let recorded = events["events"]
        .as_array()
        .context("events")?
        .iter()
        .find(|event| event["detail"]["what"] == "reconciled");
    let recorded = &recorded.context("no record of the reconciliation")?["detail"]["reconciliation"];
    ensure!(
        recorded["bypassed"] == 2 && recorded["inputs_sha256"] == report["inputs"]["digest"],
        "{recorded}"
    );
    Ok(())
}
