//! Ranges of a log in memory, as files.

use super::*;
use crate::export::Manifest;
use crate::export::formats::tests::{python, records as one_of_each, repository};
use crate::export::formats::{ExportFormat, jsonl};
use crate::export::target::Target;
use crate::export::tests::memory::MemoryLog;
use crate::object::{Lock, LockMode};
use crate::storage::Logged;
use anyhow::{bail, ensure};
use portcullis_audit::dsse::{Envelope, IN_TOTO};
use portcullis_audit::log::{Frontier, Hash, RecordKind, SigningKey, verify_consistency};
use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// A log in memory that may fail when a record is asked for, and signs statements.
struct Shaky {
    inner: LogSource<MemoryLog>,
    _runtime: Arc<Runtime>,
    fails_at: Option<u64>,
    most: u32,
}

impl Source for Shaky {
    fn anchor(&mut self) -> anyhow::Result<Anchor> {
        self.inner.anchor()
    }

    fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>> {
        ensure!(self.fails_at.is_none_or(|at| from < at), "the server is gone");
        self.inner.records(from, limit.min(self.most))
    }

    fn hashes(&mut self, level: u8, first: u64, count: u32, size: u64) -> anyhow::Result<Vec<Hash>> {
        self.inner.hashes(level, first, count, size)
    }

    fn consistency(&mut self, old: u64, new: u64) -> anyhow::Result<Vec<Hash>> {
        self.inner.consistency(old, new)
    }

    fn inclusion(&mut self, index: u64, size: u64) -> anyhow::Result<Vec<Hash>> {
        self.inner.inclusion(index, size)
    }

    fn signer(&self) -> anyhow::Result<Signer> {
        let key = SigningKey::new("example.com/log", &[7; 32])?;
        Ok(Box::new(move |statement| Envelope::sign(IN_TOTO, statement, &key)))
    }
}

fn source(log: &Arc<MemoryLog>) -> Shaky {
    let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
    let inner = LogSource { log: Arc::clone(log), runtime: runtime.handle().clone() };
    Shaky { inner, _runtime: runtime, fails_at: None, most: u32::MAX }
}

/// Records of every kind, over and over, each call and id its own.
fn log(count: usize) -> Arc<MemoryLog> {
    let log = MemoryLog::new();
    let base: Vec<Logged> = one_of_each().into_iter().filter(|logged| logged.record.is_some()).collect();
    let made = (0..count).map(|n| {
        let logged = &base[n % base.len()];
        let (round, record) = (n / base.len(), logged.record.as_deref().unwrap());
        let record = record.replace("gate-1/4", &format!("gate-1/{round}-4"));
        let id = logged.entry.id.replace("gate-1/4", &format!("gate-1/{round}-4"));
        (logged.entry.kind, id, record)
    });
    log.append_records(made);
    log
}

fn plan(format: ExportFormat) -> Plan {
    Plan {
        format,
        packing: Packing::None,
        split: Split::Records(1_000_000),
        kinds: Vec::new(),
        first: 0,
        end: None,
        since_ms: None,
        until_ms: None,
        resume: false,
    }
}

fn place(path: &Path) -> Place {
    let target = Target::open(path.to_str().unwrap(), &BTreeMap::new(), [], None).unwrap();
    Place::new(target, path.to_owned()).unwrap()
}

fn export(source: &mut dyn Source, dir: &Path, plan: &Plan) -> anyhow::Result<Done> {
    run(source, &place(dir), plan, &mut |_, _| {})
}

fn manifest(dir: &Path) -> Manifest {
    serde_json::from_slice(&fs::read(dir.join("manifest.json")).unwrap()).unwrap()
}

fn unpacked(path: &Path) -> Vec<u8> {
    let bytes = fs::read(path).unwrap();
    let mut out = Vec::new();
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("gz") => flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut out).map(drop).unwrap(),
        Some("zst") => out = zstd::decode_all(&bytes[..]).unwrap(),
        _ => out = bytes,
    }
    out
}

/// Everything of a place but its state, by name.
fn everything(dir: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    files
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read(&path).unwrap()))
        .collect()
}

/// What `audit verify` would do: the lines, on the tree before them, lead to the checkpoint.
fn verify(dir: &Path) -> Vec<Logged> {
    let manifest = manifest(dir);
    let hash = |text: &String| -> Hash { base64_of(text).try_into().unwrap() };
    let mut tree = Frontier::new(manifest.first, manifest.frontier.iter().map(hash).collect()).unwrap();
    let mut found = Vec::new();
    for file in &manifest.files {
        let packed = fs::read(dir.join(&file.name)).unwrap();
        assert_eq!(file.bytes, packed.len() as u64, "{}", file.name);
        assert_eq!(
            file.sha256,
            hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&packed)),
            "{}",
            file.name
        );
        let text = String::from_utf8(unpacked(&dir.join(&file.name))).unwrap();
        assert_eq!(file.records, text.lines().count() as u64);
        for line in text.lines() {
            let logged = jsonl::parse(line).unwrap();
            assert_eq!(logged.index, tree.size());
            tree.push(logged.entry.leaf(), |_, _, _| {});
            found.push(logged);
        }
    }
    assert_eq!(tree.size(), manifest.end);
    let anchor = Anchor::parse(fs::read_to_string(dir.join("checkpoint")).unwrap()).unwrap().checkpoint;
    let proof: Vec<Hash> = manifest.consistency.iter().map(hash).collect();
    verify_consistency(manifest.end, anchor.size, &proof, &tree.root(), &anchor.root).unwrap();
    assert_eq!(dir.join("frontier").exists(), manifest.first > 0);
    assert_eq!(dir.join("consistency").exists(), manifest.end < anchor.size);
    found
}

fn base64_of(text: &str) -> Vec<u8> {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.decode(text).unwrap()
}

#[test]
fn any_range_verifies_with_its_checkpoint_however_it_is_cut_and_packed() {
    let log = log(700);
    let all = log.all();
    let mut cases = 0;
    for (first, end) in [(0, 700), (0, 1), (0, 256), (1, 700), (255, 257), (256, 512), (699, 700), (333, 600)]
    {
        for (split, packing, most) in [
            (Split::Records(1_000_000), Packing::None, u32::MAX),
            (Split::Records(100), Packing::Zstd, 7),
            (Split::Bytes(100_000), Packing::Gzip, 50),
        ] {
            let dir = TempDir::new().unwrap();
            let mut source = Shaky { most, ..source(&log) };
            let plan = Plan { first, end: Some(end), split, packing, ..plan(ExportFormat::Jsonl) };
            let done = export(&mut source, dir.path(), &plan).unwrap();
            assert_eq!((done.first, done.end, done.checkpoint_size), (first, end, 700));
            let found = verify(dir.path());
            assert_eq!(found, all[usize::try_from(first).unwrap()..usize::try_from(end).unwrap()]);
            assert!(manifest(dir.path()).partial.is_none());
            cases += 1;
        }
    }
    println!("{cases} exports verified");
}

#[test]
fn an_export_that_breaks_anywhere_goes_on_to_the_very_same_files() {
    let log = log(300);
    let mut compared = 0;
    for format in ExportFormat::ALL {
        let plan = Plan { split: Split::Records(64), first: 10, ..plan(format) };
        let whole = TempDir::new().unwrap();
        export(&mut source(&log), whole.path(), &plan).unwrap();
        for at in [11, 74, 75, 200, 299] {
            let dir = TempDir::new().unwrap();
            let mut broken = Shaky { fails_at: Some(at), most: 1, ..source(&log) };
            let error = export(&mut broken, dir.path(), &plan).unwrap_err().to_string();
            assert_eq!(error, "the server is gone");
            assert!(!dir.path().join("manifest.json").exists(), "the manifest is last");
            // Without being asked to, nobody goes on with what somebody else has begun.
            let error = export(&mut source(&log), dir.path(), &plan).unwrap_err().to_string();
            assert!(error.contains("--resume"), "{error}");
            let other = Plan { packing: Packing::Gzip, resume: true, ..plan.clone() };
            let error = export(&mut source(&log), dir.path(), &other).unwrap_err().to_string();
            assert!(error.contains("another format, compression"), "{error}");
            let again = Plan { resume: true, ..plan.clone() };
            let done = export(&mut source(&log), dir.path(), &again).unwrap();
            println!(
                "{} broke at {at}: {} of {} files were there",
                format.as_str(),
                done.resumed_files,
                done.files.len()
            );
            assert_eq!(everything(dir.path()), everything(whole.path()));
            compared += 1;
        }
    }
    println!("{compared} interrupted exports ended as the one that was not");
}

#[test]
fn the_log_may_grow_meanwhile_and_what_is_there_may_not_change() {
    let log = log(300);
    let plan = Plan { split: Split::Records(100), ..plan(ExportFormat::Jsonl) };
    let dir = TempDir::new().unwrap();
    export(&mut Shaky { fails_at: Some(150), most: 10, ..source(&log) }, dir.path(), &plan).unwrap_err();
    log.append(50);
    let again = Plan { resume: true, ..plan.clone() };
    let kept = fs::read(dir.path().join("records-000000000000.jsonl")).unwrap();
    fs::write(dir.path().join("records-000000000000.jsonl"), b"less").unwrap();
    let error = export(&mut source(&log), dir.path(), &again).unwrap_err().to_string();
    println!("{error}");
    assert!(error.contains("no longer has `records-000000000000.jsonl`"));
    fs::write(dir.path().join("records-000000000000.jsonl"), kept).unwrap();
    let done = export(&mut source(&log), dir.path(), &again).unwrap();
    assert_eq!((done.end, done.checkpoint_size), (300, 300), "as it was planned");
    assert_eq!(verify(dir.path()).len(), 300);
    let error = export(&mut source(&log), dir.path(), &plan).unwrap_err().to_string();
    assert!(error.contains("a whole export"), "{error}");
}

#[test]
fn what_does_not_lead_to_the_checkpoint_is_no_export() {
    let log = log(300);
    log.tamper(123);
    let dir = TempDir::new().unwrap();
    let error =
        format!("{:#}", export(&mut source(&log), dir.path(), &plan(ExportFormat::Jsonl)).unwrap_err());
    println!("{error}");
    assert!(error.contains("do not lead to the log's checkpoint"));
    assert!(!dir.path().join("manifest.json").exists());
}

#[test]
fn kinds_and_times_are_filters() {
    let log = log(300);
    let all = log.all();
    let dir = TempDir::new().unwrap();
    let only = Plan { kinds: vec![RecordKind::Outcome], ..plan(ExportFormat::Jsonl) };
    export(&mut source(&log), dir.path(), &only).unwrap();
    let found = verify(dir.path());
    assert_eq!(found.len(), 300, "every entry is there");
    for (found, was) in found.iter().zip(&all) {
        let wanted = was.entry.kind == RecordKind::Outcome;
        assert_eq!(found.record.is_some(), wanted, "{}", was.index);
    }
    assert!(manifest(dir.path()).partial.unwrap().contains("kinds outcome only"));

    let dir = TempDir::new().unwrap();
    let timed = Plan {
        since_ms: Some(all[40].entry.time_ms),
        until_ms: Some(all[60].entry.time_ms),
        ..plan(ExportFormat::Jsonl)
    };
    let done = export(&mut source(&log), dir.path(), &timed).unwrap();
    assert_eq!((done.first, done.end), (40, 60));
    assert!(manifest(dir.path()).partial.is_none(), "a stretch of time is a stretch of the log");
    verify(dir.path());

    for (first, end, since_ms) in [(300, None, None), (10, Some(10), None), (0, None, Some(u64::MAX))] {
        let nothing = Plan { first, end, since_ms, ..plan(ExportFormat::Jsonl) };
        let error =
            export(&mut source(&log), TempDir::new().unwrap().path(), &nothing).unwrap_err().to_string();
        assert!(error.contains("no records in that range; the log has 300"), "{error}");
    }
}

#[test]
fn a_stream_is_the_files_one_after_another() {
    let log = log(300);
    for format in ExportFormat::ALL {
        let dir = TempDir::new().unwrap();
        let cut = Plan {
            split: Split::Records(4_096),
            kinds: vec![RecordKind::Decision, RecordKind::Outcome],
            ..plan(format)
        };
        let done = export(&mut source(&log), dir.path(), &cut).unwrap();
        let files: Vec<u8> =
            done.files.iter().flat_map(|file| fs::read(dir.path().join(&file.name)).unwrap()).collect();
        let mut out = Vec::new();
        stream(&mut source(&log), &mut out, &cut, &mut |_, _| {}).unwrap();
        println!("{}: {} bytes", format.as_str(), out.len());
        assert!(out == files, "{}", format.as_str());
    }
}

#[test]
fn a_log_that_answers_nonsense_is_an_error() {
    struct Liar(Shaky);
    impl Source for Liar {
        fn anchor(&mut self) -> anyhow::Result<Anchor> {
            self.0.anchor()
        }
        fn records(&mut self, from: u64, limit: u32) -> anyhow::Result<Vec<Logged>> {
            let mut page = self.0.records(from, limit)?;
            page.swap(0, 1);
            Ok(page)
        }
        fn hashes(&mut self, _: u8, _: u64, _: u32, _: u64) -> anyhow::Result<Vec<Hash>> {
            Ok(Vec::new())
        }
        fn consistency(&mut self, _: u64, _: u64) -> anyhow::Result<Vec<Hash>> {
            Ok(Vec::new())
        }
        fn inclusion(&mut self, _: u64, _: u64) -> anyhow::Result<Vec<Hash>> {
            Ok(Vec::new())
        }
        fn signer(&self) -> anyhow::Result<Signer> {
            bail!("no key")
        }
    }
    let log = log(20);
    for (plan, expected) in [
        (plan(ExportFormat::Jsonl), "other records than those from 0 on"),
        (Plan { first: 5, ..plan(ExportFormat::Jsonl) }, "no tree of 5 records"),
        (plan(ExportFormat::InToto), "no key"),
    ] {
        let error =
            export(&mut Liar(source(&log)), TempDir::new().unwrap().path(), &plan).unwrap_err().to_string();
        println!("{error}");
        assert!(error.contains(expected), "{error}");
    }
}

/// An S3 server that ends with the test.
struct S3(Child, String);

impl S3 {
    fn start() -> S3 {
        let mut command = Command::new(python());
        command.arg(repository().join("testdata/audit/s3_server.py")).stderr(Stdio::null());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut port = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut port).unwrap();
        assert!(!port.is_empty(), "the S3 server does not start: is tests/requirements.txt installed?");
        S3(child, format!("http://127.0.0.1:{}", port.trim()))
    }

    fn look(&self) -> BTreeMap<String, serde_json::Value> {
        let script = repository().join("testdata/audit/s3_server.py");
        let output = Command::new(python()).arg(script).args(["look", &self.1]).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn place(&self, prefix: &str, staging: &Path) -> Place {
        let options = [
            ("endpoint", self.1.as_str()),
            ("allow_http", "true"),
            ("region", "eu-central-1"),
            ("access_key_id", "test"),
            ("secret_access_key", "test"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let lock = Lock { mode: LockMode::Governance, until_ms: 4_000_000_000_000 };
        let target = Target::open(&format!("s3://locked/{prefix}"), &options, [], Some(lock)).unwrap();
        Place::new(target, staging.to_owned()).unwrap()
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn a_bucket_gets_the_same_files_locked_and_large_ones_in_parts() {
    let log = log(12_000);
    let plan = Plan { split: Split::Records(9_000), ..plan(ExportFormat::Jsonl) };
    let whole = TempDir::new().unwrap();
    export(&mut source(&log), whole.path(), &plan).unwrap();
    let s3 = S3::start();
    let staging = TempDir::new().unwrap();
    let place = || s3.place("evidence/2026", staging.path());
    let mut broken = Shaky { fails_at: Some(9_500), most: 100, ..source(&log) };
    run(&mut broken, &place(), &plan, &mut |_, _| {}).unwrap_err();
    assert_eq!(s3.look().len(), 1, "the first file, and no manifest");
    let again = Plan { resume: true, ..plan.clone() };
    let done = run(&mut source(&log), &place(), &again, &mut |_, _| {}).unwrap();
    assert_eq!(done.resumed_files, 1);
    let found = s3.look();
    let expected = everything(whole.path());
    assert_eq!(found.len(), expected.len());
    for (name, bytes) in expected {
        let object = &found[&format!("evidence/2026/{name}")];
        println!("{name}: {object}");
        assert_eq!(object["sha256"], hex::encode(<sha2::Sha256 as sha2::Digest>::digest(&bytes)));
        assert_eq!(object["parts"], bytes.len().div_ceil(8 * 1024 * 1024).max(1));
        // This server forgets the lock of what is put in parts; that it is asked for, and signed, is tested in `object::lock`.
        if object["parts"] == 1 {
            assert_eq!((&object["mode"], &object["until"]), (&"GOVERNANCE".into(), &4_000_000_000.0.into()));
        }
    }
    assert!(fs::read_dir(staging.path()).map_or(0, Iterator::count) == 0, "nothing is left behind");
}
