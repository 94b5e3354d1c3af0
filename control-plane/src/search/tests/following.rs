//! The task that keeps the index in step with a log.

use super::memory::MemoryLog;
use super::*;
use std::sync::atomic::Ordering;
use tokio::task::JoinHandle;

fn add(log: &MemoryLog, numbers: std::ops::Range<u64>) {
    for at in numbers {
        let seq = first_of(1_000 + at);
        let record = record(u32::try_from(at).unwrap().wrapping_mul(2_654_435_761), seq, &format!("c{at}"));
        log.decision(&record);
        if at % 2 == 0 {
            log.outcome(&outcome(u32::try_from(at).unwrap(), &record));
        }
    }
}

fn start(directory: &std::path::Path, log: &Arc<MemoryLog>) -> (Arc<Search>, JoinHandle<()>) {
    let search = Arc::new(Search::new(Some(directory.to_owned())));
    let task = tokio::spawn(Arc::clone(&search).follow(Arc::clone(log)));
    (search, task)
}

async fn until(search: &Search, condition: impl Fn(&Progress) -> bool) -> Progress {
    let mut progress = search.progress.subscribe();
    let waited = tokio::time::timeout(Duration::from_secs(60), progress.wait_for(|now| condition(now))).await;
    waited.unwrap().unwrap().clone()
}

async fn indexed(search: &Search, records: u64) {
    until(search, |now| now.indexed == Some(records)).await;
}

async fn count(search: &Arc<Search>) -> u64 {
    let query = Query { facets: [(Facet::Principal, vec!["*".to_owned()])].into(), ..Query::default() };
    search.with(move |index| index.count(&query)).await.unwrap().decisions
}

/// Ends the task and closes the index, as the end of the process does.
async fn stop(search: Arc<Search>, task: JoinHandle<()>) {
    task.abort();
    let _ = task.await;
    *search.index.write().unwrap() = None;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_sees_what_was_committed_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new("test.local/a"));
    let (search, task) = start(dir.path(), &log);
    indexed(&search, 0).await;
    for round in 0..50u64 {
        add(&log, round * 10..round * 10 + 10);
        assert!(search.is_current(&*log).await, "round {round}");
        assert_eq!(count(&search).await, round * 10 + 10);
    }
    let health = search.health(&*log);
    assert_eq!((health.state.as_str(), health.indexed), ("ready", health.records), "{health:?}");
    stop(search, task).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_index_that_is_broken_or_of_another_log_is_made_anew() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new("test.local/a"));
    add(&log, 0..20_000);
    let size = log.head().borrow().size;
    let (search, task) = start(dir.path(), &log);
    indexed(&search, size).await;
    assert_eq!(count(&search).await, 20_000);
    stop(search, task).await;

    // Goes on where it was.
    add(&log, 20_000..20_010);
    let (search, task) = start(dir.path(), &log);
    let first = until(&search, |now| now.indexed.is_some()).await;
    println!("goes on at {:?} of {size}", first.indexed);
    indexed(&search, size + 15).await;
    assert_eq!(count(&search).await, 20_010);
    stop(search, task).await;

    let path = dir.path().join("search.db");
    let whole = std::fs::read(&path).unwrap();
    let mut scribbled = whole.clone();
    scribbled[40_000..80_000].fill(0x5a);
    let cases = [
        ("nothing of it is there", None),
        ("it is empty", Some(Vec::new())),
        ("it is no database", Some(b"something else".to_vec())),
        ("it is cut", Some(whole[..whole.len() / 2].to_vec())),
        ("it is scribbled over", Some(scribbled)),
    ];
    for (name, bytes) in cases {
        for side in ["search.db-wal", "search.db-shm"] {
            let _ = std::fs::remove_file(dir.path().join(side));
        }
        match bytes {
            Some(bytes) => std::fs::write(&path, bytes).unwrap(),
            None => std::fs::remove_file(&path).unwrap(),
        }
        let (search, task) = start(dir.path(), &log);
        indexed(&search, size + 15).await;
        // What is broken in the middle is found when it is read; the next answer is of the new index.
        let query = Query { facets: [(Facet::Principal, vec!["*".to_owned()])].into(), ..Query::default() };
        let asked = query.clone();
        let found = match search.with(move |index| index.count(&asked)).await {
            Ok(found) => found,
            Err(error) => {
                println!("{name}: {error}");
                indexed(&search, size + 15).await;
                search.with(move |index| index.count(&query)).await.unwrap()
            }
        };
        assert_eq!(found.decisions, 20_010, "{name}");
        println!("{name}: {} decisions", found.decisions);
        stop(search, task).await;
    }

    for origin in ["test.local/a", "test.local/b"] {
        let other = Arc::new(MemoryLog::new(origin));
        add(&other, 5..30);
        let (search, task) = start(dir.path(), &other);
        indexed(&search, other.head().borrow().size).await;
        assert_eq!(count(&search).await, 25, "{origin}");
        stop(search, task).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_cannot_be_read_is_asked_again() {
    let dir = tempfile::tempdir().unwrap();
    let log = Arc::new(MemoryLog::new("test.local/a"));
    let (search, task) = start(dir.path(), &log);
    indexed(&search, 0).await;
    log.down.store(true, Ordering::SeqCst);
    add(&log, 0..10);
    let now = until(&search, |now| now.trouble.is_some()).await;
    println!("{now:?}");
    assert_eq!(search.health(&*log).state, "failed");
    log.down.store(false, Ordering::SeqCst);
    indexed(&search, log.head().borrow().size).await;
    assert_eq!(search.health(&*log).state, "ready");
    assert_eq!(count(&search).await, 10);
    stop(search, task).await;
}
