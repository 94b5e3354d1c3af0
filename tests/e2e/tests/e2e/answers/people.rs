//! Tool calls that a person decides: the text before them has long arrived, the call waits at the gate, or is refused with the
//! approval's id.

use super::{boto3, boto3_command, ended, of_answer, refused_on_record, stack};
use anyhow::{Context, Result, ensure};
use e2e::{Stack, wait};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};

/// An application in the middle of a stream: it tells of each event as it arrives, and of the end.
pub(super) struct Reading {
    application: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Reading {
    pub(super) fn start(stack: &Stack, mark: &str, api: &str, text: &str) -> Result<Self> {
        let rest = format!("out({{'end': run('{api}', '{text}', lambda e: out({{'event': e}}))}})");
        let mut application = boto3_command(stack, mark, &rest)?.spawn()?;
        let lines = BufReader::new(application.stdout.take().context("stdout")?).lines();
        Ok(Self { application, lines })
    }

    /// The next event, or the end of all.
    pub(super) fn next(&mut self) -> Result<Value> {
        let line = self.lines.next().context("the application said no more")??;
        Ok(serde_json::from_str(line.strip_prefix("OUT ").context("not an OUT line")?)?)
    }

    /// Reads until the text is there; what has come until then.
    pub(super) fn until_text(&mut self, last_word: &str) -> Result<Vec<Value>> {
        let mut seen = Vec::new();
        loop {
            let event = self.next()?;
            ensure!(event.get("end").is_none(), "it ended before its text: {event}");
            let done = event.to_string().contains(last_word);
            seen.push(event);
            if done {
                return Ok(seen);
            }
        }
    }

    /// Reads to the end.
    pub(super) fn rest(&mut self) -> Result<(Vec<Value>, Value)> {
        let mut seen = Vec::new();
        loop {
            let event = self.next()?;
            if let Some(end) = event.get("end") {
                return Ok((seen, end.clone()));
            }
            seen.push(event);
        }
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = self.application.kill();
        let _ = self.application.wait();
    }
}

/// The approval that waits for a call of this tool.
pub(super) fn approval(stack: &Stack, tool: &str) -> Result<String> {
    wait::until("the approval", || {
        let (status, body) = stack.control_plane.admin.get("/v1/approvals?state=pending")?;
        ensure!(status == 200, "{status} {body}");
        let pending = body["approvals"].as_array().context("approvals")?;
        let found = pending.iter().find(|one| one.to_string().contains(tool));
        Ok(found.with_context(|| format!("none: {body}"))?["id"].as_str().context("id")?.to_owned())
    })
}

fn decide(stack: &Stack, id: &str, verb: &str) -> Result<()> {
    let path = format!("/v1/approvals/{id}/{verb}");
    let (status, body) = stack.control_plane.admin.post(&path, &json!({"why": "looked at it"}))?;
    ensure!(status == 200, "{path}: {status} {body}");
    Ok(())
}

/// The text has arrived, event by event, while the tool call behind it waits for a person; nothing of the call has.
#[test]
fn the_text_arrives_before_the_decision_and_the_call_waits_for_it() -> Result<()> {
    let stack = stack()?;
    for (api, verb) in [
        ("ConverseStream", "approve"),
        ("InvokeModelWithResponseStream", "approve"),
        ("ConverseStream", "deny"),
        ("InvokeModelWithResponseStream", "deny"),
    ] {
        let tool = format!("pay_out_{api}_{verb}");
        let order = format!("[[words:8]][[pace:2]][[after:3]][[tool:{tool} {{\"to\": \"PAYEE-{verb}\"}}]]");
        let mut reading = Reading::start(&stack, &format!("held {verb}"), api, &order)?;
        let before = reading.until_text("word8")?;
        let id = approval(&stack, &tool)?;
        println!("{api}: {} events with all of the text, while {id} is pending", before.len());
        ensure!(!json!(before).to_string().contains("pay_out"), "the call came before its decision");
        decide(&stack, &id, verb)?;
        let (after, end) = reading.rest()?;
        let decision = end["decision"].as_str().context("decision id")?;
        if verb == "approve" {
            ensure!(end["error"].is_null(), "{end}");
            let text = json!(after).to_string();
            ensure!(text.contains("PAYEE-approve") || text.contains("PAYEE"), "{text}");
            ensure!(text.contains("after3"), "what came after the call is missing: {text}");
            ensure!(ended(&stack, decision)?["state"] == "completed", "not completed");
            let calls = of_answer(&stack, decision, "tool_call")?;
            println!("{api} {verb}: {}", calls[0]["verdict"]);
            ensure!(calls.len() == 1 && calls[0].to_string().contains(&id), "{calls:?}");
        } else {
            println!("{api} {verb}: {}", end["error"]);
            ensure!(!json!([after, end]).to_string().contains("PAYEE-deny"), "it arrived");
            ensure!(end["class"] == "EventStreamError", "{end}");
            refused_on_record(&stack, decision, "hold-payout")?;
        }
    }
    Ok(())
}

/// Not held: the stream ends with the approval's id; approved, the same call of the model passes once.
#[test]
fn a_wire_is_refused_with_the_approvals_id_and_passes_once_approved() -> Result<()> {
    let stack = stack()?;
    for api in ["ConverseStream", "Converse", "InvokeAgent"] {
        let ask = || {
            let order = format!("[[deltas:1]][[tool:wire_funds_{api} {{\"to\": \"WIRED\"}}]]");
            boto3(&stack, "wire", &format!("out(run('{api}', '{order}'))"))?.pop().context("nothing")
        };
        let first = ask()?;
        let message = first["error"]["Message"].as_str().with_context(|| format!("{api}: {first}"))?;
        println!("{api}: {message}");
        let id = approval(&stack, &format!("wire_funds_{api}"))?;
        ensure!(message.contains(&id) && message.contains("ask-wire"), "{message}");
        ensure!(!first.to_string().contains("WIRED"), "{api}: it arrived: {first}");
        let record = refused_on_record(&stack, first["decision"].as_str().context("id")?, "ask-wire")?;
        ensure!(record["outcome"]["reason"] == "tool_call_pending", "{}", record["outcome"]);
        decide(&stack, &id, "approve")?;
        let second = ask()?;
        ensure!(
            second["error"].is_null() && second.to_string().contains("WIRED"),
            "{api}: approved: {second}"
        );
        let third = ask()?;
        ensure!(third["error"].is_object(), "{api}: once, not twice: {third}");
    }
    Ok(())
}
