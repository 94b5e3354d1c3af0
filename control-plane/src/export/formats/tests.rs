//! Every format, written from `testdata/audit/records/` and read back by other people's programs.

use super::intoto::{self, Inclusion};
use super::parquet::{ParquetWriter, columns};
use super::{ExportFormat, Parsed, jsonl, ocsf, parse};
use crate::storage::Logged;
use portcullis_audit::dsse::{Envelope, IN_TOTO};
use portcullis_audit::log::{Checkpoint, Entry, Frontier, RecordKind, SignedNote, SigningKey};
use proptest::prelude::*;
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const ORIGIN: &str = "portcullis.local/0123abcd";

pub(crate) fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// The Python of `cargo xtask setup`, or `$PORTCULLIS_PYTHON`.
pub(crate) fn python() -> PathBuf {
    if let Some(python) = std::env::var_os("PORTCULLIS_PYTHON") {
        return python.into();
    }
    let cache = std::env::var_os("PORTCULLIS_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let python = cache.unwrap_or_else(|| home.join(".cache/portcullis")).join("venv/bin/python");
    assert!(
        python.exists(),
        "no Python at `{}`: run `cargo xtask setup`, or set PORTCULLIS_PYTHON",
        python.display()
    );
    python
}

/// One record of every kind, and one that was pruned.
pub(crate) fn records() -> Vec<Logged> {
    let text = fs::read_to_string(repository().join("testdata/audit/records/all.jsonl")).unwrap();
    let mut records: Vec<Logged> = text.lines().map(|line| jsonl::parse(line).unwrap()).collect();
    let index = records.len() as u64;
    let entry =
        Entry::new("0199e2a4-7c20-7abc-8def-0123456789ab", RecordKind::Decision, 1_763_758_900_000, b"{}");
    records.push(Logged { index, entry, record: None });
    records
}

#[test]
fn lines_are_read_back_as_they_were() {
    for logged in records() {
        let mut line = String::new();
        jsonl::line(&logged, &mut line);
        assert_eq!(jsonl::parse(line.trim_end()).unwrap(), logged);
    }
    for bad in ["", "{}", "{\"entry\":{},\"index\":0}", "[]", "{\"index\":0,\"x\":1}"] {
        let error = jsonl::parse(bad).unwrap_err();
        println!("{bad:?}: {error}");
    }
}

#[test]
fn every_format_is_read_by_other_programs() {
    let dir = tempfile::tempdir().unwrap();
    let records = records();
    let key = SigningKey::new(ORIGIN, &[9; 32]).unwrap();
    let mut tree = Frontier::default();
    records.iter().for_each(|logged| tree.push(logged.entry.leaf(), |_, _, _| {}));
    let checkpoint = Checkpoint { origin: ORIGIN.to_owned(), size: tree.size(), root: tree.root() };
    let note = SignedNote::sign(checkpoint.to_text(), &key).to_text();
    let sign = |statement: &[u8]| Envelope::sign(IN_TOTO, statement, &key);
    let leaves: Vec<_> = records.iter().map(|logged| logged.entry.leaf()).collect();

    let (mut lines, mut events, mut statements) = (String::new(), String::new(), String::new());
    let mut parquet = ParquetWriter::new(Vec::new(), ORIGIN).unwrap();
    for logged in &records {
        jsonl::line(logged, &mut lines);
        parquet.push(logged).unwrap();
        let hashes = path(usize::try_from(logged.index).unwrap(), &leaves);
        let inclusion = Inclusion { checkpoint: &note, size: tree.size(), hashes: &hashes };
        intoto::line(ORIGIN, logged, Some(inclusion), &sign, &mut statements).unwrap();
    }
    ocsf::lines(ORIGIN, &records, |_| true, &mut events).unwrap();
    for (name, bytes) in [
        ("records.jsonl", lines.as_bytes()),
        ("records.ocsf.jsonl", events.as_bytes()),
        ("records.parquet", &parquet.finish().unwrap()),
        ("records.intoto.jsonl", statements.as_bytes()),
        ("key", key.verifying_key().to_string().as_bytes()),
    ] {
        fs::write(dir.path().join(name), bytes).unwrap();
    }
    run("check_formats.py", dir.path());
}

/// Runs a script of `testdata/audit/` on a directory.
pub(crate) fn run(script: &str, directory: &Path) {
    let script = repository().join("testdata/audit").join(script);
    let output = Command::new(python()).arg(script).arg(directory).output().unwrap();
    println!("{}", String::from_utf8_lossy(&output.stdout));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// RFC 6962, 2.1.1, as it is written there.
fn path(index: usize, leaves: &[[u8; 32]]) -> Vec<[u8; 32]> {
    if leaves.len() <= 1 {
        return Vec::new();
    }
    let split = leaves.len().next_power_of_two() / 2;
    let (left, right) = leaves.split_at(split);
    let root = |leaves: &[[u8; 32]]| {
        let mut tree = Frontier::default();
        leaves.iter().for_each(|leaf| tree.push(*leaf, |_, _, _| {}));
        tree.root()
    };
    let (mut found, sibling) = if index < split {
        (path(index, left), root(right))
    } else {
        (path(index - split, right), root(left))
    };
    found.push(sibling);
    found
}

#[test]
fn an_outcome_is_told_with_its_decision_or_by_itself() {
    let records = records();
    let events = |records: &[Logged], wanted: fn(&Logged) -> bool| -> Vec<Value> {
        let mut out = String::new();
        ocsf::lines(ORIGIN, records, wanted, &mut out).unwrap();
        out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let whole = events(&records, |_| true);
    let later = events(&records[5..], |_| true);
    let decisions = events(&records, |logged| logged.entry.kind == RecordKind::Decision);
    println!("{} together, {} without decisions, {} of decisions", whole.len(), later.len(), decisions.len());
    // Two of the records are outcomes of calls that are decided in others.
    assert_eq!(whole.len(), records.len() - 2);
    assert_eq!(later.len(), records.len() - 5);
    assert_eq!(decisions.len(), 4);
    assert!(decisions.iter().all(|event| event["unmapped"]["outcome"].is_null()));
    assert_eq!(whole[0]["unmapped"]["outcome"], "completed");
    assert_eq!(later[0]["metadata"]["original_event_uid"], whole[0]["metadata"]["uid"]);
}

#[test]
fn what_no_type_reads_is_an_error_with_its_place() {
    let mut logged = records().remove(5);
    logged.index = 77;
    logged.record = Some("{\"call_id\":7}".into());
    let error = parse(&logged).unwrap_err().to_string();
    println!("{error}");
    assert!(error.starts_with("record 77 of the log") && error.contains("outcome"));
    assert!(ParquetWriter::new(Vec::new(), ORIGIN).unwrap().push(&logged).is_err());
    assert!(ocsf::lines(ORIGIN, &[logged], |_| true, &mut String::new()).is_err());
}

#[test]
fn files_of_many_rows_have_row_groups_and_names_are_unique() {
    let record = records().remove(0);
    let mut writer = ParquetWriter::new(Vec::new(), ORIGIN).unwrap();
    for index in 0..66_000 {
        writer.push(&Logged { index, ..record.clone() }).unwrap();
    }
    let bytes = writer.finish().unwrap();
    println!("66,000 rows in {} bytes", bytes.len());
    assert_eq!(&bytes[bytes.len() - 4..], b"PAR1");
    let mut names: Vec<_> = columns().iter().map(|column| column.name).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), columns().len());
    for format in ExportFormat::ALL {
        assert_eq!(clap::ValueEnum::to_possible_value(&format).unwrap().get_name(), format.as_str());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    /// Whatever callers write: no control characters, nothing without end, and the event is still one.
    #[test]
    fn nothing_that_a_caller_writes_gets_through_unbounded(text in "\\PC{0,8}|[\u{0}-\u{ff}]{0,900}|[\u{200b}-\u{202f}]{1,600}") {
        let base = records().remove(0);
        let Parsed::Decision(mut record) = parse(&base).unwrap() else { panic!() };
        record.principal.name.clone_from(&text);
        record.sdk.user_agent = Some(text.clone());
        record.request.path.clone_from(&text);
        record.source.address = Some(text.clone());
        record.delegation = vec![text.clone(); 200];
        record.request.knowledge_bases = vec![text.clone(); 200];
        record.policy.rule = Some(text.clone());
        record.operation = text;
        let logged = Logged { record: Some(serde_json::to_string(&record).unwrap().into()), ..base };
        let mut out = String::new();
        ocsf::lines(ORIGIN, &[logged], |_| true, &mut out).unwrap();
        prop_assert!(!out.trim_end().chars().any(char::is_control));
        prop_assert!(out.len() < 200_000, "{}", out.len());
        let event: Value = serde_json::from_str(&out).unwrap();
        for required in ["/actor/user/name", "/src_endpoint", "/api/operation", "/api/request/uid", "/time", "/metadata/product/name"] {
            prop_assert!(event.pointer(required).is_some(), "{} of {}", required, event);
        }
    }
}
