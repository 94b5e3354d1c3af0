//! Chunks as files: what is there can be checked with nothing else but the public key.

use super::*;
use crate::export::files::FileSink;
use crate::export::{Destination, Manifest};
use crate::storage::Log;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::{Checkpoint, Entry, Frontier, Hash, SignedNote, verify_consistency};
use portcullis_audit::log::{RecordKind, VerifyingKey};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::io::Read;
use std::path::Path;
use std::time::Duration;

fn sink(export: &Export) -> Box<dyn Deliver> {
    let Destination::Files(files) = export.to.clone() else { panic!() };
    Box::new(FileSink::new(Arc::new(export.clone()), files, Vec::new()))
}

/// Runs an export until everything is there.
pub(crate) async fn run<L: Log + Send + Sync + ?Sized + 'static>(log: &Arc<L>, yaml: &str) {
    let (board, export, size) = (Board::default(), export(yaml), log.head().borrow().size);
    let task = tokio::spawn(follower(log, &board, &export, sink(&export)).run());
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while board.views(size)[0].cursor.is_none_or(|cursor| cursor < size) {
        assert!(std::time::Instant::now() < deadline, "{:?}", board.views(size));
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    let _ = task.await;
}

fn lines(path: &Path) -> Vec<Value> {
    let bytes = std::fs::read(path).unwrap();
    let text = match path.extension().unwrap().to_str().unwrap() {
        "zst" => String::from_utf8(zstd::decode_all(&bytes[..]).unwrap()).unwrap(),
        "gz" => {
            let mut text = String::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut text).unwrap();
            text
        }
        _ => String::from_utf8(bytes).unwrap(),
    };
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Checks every chunk by itself; gives (index, has its record) of all lines.
pub(crate) fn verify(dir: &Path, keys: &[VerifyingKey]) -> Vec<(u64, bool)> {
    let hashes = |texts: &[String]| -> Vec<Hash> {
        texts.iter().map(|text| STANDARD.decode(text).unwrap().try_into().unwrap()).collect()
    };
    let mut found = Vec::new();
    let mut names: Vec<_> = std::fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name.starts_with("manifest-"))
        .collect();
    names.sort();
    for name in names {
        let manifest: Manifest = serde_json::from_slice(&std::fs::read(dir.join(&name)).unwrap()).unwrap();
        let mut frontier = Frontier::new(manifest.first, hashes(&manifest.frontier)).unwrap();
        for file in &manifest.files {
            let bytes = std::fs::read(dir.join(&file.name)).unwrap();
            assert_eq!(
                (bytes.len() as u64, hex::encode(Sha256::digest(&bytes))),
                (file.bytes, file.sha256.clone())
            );
            for line in lines(&dir.join(&file.name)) {
                let entry: Entry = serde_json::from_value(line["entry"].clone()).unwrap();
                assert_eq!(line["index"], frontier.size());
                if let Some(record) = line.get("record") {
                    let canonical = portcullis_audit::log::canonical(record).unwrap();
                    assert_eq!(entry.sha256, <[u8; 32]>::from(Sha256::digest(canonical)));
                }
                found.push((frontier.size(), line.get("record").is_some()));
                frontier.push(entry.leaf(), |_, _, _| {});
            }
        }
        assert_eq!(frontier.size(), manifest.end, "{name}");
        let note = SignedNote::parse(&manifest.checkpoint).unwrap();
        note.verify(keys).unwrap();
        let checkpoint = Checkpoint::parse(&note.text).unwrap();
        let proof = hashes(&manifest.consistency);
        verify_consistency(manifest.end, checkpoint.size, &proof, &frontier.root(), &checkpoint.root)
            .unwrap();
    }
    found
}

#[tokio::test]
async fn each_chunk_is_verified_by_itself() {
    for compression in ["zstd", "gzip", "none"] {
        let dir = tempfile::tempdir().unwrap();
        let to = dir.path().join("audit");
        let log = MemoryLog::new();
        log.append(1_234);
        log.prune(77);
        let yaml = format!(
            "{{name: a, to: '{}', flush_records: 100, flush_every: 10ms, compression: {compression}}}",
            to.display()
        );
        run(&log, &yaml).await;
        log.append(66);
        run(&log, &yaml).await;
        let found = verify(&to, &log.log_keys());
        assert_eq!(found, (0..1_300).map(|index| (index, index != 77)).collect::<Vec<_>>());
        println!("{compression}: verified {} records", found.len());
    }
}

#[tokio::test]
async fn other_kinds_leave_their_entries() {
    let dir = tempfile::tempdir().unwrap();
    let log = MemoryLog::new();
    log.append(40);
    run(&log, &format!("{{name: a, to: '{}', flush_every: 10ms, kinds: [outcome]}}", dir.path().display()))
        .await;
    let found = verify(dir.path(), &log.log_keys());
    let all = log.all();
    for (index, whole) in found {
        let kind = all[usize::try_from(index).unwrap()].entry.kind;
        assert_eq!(whole, kind == RecordKind::Outcome, "{index}");
    }
}

#[tokio::test]
async fn a_place_belongs_to_one_log() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("origin"), "example.com/other\n").unwrap();
    let (log, board) = (MemoryLog::new(), Board::default());
    log.append(5);
    let export = export(&format!("{{name: a, to: '{}', flush_every: 10ms}}", dir.path().display()));
    let task = tokio::spawn(follower(&log, &board, &export, sink(&export)).run());
    let deadline = std::time::Instant::now() + Duration::from_secs(30);
    while board.views(5)[0].error.is_none() {
        assert!(std::time::Instant::now() < deadline);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    task.abort();
    let error = board.views(5).remove(0).error.unwrap();
    assert!(error.contains("example.com/other") && error.contains("a place of its own"), "{error}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is written");
}
