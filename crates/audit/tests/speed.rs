//! How fast records are verified. `cargo test --release -p portcullis-audit --test speed -- --ignored --nocapture`

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a measurement ends where it cannot go on")]

use portcullis_audit::log::verify::{Digest, Line, Row, Verifier, Whose};
use portcullis_audit::log::{Entry, Frontier, RecordKind};
use sha2::{Digest as _, Sha256};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

const RECORDS: u64 = 300_000;
const BATCH: usize = 256;

/// A decision and an outcome as they are in testdata, made one of their own each.
fn records() -> Vec<(RecordKind, String)> {
    let read = |name: &str| {
        let text = std::fs::read_to_string(format!("../../testdata/audit/records/{name}.json")).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        portcullis_audit::log::canonical(value.get("record").unwrap_or(&value)).unwrap()
    };
    let (decision, outcome) = (read("01-decision"), read("06-outcome"));
    let made = |n: u64| match n % 2 {
        0 => (RecordKind::Decision, decision.replace("\"call_id\":\"", &format!("\"call_id\":\"{n:08}"))),
        _ => (RecordKind::Outcome, outcome.replace("\"call_id\":\"", &format!("\"call_id\":\"{:08}", n - 1))),
    };
    (0..RECORDS).map(made).collect()
}

fn entry(kind: RecordKind, record: &str, time_ms: u64) -> Entry {
    let value: serde_json::Value = serde_json::from_str(record).unwrap();
    Entry::new(value[kind.id_member()].as_str().unwrap(), kind, time_ms, record.as_bytes())
}

/// What this process has used of its processors, seconds: on a machine that others use as well, the clock says little.
fn cpu() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<f64> =
        stat.rsplit(')').next().unwrap_or("").split(' ').filter_map(|field| field.parse().ok()).collect();
    // utime and stime, in hundredths of a second; the state before them is no number.
    fields.get(10).copied().unwrap_or(0.0) / 100.0 + fields.get(11).copied().unwrap_or(0.0) / 100.0
}

fn told(what: &str, begin: Instant, used: f64) {
    let count = RECORDS as f64;
    let (clock, cpu) = (count / begin.elapsed().as_secs_f64(), count / (cpu() - used));
    println!("{what:<38} {clock:>9.0}/s by the clock, {cpu:>9.0} per second of a processor");
}

/// Hashes batches on every processor and verifies them in order.
fn verify(frontier: &Frontier, what: &str, digest: impl Fn(usize) -> Digest + Sync) {
    let (begin, used) = (Instant::now(), cpu());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (next, count) = (AtomicUsize::new(0), RECORDS as usize);
    let (send, receive) = std::sync::mpsc::sync_channel(threads * 16);
    let mut verifier = Verifier::new(Frontier::default(), 0);
    verifier.expect(frontier.size(), frontier.root(), Whose::Kept);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let (send, next, digest) = (send.clone(), &next, &digest);
            scope.spawn(move || {
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= count {
                        return;
                    }
                    let batch: Vec<_> = (first..count.min(first + BATCH)).map(digest).collect();
                    send.send((first, batch)).unwrap();
                }
            });
        }
        drop(send);
        let (mut at, mut early) = (0, std::collections::BTreeMap::new());
        for (first, batch) in receive {
            early.insert(first, batch);
            while let Some(batch) = early.remove(&at) {
                at += batch.len();
                verifier.push(batch);
            }
        }
    });
    let (summary, found) = verifier.finish();
    assert_eq!((summary.records, summary.checkpoints), (RECORDS, 1), "{:?}", found.first());
    told(what, begin, used);
}

#[test]
#[ignore = "a measurement"]
fn records_a_second() {
    let records = records();
    let bytes: usize = records.iter().map(|(_, record)| record.len()).sum();
    let mut frontier = Frontier::default();
    let (mut lines, mut leaves) = (Vec::new(), Vec::new());
    for (index, (kind, record)) in (0..).zip(&records) {
        let value: serde_json::Value = serde_json::from_str(record).unwrap();
        let time = ["decided_at_ms", "recorded_at_ms"].iter().find_map(|name| value[*name].as_u64()).unwrap();
        let entry = entry(*kind, record, time);
        frontier.push(entry.leaf(), |_, _, _| {});
        leaves.push((entry.leaf(), time));
        lines.push(Line::write(index, &entry, Some(record)));
    }
    println!("{RECORDS} records of {} bytes", bytes / records.len());
    for _ in 0..3 {
        let (begin, used) = (Instant::now(), cpu());
        for (_, record) in &records {
            std::hint::black_box(Sha256::digest(record));
        }
        told("SHA-256 of the same bytes, one thread", begin, used);
        verify(&frontier, "rows of a store", |at| {
            let ((kind, record), (leaf, time_ms)) = (&records[at], leaves[at]);
            Digest::of_row(
                &Row { index: at as u64, kind: *kind, time_ms, leaf, record: record.as_bytes() },
                false,
            )
        });
        verify(&frontier, "lines of an export", |at| {
            Digest::of_line(&Line::parse(lines[at].as_bytes()).unwrap(), false)
        });
    }
}
