//! Approvals in the store: one question per call, one call per answer, whatever happens at once or in between.

use super::*;
use crate::clock;
use crate::storage::{
    ApprovalChange, ApprovalQuery, Approvals, Attempt, Commit, Committed, Query, StoreError, Subscription,
};
use portcullis_approvals::{Approval, ApprovalError, Approver, Grant, State, Step, Subject};
use std::sync::Arc;

pub(super) fn alice() -> Approver {
    Approver { name: "alice".to_owned(), principal: None }
}

/// A pending approval that may be answered for a minute.
fn question(id: &str, digest: char) -> Approval {
    let now = clock::unix_ms();
    Approval {
        id: id.to_owned(),
        rule: "big".to_owned(),
        digest: digest.to_string().repeat(64),
        call: Subject { principal: "payments".to_owned(), ..Subject::default() },
        created_at_ms: now,
        expires_at_ms: now + 60_000,
        valid_for_ms: 30_000,
        ..Approval::default()
    }
    .asked()
}

fn approve() -> Step {
    Step::Approve { by: alice(), why: "ticket 7".to_owned() }
}

fn with(call_id: &str, kind: VerdictKind, approval: ApprovalChange) -> Commit {
    Commit { approval: Some(approval), ..decision(call_id, kind).into() }
}

fn consume(id: &str) -> ApprovalChange {
    ApprovalChange::Consume { id: id.to_owned(), by: "gate-1".to_owned(), at_ms: clock::unix_ms() }
}

async fn state(store: &SqliteStore, id: &str) -> State {
    store.approval(id.to_owned()).await.unwrap().unwrap().approval.state
}

async fn decisions(store: &SqliteStore) -> usize {
    store.decisions(Query { limit: 1_000, ..Query::default() }).await.unwrap().decisions.len()
}

fn allowed(results: Vec<Result<Committed, StoreError>>) -> usize {
    results
        .into_iter()
        .filter(|result| match result {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(*error, StoreError::ApprovalChanged);
                false
            }
        })
        .count()
}

async fn at_once(store: &Arc<SqliteStore>, commits: Vec<Commit>) -> Vec<Result<Committed, StoreError>> {
    let tasks: Vec<_> = commits
        .into_iter()
        .map(|commit| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.commit(commit).await })
        })
        .collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sixteen_at_once_make_one_question_and_one_answer_lets_out_one() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    let asks = (0..16).map(|n| {
        let ask = ApprovalChange::Ask(Box::new(question(&format!("apr_{n}"), 'a')));
        with(&format!("ask-{n}"), VerdictKind::PendingApproval, ask)
    });
    assert_eq!(allowed(at_once(&store, asks.collect()).await), 1);
    let asked = store.approvals(ApprovalQuery { limit: 100, ..ApprovalQuery::default() }).await.unwrap();
    assert_eq!(asked.len(), 1, "one question");
    assert_eq!(decisions(&store).await, 1, "whoever was too late has recorded nothing");

    let id = asked[0].approval.id.clone();
    store.step(id.clone(), approve(), clock::unix_ms()).await.unwrap().unwrap();
    let calls = (0..16).map(|n| with(&format!("call-{n}"), VerdictKind::Allow, consume(&id)));
    assert_eq!(allowed(at_once(&store, calls.collect()).await), 1, "one call goes out");
    assert_eq!((state(&store, &id).await, decisions(&store).await), (State::Consumed, 2));
    assert!(store.live().get(&id).is_none());
    println!("16 asked at once: 1 approval; 16 called at once: 1 let out");
}

#[tokio::test]
async fn an_answer_is_there_after_the_store_was_opened_again_and_is_used_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ask = ApprovalChange::Ask(Box::new(question("apr_1", 'a')));
    store.commit(with("c1", VerdictKind::PendingApproval, ask)).await.unwrap();
    drop(store);

    let store = open(dir.path());
    let found = store.live().find(&"a".repeat(64), "big").unwrap();
    assert_eq!((found.id.as_str(), found.state), ("apr_1", State::Pending));
    store.step("apr_1".to_owned(), approve(), clock::unix_ms()).await.unwrap().unwrap();
    drop(store);

    let store = open(dir.path());
    assert_eq!(store.live().find(&"a".repeat(64), "big").unwrap().state, State::Approved);
    let first = store.commit(with("c2", VerdictKind::Allow, consume("apr_1"))).await.unwrap();
    drop(store);

    let store = open(dir.path());
    assert!(store.live().find(&"a".repeat(64), "big").is_none());
    let again = store.commit(with("c2", VerdictKind::Allow, consume("apr_1"))).await.unwrap();
    assert_eq!((again.decision_id, again.repeated), (first.decision_id, true), "the same question again");
    let other = store.commit(with("c3", VerdictKind::Allow, consume("apr_1"))).await;
    assert_eq!(other.unwrap_err(), StoreError::ApprovalChanged);
    let history = store.approval("apr_1".to_owned()).await.unwrap().unwrap().approval.history;
    let seen: Vec<_> = history.iter().map(|t| (t.to, t.by.as_str(), t.why.as_str())).collect();
    let expected = [
        (State::Pending, "payments", ""),
        (State::Approved, "alice", "ticket 7"),
        (State::Consumed, "gate-1", "call c2"),
    ];
    assert_eq!(seen, expected);
    let events: Vec<_> = store.events(None, 10).await.unwrap().into_iter().rev().collect();
    let what: Vec<_> = events.iter().map(|event| (event.kind.as_str(), &event.detail["what"])).collect();
    assert_eq!(
        what,
        ["approval_pending", "approval_approved", "approval_consumed"]
            .map(serde_json::Value::from)
            .iter()
            .map(|what| ("approval", what))
            .collect::<Vec<_>>()
    );
    assert_eq!(events[1].detail["rule"], "big");
}

#[tokio::test]
async fn a_decision_that_is_not_recorded_uses_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.ask(question("apr_1", 'a')).await.unwrap();
    store.step("apr_1".to_owned(), approve(), clock::unix_ms()).await.unwrap().unwrap();
    // Not a call id that the store takes.
    let bad = store.commit(with("", VerdictKind::Allow, consume("apr_1"))).await;
    assert!(matches!(bad, Err(StoreError::Inconsistent(_))), "{bad:?}");
    assert_eq!(state(&store, "apr_1").await, State::Approved);
    assert_eq!(store.live().get("apr_1").unwrap().state, State::Approved, "memory says the same");
    // Nobody waits for it any more: it was answered with a refusal. The writer may have begun with it before that; whatever it
    // did, the approval is used up if there is a record, and only then.
    drop(store.commit(with("gone", VerdictKind::Allow, consume("apr_1"))));
    store.probe().await.unwrap();
    let now = store.live().get("apr_1").map(|approval| approval.state);
    let recorded = store.decisions(Query { limit: 9, ..Query::default() }).await.unwrap().decisions.len();
    println!("{recorded} recorded, the approval is {now:?}");
    assert!(matches!((now, recorded), (Some(State::Approved), 0) | (None, 1)), "{now:?} {recorded}");
}

#[tokio::test]
async fn what_is_over_expires_and_makes_room() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let now = clock::unix_ms();
    for (id, digest) in [("apr_pending", 'a'), ("apr_approved", 'b'), ("apr_denied", 'c'), ("apr_late", 'd')]
    {
        store.ask(question(id, digest)).await.unwrap();
    }
    store.step("apr_approved".to_owned(), approve(), now).await.unwrap().unwrap();
    let deny = Step::Deny { by: alice(), why: String::new() };
    store.step("apr_denied".to_owned(), deny, now).await.unwrap().unwrap();
    assert!(!store.live().overdue(now + 1_000));

    // Answered too late: expired there and then.
    let late = store.step("apr_late".to_owned(), approve(), now + 61_000).await.unwrap();
    assert_eq!(late.unwrap_err(), ApprovalError::Expired);
    assert_eq!(state(&store, "apr_late").await, State::Expired);

    assert!(store.live().overdue(now + 61_000));
    while store.expire(now + 61_000, 2).await.unwrap() {}
    assert!(!store.live().overdue(now + 61_000));
    for (id, expected) in
        [("apr_pending", State::Expired), ("apr_approved", State::Expired), ("apr_denied", State::Denied)]
    {
        assert_eq!(state(&store, id).await, expected, "{id}");
        assert!(store.live().get(id).is_none(), "{id} decides nothing any more");
    }
    assert_eq!(store.live().pending(), 0);
    let late = store.commit(with("c", VerdictKind::Allow, consume("apr_approved"))).await;
    assert_eq!(late.unwrap_err(), StoreError::ApprovalChanged);

    // A new question about the same call takes the place of one whose time is over, marked or not.
    let mut again = question("apr_again", 'a');
    again.expires_at_ms = again.created_at_ms;
    store.ask(again).await.unwrap();
    let deny_again = store.ask(question("apr_third", 'a')).await.unwrap();
    assert_eq!((deny_again.id.as_str(), state(&store, "apr_again").await), ("apr_third", State::Expired));
    assert_eq!(store.live().find(&"a".repeat(64), "big").unwrap().id, "apr_third");
}

#[tokio::test]
async fn two_answers_at_once_one_wins() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.ask(question("apr_1", 'a')).await.unwrap();
    let bob = Approver { name: "bob".to_owned(), principal: None };
    let (yes, no) = tokio::join!(
        store.step("apr_1".to_owned(), approve(), clock::unix_ms()),
        store.step("apr_1".to_owned(), Step::Deny { by: bob, why: String::new() }, clock::unix_ms()),
    );
    let (yes, no) = (yes.unwrap(), no.unwrap());
    assert!(yes.is_ok());
    assert_eq!(no.unwrap_err().to_string(), "it is approved already, by alice");
    let unknown = store.step("apr_2".to_owned(), approve(), 0).await.unwrap();
    assert_eq!(unknown.unwrap_err(), ApprovalError::Unknown("apr_2".to_owned()));
}

fn grant(id: &str, uses: u64) -> Grant {
    let now = clock::unix_ms();
    Grant {
        id: id.to_owned(),
        rule: "big".to_owned(),
        principal: "payments".to_owned(),
        uses,
        left: uses,
        created_at_ms: now,
        expires_at_ms: now + 60_000,
        by: "alice".to_owned(),
        by_name: "alice".to_owned(),
        ..Grant::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_grant_lets_out_as_many_as_it_says_under_sixteen_callers() {
    let dir = tempfile::tempdir().unwrap();
    let store = Arc::new(open(dir.path()));
    store.add_grant(grant("grt_1", 5)).await.unwrap();
    let take = |n: usize| {
        let change =
            ApprovalChange::UseGrant { id: "grt_1".to_owned(), by: "g".to_owned(), at_ms: clock::unix_ms() };
        with(&format!("call-{n}"), VerdictKind::Allow, change)
    };
    assert_eq!(allowed(at_once(&store, (0..3).map(take).collect()).await), 3);
    let store = {
        drop(Arc::into_inner(store).unwrap());
        Arc::new(open(dir.path()))
    };
    assert_eq!(store.live().grants("big", "payments")[0].left, 2);
    assert_eq!(allowed(at_once(&store, (3..19).map(take).collect()).await), 2);
    assert!(store.live().grants("big", "payments").is_empty());
    assert_eq!(store.grants(10).await.unwrap()[0].left, 0);
    assert_eq!(decisions(&store).await, 5);

    store.add_grant(grant("grt_2", 5)).await.unwrap();
    store.revoke_grant("grt_2".to_owned(), alice(), clock::unix_ms()).await.unwrap().unwrap();
    assert!(store.live().grants("big", "payments").is_empty());
    let twice = store.revoke_grant("grt_2".to_owned(), alice(), clock::unix_ms()).await.unwrap();
    assert_eq!(twice.unwrap_err(), ApprovalError::Expired);

    store.add_grant(grant("grt_3", 5)).await.unwrap();
    store.expire(clock::unix_ms() + 61_000, 10).await.unwrap();
    assert!(store.live().grants("big", "payments").is_empty());
    let what: Vec<_> =
        store.events(None, 100).await.unwrap().into_iter().map(|e| e.detail["what"].clone()).collect();
    assert_eq!(what[..4], ["grant_expired", "grant_created", "grant_revoked", "grant_created"]);
    assert_eq!(what.iter().filter(|what| **what == "grant_used").count(), 5);
}

#[tokio::test]
async fn who_waits_is_woken() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.ask(question("apr_1", 'a')).await.unwrap();
    let mut waiting = store.live().follow("apr_1").unwrap();
    store.add_grant(grant("grt_1", 1)).await.unwrap();
    waiting.changed().await.unwrap();
    assert_eq!(*waiting.borrow_and_update(), State::Pending, "a grant that fits wakes as well");
    store.step("apr_1".to_owned(), approve(), clock::unix_ms()).await.unwrap().unwrap();
    waiting.changed().await.unwrap();
    assert_eq!(*waiting.borrow_and_update(), State::Approved);
    assert!(store.live().follow("apr_1").is_none(), "nobody waits for what is decided");
}

#[tokio::test]
async fn what_is_to_be_told_is_told_in_order_and_survives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let subscription = |webhook: &str, events: &[&str]| Subscription {
        webhook: webhook.to_owned(),
        events: events.iter().map(|event| (*event).to_owned()).collect(),
    };
    store.subscribe(vec![subscription("all", &[]), subscription("new", &["approval.pending"])]);
    store.ask(question("apr_1", 'a')).await.unwrap();
    store.ask(question("apr_2", 'b')).await.unwrap();
    store.step("apr_1".to_owned(), approve(), clock::unix_ms()).await.unwrap().unwrap();
    drop(store);

    let store = open(dir.path());
    let due = |webhook: &str| store.deliveries(webhook.to_owned(), u64::MAX, 10);
    let types = |due: &[crate::storage::Delivery]| -> Vec<String> {
        let name = |d: &crate::storage::Delivery| {
            format!("{} {}", d.event["type"].as_str().unwrap(), d.event["approval"]["id"].as_str().unwrap())
        };
        due.iter().map(name).collect()
    };
    assert_eq!(types(&due("new").await.unwrap().0), ["approval.pending apr_1", "approval.pending apr_2"]);
    let (first, _) = due("all").await.unwrap();
    assert_eq!(types(&first), ["approval.pending apr_1", "approval.pending apr_2"], "of each the oldest");
    let again = Attempt::Again { at_ms: 1_000_000_000_000_000, error: "503".to_owned() };
    store.attempted(first[0].id.clone(), again).await.unwrap();
    let (now, next) = store.deliveries("all".to_owned(), clock::unix_ms(), 10).await.unwrap();
    assert_eq!(types(&now), ["approval.pending apr_2"], "what comes after a failure waits for it");
    assert!(next.is_some_and(|next| next <= clock::unix_ms()));
    store.attempted(first[0].id.clone(), Attempt::Delivered).await.unwrap();
    assert_eq!(types(&due("all").await.unwrap().0), ["approval.pending apr_2", "approval.approved apr_1"]);
    let (rest, _) = due("all").await.unwrap();
    for delivery in rest {
        store.attempted(delivery.id, Attempt::GaveUp { error: "500".to_owned() }).await.unwrap();
    }
    assert_eq!(due("all").await.unwrap(), (Vec::new(), None));
    let event = store.events(None, 1).await.unwrap().remove(0);
    assert_eq!(
        (event.detail["what"].as_str(), event.detail["why"].as_str()),
        (Some("webhook_gave_up"), Some("500"))
    );
}

/// A store of the first version keeps its events and tokens, and takes the new kind.
#[tokio::test]
async fn an_older_store_is_brought_up_to_date() {
    let dir = tempfile::tempdir().unwrap();
    let conn = rusqlite::Connection::open(dir.path().join("portcullis.db")).unwrap();
    conn.execute_batch(include_str!("../sqlite/v1.sql")).unwrap();
    conn.execute_batch(
        "INSERT INTO events (seq, at, kind, actor, detail) VALUES (7, 1, 'admin', 'a', '{}');
         INSERT INTO tokens (id, kind, name, sha256, created_at) VALUES ('t', 'admin', 'a', zeroblob(32), 1);
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(conn);
    let store = open(dir.path());
    store.ask(question("apr_1", 'a')).await.unwrap();
    let events = store.events(None, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [8, 7]);
    assert_eq!(store.keys().await.unwrap().tokens[0].principal, None);
}
