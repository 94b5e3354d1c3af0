//! Nothing is lost, whatever fails and whenever it is killed; an hour is 3.6 seconds (see `Follower::hasty`).

use super::*;
use crate::export::board::ExportState;
use crate::export::{Chunk, Delivered, Refusal};
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::time::Instant;

/// What a receiver does with the next chunk.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Does {
    Takes,
    Refuses,
    /// It has it, and nobody hears of it.
    TakesAndHangs,
    Slow(u64),
}

/// A receiver: what it has under which name, and how often it was asked.
#[derive(Debug, Default)]
struct Receiver {
    has: Mutex<Vec<(String, Arc<Chunk>)>>,
    asked: Mutex<Vec<(Instant, String)>>,
    script: Mutex<Vec<Does>>,
    down: std::sync::atomic::AtomicBool,
}

impl Receiver {
    fn indexes(&self) -> Vec<u64> {
        let mut by_name = std::collections::BTreeMap::new();
        for (name, chunk) in self.has.lock().unwrap().iter() {
            by_name.insert(name.clone(), chunk.records.iter().map(|r| r.index).collect::<Vec<_>>());
        }
        by_name.into_values().flatten().collect()
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[derive(Debug)]
struct Sink(Arc<Receiver>);

impl Deliver for Sink {
    fn deliver<'a>(
        &'a self,
        chunk: &'a Arc<Chunk>,
    ) -> Pin<Box<dyn Future<Output = Result<Delivered, Refusal>> + Send + 'a>> {
        Box::pin(async move {
            self.0.asked.lock().unwrap().push((Instant::now(), chunk.name()));
            let does = self.0.script.lock().unwrap().pop().unwrap_or(Does::Takes);
            let takes = || self.0.has.lock().unwrap().push((chunk.name(), Arc::clone(chunk)));
            let done = Delivered { bytes: chunk.records.len() as u64, rejected: 0 };
            if self.0.down.load(Ordering::SeqCst) {
                return Err(Refusal::from("the answer was 503".to_owned()));
            }
            match does {
                Does::Takes => takes(),
                Does::Refuses => return Err(Refusal::from("the answer was 500".to_owned())),
                Does::TakesAndHangs => {
                    takes();
                    std::future::pending::<()>().await;
                }
                Does::Slow(ms) => {
                    tokio::time::sleep(Duration::from_millis(ms)).await;
                    takes();
                }
            }
            Ok(done)
        })
    }
}

const EVERY: &str = "{name: test, to: /x, flush_records: 10, flush_every: 60ms}";

async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !condition() {
        assert!(Instant::now() < deadline, "waited too long for {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn start(
    log: &Arc<MemoryLog>,
    board: &Board,
    receiver: &Arc<Receiver>,
    yaml: &str,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(follower(log, board, &export(yaml), Box::new(Sink(Arc::clone(receiver)))).run())
}

#[tokio::test]
async fn chunks_are_full_or_their_time_is_over() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    let _task = start(&log, &board, &receiver, EVERY);
    let begin = Instant::now();
    log.append(23);
    until("two full chunks", || receiver.asked() >= 2).await;
    until("the rest", || receiver.asked() == 3).await;
    assert!(begin.elapsed() >= Duration::from_millis(60), "{:?}", begin.elapsed());
    let names: Vec<_> = receiver.asked.lock().unwrap().iter().map(|(_, name)| name.clone()).collect();
    assert_eq!(
        names,
        ["000000000000-000000000009", "000000000010-000000000019", "000000000020-000000000022"]
    );
    assert_eq!(receiver.indexes(), (0..23).collect::<Vec<_>>());
    until("the place", || board.views(23)[0].lag_records == 0).await;
    let has = receiver.has.lock().unwrap();
    let last = &has[2].1;
    assert_eq!((last.head.size, last.consistency.len()), (23, 0), "the rest ends with the checkpoint");
    assert!(has[0].1.head.size == 23 && !has[0].1.consistency.is_empty(), "a full one leads to it");
}

#[tokio::test]
async fn an_hour_of_refusals_loses_nothing_and_is_not_a_storm() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    let _task = start(&log, &board, &receiver, EVERY);
    log.append(10);
    until("the first", || receiver.asked() == 1).await;
    receiver.down.store(true, Ordering::SeqCst);
    let (before, begin) = (receiver.asked(), Instant::now());
    for _ in 0..3_600 {
        log.append(1);
        tokio::time::sleep_until(begin + Duration::from_millis(log.all().len() as u64 - 10)).await;
    }
    let longest = begin.elapsed().as_millis() / 150 + 10;
    let attempts = receiver.asked() - before;
    let view = board.views(3_610).remove(0);
    println!("{attempts} attempts in an hour: {view:?}");
    assert!((attempts as u128) < longest, "{attempts} attempts, at most {longest} are expected");
    assert_eq!((view.state, view.lag_records), (ExportState::Failing, 3_600));
    assert!(view.failing_since_ms.is_some() && view.error.as_deref() == Some("the answer was 503"));
    assert_eq!(view.failures, attempts as u64);
    receiver.down.store(false, Ordering::SeqCst);
    until("everything", || board.views(3_610)[0].lag_records == 0).await;
    assert_eq!(receiver.indexes(), (0..3_610).collect::<Vec<_>>(), "no gap, nothing twice by name");
    let view = board.views(3_610).remove(0);
    assert!(view.error.is_none() && view.failing_since_ms.is_none() && view.state == ExportState::Waiting);
}

#[tokio::test]
async fn a_slow_receiver_gets_larger_chunks_later_and_nobody_waits() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    receiver.script.lock().unwrap().extend([Does::Slow(100); 5]);
    let _task = start(&log, &board, &receiver, "{name: test, to: /x, flush_records: 1000, flush_every: 1ms}");
    for _ in 0..500 {
        // Appending never waits: it is no part of an export.
        log.append(3);
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    until("everything", || board.views(1_500)[0].lag_records == 0).await;
    assert_eq!(receiver.indexes(), (0..1_500).collect::<Vec<_>>());
}

#[tokio::test]
async fn killed_at_any_moment_it_goes_on_without_gap_or_double() {
    let (log, receiver) = (MemoryLog::new(), Arc::new(Receiver::default()));
    let mut kills = 0;
    for round in 0..200_u64 {
        let board = Board::default();
        let does = [Does::Takes, Does::Refuses, Does::TakesAndHangs, Does::Slow(3)][(round % 4) as usize];
        receiver.script.lock().unwrap().push(does);
        log.broken.store(round % 7 == 3, Ordering::SeqCst);
        let task = start(&log, &board, &receiver, EVERY);
        log.append(round % 13);
        tokio::time::sleep(Duration::from_micros(round * 641 % 20_000)).await;
        log.broken.store(false, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_micros(round * 97 % 5_000)).await;
        // Whatever it was about to do, it does not.
        task.abort();
        let _ = task.await;
        kills += 1;
    }
    let board = Board::default();
    receiver.script.lock().unwrap().clear();
    let _task = start(&log, &board, &receiver, EVERY);
    let size = log.all().len() as u64;
    until("everything", || board.views(size)[0].cursor == Some(size)).await;
    assert_eq!(receiver.indexes(), (0..size).collect::<Vec<_>>());
    let names: std::collections::BTreeSet<_> =
        receiver.has.lock().unwrap().iter().map(|(name, _)| name.clone()).collect();
    println!(
        "killed {kills} times: {size} records in {} chunks, {} deliveries",
        names.len(),
        receiver.asked()
    );
}

#[tokio::test]
async fn what_does_not_lead_to_its_checkpoint_is_not_exported() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    log.append(25);
    log.tamper(13);
    let _task = start(&log, &board, &receiver, EVERY);
    until("the refusal", || board.views(25)[0].error.is_some()).await;
    let view = board.views(25).remove(0);
    assert!(view.error.as_deref().unwrap().contains("audit verify"), "{view:?}");
    assert_eq!((view.cursor, receiver.indexes()), (Some(10), (0..10).collect()));
}

#[tokio::test]
async fn a_new_one_may_begin_with_what_comes() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    log.append(700);
    let yaml = "{name: test, to: /x, flush_every: 1ms, from: now}";
    let task = start(&log, &board, &receiver, yaml);
    until("its place", || board.views(700)[0].cursor == Some(700)).await;
    log.append(3);
    until("the first", || receiver.asked() == 1).await;
    task.abort();
    log.append(300);
    // Restarted it goes on where it was, not with what comes then.
    let board = Board::default();
    let _task = start(&log, &board, &receiver, yaml);
    until("the rest", || board.views(1_003)[0].cursor == Some(1_003)).await;
    assert_eq!(receiver.indexes(), (700..1_003).collect::<Vec<_>>());
}

#[tokio::test]
async fn bytes_fill_a_chunk_too() {
    let (log, board, receiver) = (MemoryLog::new(), Board::default(), Arc::new(Receiver::default()));
    log.append(100);
    let _task = start(&log, &board, &receiver, "{name: test, to: /x, flush_bytes: 500, flush_every: 1ms}");
    until("everything", || board.views(100)[0].cursor == Some(100)).await;
    assert_eq!(receiver.indexes(), (0..100).collect::<Vec<_>>());
    let has = receiver.has.lock().unwrap();
    let sizes: Vec<usize> =
        has.iter().map(|(_, c)| c.records.iter().map(|r| r.record.as_ref().unwrap().len()).sum()).collect();
    println!("{sizes:?}");
    assert!(has.len() > 5 && sizes.iter().all(|size| *size < 600), "{sizes:?}");
}
