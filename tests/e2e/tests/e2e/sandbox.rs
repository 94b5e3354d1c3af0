//! What the README promises a newcomer: `cargo xtask up --sandbox`, and the commands to try, as they are printed there.

use crate::application::script;
use anyhow::{Context, Result, bail, ensure};
use e2e::api::Api;
use e2e::fake::{APP_ONE, GATEWAY};
use e2e::sandbox::{Sandbox, lives};
use e2e::{binaries, bundle, python, wait};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

const OPUS: &str = "anthropic.claude-3-opus-20240229-v1:0";
const BLOCK_SONNET: &str = "version: \"1.0\"\nname: Models\nrules:\n- id: no-sonnet\n  action: block\n  models: [\"*sonnet*\"]\n  message: not today\n";

/// The commands of the README's block that begins with this one, those over several lines whole.
fn commands_of_the_readme(first: &str) -> Result<Vec<String>> {
    let readme = std::fs::read_to_string(binaries::root().join("README.md"))?;
    let block = readme.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    let block = block.into_iter().find(|block| block.starts_with(first));
    let mut commands = vec![String::new()];
    for line in block.with_context(|| format!("no block of the README begins with `{first}`"))?.lines() {
        let last = commands.last_mut().context("there is one")?;
        last.push_str(line);
        if last.matches('\'').count() % 2 == 1 {
            last.push('\n');
        } else {
            commands.push(String::new());
        }
    }
    commands.retain(|command| !command.is_empty() && !command.starts_with('#'));
    Ok(commands)
}

fn set<'a>(environment: &'a [(String, String)], name: &str) -> Result<&'a str> {
    let found = environment.iter().find(|(found, _)| found == name);
    found.map(|(_, value)| value.as_str()).with_context(|| format!("`{name}` is not set"))
}

/// The sandbox's control plane and its fake.
fn apis(environment: &[(String, String)]) -> Result<(Api, Api)> {
    let token = set(environment, "PORTCULLIS_ADMIN_TOKEN")?.to_owned();
    let admin = Api::new(set(environment, "PORTCULLIS_URL")?.to_owned(), Some(token));
    Ok((admin, Api::new(set(environment, "SANDBOX_URL")?.to_owned(), None)))
}

fn up(sandbox: &Sandbox) -> Result<Vec<(String, String)>> {
    let output = sandbox.xtask(&["up", "--sandbox", "--detach", "--ports", "auto"])?.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    ensure!(said.contains("source ") && said.contains("cargo xtask down --dir"), "{said}");
    sandbox.environment()
}

#[test]
fn sandbox_of_the_readme() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let environment = up(&sandbox)?;
    let (_, fake) = apis(&environment)?;
    for name in [
        "HTTPS_PROXY",
        "AWS_CA_BUNDLE",
        "NODE_EXTRA_CA_CERTS",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "SECOND_AWS_ACCESS_KEY_ID",
        "SECOND_AWS_SECRET_ACCESS_KEY",
        "AWS_REGION",
        "PORTCULLIS_URL",
        "PORTCULLIS_ADMIN_TOKEN",
        "GATEWAY_URL",
        "SANDBOX_URL",
    ] {
        ensure!(!set(&environment, name)?.is_empty(), "{name} is empty");
    }

    let commands = commands_of_the_readme("source target/sandbox/env")?;
    ensure!(
        commands.len() == 7,
        "the README has other commands now; say here what they must do: {commands:#?}"
    );
    let run = |command: &str| -> Result<(bool, String, String)> {
        let output = sandbox.shell(command).output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        println!("$ {command}\n{}{}", text(&output.stdout), text(&output.stderr));
        Ok((output.status.success(), text(&output.stdout), text(&output.stderr)))
    };
    let (passed, said, _) = run(&commands[1])?;
    ensure!(passed && said.contains("Echo: hello"), "the allowed call");
    let (passed, _, said) = run(&commands[2])?;
    ensure!(
        !passed && said.contains("AccessDeniedException") && said.contains("no-opus"),
        "the blocked call"
    );
    let (passed, events, said) = run(&commands[3])?;
    ensure!(!passed && events.contains("'tool.'"), "the text of the answer before its tool call");
    ensure!(!events.contains("transfer_funds") && !events.contains("9000"), "the tool call arrived");
    ensure!(
        said.contains("EventStreamError") && said.contains("Transfers over $5000 need a person"),
        "{said}"
    );
    let (passed, events, _) = run(&commands[4])?;
    ensure!(passed && events.contains("transfer_funds") && events.contains("messageStop"), "the allowed one");
    let (passed, said, _) = run(&commands[5])?;
    let calls: Value = serde_json::from_str(&said).context("what reached the fake")?;
    ensure!(passed && calls.as_array().context("an array")?.len() == 3, "the blocked call arrived: {calls}");
    ensure!(calls[0]["signature_valid"] == true && calls[0]["model"] != OPUS, "{calls}");
    ensure!(fake.get("/calls")?.1 == calls, "curl and we see the same");

    let mut tail = sandbox.shell(&format!("exec {}", commands[6])).stdout(Stdio::piped()).spawn()?;
    let lines = BufReader::new(tail.stdout.take().context("stdout")?).lines();
    let shown: Vec<String> = lines.take(6).collect::<Result<_, _>>()?;
    tail.kill()?;
    tail.wait()?;
    println!("$ {}\n{}", commands[6], shown.join("\n"));
    ensure!(shown[0].contains("allow") && shown[0].contains("claude-3-5-sonnet"), "{shown:?}");
    ensure!(shown[1].contains("deny") && shown[1].contains("no-opus"), "{shown:?}");

    ensure!(shown[2..].iter().any(|line| line.contains("no-large-transfers")), "{shown:?}");

    let (passed, said, _) = run("portcullis audit search --verdict deny --output json")?;
    let found =
        said.lines().map(serde_json::from_str).collect::<Result<Vec<Value>, _>>().context("decisions")?;
    ensure!(passed && found.len() == 2, "{said}");
    let model = found.iter().find(|one| one["policy"]["rule"] == "no-opus").context("the blocked call")?;
    ensure!(model["model"]["id"] == OPUS, "{model}");
    let tool =
        found.iter().find(|one| one["policy"]["rule"] == "no-large-transfers").context("the tool call")?;
    ensure!(tool["tool"]["names"][0] == "transfer_funds" && tool["verdict"]["kind"] == "deny", "{tool}");
    Ok(())
}

#[test]
fn sandbox_runs_every_promised_operation() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let environment = up(&sandbox)?;
    let mut gateway = environment.clone();
    gateway.retain(|(name, _)| name != "HTTPS_PROXY");
    let url = set(&environment, "GATEWAY_URL")?.to_owned();
    for service in ["RUNTIME", "AGENT_RUNTIME"] {
        gateway.push((format!("AWS_ENDPOINT_URL_BEDROCK_{service}"), url.clone()));
    }
    every_operation(&environment, &environment, "egress", APP_ONE.0)?;
    every_operation(&environment, &gateway, "gateway", GATEWAY.0)?;
    edits(&environment)
}

/// All of them pass, byte for byte and signed by `key`; the blocked ones never arrive.
fn every_operation(
    sandbox: &[(String, String)],
    application: &[(String, String)],
    way: &str,
    key: &str,
) -> Result<()> {
    let (_, fake) = apis(sandbox)?;
    fake.delete("/calls")?;
    let rest = format!(
        "
for f in ALL:
    requests.clear()
    out({{'operation': f.__name__, 'result': caught(f), 'sent': requests}})
for f in [converse, converse_stream, invoke_model, invoke_model_with_response_stream, retrieve_and_generate]:
    requests.clear()
    out({{'blocked': f.__name__, 'result': caught(lambda: f('{OPUS}')), 'sent': requests}})"
    );
    let seen = python::run(application, &script(way, &rest))?;
    ensure!(seen.len() == 13, "{seen:?}");
    let calls = fake.get("/calls")?.1;
    let calls = calls.as_array().context("an array")?;
    ensure!(calls.len() == 8, "{} calls arrived", calls.len());
    ensure!(
        calls.iter().all(|call| !call["model"].to_string().contains("opus")),
        "a blocked one arrived: {calls:?}"
    );
    for one in seen {
        let sent = one["sent"].as_array().context("sent")?;
        ensure!(sent.len() == 1, "{one}");
        if let Some(name) = one["blocked"].as_str() {
            println!("{way}: {name} blocked: {}", one["result"]["error"]["Message"]);
            ensure!(one["result"]["class"] == "AccessDeniedException", "{one}");
            ensure!(one["result"]["error"]["Message"].to_string().contains("Opus is not approved"), "{one}");
            continue;
        }
        let arrived = calls.iter().find(|call| call["body_sha256"] == sent[0]["sha256"]);
        let call = arrived.with_context(|| format!("{} did not arrive as it was sent", one["operation"]))?;
        println!(
            "{way}: {} arrived, signature_valid={} key={}",
            one["operation"], call["signature_valid"], call["access_key_id"]
        );
        ensure!(one["result"]["ok"].is_string(), "{one}");
        ensure!(call["signature_valid"] == true && call["access_key_id"] == key, "{call}");
    }
    Ok(())
}

/// What is saved in the sandbox's bundle decides the next call; what is broken does not.
fn edits(environment: &[(String, String)]) -> Result<()> {
    let (admin, _) = apis(environment)?;
    let directory = Path::new(set(environment, "PORTCULLIS_BUNDLE")?);
    let converse = || python::ask(environment, &script("edited", "out(caught(converse))"));
    ensure!(converse()?["ok"].is_string(), "allowed before");
    bundle::write(directory, &[("rules/models.yaml", BLOCK_SONNET)])?;
    wait::until("the edit to be in force", || {
        let (_, bundles) = admin.get("/v1/bundles")?;
        let health = &bundles["active"];
        ensure!(health["generation"] == 2, "{health}");
        Ok(())
    })?;
    let seen = converse()?;
    println!("edited: {}", seen["error"]);
    ensure!(seen["error"]["Message"].to_string().contains("no-sonnet"), "{seen}");
    bundle::write(directory, &[("rules/models.yaml", "rules: [")])?;
    wait::until("the broken edit to be noticed", || {
        let (_, bundles) = admin.get("/v1/bundles")?;
        let health = &bundles["active"];
        ensure!(health["errors"].to_string().contains("rules/models.yaml:"), "{health}");
        println!("broken: {}", health["errors"]);
        Ok(())
    })?;
    ensure!(converse()?["error"]["Message"].to_string().contains("no-sonnet"), "the last good one decides");
    Ok(())
}

#[test]
fn sandbox_goes_down_without_a_trace() -> Result<()> {
    let sandbox = Sandbox::new()?;
    let environment = up(&sandbox)?;
    let processes = sandbox.processes()?;
    let names: Vec<&str> = processes.iter().map(|(name, _)| name.as_str()).collect();
    println!("runs {processes:?}");
    ensure!(names == ["envoy", "fake-bedrock", "portcullis"], "{names:?}");
    ensure!(processes.iter().all(|(_, id)| lives(*id)), "{processes:?}");

    let again = sandbox.xtask(&["up", "--sandbox", "--detach", "--ports", "auto"])?.output()?;
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    println!("a second up: {said}");
    ensure!(!again.status.success() && said.contains("running already"), "{said}");
    ensure!(apis(&environment)?.0.get("/readyz")?.0 == 200, "the second up broke the first");

    let down = sandbox.xtask(&["down"])?.output()?;
    let said = String::from_utf8_lossy(&down.stdout).into_owned();
    println!("{said}");
    ensure!(
        down.status.success() && names.iter().all(|name| said.contains(&format!("stopped {name} "))),
        "{said}"
    );
    gone(&sandbox, &processes)?;
    let again = sandbox.xtask(&["down"])?.output()?;
    let said = String::from_utf8_lossy(&again.stdout).into_owned();
    ensure!(again.status.success() && said.contains("nothing was running"), "{said}");
    Ok(())
}

#[test]
fn sandbox_that_cannot_start_leaves_nothing_running() -> Result<()> {
    let go = tempfile::tempdir()?;
    let go = go.path().join("go");
    let waits = format!("while [ ! -e {} ]; do sleep 0.05; done; echo out of luck; exit 3", go.display());
    // An Envoy that never gets as far as listening, and one that ends.
    for (what, script) in [("stuck", "exec sleep 600"), ("broken", waits.as_str())] {
        let sandbox = Sandbox::new()?;
        let program = tempfile::NamedTempFile::new()?.into_temp_path();
        std::fs::write(&program, format!("#!/bin/sh\n{script}\n"))?;
        std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))?;
        let mut up = sandbox.xtask(&["up", "--sandbox", "--detach", "--ports", "auto"])?;
        let up = up.env("ENVOY", &program).stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        let started = wait::until("an Envoy to be started", || {
            let processes = sandbox.processes()?;
            ensure!(processes.iter().any(|(name, _)| name == "envoy"), "{processes:?}");
            Ok(processes)
        })?;
        if what == "stuck" {
            let id = up.id().to_string();
            ensure!(Command::new("kill").args(["-s", "INT", &id]).status()?.success(), "kill failed");
        } else {
            std::fs::write(&go, "")?;
        }
        let ended = up.wait_with_output()?;
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        println!("{what}: {started:?}: {said}");
        ensure!(!ended.status.success(), "{said}");
        ensure!(said.contains(if what == "stuck" { "interrupted" } else { "out of luck" }), "{said}");
        gone(&sandbox, &started)?;
    }
    Ok(())
}

fn gone(sandbox: &Sandbox, processes: &[(String, u32)]) -> Result<()> {
    if let Some((name, id)) = processes.iter().find(|(_, id)| lives(*id)) {
        bail!("{name} ({id}) still runs");
    }
    ensure!(sandbox.processes()?.is_empty(), "{:?} are said to run", sandbox.processes()?);
    ensure!(!sandbox.path().join("env").exists(), "the file to source tells of a gate that is gone");
    Ok(())
}

#[test]
fn sandbox_in_the_foreground_shows_what_happens_until_ctrl_c() -> Result<()> {
    in_the_foreground(|_, group| {
        let status = Command::new("kill").args(["-s", "INT", "--", &format!("-{group}")]).status()?;
        ensure!(status.success(), "kill failed");
        Ok(())
    })
}

#[test]
fn sandbox_in_the_foreground_goes_down_from_another_shell() -> Result<()> {
    in_the_foreground(|sandbox, _| {
        let down = sandbox.xtask(&["down"])?.output()?;
        print!("{}", String::from_utf8_lossy(&down.stdout));
        ensure!(down.status.success(), "{}", String::from_utf8_lossy(&down.stderr));
        Ok(())
    })
}

fn in_the_foreground(stop: impl Fn(&Sandbox, u32) -> Result<()>) -> Result<()> {
    let sandbox = Sandbox::new()?;
    // A process group of its own, as a shell gives every command: Ctrl-C goes to all of it.
    let mut running = sandbox.xtask(&["up", "--sandbox", "--ports", "auto"])?;
    let mut running = running.process_group(0).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut lines = BufReader::new(running.stdout.take().context("stdout")?).lines();
    let mut shown = |what: &str| -> Result<()> {
        for line in &mut lines {
            let line = line?;
            println!("| {line}");
            if line.contains(what) {
                return Ok(());
            }
        }
        bail!("it ended without `{what}`")
    };
    shown("Decisions as they happen")?;
    let environment = sandbox.environment()?;
    let seen = python::ask(
        &environment,
        &script("foreground", "out(caught(lambda: converse('anthropic.claude-3-opus-20240229-v1:0')))"),
    )?;
    ensure!(seen["class"] == "AccessDeniedException", "{seen}");
    shown("no-opus")?;
    let directory = Path::new(set(&environment, "PORTCULLIS_BUNDLE")?);
    bundle::write(directory, &[("rules/models.yaml", "rules: [")])?;
    shown("rules/models.yaml:")?;
    bundle::write(directory, &[("rules/models.yaml", BLOCK_SONNET)])?;
    shown("is in force")?;

    let processes = sandbox.processes()?;
    ensure!(processes.len() == 4, "three programs and the command itself: {processes:?}");
    stop(&sandbox, running.id())?;
    shown("stopping")?;
    let ended = running.wait_with_output()?;
    println!("ended: {} {}", ended.status, String::from_utf8_lossy(&ended.stderr));
    ensure!(ended.status.success() && ended.stderr.is_empty(), "{}", String::from_utf8_lossy(&ended.stderr));
    gone(&sandbox, &processes)
}
