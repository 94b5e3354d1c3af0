//! Limits and store together: what is counted is what is stored, whatever happens in between.

use super::*;
use crate::storage::{Commit, SqliteOptions, SqliteStore};
use portcullis_audit::{DecisionRecord, OutcomeState, SCHEMA, Usage, Verdict, VerdictKind};
use portcullis_limits::Snapshot;
use portcullis_policy::{SourceFile, compile};
use proptest::prelude::*;
use std::path::Path;
use std::time::Duration;

const HOUR_MS: u64 = 60 * 60 * 1_000;

/// A control plane's part that counts.
struct Desk {
    store: Arc<SqliteStore>,
    limits: Arc<Limits>,
    bundle: Bundle,
}

impl Desk {
    async fn open(dir: &Path) -> Desk {
        let store = Arc::new(SqliteStore::open(SqliteOptions::new(dir)).unwrap());
        let limits = Limits::load(&*store).await.unwrap();
        let manifest = b"version: \"1\"\nname: desk\ndefault: allow\n".to_vec();
        let file = SourceFile { path: "bundle.yaml".to_owned(), bytes: manifest };
        Desk { store, limits, bundle: compile(&[file]).unwrap() }
    }

    fn reserve(&self, call: &str, charges: &[Charge], retry: Option<&str>) -> Result<Taken, Over> {
        let retry: Option<Arc<str>> = retry.map(Arc::from);
        self.limits.reserve(&self.bundle, (clock::unix_ms(), call), charges, retry.as_ref(), false)
    }

    /// Decides a call: it goes out when there is room.
    async fn decide(&self, call: &str, charges: &[Charge], retry: Option<&str>) -> bool {
        let Ok(taken) = self.reserve(call, charges, retry) else { return false };
        self.store.commit(commit(call, taken)).await.unwrap();
        true
    }

    async fn tell(&self, call: &str, state: OutcomeState, tokens: Option<u64>) {
        self.store.commit_outcomes(vec![outcome(call, state, tokens)], None).await.unwrap();
    }

    fn used(&self) -> u64 {
        self.limits.lock().ledger.usage(clock::unix_ms()).iter().map(|one| one.used).sum()
    }

    /// What is in memory is what is on disk; gives it.
    async fn agree(&self) -> Snapshot {
        self.store.flush().await.unwrap();
        let memory = self.limits.lock().ledger.export();
        let stored = self.store.limits().await.unwrap();
        assert_eq!(stored.stray, Vec::<Arc<str>>::new());
        let disk = Ledger::restore(stored.rows).export();
        assert_eq!(memory, disk);
        memory
    }

    /// The process ends, and another begins.
    async fn reopen(self, dir: &Path) -> Desk {
        drop(self.limits);
        drop(self.store);
        Desk::open(dir).await
    }
}

fn spec(id: &str, measure: Measure, max: u64) -> Arc<LimitSpec> {
    Arc::new(LimitSpec {
        id: id.to_owned(),
        measure,
        max,
        window_ms: HOUR_MS,
        per: Vec::new(),
        action: Effect::Deny,
        shadow: false,
        message: None,
    })
}

fn charge(limit: &Arc<LimitSpec>, amount: u64) -> Charge {
    Charge { limit: Arc::clone(limit), key: "principal.name=a".to_owned(), amount, price: None }
}

fn commit(call: &str, taken: Taken) -> Commit {
    let record = DecisionRecord {
        schema: SCHEMA,
        call_id: call.to_owned(),
        operation: "Converse".to_owned(),
        verdict: Verdict { kind: VerdictKind::Allow, ..Verdict::default() },
        ..DecisionRecord::default()
    };
    let held = taken.hold.into_iter().map(|hold| Box::new(hold) as Box<dyn Held>).collect();
    Commit { held, ..Commit::from(record) }
}

fn outcome(call: &str, state: OutcomeState, tokens: Option<u64>) -> OutcomeRecord {
    OutcomeRecord {
        schema: SCHEMA,
        call_id: call.to_owned(),
        state,
        status: Some(200),
        forwarded: true,
        response_bytes: 1,
        usage: tokens.map(|output_tokens| Usage { output_tokens, ..Usage::default() }),
        ..OutcomeRecord::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_callers_never_go_over_and_the_sum_is_exact() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Arc::new(Desk::open(dir.path()).await);
    const MAX: u64 = 20_000;
    let tokens = spec("tokens", Measure::Tokens, MAX);
    let requests = spec("requests", Measure::Requests, 1_000_000);
    let tasks: Vec<_> = (0..64u64)
        .map(|lane| {
            let (desk, tokens, requests) = (Arc::clone(&desk), Arc::clone(&tokens), Arc::clone(&requests));
            tokio::spawn(async move {
                let (mut out, mut spent, mut most) = (0u64, 0u64, 0u64);
                for at in 0..20 {
                    let call = format!("{lane}-{at}");
                    if desk.decide(&call, &[charge(&tokens, 100), charge(&requests, 1)], None).await {
                        most = most.max(desk.used());
                        // Never more than was reserved, so the limit must hold to the token.
                        let used = (lane * 7 + at * 13) % 101;
                        desk.tell(&call, OutcomeState::Completed, Some(used)).await;
                        (out, spent) = (out + 1, spent + used);
                    }
                }
                (out, spent, most)
            })
        })
        .collect();
    let (mut out, mut spent) = (0, 0);
    for task in tasks {
        let (task_out, task_spent, most) = task.await.unwrap();
        assert!(most <= MAX + 64 * 20, "{most}");
        (out, spent) = (out + task_out, spent + task_spent);
    }
    let uses = desk.limits.lock().ledger.usage(clock::unix_ms());
    let of = |id: &str| uses.iter().find(|one| &*one.limit == id).map(|one| (one.used, one.reserved));
    println!("{out} of 1280 calls went out and used {spent} of {MAX} tokens");
    assert_eq!(of("tokens"), Some((spent, 0)), "exact, once all is settled");
    assert_eq!(of("requests"), Some((out, 0)));
    assert!(spent <= MAX && spent > MAX - 100, "full to the last reservation");
    desk.agree().await;
    let desk = Arc::try_unwrap(desk).ok().unwrap().reopen(dir.path()).await;
    assert_eq!(desk.used(), spent + out, "as it was");
}

#[tokio::test]
async fn a_reservation_without_its_record_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let limit = spec("tokens", Measure::Tokens, 100);
    // Nobody commits it.
    drop(desk.reserve("a", &[charge(&limit, 60)], None).unwrap());
    assert_eq!(desk.used(), 0);
    // Whoever asked has gone before the store came to it.
    let (block, blocked) = std::sync::mpsc::channel::<()>();
    let (start, started) = std::sync::mpsc::channel::<()>();
    let busy = desk.store.on_writer(move |_| {
        let _ = start.send(());
        let _ = blocked.recv();
        Ok(())
    });
    started.recv().unwrap();
    let taken = desk.reserve("b", &[charge(&limit, 60)], None).unwrap();
    let waiting = desk.store.commit(commit("b", taken));
    assert!(tokio::time::timeout(Duration::from_millis(1), waiting).await.is_err());
    assert_eq!(desk.used(), 60, "it may still land");
    drop(block);
    busy.await.unwrap();
    desk.store.flush().await.unwrap();
    assert_eq!(desk.used(), 0);
    // Recorded before: the record that stands has its own, or had it.
    assert!(desk.decide("c", &[charge(&limit, 60)], None).await);
    assert!(desk.decide("c", &[charge(&limit, 60)], None).await, "asked again, and it holds one already");
    assert_eq!(desk.used(), 60);
    desk.tell("c", OutcomeState::Completed, Some(10)).await;
    assert!(desk.decide("c", &[charge(&limit, 60)], None).await, "asked again after its end");
    assert_eq!(desk.used(), 10);
    assert_eq!(desk.agree().await.open, Vec::new());
}

#[tokio::test]
async fn outcomes_settle_whenever_they_come() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let limit = spec("tokens", Measure::Tokens, 1_000);
    let charges = [charge(&limit, 100)];
    // Before its decision.
    desk.tell("early", OutcomeState::Completed, Some(7)).await;
    assert!(desk.decide("early", &charges, None).await);
    assert_eq!(desk.used(), 7);
    // Without one, and twice.
    desk.tell("stranger", OutcomeState::Completed, Some(50)).await;
    assert!(desk.decide("twice", &charges, None).await);
    for _ in 0..2 {
        desk.tell("twice", OutcomeState::Completed, Some(20)).await;
    }
    assert_eq!(desk.used(), 27);
    // Refused by AWS; cut off; late.
    assert!(desk.decide("refused", &charges, None).await);
    let refused = OutcomeRecord { status: Some(429), ..outcome("refused", OutcomeState::Completed, None) };
    desk.store.commit_outcomes(vec![refused], None).await.unwrap();
    assert_eq!(desk.used(), 27);
    assert!(desk.decide("aborted", &charges, None).await);
    desk.tell("aborted", OutcomeState::Aborted, None).await;
    desk.tell("aborted", OutcomeState::Completed, Some(1)).await;
    assert_eq!(desk.used(), 127, "the first outcome stands");
    assert!(desk.decide("orphan", &charges, None).await);
    while desk.store.reap(clock::unix_ms() + 1_000, 100).await.unwrap().more {}
    assert_eq!(desk.used(), 227, "unknown is used");
    let desk = desk.reopen(dir.path()).await;
    assert_eq!(desk.used(), 227);
    desk.tell("orphan", OutcomeState::Completed, Some(3)).await;
    assert_eq!(desk.used(), 130, "until somebody knows");
    desk.agree().await;
}

#[tokio::test]
async fn retries_count_once_until_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(dir.path()).await;
    let limit = spec("requests", Measure::Requests, 2);
    let charges = [charge(&limit, 1)];
    // The second attempt comes before the first one's outcome, the third after a restart.
    assert!(desk.decide("a1", &charges, Some("one")).await);
    assert!(desk.decide("a2", &charges, Some("one")).await);
    let failed =
        OutcomeRecord { status: None, response_bytes: 0, ..outcome("a1", OutcomeState::Failed, None) };
    desk.store.commit_outcomes(vec![failed], None).await.unwrap();
    desk.agree().await;
    desk = desk.reopen(dir.path()).await;
    assert!(desk.decide("a3", &charges, Some("one")).await);
    assert_eq!(desk.used(), 1);
    desk.tell("a3", OutcomeState::Completed, Some(1)).await;
    assert_eq!(desk.used(), 1);
    assert!(desk.decide("a4", &charges, Some("one")).await, "after a success it counts again");
    assert!(!desk.decide("b1", &charges, Some("two")).await, "two are two");
    assert!(desk.decide("a5", &charges, Some("one")).await, "a retry of what is counted is let out");
    assert_eq!(desk.used(), 2);
    desk.agree().await;
}

#[tokio::test]
async fn who_hangs_up_in_the_middle_of_the_answer_was_answered() {
    let dir = tempfile::tempdir().unwrap();
    let desk = Desk::open(dir.path()).await;
    let limit = spec("requests", Measure::Requests, 3);
    let mut out = 0;
    for at in 0..20 {
        let call = format!("a{at}");
        if desk.decide(&call, &[charge(&limit, 1)], Some("one")).await {
            out += 1;
            let state = if at % 2 == 0 { OutcomeState::Aborted } else { OutcomeState::Failed };
            desk.tell(&call, state, None).await;
        }
    }
    println!("{out} of 20 calls with one invocation id, each cut in its answer, went out under a limit of 3");
    assert_eq!((out, desk.used()), (3, 3));
    desk.agree().await;
}

#[tokio::test]
async fn a_disk_that_takes_nothing_leaves_no_trace() {
    let dir = tempfile::tempdir().unwrap();
    let options = SqliteOptions { busy_timeout: Duration::from_millis(5), ..SqliteOptions::new(dir.path()) };
    let store = Arc::new(SqliteStore::open(options).unwrap());
    let desk = Desk {
        limits: Limits::load(&*store).await.unwrap(),
        store,
        ..Desk::open(tempfile::tempdir().unwrap().path()).await
    };
    let limit = spec("tokens", Measure::Tokens, 100);
    assert!(desk.decide("before", &[charge(&limit, 10)], None).await);
    let other = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    for at in 0..20 {
        let taken = desk.reserve(&format!("lost-{at}"), &[charge(&limit, 10)], None).unwrap();
        assert!(desk.store.commit(commit(&format!("lost-{at}"), taken)).await.is_err());
    }
    assert_eq!(desk.used(), 10);
    let waiting = desk.limits.lock().backlog.weight();
    assert!(waiting <= 2, "what came to nothing is not kept: {waiting}");
    other.execute_batch("ROLLBACK").unwrap();
    assert!(desk.decide("after", &[charge(&limit, 10)], None).await);
    assert_eq!(desk.used(), 20);
    desk.agree().await;
}

#[derive(Debug, Clone)]
enum Step {
    Decide { call: u8, invocation: Option<u8>, abandon: bool },
    Tell { call: u8, state: OutcomeState, tokens: Option<u64> },
    Reap,
    Sweep,
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let states = prop::sample::select(&OutcomeState::ALL[1..]);
    let step = prop_oneof![
        6 => (0u8..20, prop::option::of(0u8..3), prop::bool::weighted(0.2))
            .prop_map(|(call, invocation, abandon)| Step::Decide { call, invocation, abandon }),
        6 => (0u8..20, states, prop::option::of(0u64..200))
            .prop_map(|(call, state, tokens)| Step::Tell { call, state, tokens }),
        1 => Just(Step::Reap),
        1 => Just(Step::Sweep),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]
    /// Whatever happens, in whatever order: what is stored is what is counted.
    #[test]
    fn the_store_has_what_memory_has(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        runtime.block_on(async {
            let mut desk = Desk::open(dir.path()).await;
            let (tokens, requests) = (spec("tokens", Measure::Tokens, 600), spec("requests", Measure::Requests, 9));
            for step in steps {
                match step {
                    Step::Decide { call, invocation, abandon } => {
                        let invocation = invocation.map(|n| format!("i{n}"));
                        let charges = [charge(&tokens, 100), charge(&requests, 1)];
                        let call = format!("c{call}");
                        let Ok(taken) = desk.reserve(&call, &charges, invocation.as_deref()) else { continue };
                        let commit = desk.store.commit(commit(&call, taken));
                        if !abandon {
                            commit.await.unwrap();
                        }
                    }
                    Step::Tell { call, state, tokens } => desk.tell(&format!("c{call}"), state, tokens).await,
                    Step::Reap => {
                        desk.store.reap(clock::unix_ms() + 1_000, 100).await.unwrap();
                    }
                    Step::Sweep => {
                        desk.limits.sweep(clock::unix_ms());
                    }
                    Step::Reopen => {
                        let used = { desk.store.flush().await.unwrap(); desk.used() };
                        desk = desk.reopen(dir.path()).await;
                        assert_eq!(desk.used(), used);
                    }
                }
                desk.agree().await;
            }
        });
    }
}
