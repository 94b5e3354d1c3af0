//! The log from outside: a second party watches it, and a store that goes back in time is found.

use anyhow::{Context, Result, ensure};
use e2e::api::Api;
use e2e::control_plane::ControlPlane;
use e2e::{binaries, bundle, wait};
use serde_json::Value;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// An independent witness, written in another language.
struct Witness {
    process: Child,
    key: String,
    api: Api,
}

impl Witness {
    fn start(directory: &Path, log: &str) -> Result<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("python/witness.py");
        let mut process = Command::new(binaries::python()?)
            .arg(script)
            .arg(directory.join("witness.json"))
            .arg("witness.example/w1")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        writeln!(process.stdin.take().context("stdin")?, "{log}")?;
        let mut line = String::new();
        BufReader::new(process.stdout.take().context("stdout")?).read_line(&mut line)?;
        let said: Value =
            serde_json::from_str(&line).with_context(|| format!("the witness says `{line}`"))?;
        let text = |key: &str| said[key].as_str().map(str::to_owned).context("a text");
        Ok(Witness { process, key: text("key")?, api: Api::new(text("url")?, None) })
    }

    fn seen(&self) -> Result<u64> {
        let (_, state) = self.api.get("/seen")?;
        state["size"].as_u64().with_context(|| format!("{state}"))
    }
}

impl Drop for Witness {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn configure(directory: &Path, file: &Path, witness: &Witness) -> Result<()> {
    let published = directory.join("published");
    std::fs::create_dir_all(&published)?;
    let text = format!(
        "audit:\n  witnesses:\n  - {{name: w1, url: \"{}\", key: \"{}\", every: 50ms}}\n  publish: {{to: \"file://{}\", every: 50ms}}\n",
        witness.api.url,
        witness.key,
        published.display()
    );
    Ok(std::fs::write(file, text)?)
}

/// Something that leaves a record.
fn leave_a_record(control_plane: &ControlPlane, name: &str) -> Result<()> {
    let wish = serde_json::json!({"kind": "data", "name": name});
    let (status, made) = control_plane.admin.post("/v1/keys", &wish)?;
    ensure!(status == 201, "{status} {made}");
    Ok(())
}

fn size(control_plane: &ControlPlane) -> Result<u64> {
    let (status, note) = control_plane.admin.get("/v1/audit/checkpoint")?;
    ensure!(status == 200, "{status} {note}");
    note.as_str().and_then(|note| note.lines().nth(1)).context("a size")?.parse().context("a number")
}

fn key(control_plane: &ControlPlane) -> Result<String> {
    let (_, keys) = control_plane.admin.get("/v1/audit/keys")?;
    keys["keys"][0].as_str().map(str::to_owned).with_context(|| format!("{keys}"))
}

#[test]
fn a_witness_cosigns_and_a_store_that_went_back_is_found() -> Result<()> {
    let directory = tempfile::tempdir()?;
    let directory = directory.path();
    bundle::write(&directory.join("bundle"), bundle::DEFAULT)?;
    // The witness must know the log's key, and the server the witness's: first a server without one.
    let file = directory.join("portcullis.yaml");
    std::fs::write(&file, "audit: {}\n")?;
    let control_plane = ControlPlane::start(directory, &["--config".to_owned(), file.display().to_string()])?;
    let witness = Witness::start(directory, &key(&control_plane)?)?;
    configure(directory, &file, &witness)?;
    control_plane.restart()?;
    let published = directory.join("published");
    for round in 0..3 {
        leave_a_record(&control_plane, &format!("round-{round}"))?;
        let size = size(&control_plane)?;
        wait::until("the witness to see the log", || {
            let seen = witness.seen()?;
            ensure!(seen >= size, "{seen} of {size}");
            Ok(())
        })?;
        wait::until("the log to be published", || {
            let note = std::fs::read_to_string(published.join("checkpoint"))?;
            let there: u64 = note.lines().nth(1).context("a size")?.parse()?;
            ensure!(there >= size, "{there} of {size}");
            Ok(())
        })?;
    }
    let seen = witness.seen()?;
    let cosigned = wait::until("the cosignature to be kept", || {
        let (_, page) = control_plane.admin.get("/v1/audit/checkpoints?limit=1000")?;
        let mut kept = page["checkpoints"].as_array().into_iter().flatten();
        kept.rfind(|kept| kept["witnesses"].as_u64() > Some(0)).cloned().context("none is cosigned")
    })?;
    println!("the witness has cosigned {seen} records: {cosigned}");
    ensure!(cosigned["note"].as_str().is_some_and(|note| note.contains("witness.example/w1")), "{cosigned}");
    ensure!(published.join("tile/entries").exists() && published.join("tile/0").exists(), "no tiles");

    // Somebody takes the store back to an older copy, with the copy of the checkpoint that it keeps beside it.
    control_plane.kill();
    let old = directory.join("old");
    copy(&control_plane.store, &old)?;
    control_plane.restart()?;
    leave_a_record(&control_plane, "what is to be forgotten")?;
    let size = size(&control_plane)?;
    wait::until("the witness to see it", || {
        let seen = witness.seen()?;
        ensure!(seen >= size, "{seen} of {size}");
        Ok(())
    })?;
    let newest = wait::until("the copy of the checkpoint beside the store", || {
        let note = std::fs::read_to_string(control_plane.store.join("checkpoint"))?;
        let there: u64 = note.lines().nth(1).context("a size")?.parse()?;
        ensure!(there >= size, "{there} of {size}");
        Ok(note)
    })?;
    control_plane.kill();
    std::fs::remove_dir_all(&control_plane.store)?;
    copy(&old, &control_plane.store)?;

    // The store alone cannot know; the witness and whoever keeps a checkpoint do.
    control_plane.restart()?;
    let log = wait::until("the rollback to be told of", || {
        let log = control_plane.log();
        ensure!(log.contains("rolled back"), "nobody says so: {log}");
        Ok(log)
    })?;
    let told: Vec<&str> = log.lines().filter(|line| line.contains("rolled back")).collect();
    println!("{}", told.join("\n"));
    control_plane.kill();

    // With the newest checkpoint left where it was, the store does not even open.
    std::fs::write(control_plane.store.join("checkpoint"), newest)?;
    let error = control_plane.restart().err().context("it opens a log that is older than its checkpoint")?;
    println!("{error:#}");
    ensure!(
        format!("{error:#}").contains("put back to an earlier state"),
        "it says something else: {error:#}"
    );
    Ok(())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        std::fs::copy(entry.path(), to.join(entry.file_name()))?;
    }
    Ok(())
}
