//! Two sinks, each of which hangs, fills, comes back; and what was acknowledged is never lost.

use super::*;
use crate::storage::{Log, SqliteOptions, SqliteStore};
use portcullis_audit::{Charge, DecisionRecord, VerdictKind, log};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;
use tempfile::TempDir;
use tokio::task::JoinHandle;

/// Long enough for a loaded machine, short enough to wait for.
const DEADLINE: Duration = Duration::from_millis(400);

struct Two {
    dir: TempDir,
    store: Arc<SqliteStore>,
    sinks: Arc<Sinks>,
    task: JoinHandle<()>,
}

fn master() -> MasterKey {
    MasterKey::parse("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=", "test").unwrap()
}

fn two(require: Require) -> Two {
    again(tempfile::tempdir().unwrap(), require)
}

fn again(dir: TempDir, require: Require) -> Two {
    let store = Arc::new(SqliteStore::open(SqliteOptions::new(dir.path().join("store"))).unwrap());
    let path = dir.path().join("second");
    let config = SinksConfig { require, path, deadline: DEADLINE, rotate_bytes: 4_096 };
    let sinks = Sinks::open(config, &master()).unwrap();
    let store_too: Arc<dyn Store> = Arc::clone(&store) as _;
    let task = tokio::spawn(Arc::clone(&sinks).run(store_too));
    Two { dir, store, sinks, task }
}

fn decision(call_id: &str) -> DecisionRecord {
    let mut record = DecisionRecord { call_id: call_id.to_owned(), ..DecisionRecord::default() };
    record.schema = portcullis_audit::SCHEMA;
    record.principal.name = "p".to_owned();
    record.verdict.kind = VerdictKind::Allow;
    record
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(30), "{what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

impl Two {
    async fn commit(&self, call_id: &str) -> Result<Committed, CommitError> {
        self.sinks.commit(&*self.store, decision(call_id).into(), Duration::from_secs(4)).await
    }

    async fn up(&self) {
        until("the second sink is up", || self.sinks.second.is_up()).await;
    }

    async fn normal(&self) {
        until("the store is asked first", || {
            self.sinks.phase.try_read().is_ok_and(|phase| *phase == Phase::Normal)
        })
        .await;
    }

    /// The writer of the store hangs until what this gives is dropped.
    async fn stall_store(&self) -> std::sync::mpsc::Sender<()> {
        let (release, hold) = std::sync::mpsc::channel::<()>();
        let (started, running) = tokio::sync::oneshot::channel::<()>();
        let (store, mut started) = (Arc::clone(&self.store), Some(started));
        tokio::spawn(async move {
            let stalled = store.on_writer(move |_| {
                started.take().map(|started| started.send(()));
                let _ = hold.recv();
                Ok(())
            });
            stalled.await
        });
        running.await.unwrap();
        release
    }

    /// Lines of the second sink by index, each of which must be the export line of the log.
    fn lines(&self) -> BTreeMap<u64, serde_json::Value> {
        lines(&self.dir.path().join("second"))
    }

    /// Decisions of the log by call id, and its events.
    async fn log(&self) -> (BTreeMap<String, DecisionRecord>, Vec<serde_json::Value>) {
        let (mut decisions, mut events) = (BTreeMap::new(), Vec::new());
        for logged in self.store.log_records(0, 10_000, usize::MAX).await.unwrap() {
            let record = logged.record.unwrap();
            match logged.entry.kind {
                log::RecordKind::Decision => {
                    let record: DecisionRecord = serde_json::from_str(&record).unwrap();
                    let double = decisions.insert(record.call_id.clone(), record);
                    assert_eq!(double, None, "no call is there twice");
                }
                _ => events.push(serde_json::from_str(&record).unwrap()),
            }
        }
        (decisions, events)
    }

    /// Ends everything as a crash does: nothing is finished.
    async fn crash(self) -> TempDir {
        let Two { dir, store, sinks, task } = self;
        task.abort();
        let _ = task.await;
        drop(sinks);
        let mut store = Some(store);
        until("nobody uses the store", || match store.take().map(Arc::try_unwrap) {
            Some(Err(shared)) => {
                store = Some(shared);
                false
            }
            _ => true,
        })
        .await;
        dir
    }
}

fn lines(directory: &Path) -> BTreeMap<u64, serde_json::Value> {
    let mut found = BTreeMap::new();
    let mut files: Vec<_> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.file_name().unwrap().to_str().unwrap().starts_with("records-"));
    files.sort();
    for file in files {
        for line in std::fs::read_to_string(&file).unwrap().lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(log::canonical(&value).unwrap(), line, "as exports write it");
            let index = value["index"].as_u64().unwrap();
            assert_eq!(found.insert(index, value), None, "{index} is there once");
        }
    }
    let count = found.len() as u64;
    assert!(found.keys().copied().eq(0..count), "none is missing: {:?}", found.keys());
    found
}

#[tokio::test]
async fn the_second_has_what_the_log_has_also_after_a_crash_within_a_line() {
    let mut two = two(Require::All);
    for round in 0..3 {
        two.up().await;
        for at in 0..20 {
            two.commit(&format!("{round}-{at}")).await.unwrap();
            let size = two.store.head().borrow().size;
            assert!(two.lines().len() as u64 >= size.min(round * 20 + at + 1), "before the answer");
        }
        let dir = two.crash().await;
        let mut files: Vec<_> =
            std::fs::read_dir(dir.path().join("second")).unwrap().map(|e| e.unwrap().path()).collect();
        files.sort();
        let newest = files.iter().rfind(|path| path.to_str().unwrap().contains("records-")).unwrap();
        // A power cut within the next line, or within the last one.
        let mut bytes = std::fs::read(newest).unwrap();
        if round == 0 {
            bytes.extend(b"{\"entry\":{\"id")
        } else {
            bytes.truncate(bytes.len() - 7)
        }
        std::fs::write(newest, bytes).unwrap();
        two = again(dir, Require::All);
    }
    two.up().await;
    let found = two.lines();
    println!("{} records in the second sink, {} in the log", found.len(), two.store.head().borrow().size);
    assert_eq!(found.len() as u64, two.store.head().borrow().size);
    for logged in two.store.log_records(0, 1_000, usize::MAX).await.unwrap() {
        assert_eq!(found[&logged.index]["entry"]["sha256"], hex::encode(logged.entry.sha256));
    }
}

#[tokio::test]
async fn where_both_must_have_it_one_that_hangs_refuses_in_time_and_then_at_once() {
    let two = two(Require::All);
    two.up().await;
    two.commit("before").await.unwrap();
    let release = two.sinks.second.thread.stall();
    let started = Instant::now();
    let error = two.commit("first").await.unwrap_err();
    println!("{error} after {:?}", started.elapsed());
    assert!(
        matches!(error, CommitError::Second(SecondError::Timeout(_) | SecondError::Down(_))),
        "{error:?}"
    );
    assert!(started.elapsed() >= DEADLINE / 2 && started.elapsed() < DEADLINE * 8);
    let size = two.store.head().borrow().size;
    for at in 0..100 {
        let error = two.commit(&format!("later-{at}")).await.unwrap_err();
        assert!(matches!(error, CommitError::Second(SecondError::Down(_))), "{error:?}");
    }
    assert_eq!(two.store.head().borrow().size, size, "nothing was even tried");
    let health = two.sinks.health(&*two.store);
    assert!(!health.up && health.behind > 0 && health.error.is_some(), "{health:?}");
    drop(release);
    two.up().await;
    two.commit("after").await.unwrap();
    assert_eq!(two.lines().len() as u64, two.store.head().borrow().size, "it has caught up before it counts");
}

#[tokio::test]
async fn a_full_second_sink_refuses_and_catches_up_when_there_is_room() {
    let dir = tempfile::tempdir().unwrap();
    let second = dir.path().join("second");
    std::fs::create_dir_all(&second).unwrap();
    let file = second.join("records-000000000000.jsonl");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let two = again(dir, Require::All);
    two.up().await;
    let error = two.commit("full").await.unwrap_err();
    println!("{error}");
    assert!(error.to_string().contains("No space left"), "{error}");
    std::fs::remove_file(&file).unwrap();
    two.up().await;
    two.commit("room").await.unwrap();
    assert_eq!(two.lines().len() as u64, two.store.head().borrow().size);
}

#[tokio::test]
async fn the_files_of_another_log_are_not_written_on() {
    let one = two(Require::All);
    one.up().await;
    one.commit("one").await.unwrap();
    let dir = one.crash().await;
    std::fs::remove_dir_all(dir.path().join("store")).unwrap();
    let two = again(dir, Require::All);
    two.store.commit_decision(decision("two")).await.unwrap();
    two.store.commit_decision(decision("three")).await.unwrap();
    until("it says why", || two.sinks.second.why().contains("is not record")).await;
    println!("{}", two.sinks.second.why());
    assert!(two.commit("four").await.is_err());
}

#[tokio::test]
async fn where_one_is_enough_the_second_may_hang() {
    let two = two(Require::Any);
    two.normal().await;
    two.up().await;
    let release = two.sinks.second.thread.stall();
    for at in 0..50 {
        two.commit(&at.to_string()).await.unwrap();
    }
    drop(release);
    until("it has caught up", || two.sinks.second.durable() == two.store.head().borrow().size).await;
    assert_eq!(two.lines().len() as u64, two.store.head().borrow().size);
}

#[tokio::test]
async fn what_the_store_does_not_take_is_spilled_answered_and_put_into_the_log_before_anything_new() {
    let two = two(Require::Any);
    two.normal().await;
    two.commit("before").await.unwrap();
    let release = two.stall_store().await;
    let mut told = BTreeMap::new();
    for at in 0..20 {
        let committed = two.commit(&format!("c{at:02}")).await.unwrap();
        assert_eq!(committed.verdict.kind, VerdictKind::Allow);
        told.insert(format!("c{at:02}"), committed.decision_id);
    }
    let repeated = two.commit("c07").await.unwrap();
    assert_eq!((repeated.repeated, &repeated.decision_id), (true, &told["c07"]), "the same question");
    let mut other = decision("c07");
    other.request.path = "/other".to_owned();
    assert!(two.sinks.commit(&*two.store, other.into(), DEADLINE).await.is_err(), "another question");
    let mut charged = decision("limited");
    charged.charges.push(Charge::default());
    let refused = two.sinks.commit(&*two.store, charged.into(), DEADLINE).await;
    assert!(refused.is_err(), "what is reserved must be in the store");
    assert!(two.sinks.find(&told["c03"]).is_some(), "for what is found in its answer");
    assert_eq!(two.sinks.health(&*two.store).spilled, 20);
    drop(release);
    two.normal().await;
    let new = two.commit("new").await.unwrap();
    assert!(!new.repeated);

    let (decisions, events) = two.log().await;
    for (call, id) in &told {
        assert_eq!(
            (&decisions[call].decision_id, decisions[call].spilled || call == "c00"),
            (id, true),
            "{call}"
        );
    }
    let order: Vec<_> = two.store.log_records(0, 1_000, usize::MAX).await.unwrap();
    let at = |id: &str| order.iter().position(|logged| logged.entry.id == id).unwrap();
    assert!(told.values().map(|id| at(id)).is_sorted(), "in their order");
    assert!(told.values().all(|id| at(id) < at(&new.decision_id)), "before anything new");
    let spill = events.iter().find(|event| event["detail"]["what"] == "audit_spill").unwrap();
    println!("{spill}");
    assert_eq!((&spill["kind"], &spill["detail"]["decisions"]), (&json!("gap"), &json!(20)));
    assert!(!two.dir.path().join("second/spilled.jsonl").exists());
    for id in told.values() {
        let found = two.store.decision(id.clone()).await.unwrap().unwrap();
        assert_eq!(&found.record.decision_id, id, "by the id that was told");
    }
}

#[tokio::test]
async fn what_was_spilled_outlives_a_crash_and_is_delivered_once() {
    let two = two(Require::Any);
    two.normal().await;
    let release = two.stall_store().await;
    let mut told = BTreeMap::new();
    for at in 0..5 {
        told.insert(at.to_string(), two.commit(&at.to_string()).await.unwrap().decision_id);
    }
    two.task.abort();
    let spilled = std::fs::read(two.dir.path().join("second/spilled.jsonl")).unwrap();
    drop(release);
    let dir = two.crash().await;
    // Cut within a line that nobody was told of.
    let cut = [spilled.as_slice(), b"{\"body\":\"{"].concat();
    std::fs::write(dir.path().join("second/spilled.jsonl"), cut).unwrap();
    let two = again(dir, Require::Any);
    two.normal().await;
    let (decisions, _) = two.log().await;
    for (call, id) in &told {
        assert_eq!(&decisions[call].decision_id, id, "{call}");
    }
    // As if the file had not gone away in time.
    let dir = two.crash().await;
    std::fs::write(dir.path().join("second/spilled.jsonl"), &spilled).unwrap();
    let two = again(dir, Require::Any);
    two.normal().await;
    let (decisions, _) = two.log().await;
    assert_eq!(decisions.len(), told.len(), "delivered twice, recorded once");
}

#[tokio::test]
async fn a_changed_spill_is_found_and_kept() {
    let two = two(Require::Any);
    two.normal().await;
    let release = two.stall_store().await;
    for at in 0..3 {
        two.commit(&at.to_string()).await.unwrap();
    }
    two.task.abort();
    drop(release);
    let path = two.dir.path().join("second/spilled.jsonl");
    let dir = two.crash().await;
    let text = std::fs::read_to_string(&path).unwrap();
    // The second of three is left out.
    let kept: Vec<_> =
        text.lines().enumerate().filter(|(at, _)| *at != 1).map(|(_, line)| format!("{line}\n")).collect();
    std::fs::write(&path, kept.concat()).unwrap();
    let two = again(dir, Require::Any);
    two.normal().await;
    let (_, events) = two.log().await;
    let told = events.iter().map(ToString::to_string).find(|event| event.contains("spill_broken")).unwrap();
    println!("{told}");
    assert!(told.contains("line 2 does not verify"), "{told}");
}

#[tokio::test]
async fn where_both_are_down_nothing_is_let_out() {
    let two = two(Require::Any);
    two.normal().await;
    let (store, second) = (two.stall_store().await, two.sinks.second.thread.stall());
    let started = Instant::now();
    let error = two.commit("c").await.unwrap_err();
    println!("{error} after {:?}", started.elapsed());
    assert!(started.elapsed() < DEADLINE * 8);
    drop((store, second));
    two.normal().await;
    two.commit("d").await.unwrap();
}

/// Faults in any order: what was acknowledged is in the log and in the second sink, under the id that was told.
#[tokio::test]
async fn nothing_acknowledged_is_lost() {
    let mut two = two(Require::Any);
    let mut told = BTreeMap::new();
    let mut refused = 0;
    for round in 0u32..6 {
        two.normal().await;
        let store = if round % 2 == 1 { Some(two.stall_store().await) } else { None };
        let second = (round % 3 == 2).then(|| two.sinks.second.thread.stall());
        let calls = (0..16).map(|at| {
            let (two, call) = (&two, format!("{round}-{at}"));
            async move { (two.commit(&call).await, call) }
        });
        for (result, call) in join_all(calls).await {
            match result {
                Ok(committed) => drop(told.insert(call, committed.decision_id)),
                Err(_) => refused += 1,
            }
        }
        two.task.abort();
        drop((store, second));
        two = again(two.crash().await, Require::Any);
    }
    two.normal().await;
    until("it has caught up", || two.sinks.second.durable() == two.store.head().borrow().size).await;
    let (decisions, _) = two.log().await;
    let second: Vec<_> =
        two.lines().into_values().map(|line| line["entry"]["id"].as_str().unwrap().to_owned()).collect();
    for (call, id) in &told {
        assert!(decisions.contains_key(call), "{call} was acknowledged");
        assert!(second.contains(&decisions[call].decision_id), "{call} is in the second sink");
        assert!(decisions[call].decision_id == *id || !decisions[call].spilled, "{call}");
    }
    println!("{} acknowledged, {refused} refused, {} in the log", told.len(), decisions.len());
    assert!(told.len() >= 48);
}

async fn join_all<T>(futures: impl IntoIterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut futures: Vec<_> = futures.into_iter().map(|one| (Box::pin(one), None)).collect();
    std::future::poll_fn(move |context| {
        let mut pending = false;
        for (future, value) in &mut futures {
            if value.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(done) => *value = Some(done),
                    std::task::Poll::Pending => pending = true,
                }
            }
        }
        if pending {
            return std::task::Poll::Pending;
        }
        std::task::Poll::Ready(futures.iter_mut().filter_map(|(_, value)| value.take()).collect())
    })
    .await
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let raw = |yaml: &str| SinksConfig::check(serde_yaml_ng::from_str(yaml).unwrap());
    for (yaml, expected) in [
        ("{}", "`audit.sinks.second.path` is missing"),
        ("{require: both, second: {path: /x}}", "`both` is none of any, all"),
        ("{deadline: 5m, second: {path: /x}}", "`5m` is no duration"),
        ("{second: {path: /x, rotate_bytes: 1}}", "must be 65536 or more"),
    ] {
        let error = raw(yaml).unwrap_err().to_string();
        println!("{yaml}: {error}");
        assert!(error.contains(expected), "{error}");
    }
    let checked = raw("{second: {path: /x}}").unwrap();
    assert_eq!((checked.require, checked.deadline), (Require::All, Duration::from_millis(500)));
}
