//! Parts that go away or talk nonsense while a tool call is held.

use super::ends_in;
use crate::answers::people::{Reading, approval};
use crate::answers::{ALLOWED, RULES, SECRET, boto3, ended, messages, path, stack};
use crate::raw::{HOST, MODEL, signed};
use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Connection, Request, Tls, frames};
use e2e::stack::StubStack;
use e2e::stub::Behaviour;
use e2e::{Builder, wait};
use serde_json::{Value, json};
use std::time::Duration;

const HELD: &str = r#"[[words:6]][[after:2]][[tool:pay_out_MARK {"to": "MARK-PAYEE"}]]"#;

#[test]
fn a_client_that_leaves_while_a_tool_call_is_held() -> Result<()> {
    let stack = stack()?;
    let mark = "leaver";
    let mut reading = Reading::start(&stack, mark, "ConverseStream", &HELD.replace("MARK", mark))?;
    reading.until_text("word6")?;
    let id = approval(&stack, "pay_out_leaver")?;
    drop(reading);
    let record = wait::until("the outcome", || {
        let all = stack.control_plane.decisions("verdict=allow")?;
        let ours = all.into_iter().find(|one| one["kind"] != "tool_call" && one["state"] == "aborted");
        ours.context("none yet")
    })?;
    println!("{id}: {} {}", record["state"], record["outcome"]);
    ensure!(record["outcome"]["reason"] == "client_gone", "{}", record["outcome"]);
    // Nothing of it lingers: the same gate goes on.
    let seen = boto3(&stack, "after the leaver", &format!("out(run('ConverseStream', '{ALLOWED}'))"))?;
    ensure!(seen[0]["error"].is_null(), "{}", seen[0]);
    Ok(())
}

#[test]
fn the_control_plane_goes_away_while_a_tool_call_is_held() -> Result<()> {
    let stack = Builder::default().bundle(&[("rules/tools.yaml", RULES)]).timeout_ms(2_000).start()?;
    for api in ["ConverseStream", "InvokeAgent", "Converse"] {
        let mut reading = Reading::start(&stack, "gone", api, &HELD.replace("MARK", api))?;
        approval(&stack, &format!("pay_out_{api}"))?;
        stack.control_plane.kill();
        let (seen, end) = reading.rest()?;
        println!("{api}: {} events, then {} {}", seen.len(), end["class"], end["error"]);
        let all = json!([seen, end]).to_string();
        ensure!(end["error"].is_object() && !all.contains("PAYEE"), "{api}: {all}");
        if api == "Converse" {
            ensure!(end["status"] == 503, "{end}");
        } else {
            ensure!(end["class"] == "EventStreamError", "no exception frame: {end}");
        }
        stack.control_plane.restart()?;
        let (_, body) = stack.control_plane.admin.get("/v1/approvals?state=pending")?;
        for one in body["approvals"].as_array().into_iter().flatten() {
            let path = format!("/v1/approvals/{}/deny", one["id"].as_str().context("id")?);
            stack.control_plane.admin.post(&path, &json!({"why": "cleared"}))?;
        }
        let record = ended(&stack, end["decision"].as_str().context("decision")?)?;
        println!("{api}: {} {}", record["state"], record["outcome"]["reason"]);
        ensure!(record["outcome"]["reason"] == "inspection_unavailable", "{}", record["outcome"]);
    }
    Ok(())
}

/// A raw stream through a gate with a scripted control plane.
fn through(stack: &StubStack, orders: &str, operation: &str) -> Result<Answer> {
    let (answer, connection) =
        Connection::through_proxy(&stack.envoy.egress.to_string(), &format!("{HOST}:443"), "HTTP/1.1")?;
    ensure!(answer.status == 200, "CONNECT: {}", answer.status);
    let mut connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    let request = signed(Request::json(HOST, &path(MODEL, operation), &messages(orders)))?;
    connection.send(&request.to_http1())?;
    connection.answer()
}

const ORDER: &str = r#"[[words:5]][[after:3]][[tool:ping {"to": "ACCT-9000-FORBIDDEN"}]]"#;

/// Whatever is no clear "allow" for this very question is a refusal.
#[test]
fn an_answer_that_is_not_a_clear_allow_is_a_refusal() -> Result<()> {
    let stack = Builder::default().timeout_ms(700).start_with_stub(Behaviour::Allow)?;
    let answers: Vec<(&str, Behaviour)> = vec![
        ("500", Behaviour::Say(500, "{}".to_owned())),
        ("404", Behaviour::Say(404, "{}".to_owned())),
        ("401", Behaviour::Say(401, "{}".to_owned())),
        ("413", Behaviour::Say(413, "{}".to_owned())),
        ("garbage", Behaviour::Say(200, "allow".to_owned())),
        ("empty", Behaviour::Say(200, String::new())),
        ("no verdict", Behaviour::With(json!({"decision_id": "d"}))),
        ("unknown verdict", Behaviour::With(json!({"decision_id": "d", "verdict": "maybe"}))),
        (
            "another exchange",
            Behaviour::With(json!({"decision_id": "d", "verdict": "allow", "call_id": "another"})),
        ),
        ("another number", Behaviour::With(json!({"decision_id": "d", "verdict": "allow", "number": 7}))),
        ("allow without a record", Behaviour::With(json!({"decision_id": "", "verdict": "allow"}))),
        ("late", Behaviour::Late(Duration::from_secs(3))),
        ("never", Behaviour::Hang),
        ("closed", Behaviour::Close),
    ];
    for (name, behaviour) in answers {
        stack.stub.inspect(json!({"tool_calls": true, "text": false}), behaviour);
        let answer = through(&stack, ORDER, "converse-stream")?;
        let (got, read) = frames(&answer.body);
        let last = got.last().context("no frames")?;
        println!("{name}: {} frames, the last {} {}", got.len(), last.kind, last.payload);
        ensure!(read == answer.body.len() && last.message_type == "exception", "{name}: {last:?}");
        ensure!(!answer.text().contains(SECRET) && !answer.text().contains("after"), "{name}: it arrived");
        ensure!(answer.text().contains("word5"), "{name}: the text before is missing");
        let answer = through(&stack, ORDER, "converse")?;
        ensure!(
            answer.status == 503 && !answer.text().contains(SECRET),
            "{name}: {} {}",
            answer.status,
            answer.text()
        );
    }
    stack.stub.inspect(json!({"tool_calls": true, "text": false}), Behaviour::Allow);
    let answer = through(&stack, ORDER, "converse-stream")?;
    ensure!(answer.text().contains("messageStop") && answer.text().contains("after3"), "a sound one passes");
    // The gate asked in order, with its own numbers, about this tool.
    let asked = stack.stub.inspections();
    let last = asked.last().context("nothing asked")?;
    println!("{last}");
    ensure!(last["number"] == 1 && last["subject"]["tool_call"]["name"] == "ping", "{last}");
    ensure!(last["released_bytes"].as_u64() > Some(100), "{last}");
    Ok(())
}

/// Two streams on one worker, both with a held call, decided in the other order: neither gets anything of the other.
#[test]
fn two_interleaved_streams_on_one_worker() -> Result<()> {
    let stack = Builder::default().bundle(&[("rules/tools.yaml", RULES)]).start()?;
    let order = |mark: &str| {
        format!(r#"[[pace:3]][[words:30]][[after:20]][[deltas:20]][[tool:pay_out {{"to": "{mark}-PAYEE"}}]]"#)
    };
    let mut readings = Vec::new();
    for mark in ["ONE", "TWO"] {
        readings.push((mark, Reading::start(&stack, mark, "ConverseStream", &order(mark))?));
    }
    for (_, reading) in &mut readings {
        reading.until_text("word30")?;
    }
    let pending: Vec<Value> = wait::until("two approvals", || {
        let (_, body) = stack.control_plane.admin.get("/v1/approvals?state=pending")?;
        let pending = body["approvals"].as_array().cloned().context("approvals")?;
        ensure!(pending.len() == 2, "{}", pending.len());
        Ok(pending)
    })?;
    for one in pending.iter().rev() {
        let path = format!("/v1/approvals/{}/approve", one["id"].as_str().context("id")?);
        stack.control_plane.admin.post(&path, &json!({"why": "both"}))?;
    }
    for (mark, reading) in &mut readings {
        let (seen, end) = reading.rest()?;
        let pieces: String = seen
            .iter()
            .filter_map(|event| event["event"]["contentBlockDelta"]["delta"]["toolUse"]["input"].as_str())
            .collect();
        println!("{mark}: {pieces} {}", end["error"]);
        ensure!(
            end["error"].is_null() && pieces == format!(r#"{{"to":"{mark}-PAYEE"}}"#),
            "{mark}: {pieces}"
        );
    }
    Ok(())
}

/// Envoy drains while streams are on their way: each ends properly, and each has its outcome.
#[test]
fn outcomes_are_complete_when_envoy_drains() -> Result<()> {
    let stack = Builder::default().bundle(&[("rules/tools.yaml", RULES)]).start()?;
    let order = format!("[[pace:20]][[words:40]][[after:10]]{ALLOWED}");
    let mut readings = Vec::new();
    for n in 0..6 {
        let mut reading = Reading::start(&stack, &format!("drained {n}"), "ConverseStream", &order)?;
        reading.until_text("word3")?;
        readings.push(reading);
    }
    let (status, text) = stack.envoy.admin.post("/drain_listeners?graceful", &json!({}))?;
    ensure!(status == 200, "{status} {text}");
    for reading in &mut readings {
        let (_, end) = reading.rest()?;
        ensure!(end["error"].is_null() && end.to_string().contains("ACCT-4000"), "{end}");
        let record = ended(&stack, end["decision"].as_str().context("decision")?)?;
        ensure!(record["state"] == "completed", "{}", record["outcome"]);
    }
    println!("{} streams completed while Envoy drained", readings.len());
    let _ = ends_in;
    Ok(())
}
