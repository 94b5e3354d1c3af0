//! The disk is full, under load: nothing goes out that could not be recorded, nothing that went out is lost, and when there
//! is room again calls pass again without a restart.

use anyhow::{Context, Result, bail, ensure};
use e2e::disk::Disk;
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, binaries, python, wait};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Lines};
use std::path::Path;
use std::process::{Child, ChildStdout, Command};

/// 4 threads that never stop calling, each call with a body of its own; tells what came of each.
const LOAD: &str = "
import threading, itertools
from botocore.config import Config
n, lock = itertools.count(), threading.Lock()
def run(i):
    c = client('bedrock-runtime', config=Config(retries={'total_max_attempts': 1}))
    calls = [
        lambda m: c.converse(modelId='amazon.nova-lite-v1:0', messages=m)['stopReason'],
        lambda m: [list(e)[0] for e in c.converse_stream(modelId='amazon.nova-lite-v1:0', messages=m)['stream']][-1]]
    while True:
        k = next(n)
        result = caught(lambda: calls[k % 2]([{'role':'user','content':[{'text':f'call {i} {k}'}]}]))
        with lock: out(result)
for i in range(4): threading.Thread(target=run, args=(i,), daemon=True).start()
threading.Event().wait()
";

struct Load {
    application: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Load {
    fn start(stack: &Stack) -> Result<Self> {
        let mut application = python::command(&stack.egress(APP_ONE), LOAD)?.spawn()?;
        let lines = BufReader::new(application.stdout.take().context("stdout")?).lines();
        Ok(Self { application, lines })
    }

    /// Whether the next call passed. One that did not must have been refused as AWS would.
    fn next(&mut self) -> Result<bool> {
        let line = self.lines.next().context("the load ended")??;
        let seen: Value = serde_json::from_str(line.strip_prefix("OUT ").context("not an OUT line")?)?;
        if seen["ok"].is_string() {
            return Ok(true);
        }
        ensure!(seen["status"] == 503 && seen["error"]["Code"] == "ServiceUnavailableException", "{seen}");
        ensure!(seen["headers"]["x-portcullis-decision-id"].is_string(), "a refusal without an id: {seen}");
        Ok(false)
    }

    /// Reads on until `n` calls in a row passed, or did not; gives back how many it took.
    fn until(&mut self, n: usize, passed: bool) -> Result<usize> {
        let mut in_a_row = 0;
        for read in 1..20_000 {
            in_a_row = if self.next()? == passed { in_a_row + 1 } else { 0 };
            if in_a_row == n {
                return Ok(read);
            }
        }
        bail!("never {n} calls in a row that {}", if passed { "passed" } else { "were refused" })
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.application.kill();
        let _ = self.application.wait();
    }
}

fn full_and_back(stack: &Stack, fill: impl Fn() -> Result<()>, free: impl Fn() -> Result<()>) -> Result<()> {
    let process = stack.control_plane.id();
    let mut load = Load::start(stack)?;
    load.until(40, true)?;
    fill()?;
    let took = load.until(40, false)?;
    let (status, ready) = stack.control_plane.admin.get("/readyz")?;
    println!("full: 40 refusals in a row after {took} more calls; /readyz {status}: {ready}");
    ensure!(status == 503, "not ready while nothing can be recorded: {status} {ready}");

    let before = stack.fake.calls()?.len();
    for _ in 0..40 {
        ensure!(!load.next()?, "a call passed on a full disk");
    }
    let after = stack.fake.calls()?.len();
    println!("40 more refusals: {before} calls at the fake before, {after} after");
    ensure!(before == after, "a refused call arrived");

    free()?;
    let took = load.until(40, true)?;
    println!("free: 40 calls in a row pass after {took}");
    stack.control_plane.until_ready()?;
    ensure!(stack.control_plane.id() == process && process.is_some(), "it was restarted");
    drop(load);

    let arrived: BTreeSet<String> = stack
        .fake
        .calls()?
        .iter()
        .filter_map(|call| Some(call["body_sha256"].as_str()?.to_owned()))
        .collect();
    // Outcomes that could not be taken were kept by the gate.
    let recorded = wait::until("an outcome of every call", || {
        let pending = stack.control_plane.decisions("outcome=pending")?;
        ensure!(pending.is_empty(), "{} pending, such as {}", pending.len(), pending[0]);
        stack.control_plane.decisions("verdict=allow")
    })?;
    let records: BTreeSet<String> =
        recorded.iter().filter_map(|record| Some(record["request"]["sha256"].as_str()?.to_owned())).collect();
    let missing: Vec<&String> = arrived.difference(&records).collect();
    println!(
        "{} calls arrived, {} allow records, {} of them missing, every one with its outcome",
        arrived.len(),
        recorded.len(),
        missing.len()
    );
    ensure!(missing.is_empty(), "reached Bedrock without a record: {missing:?}");
    Ok(())
}

#[test]
fn disk_full() -> Result<()> {
    let Some(disk) = Disk::mount("48m")? else {
        return binaries::may_skip("mount", "tests may not mount a small file system here");
    };
    let stack = Builder::default().data(disk.path()).start()?;
    full_and_back(&stack, || disk.fill(), || disk.free())
}

/// As `ulimit -f` and some quotas fail: EFBIG, and SIGXFSZ, which by itself ends a process.
#[test]
fn file_size_limit() -> Result<()> {
    let stack = Builder::default().start()?;
    let limit = |soft: &str| -> Result<()> {
        let process = stack.control_plane.id().context("no process")?.to_string();
        let status =
            Command::new("prlimit").args(["--pid", &process, &format!("--fsize={soft}:")]).status()?;
        ensure!(status.success(), "prlimit failed");
        Ok(())
    };
    let log = |path: &Path| path.join("portcullis.db-wal").metadata().map(|log| log.len());
    full_and_back(&stack, || limit(&log(&stack.control_plane.store)?.to_string()), || limit("unlimited"))
}
