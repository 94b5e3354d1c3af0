//! Retention on a real store: what goes, what stays, and that everything still proves what it did.

use super::config::{RawRetention, Retention};
use super::pass::Keeper;
use super::{Board, HoldScope};
use crate::clock;
use crate::export::tests::files;
use crate::storage::{
    Event, EventKind, Logged, Prune, Query, Release, SqliteOptions, SqliteStore, Store, StoredHold,
};
use portcullis_audit::log::{RecordKind, verify_consistency, verify_inclusion};
use portcullis_audit::{
    Agent, DecisionRecord, Model, OutcomeRecord, OutcomeState, Principal, Verdict, VerdictKind,
};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

const DAY_MS: u64 = 86_400_000;

fn open(dir: &Path) -> Arc<dyn Store> {
    Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap())
}

fn decision(call_id: &str, principal: &str) -> DecisionRecord {
    DecisionRecord {
        schema: 1,
        call_id: call_id.to_owned(),
        principal: Principal {
            name: principal.to_owned(),
            tenant: Some("t1".to_owned()),
            ..Principal::default()
        },
        operation: "Converse".to_owned(),
        model: Some(Model { id: "anthropic.claude-x".to_owned(), ..Model::default() }),
        agent: Some(Agent { session: Some(format!("session-of-{principal}")), ..Agent::default() }),
        verdict: Verdict { kind: VerdictKind::Allow, ..Verdict::default() },
        ..DecisionRecord::default()
    }
}

/// A decision and its outcome.
async fn call(store: &dyn Store, call_id: &str, principal: &str) -> String {
    let committed = store.commit_decision(decision(call_id, principal)).await.unwrap();
    let outcome = OutcomeRecord {
        schema: 1,
        call_id: call_id.to_owned(),
        state: OutcomeState::Completed,
        aws_request_id: Some(format!("aws-{call_id}")),
        ..OutcomeRecord::default()
    };
    store.commit_outcomes(vec![outcome], None).await.unwrap();
    committed.decision_id
}

fn event(what: &str) -> Event {
    Event { kind: EventKind::Admin, actor: "root".to_owned(), detail: json!({ "what": what }) }
}

fn keeper(store: &Arc<dyn Store>, yaml: &str, exports: &[&str]) -> Keeper {
    let raw: RawRetention = serde_yaml_ng::from_str(yaml).unwrap();
    let exports = exports.iter().map(|name| (*name).to_owned()).collect();
    Keeper::on(Arc::clone(store), Arc::new(Board::default()), Retention::check(&raw).unwrap(), exports)
}

async fn hold(store: &dyn Store, name: &str, scope: HoldScope) {
    let hold = StoredHold {
        name: name.to_owned(),
        scope: serde_json::to_string(&scope).unwrap(),
        reason: "litigation".to_owned(),
        actor: "root".to_owned(),
        at_ms: 0,
        released: None,
    };
    assert!(store.place_hold(hold, event("hold_placed")).await.unwrap());
}

async fn all(store: &dyn Store) -> Vec<Logged> {
    let size = store.head().borrow().size;
    let mut found = Vec::new();
    while (found.len() as u64) < size {
        found.extend(store.log_records(found.len() as u64, 1_000, usize::MAX).await.unwrap());
    }
    found
}

/// Details of the admin records of that name, oldest first, with their indexes.
fn told(records: &[Logged], what: &str) -> Vec<(u64, Value)> {
    let admin = records.iter().filter(|logged| logged.entry.kind == RecordKind::Admin);
    let parsed = admin.filter_map(|logged| {
        let record: Value = serde_json::from_str(logged.record.as_deref()?).unwrap();
        Some((logged.index, record["detail"].clone()))
    });
    parsed.filter(|(_, detail)| detail["what"] == what).collect()
}

fn principal(logged: &Logged) -> String {
    let record: Value = serde_json::from_str(logged.record.as_deref().unwrap_or("{}")).unwrap();
    record["principal"]["name"].as_str().unwrap_or_default().to_owned()
}

/// Some records of decisions as they are stored: whether each is one of alice's.
fn packed(dir: &Path, bobs: usize) -> Vec<(bool, Vec<u8>)> {
    let conn = rusqlite::Connection::open(dir.join("portcullis.db")).unwrap();
    let mut statement = conn
        .prepare("SELECT d.principal = 'alice', r.record FROM decisions d JOIN records r ON r.idx = d.idx LIMIT 12")
        .unwrap();
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let found: Vec<(bool, Vec<u8>)> = rows.map(Result::unwrap).collect();
    assert!(found.len() == 12 && bobs > 8);
    found
}

const KEEP: &str = "keep: {decision: 400d, outcome: 400d, admin: 7y}";

#[tokio::test]
async fn what_is_too_old_goes_what_is_held_stays_and_every_proof_holds() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let before = Arc::clone(&store.head().borrow());
    let mut bobs = Vec::new();
    for n in 0..60 {
        let id =
            call(&*store, &format!("call-{n}"), if n % 3 == 0 { "alice" } else { "bob-the-caller" }).await;
        bobs.extend((n % 3 != 0).then_some(id));
    }
    store.commit_event(event("key_created")).await.unwrap();
    hold(&*store, "case-1", HoldScope { principal: Some("alice".to_owned()), ..HoldScope::default() }).await;
    let packed = packed(dir.path(), bobs.len());
    let untouched = all(&*store).await;
    let old = Arc::clone(&store.head().borrow());

    let now = clock::unix_ms();
    let keeper = keeper(&store, KEEP, &[]);
    let early = keeper.pass(now + 399 * DAY_MS).await;
    assert_eq!((early.pruned, &early.error), (0, &None), "nothing is old enough");
    assert_eq!(all(&*store).await, untouched);

    let pass = keeper.pass(now + 401 * DAY_MS).await;
    println!("{pass:?}");
    assert_eq!((pass.pruned, pass.held["case-1"], &pass.error), (80, 40, &None));
    let records = all(&*store).await;
    for (before, after) in untouched.iter().zip(&records) {
        assert_eq!((before.index, &before.entry), (after.index, &after.entry), "entries stay");
        let stays = match before.entry.kind {
            RecordKind::Decision => principal(before) == "alice",
            RecordKind::Outcome => {
                let call: u64 = before.entry.id.trim_start_matches("call-").parse().unwrap();
                call.is_multiple_of(3)
            }
            _ => true,
        };
        assert_eq!(after.record.is_some(), stays, "{before:?}");
    }
    let told = told(&records, "retention_pruned");
    let (index, detail) = &told[0];
    assert_eq!((told.len(), *index), (1, untouched.len() as u64), "the record of it comes first");
    assert_eq!((&detail["records"], &detail["held"]), (&json!(80), &json!({"case-1": 40})));
    assert_eq!(detail["before_ms"], now + DAY_MS);

    // Proofs, keys and the search.
    let head = Arc::clone(&store.head().borrow());
    for id in &bobs {
        let index = store.log_find(id.clone()).await.unwrap();
        assert_eq!(index.len(), 1, "a pruned record is found by its id");
        let proof = store.inclusion(index[0], head.size).await.unwrap().unwrap();
        let leaf = records[usize::try_from(index[0]).unwrap()].entry.leaf();
        verify_inclusion(&leaf, index[0], head.size, &proof, &head.root).unwrap();
        assert!(store.decision(id.clone()).await.unwrap().is_none());
    }
    for (size, root) in [(before.size, before.root), (old.size, old.root)] {
        let proof = store.consistency(size, head.size).await.unwrap().unwrap();
        verify_consistency(size, head.size, &proof, &root, &head.root).unwrap();
    }
    let found = store.decisions(Query { limit: 1_000, ..Query::default() }).await.unwrap().decisions;
    assert_eq!(found.len(), 20);
    assert!(found.iter().all(|decision| decision.record.principal.name == "alice"));

    // An export from the beginning verifies, with what is left.
    let to = dir.path().join("export");
    files::run(
        &store,
        &format!("{{name: late, to: '{}', flush_records: 30, flush_every: 10ms}}", to.display()),
    )
    .await;
    let exported = files::verify(&to, &store.log_keys());
    let expected: Vec<_> = records.iter().map(|logged| (logged.index, logged.record.is_some())).collect();
    assert_eq!(exported, expected);

    // Their bytes are not in the file any more, once the log of changes is written back.
    let keys = store.log_keys();
    drop((keeper, store));
    let conn = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    conn.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    drop(conn);
    let file = std::fs::read(dir.path().join("portcullis.db")).unwrap();
    let left = packed.iter().filter(|(alices, bytes)| {
        let found = file.windows(bytes.len()).any(|window| window == bytes);
        assert!(found || !alices, "the test looks for what is there");
        found && !alices
    });
    assert_eq!(left.count(), 0, "records that are still in the database's file");

    // The store opens with it, and goes on.
    let store = open(dir.path());
    assert_eq!(store.log_keys(), keys);
    assert_eq!(all(&*store).await, records);
    call(&*store, "after", "alice").await;
}

#[tokio::test]
async fn a_released_hold_lets_go_with_the_next_pass() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..10 {
        call(&*store, &format!("call-{n}"), "alice").await;
    }
    hold(&*store, "all", HoldScope { first: Some(0), ..HoldScope::default() }).await;
    let keeper = keeper(&store, KEEP, &[]);
    let later = clock::unix_ms() + 401 * DAY_MS;
    let pass = keeper.pass(later).await;
    assert_eq!((pass.pruned, pass.held["all"]), (0, 20));
    assert!(
        told(&all(&*store).await, "retention_pruned").is_empty(),
        "nothing was pruned, and nothing is said of it"
    );
    let release = |name: &str| {
        let event = event("hold_released");
        store.release_hold(name.to_owned(), "root".to_owned(), "settled".to_owned(), event)
    };
    assert_eq!(release("other").await.unwrap(), Release::Unknown);
    assert_eq!(release("all").await.unwrap(), Release::Done);
    assert_eq!(release("all").await.unwrap(), Release::Before);
    assert_eq!(keeper.pass(later).await.pruned, 20);
    assert_eq!(keeper.pass(later).await.pruned, 0, "once");
    let records = all(&*store).await;
    assert_eq!((told(&records, "hold_placed").len(), told(&records, "hold_released").len()), (1, 1));
    assert_eq!(told(&records, "retention_pruned").len(), 1);
    let again = StoredHold {
        name: "all".to_owned(),
        scope: "{}".to_owned(),
        reason: String::new(),
        actor: String::new(),
        at_ms: 0,
        released: None,
    };
    assert!(!store.place_hold(again, event("hold_placed")).await.unwrap(), "a name stands for one hold");
}

#[tokio::test]
async fn a_hold_that_is_placed_in_the_middle_is_heeded() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    call(&*store, "call-1", "alice").await;
    let version = store.holds().await.unwrap().version;
    let prune: Vec<Prune> = all(&*store).await.iter().map(Prune::from).collect();
    hold(&*store, "late", HoldScope { first: Some(0), ..HoldScope::default() }).await;
    assert_eq!(store.prune(prune.clone(), version).await.unwrap(), None);
    assert!(all(&*store).await.iter().all(|logged| logged.record.is_some()));
    let version = store.holds().await.unwrap().version;
    let forged = Prune { leaf: [0; 32], ..prune[0].clone() };
    assert_eq!(store.prune(vec![forged], version).await.unwrap(), Some(0), "only what the tree says");
    assert_eq!(store.prune(prune, version).await.unwrap(), Some(2));
}

#[tokio::test]
async fn what_an_export_has_not_taken_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..20 {
        call(&*store, &format!("call-{n}"), "alice").await;
    }
    store.move_cursor("export/siem".to_owned(), Some(10)).await.unwrap();
    let keeper = keeper(&store, KEEP, &["siem"]);
    let later = clock::unix_ms() + 401 * DAY_MS;
    let pass = keeper.pass(later).await;
    assert_eq!((pass.pruned, pass.waiting["siem"]), (10, 30), "{pass:?}");
    assert_eq!(all(&*store).await.iter().filter(|logged| logged.record.is_none()).count(), 10);
    store.move_cursor("export/siem".to_owned(), Some(1_000)).await.unwrap();
    let pass = keeper.pass(later).await;
    assert_eq!((pass.pruned, pass.waiting.len()), (30, 0), "{pass:?}");
}

#[tokio::test]
async fn links_of_pruned_records_go_with_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for n in 0..5 {
        let mut record = decision(&format!("call-{n}"), "bob");
        record.request.results =
            vec![portcullis_audit::ToolResult { id: Some(format!("tool-use-{n}")), ..Default::default() }];
        record.request.tool_results = 1;
        store.commit_decision(record).await.unwrap();
    }
    keeper(&store, KEEP, &[]).pass(clock::unix_ms() + 401 * DAY_MS).await;
    drop(store);
    let conn = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    let left: i64 = conn.query_row("SELECT count(*) FROM links", [], |row| row.get(0)).unwrap();
    assert_eq!(left, 0);
}

/// `cargo test --release -p portcullis --lib -- --ignored --nocapture pruning_a_million`
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes minutes: for docs/performance.md"]
async fn pruning_a_million_records_holds_nobody_up() {
    let records: u64 = std::env::var("RECORDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1_000_000);
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let begin = Instant::now();
    let mut lanes = Vec::new();
    for lane in 0..64 {
        let store = Arc::clone(&store);
        lanes.push(tokio::spawn(async move {
            for n in 0..records / 64 {
                store.commit_decision(decision(&format!("{lane}-{n}"), "alice")).await.unwrap();
            }
        }));
    }
    for lane in lanes {
        lane.await.unwrap();
    }
    let size = || std::fs::metadata(dir.path().join("portcullis.db")).map_or(0, |file| file.len());
    println!("{records} decisions in {:.1?}, {} MB", begin.elapsed(), size() >> 20);
    let latency = |mut times: Vec<Duration>| {
        times.sort_unstable();
        let at = |share: usize| times[(times.len() - 1) * share / 1_000];
        format!(
            "p50 {:.1?} p99 {:.1?} p99.9 {:.1?} max {:.1?} of {}",
            at(500),
            at(990),
            at(999),
            at(1_000),
            times.len()
        )
    };
    let measure = async |stop: Arc<std::sync::atomic::AtomicBool>, name: &str| {
        let mut times = Vec::new();
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            let begin = Instant::now();
            store.commit_decision(decision(&format!("{name}-{}", times.len()), "bob")).await.unwrap();
            times.push(begin.elapsed());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        times
    };
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let stopper = Arc::clone(&stop);
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(10)).await;
        stopper.store(true, std::sync::atomic::Ordering::Relaxed);
    });
    println!("a call's commit alone:        {}", latency(measure(stop, "alone").await));
    let stop = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let (stopper, keeper) = (Arc::clone(&stop), keeper(&store, KEEP, &[]));
    let pruning = tokio::spawn(async move {
        let begin = Instant::now();
        let pass = keeper.pass(clock::unix_ms() + 401 * DAY_MS).await;
        stopper.store(true, std::sync::atomic::Ordering::Relaxed);
        (pass, begin.elapsed())
    });
    println!("a call's commit while pruning: {}", latency(measure(stop, "pruning").await));
    let (pass, took) = pruning.await.unwrap();
    println!("pruned {} in {took:.1?}, {:?}; {} MB", pass.pruned, pass.error, size() >> 20);
    assert!(pass.pruned >= records / 64 * 64 && pass.error.is_none());
}
