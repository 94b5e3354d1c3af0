//! What a durable record costs, beside what the disk and SQLite cost alone, in one run. `cargo xtask bench audit`, or
//! `cargo test --release -p portcullis --lib storage::tests::speed -- --ignored --nocapture`.
//! `PORTCULLIS_BENCH_DIR` says on which disk.

use super::log::verified;
use super::samples::{self, Dice};
use super::*;
use crate::storage::Log;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::time::{Duration, Instant};

const ROUNDS: usize = 5;
const WRITERS: u64 = 64;

fn directory() -> tempfile::TempDir {
    match std::env::var_os("PORTCULLIS_BENCH_DIR") {
        Some(parent) => tempfile::tempdir_in(parent).unwrap(),
        None => tempfile::tempdir().unwrap(),
    }
}

/// The median, and the least and the most.
fn spread(mut values: Vec<f64>) -> (f64, f64, f64) {
    values.sort_by(f64::total_cmp);
    (values[values.len() / 2], values[0], values[values.len() - 1])
}

fn show(name: &str, unit: &str, values: Vec<f64>) -> f64 {
    let (median, least, most) = spread(values);
    println!("{name:<62} {median:>10.1} {unit:<10} ({least:.1} to {most:.1})");
    median
}

fn micros(duration: Duration) -> f64 {
    duration.as_nanos() as f64 / 1_000.0
}

/// 4 KiB appended and synced, as often as asked.
fn fdatasync(dir: &Path, times: u64) -> Vec<f64> {
    let file = File::create(dir.join("sync")).unwrap();
    let page = [7; 4096];
    let mut took = Vec::new();
    for at in 0..times {
        let start = Instant::now();
        file.write_all_at(&page, at * 4096).unwrap();
        file.sync_data().unwrap();
        took.push(micros(start.elapsed()));
    }
    took
}

/// Lines of a record's size, 64 to a sync.
fn plain_file(dir: &Path, groups: u64, line: &[u8]) -> f64 {
    let mut file = File::create(dir.join("plain")).unwrap();
    let start = Instant::now();
    for _ in 0..groups {
        let mut buffer = Vec::with_capacity(64 * line.len());
        (0..64).for_each(|_| buffer.extend_from_slice(line));
        file.write_all(&buffer).unwrap();
        file.sync_data().unwrap();
    }
    (groups * 64) as f64 / start.elapsed().as_secs_f64()
}

/// SQLite with the same durability and one table: a key and the text.
fn sqlite_alone(dir: &Path, transactions: u64, rows: u64, text: &str) -> f64 {
    let path = dir.join(format!("alone-{rows}.db"));
    let conn = rusqlite::Connection::open(path).unwrap();
    conn.pragma_update_and_check(None, "journal_mode", "WAL", |_| Ok(())).unwrap();
    conn.pragma_update(None, "synchronous", "FULL").unwrap();
    conn.execute_batch(
        "CREATE TABLE IF NOT EXISTS records (idx INTEGER PRIMARY KEY, record TEXT NOT NULL) STRICT",
    )
    .unwrap();
    let start = Instant::now();
    for _ in 0..transactions {
        conn.execute_batch("BEGIN IMMEDIATE").unwrap();
        for _ in 0..rows {
            let mut insert = conn.prepare_cached("INSERT INTO records (record) VALUES (?1)").unwrap();
            insert.execute([text]).unwrap();
        }
        conn.execute_batch("COMMIT").unwrap();
    }
    (transactions * rows) as f64 / start.elapsed().as_secs_f64()
}

/// Decisions and their outcomes by so many writers at once; gives records per second.
async fn store_rate(store: &Arc<SqliteStore>, round: u64, each: u64) -> f64 {
    let lanes: Vec<_> = (0..WRITERS)
        .map(|lane| {
            let mut dice = Dice(round << 32 | lane);
            (0..each)
                .map(|at| {
                    let mut record = samples::decision(&mut dice, at);
                    record.call_id = format!("{round}-{lane}-{at}");
                    let outcome = samples::outcome(&mut dice, &record);
                    (record, outcome)
                })
                .collect::<Vec<_>>()
        })
        .collect();
    let start = Instant::now();
    let lanes = lanes.into_iter().map(|lane| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for (record, outcome) in lane {
                store.commit_decision(record).await.unwrap();
                store.commit_outcomes(vec![outcome], None).await.unwrap();
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    (2 * WRITERS * each) as f64 / start.elapsed().as_secs_f64()
}

/// The same in batches: what one gate reports at once, and 64 who ask.
async fn batch_rate(store: &Arc<SqliteStore>, round: u64, each: u64) -> f64 {
    let lanes: Vec<Vec<Vec<_>>> = (0..WRITERS)
        .map(|lane| {
            let mut dice = Dice(round << 32 | lane);
            let mut batch = |at: u64| {
                let outcome = |n| {
                    let decision = samples::decision(&mut dice, at);
                    let call_id = format!("b-{round}-{lane}-{at}-{n}");
                    OutcomeRecord { call_id, ..samples::outcome(&mut dice, &decision) }
                };
                (0..64).map(outcome).collect()
            };
            (0..each).map(&mut batch).collect()
        })
        .collect();
    let start = Instant::now();
    let lanes = lanes.into_iter().map(|lane| {
        let store = Arc::clone(store);
        tokio::spawn(async move {
            for batch in lane {
                store.commit_outcomes(batch, None).await.unwrap();
            }
        })
    });
    for lane in lanes.collect::<Vec<_>>() {
        lane.await.unwrap();
    }
    (64 * WRITERS * each) as f64 / start.elapsed().as_secs_f64()
}

fn bytes(dir: &Path) -> f64 {
    let conn = rusqlite::Connection::open(dir.join("portcullis.db")).unwrap();
    let pages: i64 = conn
        .query_row(
            "SELECT page_count - freelist_count FROM pragma_page_count, pragma_freelist_count",
            [],
            |row| row.get(0),
        )
        .unwrap();
    pages as f64 * 4096.0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "a measurement"]
async fn durable_records() {
    let mut dice = Dice(99);
    let sample = samples::decision(&mut dice, 1);
    let text = portcullis_audit::log::canonical(&sample).unwrap();
    println!("a decision in canonical JSON: {} bytes", text.len());
    let (mut sync, mut alone_1, mut alone_64, mut plain) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (mut single, mut many, mut batches, mut per_pair) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let dir = directory();
        sync.push(spread(fdatasync(dir.path(), 400)).0);
        alone_1.push(1e6 / sqlite_alone(dir.path(), 400, 1, &text));
        alone_64.push(sqlite_alone(dir.path(), 200, 64, &text));
        plain.push(plain_file(dir.path(), 200, text.as_bytes()));
        let home = dir.path().join("store");
        let store = Arc::new(open(&home));
        let mut took = Vec::new();
        for at in 0..400 {
            let mut record = samples::decision(&mut dice, at);
            record.call_id = format!("single-{round}-{at}");
            let start = Instant::now();
            store.commit_decision(record).await.unwrap();
            took.push(micros(start.elapsed()));
        }
        single.push(spread(took).0);
        let before = bytes(&home);
        let size = store.head().borrow().size;
        many.push(store_rate(&store, round, 300).await);
        let pairs = (store.head().borrow().size - size) as f64 / 2.0;
        per_pair.push((bytes(&home) - before) / pairs);
        batches.push(batch_rate(&store, round, 8).await);
        if round == 0 {
            verified(&store).await;
        }
    }
    println!("{:<62} {:>10} {:<10} (least to most of {ROUNDS} rounds)", "", "median", "");
    let sync = show("one fdatasync of 4 KiB", "us", sync);
    let alone = show("SQLite alone, WAL/FULL, a transaction of one row", "us", alone_1);
    let single = show("the store, one writer: a decision, answered", "us", single);
    show("plain file, 64 lines to an fdatasync", "records/s", plain);
    show("SQLite alone, WAL/FULL, 64 rows to a transaction", "records/s", alone_64);
    show("the store, 64 writers, one record at a time each", "records/s", many);
    show("the store, 64 writers, outcomes in batches of 64", "records/s", batches);
    show("bytes in the database per decision and outcome", "bytes", per_pair);
    println!("one writer: {:.2} x one fdatasync, {:.2} x SQLite alone", single / sync, single / alone);
}
