//! `kill -9` of the control plane under load: whatever reached Bedrock has a durable record, that record is a leaf of the log
//! that a signed checkpoint covers, and no outcome that was acknowledged is gone.

use anyhow::{Context, Result, ensure};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, binaries, python, wait};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader};
use std::process::Command;

/// 16 threads that never stop calling, each call with a body of its own; prints how many passed every so often.
const LOAD: &str = "
import threading, itertools
from botocore.config import Config
n = itertools.count(); passed = itertools.count(); counted = [0, 0]
def run(i):
    c = client('bedrock-runtime', config=Config(retries={'total_max_attempts': 1}))
    while True:
        k = next(n)
        try:
            c.converse(modelId='amazon.nova-lite-v1:0', messages=[{'role':'user','content':[{'text':f'call {i} {k}'}]}])
            counted[0] += 1
        except Exception:
            counted[1] += 1
        if k % 20 == 0: out(counted)
for i in range(16): threading.Thread(target=run, args=(i,), daemon=True).start()
threading.Event().wait()
";

#[test]
fn every_call_that_reached_bedrock_has_a_record() -> Result<()> {
    // The long form is `cargo xtask test --long`; CI runs the short one.
    let (kills, between) = if std::env::var_os("PORTCULLIS_LONG").is_some() { (200, 100) } else { (5, 40) };
    let stack = Builder::default().start()?;
    let mut load = python::command(&stack.egress(APP_ONE), LOAD)?.spawn()?;
    let mut lines = BufReader::new(load.stdout.take().context("stdout")?).lines();
    let passed = |line: String| -> Result<u64> {
        let counted: serde_json::Value =
            serde_json::from_str(line.strip_prefix("OUT ").context("not an OUT line")?)?;
        counted[0].as_u64().context("a count")
    };
    let mut last = 0;
    for round in 1..=kills {
        // So much traffic passes before each kill that every kill hits calls in flight.
        loop {
            let now = passed(lines.next().context("the load ended")??)?;
            if now >= last + between {
                last = now;
                break;
            }
        }
        stack.control_plane.kill();
        stack.control_plane.restart().with_context(|| format!("after kill {round}"))?;
    }
    load.kill()?;
    load.wait()?;
    let arrived: BTreeSet<String> = stack
        .fake
        .calls()?
        .iter()
        .filter_map(|call| call["body_sha256"].as_str().map(str::to_owned))
        .collect();
    // The gate has nothing left that was not acknowledged.
    wait::until("the outcomes to be acknowledged", || {
        let waiting = stack.envoy.stat("portcullis.outcomes.waiting")?;
        ensure!(waiting == 0, "{waiting} outcomes wait");
        Ok(())
    })?;
    let recorded = stack.control_plane.decisions("verdict=allow")?;
    let recorded: BTreeMap<String, &Value> =
        recorded.iter().filter_map(|decision| Some((sha256(decision)?, decision))).collect();
    let missing: Vec<&String> = arrived.iter().filter(|sha256| !recorded.contains_key(*sha256)).collect();
    println!(
        "{kills} kills: {} calls reached the fake, {} allow records, {} without a record",
        arrived.len(),
        recorded.len(),
        missing.len()
    );
    ensure!(arrived.len() > kills, "too little traffic: {}", arrived.len());
    ensure!(missing.is_empty(), "reached Bedrock without a record: {missing:?}");

    let mine: Vec<&Value> = arrived.iter().filter_map(|sha256| recorded.get(sha256).copied()).collect();
    let open: Vec<&Value> = mine.iter().filter(|decision| decision["outcome"].is_null()).copied().collect();
    println!("{} of {} have an outcome", mine.len() - open.len(), mine.len());
    ensure!(open.is_empty(), "acknowledged outcomes are gone: {open:?}");
    proved(&stack, &mine)
}

/// Each decision is a leaf below a checkpoint, and the whole log verifies with the public key alone.
fn proved(stack: &Stack, decisions: &[&Value]) -> Result<()> {
    for decision in decisions {
        let id = decision["decision_id"].as_str().context("an id")?;
        let (status, proof) = stack.control_plane.admin.get(&format!("/v1/audit/proof/inclusion?id={id}"))?;
        ensure!(status == 200 && proof["entry"]["id"] == id, "{id}: {status} {proof}");
        let (index, size) = (proof["index"].as_u64(), proof["size"].as_u64());
        ensure!(index < size && proof["checkpoint"].is_string(), "{id} is below no checkpoint: {proof}");
    }
    let (_, keys) = stack.control_plane.admin.get("/v1/audit/keys")?;
    let key = keys["keys"][0].as_str().context("a key")?;
    let output = Command::new(binaries::portcullis()?)
        .args(["audit", "verify", "--output", "json", "--key", key, "--store"])
        .arg(&stack.control_plane.store)
        .output()?;
    let report = String::from_utf8_lossy(&output.stdout);
    println!("{} decisions are leaves below a checkpoint; audit verify: {}", decisions.len(), report.trim());
    ensure!(output.status.success(), "{report}{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// The request's fingerprint, wherever the record carries it.
fn sha256(record: &serde_json::Value) -> Option<String> {
    ["/request_sha256", "/request/sha256", "/body/sha256", "/request/fingerprint", "/request_fingerprint"]
        .iter()
        .find_map(|pointer| record.pointer(pointer)?.as_str().map(str::to_owned))
}
