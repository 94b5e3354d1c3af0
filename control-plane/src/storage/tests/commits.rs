//! What is committed, and what happens when it is committed twice.

use super::*;
use crate::storage::{Event, EventKind, Query, StoreError};
use proptest::prelude::*;

#[tokio::test]
async fn the_same_question_gets_the_recorded_verdict() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let first = store.commit_decision(decision("c", VerdictKind::Allow)).await.unwrap();
    assert!(!first.repeated);
    // Policy has changed meanwhile: what was recorded, and perhaps let out, stands.
    let again = store.commit_decision(decision("c", VerdictKind::Deny)).await.unwrap();
    assert_eq!(
        (again.decision_id, again.verdict.kind, again.repeated),
        (first.decision_id, VerdictKind::Allow, true)
    );
    assert_eq!(store.decisions(Query { limit: 10, ..Query::default() }).await.unwrap().decisions.len(), 1);
}

#[tokio::test]
async fn another_question_under_the_same_name_gets_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_decision(decision("c", VerdictKind::Allow)).await.unwrap();
    let mut other = decision("c", VerdictKind::Deny);
    other.request.sha256 = Some("cd".repeat(32));
    let error = store.commit_decision(other).await.unwrap_err();
    assert_eq!(error, StoreError::CallIdReused("c".to_owned()));
    assert!(store.trouble().is_none(), "one bad question is no trouble of the store");
}

#[tokio::test]
async fn one_bad_write_does_not_take_its_group_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let bad = decision("", VerdictKind::Allow);
    let (a, b, c) = tokio::join!(
        store.commit_decision(decision("a", VerdictKind::Allow)),
        store.commit_decision(bad),
        store.commit_decision(decision("c", VerdictKind::Deny)),
    );
    assert!(matches!(b, Err(StoreError::Inconsistent(_))), "{b:?}");
    for id in [a.unwrap().decision_id, c.unwrap().decision_id] {
        assert!(store.decision(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn outcomes_move_as_the_audit_crate_says() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut compared = 0;
    let reportable = OutcomeState::ALL.into_iter().filter(|state| *state != OutcomeState::Pending);
    for before in reportable.clone() {
        for next in reportable.clone() {
            let call_id = format!("{before:?}-{next:?}");
            let id = store.commit_decision(decision(&call_id, VerdictKind::Allow)).await.unwrap().decision_id;
            store.commit_outcomes(vec![outcome(&call_id, before)], None).await.unwrap();
            store.commit_outcomes(vec![outcome(&call_id, next)], None).await.unwrap();
            let state = store.decision(id).await.unwrap().unwrap().state();
            assert_eq!(state, before.then(next), "{before:?} then {next:?}");
            compared += 1;
        }
    }
    println!("compared {compared} transitions");
}

#[tokio::test]
async fn an_outcome_may_come_before_its_decision_and_more_than_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let outcomes = || vec![outcome("early", OutcomeState::Completed)];
    assert_eq!(store.commit_outcomes(outcomes(), None).await.unwrap(), 1);
    assert_eq!(store.commit_outcomes(outcomes(), None).await.unwrap(), 0);
    let id = store.commit_decision(decision("early", VerdictKind::Allow)).await.unwrap().decision_id;
    assert_eq!(store.decision(id).await.unwrap().unwrap().state(), OutcomeState::Completed);
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let event = Event { kind: EventKind::Gap, actor: "gate-1".to_owned(), detail: serde_json::json!({}) };
    let batch = vec![outcome("good", OutcomeState::Completed), outcome("", OutcomeState::Completed)];
    assert!(store.commit_outcomes(batch, Some(event)).await.is_err());
    assert!(store.events(None, 10).await.unwrap().is_empty());
    let id = store.commit_decision(decision("good", VerdictKind::Allow)).await.unwrap().decision_id;
    assert_eq!(store.decision(id).await.unwrap().unwrap().state(), OutcomeState::Pending);
}

#[tokio::test]
async fn orphans_become_unknown_once_and_late_outcomes_replace_that() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ids = fill(&store, 5).await;
    let refused = store.commit_decision(decision("refused", VerdictKind::Deny)).await.unwrap().decision_id;
    store.commit_outcomes(vec![outcome("call-1", OutcomeState::Completed)], None).await.unwrap();

    assert_eq!(store.reap(1, 100).await.unwrap().marked, 0, "nothing is due");
    let due = crate::clock::unix_ms() + 1_000;
    let mut marked = 0;
    loop {
        let reaped = store.reap(due, 2).await.unwrap();
        marked += reaped.marked;
        if !reaped.more {
            break;
        }
    }
    assert_eq!(marked, 4, "all but the one with an outcome and the refused one");
    assert_eq!(store.reap(due, 2).await.unwrap().marked, 0, "each is looked at once");
    let state = |id: &str| {
        let found = store.decision(id.to_owned());
        async { found.await.unwrap().unwrap().state() }
    };
    assert_eq!(state(&ids[0]).await, OutcomeState::Unknown);
    assert_eq!(state(&ids[1]).await, OutcomeState::Completed);
    assert_eq!(state(&refused).await, OutcomeState::Blocked);
    store.commit_outcomes(vec![outcome("call-0", OutcomeState::Failed)], None).await.unwrap();
    assert_eq!(state(&ids[0]).await, OutcomeState::Failed);
}

#[derive(Debug, Clone)]
enum Write {
    Decision(u8, VerdictKind),
    Outcome(u8, OutcomeState),
}

fn writes() -> impl Strategy<Value = Vec<Write>> {
    let states = prop::sample::select(&OutcomeState::ALL[1..]);
    let write = prop_oneof![
        (0u8..12, prop::sample::select(&VerdictKind::ALL[..]))
            .prop_map(|(call, kind)| Write::Decision(call, kind)),
        (0u8..12, states).prop_map(|(call, state)| Write::Outcome(call, state)),
    ];
    prop::collection::vec(write, 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    /// Whatever was acknowledged is there after the store was closed and opened again, as it was acknowledged.
    #[test]
    fn what_is_acknowledged_survives_reopening(writes in writes(), at_once: bool) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let mut acknowledged = Vec::new();
        runtime.block_on(async {
            let store = open(dir.path());
            let mut waiting = Vec::new();
            for write in writes {
                match write {
                    Write::Decision(call, kind) => {
                        let commit = store.commit_decision(decision(&format!("call-{call}"), kind));
                        if at_once {
                            waiting.push(commit);
                        } else {
                            acknowledged.push(commit.await.unwrap());
                        }
                    }
                    Write::Outcome(call, state) => {
                        store.commit_outcomes(vec![outcome(&format!("call-{call}"), state)], None).await.unwrap();
                    }
                }
            }
            for commit in waiting {
                acknowledged.push(commit.await.unwrap());
            }
        });
        runtime.block_on(async {
            let store = open(dir.path());
            for committed in acknowledged {
                let found = store.decision(committed.decision_id.clone()).await.unwrap();
                let found = found.expect("an acknowledged decision is there");
                prop_assert_eq!(found.record.decision_id, committed.decision_id);
                prop_assert_eq!(found.record.verdict, committed.verdict);
            }
            Ok(())
        })?;
    }
}
