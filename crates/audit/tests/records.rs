//! One representative record of every kind, in `testdata/audit/records/`: what exports, schemas and other implementations are
//! tested with. Each has every field that its kind can have; the test of the JSON Schema finds one that is missing.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says what went wrong by panicking")]

use portcullis_audit::log::{Entry, RecordKind, canonical};
use portcullis_audit::{DecisionRecord, EventRecord, OutcomeRecord};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// When the log took the first of them.
const TIME: u64 = 1_763_758_804_000;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/audit/records")
}

fn kind_of(name: &str) -> RecordKind {
    let kind = name.split('-').nth(1).unwrap().trim_end_matches(".json");
    RecordKind::parse(kind).unwrap_or_else(|| panic!("{name}"))
}

/// The record, read by its type and written again.
fn through<T: DeserializeOwned + Serialize>(name: &str, text: &str) -> Value {
    let record: T = serde_json::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::to_value(&record).unwrap()
}

#[test]
fn the_committed_records_are_what_their_types_write() {
    let mut names: Vec<String> = std::fs::read_dir(directory())
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.ends_with(".json"))
        .collect();
    names.sort();
    let mut lines = String::new();
    for (index, name) in names.iter().enumerate() {
        let kind = kind_of(name);
        let text = std::fs::read_to_string(directory().join(name)).unwrap();
        let written = match kind {
            RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => {
                through::<DecisionRecord>(name, &text)
            }
            RecordKind::Outcome => through::<OutcomeRecord>(name, &text),
            _ => through::<EventRecord>(name, &text),
        };
        println!("{name}: {kind:?}, {} bytes", text.len());
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), written, "{name}");
        let record = canonical(&written).unwrap();
        let id = written[kind.id_member()].as_str().unwrap();
        let entry = Entry::new(id, kind, TIME + index as u64, record.as_bytes()).to_json();
        lines.push_str(&format!("{{\"entry\":{entry},\"index\":{index},\"record\":{record}}}\n"));
    }
    for kind in RecordKind::ALL {
        assert!(names.iter().any(|name| kind_of(name) == kind), "{kind:?} has no record");
    }
    let path = directory().join("all.jsonl");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, &lines).unwrap();
    }
    assert_eq!(
        std::fs::read_to_string(&path).unwrap_or_default(),
        lines,
        "UPDATE_EXPECTED=1 writes all.jsonl"
    );
}
