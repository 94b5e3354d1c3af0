//! The power fails: at every border of what SQLite writes, and in between.

use super::log::{event, verified};
use super::samples::Dice;
use super::*;
use crate::storage::Log;
use std::os::unix::fs::FileExt;

/// SQLite's write-ahead log: a header, then frames, each a page with a header (<https://www.sqlite.org/fileformat2.html#walformat>).
const HEADER: u64 = 32;
const FRAME: u64 = 24 + 4096;

/// What was acknowledged when the log had that length.
struct Acknowledged {
    bytes: u64,
    decisions: usize,
    outcomes: usize,
    records: u64,
}

/// A store, and the write-ahead log of what was done with it.
struct Recorded {
    dir: tempfile::TempDir,
    wal: Vec<u8>,
    acknowledged: Vec<Acknowledged>,
    ids: Vec<String>,
}

async fn record(rounds: usize) -> Recorded {
    let dir = tempfile::tempdir().unwrap();
    // Closed once, so that what follows is all that is in the write-ahead log.
    drop(open(dir.path()));
    let kept = tempfile::tempdir().unwrap();
    for name in ["portcullis.db", "log.key"] {
        std::fs::copy(dir.path().join(name), kept.path().join(name)).unwrap();
    }
    let store = open(dir.path());
    let wal = dir.path().join("portcullis.db-wal");
    let (mut acknowledged, mut ids) = (Vec::new(), Vec::new());
    let mut outcomes = 0;
    for at in 0..rounds {
        // Alone, and three at once in one group.
        let together: Vec<_> = (0..1 + 2 * (at % 2))
            .map(|n| store.commit_decision(decision(&format!("call-{at}-{n}"), VerdictKind::Allow)))
            .collect();
        for commit in together {
            ids.push(commit.await.unwrap().decision_id);
        }
        if at % 3 == 0 {
            let state = OutcomeState::Completed;
            store
                .commit_outcomes(vec![outcome(&format!("call-{at}-0"), state)], Some(event("e")))
                .await
                .unwrap();
            outcomes = at + 1;
        }
        acknowledged.push(Acknowledged {
            bytes: wal.metadata().unwrap().len(),
            decisions: ids.len(),
            outcomes,
            records: store.head().borrow().size,
        });
    }
    let wal = std::fs::read(&wal).unwrap();
    drop(store);
    Recorded { dir: kept, wal, acknowledged, ids }
}

impl Recorded {
    /// Opens what a power cut leaves when so many bytes have reached the disk, and behind them what was there before.
    async fn check(&self, cut: u64, rest: &[u8]) -> u64 {
        let dir = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        for name in ["portcullis.db", "log.key"] {
            std::fs::copy(self.dir.path().join(name), dir.path().join(name)).unwrap();
        }
        let wal = std::fs::File::create(dir.path().join("portcullis.db-wal")).unwrap();
        wal.write_all_at(&self.wal[..usize::try_from(cut).unwrap()], 0).unwrap();
        wal.write_all_at(rest, cut).unwrap();
        drop(wal);
        let store = open(dir.path());
        let records = verified(&store).await.len() as u64;
        if let Some(then) = self.acknowledged.iter().rev().find(|then| then.bytes <= cut) {
            assert!(records >= then.records, "cut at {cut}: {records} of {} records", then.records);
            for id in &self.ids[..then.decisions] {
                assert!(store.decision(id.clone()).await.unwrap().is_some(), "cut at {cut}: {id} is gone");
            }
            for at in (0..then.outcomes).step_by(3) {
                let places = store.log_find(format!("call-{at}-0")).await.unwrap();
                assert_eq!(places.len(), 2, "cut at {cut}: the outcome of call {at}");
            }
        }
        // And it goes on.
        store.commit_decision(decision("after", VerdictKind::Allow)).await.unwrap();
        assert_eq!(verified(&store).await.len() as u64, records + 1);
        records
    }

    async fn cut_everywhere(&self, each: usize, inside: u64, dice: &mut Dice) {
        let frames = (self.wal.len() as u64 - HEADER) / FRAME;
        assert_eq!(HEADER + frames * FRAME, self.wal.len() as u64, "whole frames");
        let (mut cuts, mut last) = (0, 0);
        for frame in (0..=frames).step_by(each) {
            let border = HEADER + frame * FRAME;
            let records = self.check(border, &[]).await;
            assert!(records >= last, "more was there before");
            last = records;
            cuts += 1;
            for _ in 0..inside {
                let cut = (border + dice.below(FRAME)).min(self.wal.len() as u64);
                // A disk may have written the next sectors, or something else was there.
                let rest: Vec<u8> = (0..dice.below(900)).map(|_| dice.next() as u8).collect();
                self.check(cut, &rest).await;
                cuts += 1;
            }
        }
        println!(
            "{} commits in {frames} frames: {cuts} power cuts, nothing acknowledged was lost",
            self.acknowledged.len()
        );
    }
}

#[tokio::test]
async fn a_power_cut_loses_nothing_acknowledged() {
    record(12).await.cut_everywhere(11, 1, &mut Dice(1)).await;
}

#[tokio::test]
#[ignore = "minutes; run by `cargo xtask test --long`"]
async fn a_power_cut_at_every_frame_and_inside_loses_nothing_acknowledged() {
    record(60).await.cut_everywhere(1, 3, &mut Dice(2)).await;
}

/// One flipped byte of the database: opening or reading says so, or what is read is what was written.
async fn flip(rounds: u64, dice: &mut Dice) {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut ids = Vec::new();
    for at in 0..300 {
        let record = super::samples::decision(dice, at);
        let outcome = super::samples::outcome(dice, &record);
        ids.push(store.commit_decision(record).await.unwrap().decision_id);
        store.commit_outcomes(vec![outcome], (at % 10 == 0).then(|| event("e"))).await.unwrap();
    }
    let records = verified(&store).await;
    let mut decisions = Vec::new();
    for id in &ids {
        decisions.push(store.decision(id.clone()).await.unwrap());
    }
    let events = store.events(None, 100).await.unwrap();
    let proof = store.inclusion(3, records.len() as u64).await.unwrap();
    drop(store);
    // On a busy machine a closed store may leave its write-ahead log (the next start reads it): here the database is to be whole.
    let conn = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    let busy: i64 = conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0)).unwrap();
    assert_eq!(busy, 0, "somebody still has the store");
    drop(conn);
    let database = std::fs::read(dir.path().join("portcullis.db")).unwrap();
    let (mut opened, mut read_errors, mut harmless) = (0, 0, 0);
    for _ in 0..rounds {
        let (at, bit) = (dice.below(database.len() as u64), 1 << dice.below(8));
        let broken = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir()).unwrap();
        for name in ["log.key", "checkpoint"] {
            std::fs::copy(dir.path().join(name), broken.path().join(name)).unwrap();
        }
        let mut damaged = database.clone();
        damaged[at as usize] ^= bit;
        std::fs::write(broken.path().join("portcullis.db"), &damaged).unwrap();
        let Ok(store) = SqliteStore::open(SqliteOptions::new(broken.path())) else { continue };
        opened += 1;
        let mut errors = 0;
        for (from, wanted) in (0_u64..).zip(&records).step_by(13) {
            match store.log_records(from, 1, 1).await {
                Ok(found) => assert_eq!(found.as_slice(), std::slice::from_ref(wanted), "byte {at}"),
                Err(_) => errors += 1,
            }
        }
        for (id, wanted) in ids.iter().zip(&decisions).step_by(7) {
            match store.decision(id.clone()).await {
                Ok(Some(found)) => {
                    assert_eq!(found.record, wanted.as_ref().unwrap().record, "byte {at}");
                    assert!(
                        found.outcome.is_none() || found.outcome == wanted.as_ref().unwrap().outcome,
                        "byte {at}"
                    );
                }
                Ok(None) | Err(_) => errors += 1,
            }
        }
        match store.events(None, 100).await {
            Ok(found) => assert!(
                found.iter().all(|found| events.iter().any(|event| event.detail == found.detail)),
                "byte {at}"
            ),
            Err(_) => errors += 1,
        }
        match store.inclusion(3, records.len() as u64).await {
            Ok(found) => assert_eq!(found, proof, "byte {at}"),
            Err(_) => errors += 1,
        }
        match errors {
            0 => harmless += 1,
            _ => read_errors += 1,
        }
    }
    assert!(opened > rounds / 4, "only {opened} of {rounds} could be opened");
    println!(
        "{rounds} flipped bits: {} not opened, {read_errors} found when read, {harmless} elsewhere",
        rounds - opened
    );
}

#[tokio::test]
async fn a_flipped_bit_is_never_a_silent_wrong_answer() {
    flip(25, &mut Dice(3)).await;
}

#[tokio::test]
#[ignore = "minutes; run by `cargo xtask test --long`"]
async fn a_thousand_flipped_bits_are_never_a_silent_wrong_answer() {
    flip(1_000, &mut Dice(4)).await;
}

/// A file system that becomes read-only: what is there is read by nobody who would write, and everything is there afterwards.
#[tokio::test]
async fn a_read_only_file_system_says_so_and_heals() {
    let dir = tempfile::tempdir().unwrap();
    let mount = |arguments: &[&str]| {
        let done = std::process::Command::new("mount").args(arguments).arg(dir.path()).output();
        done.is_ok_and(|output| output.status.success())
    };
    if !mount(&["-t", "tmpfs", "tmpfs"]) {
        println!("skipped: this user may not mount");
        return;
    }
    struct Unmount<'a>(&'a Path);
    impl Drop for Unmount<'_> {
        fn drop(&mut self) {
            let _ = std::process::Command::new("umount").arg("-l").arg(self.0).status();
        }
    }
    let _unmount = Unmount(dir.path());
    let store = open(dir.path());
    let ids = fill(&store, 3).await;
    drop(store);
    assert!(mount(&["-o", "remount,ro"]));
    let error = SqliteStore::open(SqliteOptions::new(dir.path())).unwrap_err();
    println!("{error}");
    assert!(error.to_string().to_lowercase().contains("read-only"), "{error}");
    assert!(mount(&["-o", "remount,rw"]));
    let store = open(dir.path());
    for id in ids {
        assert!(store.decision(id).await.unwrap().is_some());
    }
    assert_eq!(verified(&store).await.len(), 3);
}
