//! What policy sends to a person: the application's error carries the approval's id; approved on the command line, the same call
//! passes once; with `hold` it waits at the gate and returns the moment it is approved.

use anyhow::{Context, Result, ensure};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, binaries, python, wait};
use serde_json::{Value, json};
use std::process::Command;
use std::time::Instant;

const RULES: &str = r#"
version: "1.0"
name: Approvals
rules:
- id: ask-nova-pro
  action: require_approval
  models: ["amazon.nova-pro-*"]
  message: Nova Pro needs a person
- id: hold-nova-premier
  action: require_approval
  models: ["amazon.nova-premier-*"]
  approval: {hold: 45s}
"#;

/// One call; `n` in its text makes it another call.
const CALL: &str = "
from botocore.config import Config
def call(model, n=0, timeout=60):
    requests.clear()
    c = client('bedrock-runtime', config=Config(read_timeout=timeout))
    return c.converse(modelId=model, messages=[{'role':'user','content':[{'text':f'MARK pay {n}'}]}])['output']['message']['role']
PRO, PREMIER = 'amazon.nova-pro-v1:0', 'amazon.nova-premier-v1:0'
";

fn script(mark: &str, rest: &str) -> String {
    format!("{}\n{rest}", CALL.replace("MARK", mark))
}

fn stack() -> Result<Stack> {
    Builder::default().bundle(&[("rules/approvals.yaml", RULES)]).start()
}

/// `portcullis approvals …` as an approver types it.
fn cli(stack: &Stack, token: &str, arguments: &[&str]) -> Result<(bool, String)> {
    let output = Command::new(binaries::portcullis()?)
        .arg("approvals")
        .args(arguments)
        .env("PORTCULLIS_URL", &stack.control_plane.admin.url)
        .env("PORTCULLIS_ADMIN_TOKEN", token)
        .output()?;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    Ok((output.status.success(), text))
}

/// A person with a token of their own.
fn approver(stack: &Stack, name: &str) -> Result<String> {
    let (status, made) =
        stack.control_plane.admin.post("/v1/keys", &json!({"kind": "admin", "name": name}))?;
    ensure!(status == 201, "POST /v1/keys: {status} {made}");
    made["token"].as_str().map(str::to_owned).with_context(|| format!("no token in {made}"))
}

fn pending(stack: &Stack) -> Result<Vec<Value>> {
    let (status, body) = stack.control_plane.admin.get("/v1/approvals?state=pending")?;
    ensure!(status == 200, "GET /v1/approvals: {status} {body}");
    body["approvals"].as_array().cloned().with_context(|| format!("no `approvals` in {body}"))
}

/// The approval's id in an `AccessDeniedException`.
fn id_in(raised: &Value) -> Result<String> {
    ensure!(raised["class"] == "AccessDeniedException" && raised["status"] == 403, "{raised}");
    ensure!(raised["requests"] == 1, "the SDK must not retry: {raised}");
    let message = raised["error"]["Message"].as_str().context("message")?;
    let (_, rest) = message.split_once("apr_").with_context(|| format!("no approval id in `{message}`"))?;
    let id = "apr_"
        .chars()
        .chain(rest.chars())
        .take_while(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
    Ok(id.collect())
}

fn arrived(stack: &Stack, mark: &str) -> Result<usize> {
    let calls = stack.fake.calls()?;
    Ok(calls.iter().filter(|call| call.to_string().contains(mark)).count())
}

#[test]
fn an_approved_call_passes_once_and_asks_again() -> Result<()> {
    let stack = stack()?;
    let alice = approver(&stack, "alice")?;
    let ask = |n: u32| {
        python::ask(&stack.egress(APP_ONE), &script("once", &format!("out(caught(lambda: call(PRO, {n})))")))
    };
    let first = ask(0)?;
    let id = id_in(&first)?;
    println!("raised: {}", first["error"]["Message"]);
    ensure!(
        first["error"]["Message"]
            .as_str()
            .is_some_and(|m| m.contains("ask-nova-pro") && m.contains("Nova Pro needs a person")),
        "{first}"
    );
    ensure!(id_in(&ask(0)?)? == id, "the same call has the same approval");
    ensure!(id_in(&ask(1)?)? != id, "another call has another");
    ensure!(arrived(&stack, "once")? == 0 || stack.fake.calls()?.is_empty(), "nothing may have arrived");

    let (ok, text) = cli(&stack, &alice, &["approve", &id, "--why", "checked with the client"])?;
    println!("{text}");
    ensure!(ok, "{text}");
    // A restart between approval and use loses nothing.
    stack.control_plane.restart()?;
    let passed = ask(0)?;
    ensure!(passed["ok"] == "assistant", "approved: {passed}");
    let again = id_in(&ask(0)?)?;
    ensure!(again != id, "single use: it asks again");
    let (_, listed) = stack.control_plane.admin.get(&format!("/v1/approvals/{id}"))?;
    println!("{listed}");
    ensure!(listed["state"] == "consumed", "{listed}");
    ensure!(stack.fake.calls()?.len() == 1, "one call reached Bedrock, not {}", stack.fake.calls()?.len());
    Ok(())
}

#[test]
fn a_denied_call_stays_denied_and_says_by_whom() -> Result<()> {
    let stack = stack()?;
    let alice = approver(&stack, "alice")?;
    let ask = || python::ask(&stack.egress(APP_ONE), &script("denied", "out(caught(lambda: call(PRO)))"));
    let id = id_in(&ask()?)?;
    let (ok, text) = cli(&stack, &alice, &["deny", &id, "--why", "not this month"])?;
    ensure!(ok, "{text}");
    let after = ask()?;
    println!("{}", after["error"]["Message"]);
    ensure!(after["class"] == "AccessDeniedException", "{after}");
    ensure!(after["error"]["Message"].as_str().is_some_and(|m| m.contains("denied")), "{after}");
    let (ok, text) = cli(&stack, &alice, &["approve", &id])?;
    println!("{text}");
    ensure!(!ok, "an approval that was denied cannot be approved");
    Ok(())
}

#[test]
fn a_held_call_returns_the_moment_it_is_approved() -> Result<()> {
    let stack = stack()?;
    let alice = approver(&stack, "alice")?;
    for (verb, expected) in [("approve", "ok"), ("deny", "AccessDeniedException")] {
        let held =
            python::command(&stack.egress(APP_ONE), &script(verb, "out(caught(lambda: call(PREMIER)))"))?
                .spawn()?;
        let approval =
            wait::until("the held call's approval", || pending(&stack)?.pop().context("none yet"))?;
        let id = approval["id"].as_str().context("id")?.to_owned();
        ensure!(stack.fake.calls()?.len() == usize::from(verb == "deny"), "it must not have left");
        let (ok, text) = cli(&stack, &alice, &[verb, &id, "--why", "test"])?;
        let decided = Instant::now();
        ensure!(ok, "{text}");
        let output = held.wait_with_output()?;
        let took = decided.elapsed();
        let printed = String::from_utf8_lossy(&output.stdout);
        let result: Value =
            serde_json::from_str(printed.lines().find_map(|l| l.strip_prefix("OUT ")).context("OUT")?)?;
        println!("{verb}: returned {took:?} after the decision: {result}");
        ensure!(took.as_secs_f64() < 5.0, "it came {took:?} late");
        ensure!(result["requests"].is_null() || result["requests"] == 1, "one request: {result}");
        if expected == "ok" {
            ensure!(result["ok"] == "assistant", "{result}");
        } else {
            ensure!(result["class"] == expected, "{result}");
        }
    }
    Ok(())
}

#[test]
fn a_held_call_outlives_a_kill_of_the_control_plane_or_is_refused() -> Result<()> {
    let stack = stack()?;
    let alice = approver(&stack, "alice")?;
    let held = python::command(
        &stack.egress(APP_ONE),
        &script(
            "killed",
            "os.environ['AWS_MAX_ATTEMPTS'] = '1'\nout(caught(lambda: call(PREMIER)))\nout('first')",
        ),
    )?
    .spawn()?;
    let approval = wait::until("the held call's approval", || pending(&stack)?.pop().context("none yet"))?;
    let id = approval["id"].as_str().context("id")?.to_owned();
    stack.control_plane.restart()?;
    let output = held.wait_with_output()?;
    println!("the held call: {}", String::from_utf8_lossy(&output.stdout));
    ensure!(stack.fake.calls()?.is_empty(), "nothing was approved, nothing may leave");
    // What was asked for is still there, and approving it lets the same call out.
    ensure!(pending(&stack)?.iter().any(|one| one["id"] == id.as_str()), "the pending approval was lost");
    let (ok, text) = cli(&stack, &alice, &["approve", &id])?;
    ensure!(ok, "{text}");
    let passed =
        python::ask(&stack.egress(APP_ONE), &script("killed", "out(caught(lambda: call(PREMIER)))"))?;
    ensure!(passed["ok"] == "assistant", "{passed}");
    ensure!(stack.fake.calls()?.len() == 1, "once");
    Ok(())
}

#[test]
fn of_two_approvers_at_once_one_wins() -> Result<()> {
    let stack = stack()?;
    let people = [approver(&stack, "alice")?, approver(&stack, "bob")?];
    for round in 0..10 {
        let asked = python::ask(
            &stack.egress(APP_ONE),
            &script("two", &format!("out(caught(lambda: call(PRO, {round})))")),
        )?;
        let id = id_in(&asked)?;
        let results: Vec<(u16, Value)> = std::thread::scope(|scope| {
            let tries: Vec<_> = people
                .iter()
                .map(|token| {
                    let api = e2e::api::Api::new(stack.control_plane.admin.url.clone(), Some(token.clone()));
                    let path = format!("/v1/approvals/{id}/approve");
                    scope.spawn(move || api.post(&path, &json!({"why": "race"})))
                })
                .collect();
            tries
                .into_iter()
                .map(|one| one.join().map_err(|_| anyhow::anyhow!("panicked"))?)
                .collect::<Result<_>>()
        })?;
        let mut codes: Vec<u16> = results.iter().map(|(status, _)| *status).collect();
        codes.sort_unstable();
        if round == 0 {
            println!("{results:?}");
        }
        ensure!(codes == [200, 409], "round {round}: {results:?}");
    }
    // However many ask at the same time, an approval lets out one call.
    let mark = "same";
    let ask = script(
        mark,
        "
import threading
done = []
def one():
    done.append(caught(lambda: call(PRO, 99)))
ts = [threading.Thread(target=one) for _ in range(8)]
[t.start() for t in ts]; [t.join() for t in ts]
out(done)",
    );
    let before = python::ask(&stack.egress(APP_ONE), &ask)?;
    let ids: std::collections::BTreeSet<String> = before
        .as_array()
        .context("array")?
        .iter()
        .map(|one| Ok(one["error"]["Message"].as_str().context("message")?.to_owned()))
        .collect::<Result<_>>()?;
    ensure!(ids.len() == 1, "eight callers at once, one approval: {ids:?}");
    let id = pending(&stack)?.pop().context("pending")?["id"].as_str().context("id")?.to_owned();
    ensure!(cli(&stack, &people[0], &["approve", &id])?.0, "approve");
    let after = python::ask(&stack.egress(APP_ONE), &ask)?;
    let passed = after.as_array().context("array")?.iter().filter(|one| one["ok"] == "assistant").count();
    println!("8 callers at once after one approval: {passed} passed");
    ensure!(passed == 1, "{after}");
    Ok(())
}
