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

/// A broken edit of `file` changes nothing, and `/readyz`, log and metrics say why, with the place.
fn refused_edit(file: &str, text: &str, place: &str) -> Result<()> {
    let stack = Builder::default().start()?;
    bundle::write(&stack.control_plane.bundle, &[(file, text)])?;
    let said = wait::until("/readyz to show the error", || {
        let (status, body) = ready(&stack)?;
        ensure!(status == 200, "a gate with a good bundle is ready: {status} {body}");
        ensure!(body.contains(place), "{body}");
        Ok(body)
    })?;
    println!("{said}");
    ensure!(stack.control_plane.log().contains(place), "not in the log");
    let (_, metrics) = stack.control_plane.admin.get("/metrics")?;
    let counted = r#"portcullis_bundle_reloads_total{result="refused"}"#;
    ensure!(metrics.as_str().is_some_and(|metrics| metrics.contains(counted)), "not counted: {metrics}");
    ensure!(passes(&stack)?, "the last good bundle does not decide any more");
    bundle::write(&stack.control_plane.bundle, bundle::DEFAULT)?;
    wait::until("the error to go", || {
        let (_, body) = ready(&stack)?;
        ensure!(!body.contains(place), "{body}");
        Ok(())
    })
}

#[test]
fn a_bundle_with_a_typo_in_a_key_is_refused_with_its_line() -> Result<()> {
    refused_edit("rules/models.yaml", &BLOCK_SONNET.replace("  models:", "  modles:"), "rules/models.yaml:6")
}

#[test]
fn a_half_written_bundle_is_refused() -> Result<()> {
    let half = "version: \"1.0\"\nname: Models\nrules:\n- id: blo";
    refused_edit("rules/models.yaml", half, "rules/models.yaml:")
}

#[test]
fn an_emptied_bundle_is_refused() -> Result<()> {
    refused_edit("bundle.yaml", "", "bundle.yaml:")
}

#[test]
fn a_deleted_bundle_leaves_the_last_good_one() -> Result<()> {
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
