//! Finding decisions.

use super::*;
use crate::storage::{Cursor, Order, Query};
use portcullis_audit::Assurance;

async fn calls(store: &SqliteStore, query: Query) -> Vec<String> {
    let page = store.decisions(Query { limit: 100, ..query }).await.unwrap();
    page.decisions.into_iter().map(|stored| stored.record.call_id).collect()
}

#[tokio::test]
async fn filters_find_what_they_say() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut other = decision("b", VerdictKind::Deny);
    other.principal.name = "research".to_owned();
    other.operation = "InvokeModel".to_owned();
    other.model =
        Some(Model { id: "arn:aws:bedrock:eu-west-1:1:imported-model/x[1]".to_owned(), ..Model::default() });
    let mut bare = decision("c", VerdictKind::Throttle);
    bare.model = None;
    for record in [decision("a", VerdictKind::Allow), other, bare] {
        store.commit_decision(record).await.unwrap();
    }
    store.commit_outcomes(vec![outcome("a", OutcomeState::Completed)], None).await.unwrap();
    store.commit_decision(decision("d", VerdictKind::Allow)).await.unwrap();

    let text = |text: &str| Some(text.to_owned());
    let q = Query::default;
    let cases = [
        ("all", q(), vec!["d", "c", "b", "a"]),
        ("principal", Query { principal: text("research"), ..q() }, vec!["b"]),
        ("no principal", Query { principal: text("nobody"), ..q() }, vec![]),
        ("operation", Query { operation: text("Converse"), ..q() }, vec!["d", "c", "a"]),
        ("model by its base", Query { model: text("amazon.nova-lite-v1:0"), ..q() }, vec!["d", "a"]),
        ("model as called", Query { model: text("eu.amazon.nova-lite-v1:0"), ..q() }, vec!["d", "a"]),
        ("model by glob", Query { model: text("*nova*"), ..q() }, vec!["d", "a"]),
        ("a bracket is a bracket", Query { model: text("*/x[1]"), ..q() }, vec!["b"]),
        ("a quote is a quote", Query { model: text("' OR 1=1 --*"), ..q() }, vec![]),
        ("allow", Query { verdict: Some(VerdictKind::Allow), ..q() }, vec!["d", "a"]),
        ("deny", Query { verdict: Some(VerdictKind::Deny), ..q() }, vec!["b"]),
        ("pending", Query { outcome: Some(OutcomeState::Pending), ..q() }, vec!["d"]),
        ("completed", Query { outcome: Some(OutcomeState::Completed), ..q() }, vec!["a"]),
        ("blocked", Query { outcome: Some(OutcomeState::Blocked), ..q() }, vec!["c", "b"]),
        ("call", Query { call_id: text("c"), ..q() }, vec!["c"]),
        ("since", Query { since_ms: Some(1), ..q() }, vec!["d", "c", "b", "a"]),
        ("until", Query { until_ms: Some(1), ..q() }, vec![]),
        ("oldest first", Query { order: Order::Ascending, ..q() }, vec!["a", "b", "c", "d"]),
        (
            "all of it",
            Query {
                principal: text("payments"),
                verdict: Some(VerdictKind::Allow),
                model: text("*nova*"),
                ..q()
            },
            vec!["d", "a"],
        ),
    ];
    let count = cases.len();
    for (name, query, expected) in cases {
        assert_eq!(calls(&store, query).await, expected, "{name}");
    }
    println!("compared {count} filters");
}

/// Pages stay what they were while decisions are added, in both directions: newest first sees what was there when it
/// began, oldest first also what came meanwhile; neither sees anything twice.
#[tokio::test]
async fn pages_neither_repeat_nor_miss_while_decisions_are_added() {
    for order in [Order::Ascending, Order::Descending] {
        let dir = tempfile::tempdir().unwrap();
        let store = open(dir.path());
        let mut expected = fill(&store, 25).await;
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.decisions(Query { limit: 4, after, order, ..Query::default() }).await.unwrap();
            after = page.decisions.last().map(|stored| stored.seq);
            seen.extend(page.decisions.into_iter().map(|stored| stored.record.decision_id));
            if !page.more {
                break;
            }
            if seen.len() < 12 {
                let call_id = format!("late-{}", seen.len());
                let late = store.commit_decision(decision(&call_id, VerdictKind::Allow)).await.unwrap();
                if order == Order::Ascending {
                    expected.push(late.decision_id);
                }
            }
        }
        if order == Order::Descending {
            expected.reverse();
        }
        assert_eq!(seen, expected, "{order:?}");
        println!("{order:?}: compared {} ids", seen.len());
    }
}

#[tokio::test]
async fn ids_are_found_whole_or_not_at_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let id = fill(&store, 1).await.remove(0);
    assert!(store.decision(id.to_uppercase()).await.unwrap().is_some());
    // The first half is the key; the random half must agree as well.
    let mut forged = id.clone();
    let last = forged.pop().unwrap();
    forged.push(if last == '0' { '1' } else { '0' });
    for wrong in [forged.as_str(), "", "x", "00000000-0000-7000-8000-000000000000"] {
        assert!(store.decision(wrong.to_owned()).await.unwrap().is_none(), "{wrong}");
    }
}

#[tokio::test]
async fn assurance_follows_the_answer() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let cases = [
        (Assurance::Claimed, Some(Assurance::Confirmed), Assurance::Confirmed),
        (Assurance::Claimed, Some(Assurance::Rejected), Assurance::Rejected),
        (Assurance::Claimed, None, Assurance::Claimed),
        (Assurance::Verified, Some(Assurance::Rejected), Assurance::Verified),
    ];
    for (at, (before, answer, after)) in cases.into_iter().enumerate() {
        let call_id = format!("call-{at}");
        let mut record = decision(&call_id, VerdictKind::Allow);
        record.principal.assurance = before;
        let id = store.commit_decision(record).await.unwrap().decision_id;
        let outcome = OutcomeRecord { assurance: answer, ..outcome(&call_id, OutcomeState::Completed) };
        store.commit_outcomes(vec![outcome], None).await.unwrap();
        let found = store.decision(id).await.unwrap().unwrap();
        assert_eq!(found.assurance(), after, "{before:?} and {answer:?}");
        assert_eq!(found.record.principal.assurance, before, "the record is not touched");
    }
}

#[test]
fn cursors_are_read_back_and_nothing_else_is() {
    for order in [Order::Ascending, Order::Descending] {
        let cursor = Cursor { seq: 0x1234_5678_9abc, order };
        assert_eq!(Cursor::decode(&cursor.encode()), Some(cursor));
    }
    for text in
        ["", "d", "x0000000000000000", "d+000000000000001", "d000000000000000g", "é", "dffffffffffffffff"]
    {
        assert_eq!(Cursor::decode(text), None, "{text:?}");
    }
}

#[tokio::test]
async fn the_watch_tells_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut watch = store.watch();
    assert_eq!(*watch.borrow_and_update(), 0);
    let id = fill(&store, 1).await.remove(0);
    watch.changed().await.unwrap();
    let newest = *watch.borrow_and_update();
    assert_eq!(store.decision(id).await.unwrap().unwrap().seq, newest);
    drop(store);
    assert_eq!(*open(dir.path()).watch().borrow(), newest, "also after reopening");
}
