//! Counts and sessions, with a store.

use super::*;
use crate::storage::{Commit, SqliteOptions, SqliteStore};
use portcullis_audit::{self as audit, DecisionRecord, SCHEMA, Verdict, VerdictKind};
use portcullis_policy::{Agent, Principal};
use std::path::Path;

async fn open(dir: &Path) -> (SqliteStore, Arc<History>) {
    let store = SqliteStore::open(SqliteOptions::new(dir)).unwrap();
    let history = History::load(&store).await.unwrap();
    (store, history)
}

fn call(principal: &str, session: Option<&str>, operation: &str) -> Call {
    Call {
        principal: Principal { name: principal.to_owned(), ..Principal::default() },
        agent: Agent { session: session.map(str::to_owned), ..Agent::default() },
        operation: operation.to_owned(),
        time: clock::unix_ms(),
        ..Call::default()
    }
}

/// Decides and records a call.
async fn go(store: &SqliteStore, history: &Arc<History>, call: &Call, kind: VerdictKind) {
    let mut id = [0; 8];
    getrandom::fill(&mut id).unwrap();
    let record = DecisionRecord {
        schema: SCHEMA,
        call_id: hex::encode(id),
        operation: call.operation.clone(),
        principal: audit::Principal { name: call.principal.name.clone(), ..audit::Principal::default() },
        agent: call
            .agent
            .session
            .clone()
            .map(|session| audit::Agent { session: Some(session), ..audit::Agent::default() }),
        verdict: Verdict { kind, ..Verdict::default() },
        ..DecisionRecord::default()
    };
    let mut commit = Commit::from(record);
    if kind == VerdictKind::Allow {
        commit.held.push(Box::new(history.hold(call).unwrap()));
    }
    store.commit(commit).await.unwrap();
}

fn counts(history: &History, principal: &str) -> (u64, u64, u64) {
    let counts = history.lock().counters.counts(principal, "", clock::unix_ms());
    (counts.minute, counts.hourly, counts.daily)
}

async fn operations(store: &SqliteStore, history: &History, call: &Call) -> Vec<String> {
    let times = (clock::unix_ms() - DAY_MS, clock::unix_ms());
    let seen = history.seen(store, &Redactor::default(), &Key::of(call), times).await.unwrap();
    assert!(seen.is_sorted_by_key(|seen| seen.time));
    seen.into_iter().map(|seen| seen.operation).collect()
}

#[tokio::test]
async fn what_was_let_out_is_counted_also_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let (store, history) = open(dir.path()).await;
    for at in 0..7 {
        let principal = if at < 5 { "a" } else { "b" };
        go(&store, &history, &call(principal, None, "Converse"), VerdictKind::Allow).await;
    }
    for kind in [VerdictKind::Deny, VerdictKind::Throttle, VerdictKind::PendingApproval] {
        go(&store, &history, &call("a", None, "Converse"), kind).await;
    }
    for round in 0..2 {
        assert_eq!(counts(&history, "a"), (5, 5, 5), "round {round}");
        assert_eq!(counts(&history, "b"), (2, 2, 2), "round {round}");
        assert_eq!(counts(&history, "c"), (0, 0, 0), "round {round}");
        if round == 0 {
            drop((store, history));
            let (_store, again) = open(dir.path()).await;
            assert_eq!(counts(&again, "a"), (5, 5, 5));
            assert_eq!(counts(&again, "b"), (2, 2, 2));
            return;
        }
    }
}

#[tokio::test]
async fn a_session_is_what_was_let_out_in_it() {
    let dir = tempfile::tempdir().unwrap();
    let (store, history) = open(dir.path()).await;
    let (s1, other, bare) =
        (call("a", Some("s1"), "InvokeAgent"), call("b", Some("s1"), "Other"), call("a", None, "Converse"));
    go(&store, &history, &s1, VerdictKind::Allow).await;
    go(&store, &history, &other, VerdictKind::Allow).await;
    go(&store, &history, &bare, VerdictKind::Allow).await;
    go(&store, &history, &call("a", Some("s1"), "Refused"), VerdictKind::Deny).await;
    // Nobody had asked: it is read from the store.
    assert_eq!(operations(&store, &history, &s1).await, ["InvokeAgent"]);
    assert_eq!(operations(&store, &history, &other).await, ["Other"], "sessions are a principal's own");
    assert_eq!(operations(&store, &history, &bare).await, ["Converse"]);
    // From now on it is remembered.
    go(&store, &history, &call("a", Some("s1"), "Retrieve"), VerdictKind::Allow).await;
    assert_eq!(operations(&store, &history, &s1).await, ["InvokeAgent", "Retrieve"]);
    drop((store, history));
    let (store, history) = open(dir.path()).await;
    assert_eq!(operations(&store, &history, &s1).await, ["InvokeAgent", "Retrieve"]);
    assert_eq!(operations(&store, &history, &bare).await, ["Converse"]);
}

#[tokio::test]
async fn the_newest_are_remembered() {
    let dir = tempfile::tempdir().unwrap();
    let (store, history) = open(dir.path()).await;
    let bare = call("a", None, "x");
    for round in 0..2 {
        for at in 0..REMEMBERED {
            go(&store, &history, &call("a", None, &format!("{round}-{at}")), VerdictKind::Allow).await;
        }
        let seen = operations(&store, &history, &bare).await;
        assert_eq!(seen.len(), REMEMBERED);
        assert_eq!(seen.first(), Some(&format!("{round}-0")));
    }
}
