//! The control plane is absent, slow, or talks nonsense: nothing goes out, the caller gets 503 in AWS's shape.

use crate::application::script;
use anyhow::{Context, Result, ensure};
use e2e::stack::StubStack;
use e2e::stub::Behaviour;
use e2e::{Builder, Stack, python, wait};
use serde_json::json;
use std::time::Duration;

/// One call without retries: it must be refused as `ServiceUnavailableException`, and must not arrive.
fn refused(stack: &StubStack, mark: &str) -> Result<()> {
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}))
out({'result': caught(converse), 'sent': requests})";
    let seen = python::ask(&stack.egress(), &script(mark, rest))?;
    println!("{mark}: {} {}", seen["result"]["status"], seen["result"]["error"]);
    ensure!(seen["result"]["status"] == 503, "{seen}");
    ensure!(seen["result"]["error"]["Code"] == "ServiceUnavailableException", "{seen}");
    let sha256 = seen["sent"][0]["sha256"].as_str().context("sha256")?;
    ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "{mark}: it arrived");
    Ok(())
}

fn with(behaviour: Behaviour, mark: &str) -> Result<()> {
    refused(&Builder::default().timeout_ms(700).start_with_stub(behaviour)?, mark)
}

#[test]
fn control_plane_absent() -> Result<()> {
    let stack = Builder::default().start()?;
    stack.control_plane.kill();
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}))
out({'result': caught(converse), 'sent': requests})";
    let seen = python::ask(&stack.egress(e2e::fake::APP_ONE), &script("absent", rest))?;
    println!("{seen}");
    ensure!(
        seen["result"]["status"] == 503 && seen["result"]["error"]["Code"] == "ServiceUnavailableException",
        "{seen}"
    );
    ensure!(stack.fake.calls()?.is_empty(), "something arrived");
    stack.control_plane.restart()?;
    let seen = python::ask(&stack.egress(e2e::fake::APP_ONE), &script("back", "out(caught(converse))"))?;
    ensure!(seen["ok"].is_string(), "it does not recover: {seen}");
    Ok(())
}

#[test]
fn control_plane_refusing_connections() -> Result<()> {
    with(Behaviour::Close, "refusing")
}

#[test]
fn control_plane_slow_past_the_deadline() -> Result<()> {
    let stack =
        Builder::default().timeout_ms(300).start_with_stub(Behaviour::Late(Duration::from_secs(3)))?;
    refused(&stack, "slow")?;
    // The call's end is reported, so that the late decision does not stay an orphan.
    wait::until("the outcome of the call that was not let out", || {
        let outcomes = stack.stub.outcomes();
        let ours = outcomes.first().context("none yet")?;
        ensure!(ours["outcome"] == "blocked" && ours["reason"] == "decision_timeout", "{ours}");
        ensure!(ours["forwarded"] == false, "{ours}");
        Ok(())
    })
}

#[test]
fn control_plane_never_answers() -> Result<()> {
    with(Behaviour::Hang, "hanging")
}

#[test]
fn control_plane_answers_garbage() -> Result<()> {
    let stack = Builder::default().start_with_stub(Behaviour::Allow)?;
    for (what, garbage) in [
        ("not-json", "<html>busy</html>"),
        ("empty", ""),
        ("null", "null"),
        ("array", "[]"),
        ("truncated", "{\"verdict\":\"allow\""),
        ("no-verdict", "{\"call_id\":\"x\",\"decision_id\":\"y\"}"),
        ("not-utf8", "\u{fffd}"),
    ] {
        stack.stub.behave(Behaviour::Say(200, garbage.to_owned()));
        refused(&stack, &format!("garbage-{what}"))?;
    }
    Ok(())
}

#[test]
fn control_plane_answers_500() -> Result<()> {
    let stack = Builder::default().start_with_stub(Behaviour::Allow)?;
    for status in [500_u16, 502, 503, 401, 404, 204] {
        stack.stub.behave(Behaviour::Say(
            status,
            "{\"verdict\":\"allow\",\"call_id\":\"x\",\"decision_id\":\"y\"}".to_owned(),
        ));
        refused(&stack, &format!("status-{status}"))?;
    }
    Ok(())
}

#[test]
fn control_plane_answers_an_unknown_verdict() -> Result<()> {
    with(Behaviour::With(json!({"verdict": "maybe", "decision_id": "d"})), "unknown-verdict")
}

#[test]
fn control_plane_answers_for_another_call() -> Result<()> {
    with(
        Behaviour::With(json!({"verdict": "allow", "decision_id": "d", "call_id": "another"})),
        "another-call",
    )
}

#[test]
fn control_plane_allows_without_a_decision_id() -> Result<()> {
    with(Behaviour::With(json!({"verdict": "allow", "decision_id": ""})), "no-decision-id")
}

#[test]
fn control_plane_needs_text_twice() -> Result<()> {
    with(Behaviour::With(json!({"verdict": "need_text", "decision_id": ""})), "need-text-twice")
}

#[test]
fn control_plane_holds_a_call_twice() -> Result<()> {
    let hold = json!({"verdict": "hold", "decision_id": "", "approval_id": "ap-1", "seconds": 45});
    with(Behaviour::With(hold), "held-twice")
}

/// The gate waits longer than for a decision, and no timeout of Envoy's ends the wait. `PORTCULLIS_HOLD_S` waits as long as that.
#[test]
fn a_held_call_goes_out_when_it_is_approved() -> Result<()> {
    let seconds = std::env::var("PORTCULLIS_HOLD_S").ok().and_then(|s| s.parse().ok()).unwrap_or(2);
    let stack =
        Builder::default().timeout_ms(700).start_with_stub(Behaviour::Hold(Duration::from_secs(seconds)))?;
    let started = std::time::Instant::now();
    let seen = python::ask(&stack.egress(), &script("held", "out(caught(converse))"))?;
    println!("held for {:?}: {seen}", started.elapsed());
    ensure!(seen["ok"].is_string() && started.elapsed() >= Duration::from_secs(seconds), "{seen}");
    let questions = stack.stub.questions();
    ensure!(questions.len() == 2 && questions[1]["held"] == "ap-1", "{questions:?}");
    ensure!(questions[0]["call_id"] == questions[1]["call_id"], "another call");
    ensure!(
        questions[1]["wait_ms"].as_u64().is_some_and(|ms| (40_000..=50_000).contains(&ms)),
        "{questions:?}"
    );
    Ok(())
}

/// A client that gives up while its call is held: nothing goes out, whatever is approved later.
#[test]
fn a_held_call_whose_client_has_left_stays_in() -> Result<()> {
    let stack = Builder::default().start_with_stub(Behaviour::Hold(Duration::from_secs(2)))?;
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}, read_timeout=1))
out(caught(converse))";
    let seen = python::ask(&stack.egress(), &script("impatient", rest))?;
    println!("{seen}");
    ensure!(seen["exception"] == "ReadTimeoutError", "{seen}");
    wait::until("the outcome", || {
        let outcomes = stack.stub.outcomes();
        let outcome = outcomes.first().context("none yet")?;
        ensure!(outcome["outcome"] == "aborted" && outcome["reason"] == "client_gone", "{outcome}");
        ensure!(outcome["forwarded"] == false && outcome["decision_id"].is_null(), "{outcome}");
        Ok(())
    })?;
    // A call that is held after it, and goes out: by then the first has its answer, too.
    let seen = python::ask(&stack.egress(), &script("patient", "out(caught(converse))"))?;
    ensure!(seen["ok"].is_string() && stack.stub.questions().len() == 4, "{seen}");
    let arrived = stack.fake.calls()?.len();
    ensure!(arrived == 1, "{arrived} calls arrived");
    Ok(())
}

#[test]
fn failure_mode_open_is_loud() -> Result<()> {
    let stack = Builder::default().filter("failure_mode: open").without_gateway().start()?;
    stack.control_plane.kill();
    let seen = python::ask(&stack.egress(e2e::fake::APP_ONE), &script("open", "out(caught(converse))"))?;
    ensure!(seen["ok"].is_string(), "asked to fail open: {seen}");
    wait::until("the metric", || {
        ensure!(stack.envoy.stat("portcullis.fail_open")? > 0, "no metric");
        Ok(())
    })?;
    stack.control_plane.restart()?;
    wait::until("the gap to be reported", || {
        let (_, metrics) = stack.control_plane.admin.get("/metrics")?;
        let metrics = metrics.as_str().unwrap_or_default().to_owned();
        let line = metrics
            .lines()
            .find(|line| line.starts_with("portcullis_unaudited"))
            .context("no unaudited metric")?;
        ensure!(line.ends_with(" 1"), "{line}");
        println!("{line}");
        Ok(())
    })
}

#[test]
fn a_store_that_cannot_take_the_record_lets_nothing_out() -> Result<()> {
    let stack: Stack = Builder::default().start()?;
    // SQLite's own lock, held by another process for writing.
    let database = std::fs::read_dir(&stack.control_plane.store)?
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .find(|path| path.extension().is_some_and(|extension| extension == "db" || extension == "sqlite"))
        .context("no database file")?;
    let hold = format!(
        "import sqlite3, sys\nc = sqlite3.connect({:?}, isolation_level=None)\nc.execute('BEGIN EXCLUSIVE')\nprint('OUT 1', flush=True)\nsys.stdin.read()",
        database.display().to_string()
    );
    let mut holder = std::process::Command::new(e2e::binaries::python()?)
        .args(["-c", &hold])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    std::io::BufRead::read_line(
        &mut std::io::BufReader::new(holder.stdout.as_mut().context("stdout")?),
        &mut line,
    )?;
    ensure!(line.starts_with("OUT"), "the lock was not had: {line}");
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}))
out(caught(converse))";
    let seen = python::ask(&stack.egress(e2e::fake::APP_ONE), &script("locked", rest))?;
    println!("store locked: {seen}");
    ensure!(seen["status"] == 503, "{seen}");
    ensure!(stack.fake.calls()?.is_empty(), "something arrived");
    drop(holder.stdin.take());
    holder.wait()?;
    let seen = python::ask(&stack.egress(e2e::fake::APP_ONE), &script("unlocked", "out(caught(converse))"))?;
    ensure!(seen["ok"].is_string(), "it does not recover: {seen}");
    Ok(())
}
