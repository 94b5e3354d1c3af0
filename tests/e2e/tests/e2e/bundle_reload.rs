//! Bundles change while traffic flows: the next call is decided by what was saved, and a broken edit changes nothing.

use crate::application::script;
use anyhow::{Context, Result, ensure};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, bundle, python, wait};
use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

const BLOCK_SONNET: &str = "version: \"1.0\"\nname: Models\nrules:\n- id: block-sonnet\n  action: block\n  models: [\"*sonnet*\"]\n  message: not today\n";

/// Whether `converse` with the default model passes now.
fn passes(stack: &Stack) -> Result<bool> {
    let seen = python::ask(&stack.egress(APP_ONE), &script("reload", "out(caught(converse))"))?;
    ensure!(seen["ok"].is_string() || seen["status"] == 403, "neither allowed nor denied: {seen}");
    Ok(seen["ok"].is_string())
}

/// One pass of the active bundle's name, digest and error out of `/readyz`.
fn ready(stack: &Stack) -> Result<(u16, String)> {
    let (status, body) = stack.control_plane.admin.get("/readyz")?;
    Ok((status, body.to_string()))
}

#[test]
fn an_edit_changes_the_next_verdict_within_a_second_with_a_stream_open() -> Result<()> {
    let stack = Builder::default().start()?;
    // A stream that is open over the change, and callers that never stop; neither may notice but by verdict.
    let background = "
import threading, time
stop = threading.Event()
results = []
def stream():
    r = client('bedrock-runtime').converse_stream(modelId=M, messages=[{'role':'user','content':[{'text':'[[pace:300]] a long answer please, with many words in it so that it lasts'}]}])
    out('streaming')
    n = 0
    for e in r['stream']:
        n += 1
        last = list(e)[0]
    return {'events': n, 'last': last}
def calls():
    c = client('bedrock-runtime')
    while not stop.is_set():
        results.append(caught(lambda: c.converse(modelId='amazon.nova-lite-v1:0', messages=[{'role':'user','content':[{'text':'steady'}]}])['stopReason']))
t = threading.Thread(target=calls); t.start()
r = caught(stream)
stop.set(); t.join()
out({'stream': r, 'calls': len(results), 'failed': [x for x in results if 'ok' not in x][:3]})";
    let mut application =
        python::command(&stack.egress(APP_ONE), &script("open-stream", background))?.spawn()?;
    let mut lines = BufReader::new(application.stdout.take().context("stdout")?).lines();
    ensure!(lines.next().context("no line")??.contains("streaming"), "the stream did not open");

    ensure!(passes(&stack)?, "allowed before");
    bundle::write(&stack.control_plane.bundle, &[("rules/models.yaml", BLOCK_SONNET)])?;
    let saved = Instant::now();
    wait::within(Duration::from_secs(1), "the active bundle to change", || {
        let (_, body) = stack.control_plane.admin.get("/v1/bundles")?;
        ensure!(body.to_string().contains("\"generation\":2"), "{body}");
        Ok(())
    })?;
    println!("active {:?} after the save", saved.elapsed());
    ensure!(!passes(&stack)?, "still allowed after the edit");

    let end: serde_json::Value = serde_json::from_str(
        lines
            .next()
            .context("the application said nothing more")??
            .strip_prefix("OUT ")
            .context("not an OUT line")?,
    )?;
    println!("{end}");
    ensure!(end["stream"]["ok"]["last"] == "metadata", "the open stream broke: {end}");
    ensure!(
        end["calls"].as_u64() > Some(10) && end["failed"] == serde_json::json!([]),
        "calls failed: {end}"
    );
    application.wait()?;
    Ok(())
}

#[test]
fn a_broken_edit_changes_nothing_and_says_why() -> Result<()> {
    let stack = Builder::default().start()?;
    let typo = BLOCK_SONNET.replace("  models:", "  modles:");
    for (what, file, text, expected) in [
        ("a typo in a key", "rules/models.yaml", typo.as_str(), "rules/models.yaml:6"),
        (
            "half a file",
            "rules/models.yaml",
            "version: \"1.0\"\nname: Models\nrules:\n- id: blo",
            "rules/models.yaml:",
        ),
        ("an emptied bundle.yaml", "bundle.yaml", "", "bundle.yaml:"),
    ] {
        bundle::write(&stack.control_plane.bundle, &[(file, text)])?;
        let said = wait::until("/readyz to show the error", || {
            let (status, body) = ready(&stack)?;
            ensure!(status == 200, "a gate with a good bundle is ready: {status} {body}");
            ensure!(body.contains(expected), "{body}");
            Ok(body)
        })?;
        println!("{what}: {said}");
        ensure!(stack.control_plane.log().contains(expected), "{what}: not in the log");
        ensure!(passes(&stack)?, "{what}: the last good bundle does not decide any more");
        bundle::write(&stack.control_plane.bundle, bundle::DEFAULT)?;
        wait::until("the error to go", || {
            let (_, body) = ready(&stack)?;
            ensure!(!body.contains(expected), "{body}");
            Ok(())
        })?;
    }
    let (_, metrics) = stack.control_plane.admin.get("/metrics")?;
    let metrics = metrics.as_str().unwrap_or_default();
    let reloads: Vec<&str> =
        metrics.lines().filter(|line| line.starts_with("portcullis_bundle_reloads_total")).collect();
    println!("{reloads:?}");
    ensure!(reloads.len() >= 2, "reloads are counted by result: {reloads:?}");
    Ok(())
}

#[test]
fn a_bundle_that_goes_away_leaves_the_last_good_one() -> Result<()> {
    let stack = Builder::default().start()?;
    let directory = &stack.control_plane.bundle;
    std::fs::remove_dir_all(directory)?;
    wait::until("/readyz to show that the bundle is gone", || {
        let (status, body) = ready(&stack)?;
        ensure!(status == 200 && body.contains("bundle.yaml"), "{status} {body}");
        Ok(())
    })?;
    ensure!(passes(&stack)?, "deleted: the last good bundle does not decide any more");
    bundle::write(directory, &[("bundle.yaml", bundle::DEFAULT[0].1), ("rules/models.yaml", BLOCK_SONNET)])?;
    wait::until("the bundle to be back", || {
        ensure!(!passes(&stack)?, "still the old one");
        Ok(())
    })
}

#[test]
fn a_bundle_of_50_mb_is_refused_without_being_read() -> Result<()> {
    let stack = Builder::default().start()?;
    let huge = format!("version: \"1.0\"\nname: Huge\n# {}\nrules: []\n", "x".repeat(50 * 1024 * 1024));
    bundle::write(&stack.control_plane.bundle, &[("rules/huge.yaml", &huge)])?;
    wait::until("/readyz to name the file", || {
        let (status, body) = ready(&stack)?;
        ensure!(status == 200 && body.contains("rules/huge.yaml"), "{status} {body}");
        println!("{body}");
        Ok(())
    })?;
    ensure!(passes(&stack)?, "the last good bundle does not decide any more");
    Ok(())
}
