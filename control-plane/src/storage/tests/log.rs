//! The log: every record is a leaf, and nothing else is; what it proves, and what it does not survive.

use super::*;
use crate::storage::{Event, EventKind, Log, Logged, StoreError};
use portcullis_audit::log::{Checkpoint, Frontier, SignedNote, verify_consistency, verify_inclusion};
use std::sync::Arc;

pub(super) fn event(what: &str) -> Event {
    Event { kind: EventKind::Admin, actor: "alice".to_owned(), detail: serde_json::json!({ "what": what }) }
}

/// The whole log, read as whoever verifies it would: entries lead to the signed root, times do not go back.
pub(super) async fn verified(store: &SqliteStore) -> Vec<Logged> {
    let head = Arc::clone(&store.head().borrow());
    let mut records = Vec::new();
    while (records.len() as u64) < head.size {
        // Short pages, so that their borders are met.
        let page = store.log_records(records.len() as u64, 7, 4_000).await.unwrap();
        assert!(!page.is_empty(), "{} of {} records", records.len(), head.size);
        records.extend(page);
    }
    records.truncate(usize::try_from(head.size).unwrap());
    let mut tree = Frontier::default();
    let mut last = 0;
    for (index, logged) in (0..).zip(&records) {
        assert_eq!(logged.index, index);
        assert!(logged.entry.time_ms >= last, "entry {index} is back-dated");
        last = logged.entry.time_ms;
        tree.push(logged.entry.leaf(), |_, _, _| {});
        if let Some(json) = &logged.record {
            let value: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(
                *portcullis_audit::log::canonical(&value).unwrap(),
                **json,
                "record {index} is canonical"
            );
            let own =
                ["decided_at_ms", "recorded_at_ms", "at_ms"].iter().find_map(|name| value[name].as_u64());
            let waited = logged.entry.time_ms.checked_sub(own.expect("a time"));
            assert!(waited.is_some_and(|ms| ms <= 60_000), "record {index} waited {waited:?}");
        }
    }
    let note = SignedNote::parse(&head.note).unwrap();
    note.verify(&store.log_keys()).unwrap();
    let said = Checkpoint::parse(&note.text).unwrap();
    assert_eq!((said.size, said.root), (head.size, head.root));
    assert_eq!(tree.root(), head.root, "the root of {} records", head.size);
    records
}

#[tokio::test]
async fn every_record_is_a_leaf_and_nothing_else_is() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(verified(&store).await.len(), 0, "an empty log is signed, too");
    let allow = store.commit_decision(decision("a", VerdictKind::Allow)).await.unwrap();
    let denied = store.commit_decision(decision("b", VerdictKind::Deny)).await.unwrap();
    assert_eq!((allow.leaf, denied.leaf), (0, 1));
    let batch = vec![outcome("a", OutcomeState::Unknown), outcome("early", OutcomeState::Completed)];
    store.commit_outcomes(batch, Some(event("gap"))).await.unwrap();
    store.commit_outcomes(vec![outcome("a", OutcomeState::Completed)], None).await.unwrap();
    // None of these is a new record.
    let again = store.commit_decision(decision("a", VerdictKind::Allow)).await.unwrap();
    assert!(again.repeated);
    assert_eq!(again.leaf, 0);
    assert_eq!(store.commit_outcomes(vec![outcome("a", OutcomeState::Failed)], None).await.unwrap(), 0);
    let head = Arc::clone(&store.head().borrow());
    store.probe().await.unwrap();
    store.flush().await.unwrap();
    assert!(Arc::ptr_eq(&head, &store.head().borrow()), "nothing is signed where nothing was recorded");

    let records = verified(&store).await;
    let found: Vec<_> =
        records.iter().map(|logged| (logged.entry.kind.as_str(), logged.entry.id.as_str())).collect();
    let event_id = found[4].1;
    let expected = [
        ("decision", allow.decision_id.as_str()),
        ("decision", denied.decision_id.as_str()),
        ("outcome", "a"),
        ("outcome", "early"),
        ("admin", event_id),
        ("outcome", "a"),
    ];
    assert_eq!(found, expected);
    for (id, places) in [
        (allow.decision_id.as_str(), vec![0]),
        ("a", vec![0, 2, 5]),
        ("early", vec![3]),
        (event_id, vec![4]),
        ("nobody", vec![]),
    ] {
        assert_eq!(store.log_find(id.to_owned()).await.unwrap(), places, "{id}");
    }
}

/// Sizes round the borders of tiles: every proof is verified by what the pure crate knows, and fails for another leaf.
#[tokio::test]
async fn proofs_hold_over_the_borders_of_tiles() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let batch = |from: u32, to: u32| {
        (from..to).map(|at| outcome(&format!("o-{at}"), OutcomeState::Completed)).collect()
    };
    store.commit_outcomes(batch(0, 254), None).await.unwrap();
    let mut roots = vec![(254, store.head().borrow().root)];
    for at in 254..259 {
        store.commit_outcomes(batch(at, at + 1), None).await.unwrap();
        roots.push((u64::from(at) + 1, store.head().borrow().root));
    }
    store.commit_outcomes(batch(259, 700), None).await.unwrap();
    roots.push((700, store.head().borrow().root));
    let (mut inclusions, mut consistencies) = (0, 0);
    for (size, root) in &roots {
        for index in (0..*size).step_by(51).chain([size - 1]) {
            let leaf = store.log_hashes(0, index, 1).await.unwrap()[0];
            let proof = store.inclusion(index, *size).await.unwrap().unwrap();
            verify_inclusion(&leaf, index, *size, &proof, root).unwrap();
            assert!(verify_inclusion(&[7; 32], index, *size, &proof, root).is_err());
            inclusions += 1;
        }
        for (old, old_root) in roots.iter().filter(|(old, _)| old <= size) {
            let proof = store.consistency(*old, *size).await.unwrap().unwrap();
            verify_consistency(*old, *size, &proof, old_root, root).unwrap();
            consistencies += 1;
        }
    }
    println!("verified {inclusions} inclusion and {consistencies} consistency proofs");
    assert_eq!(store.inclusion(700, 700).await.unwrap(), None);
    assert_eq!(store.inclusion(0, 701).await.unwrap(), None, "no such tree yet");
    assert_eq!(store.consistency(5, 701).await.unwrap(), None);
    assert_eq!(store.log_hashes(1, 0, 256).await.unwrap().len(), 2, "complete tiles only");
    assert_eq!(store.log_hashes(0, 690, 256).await.unwrap().len(), 10);
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.head().borrow().root, roots.last().unwrap().1);
    store.commit_event(event("after")).await.unwrap();
    assert_eq!(verified(&store).await.len(), 701);
}

/// A task that fails takes its own records with it and no others: the tree is that of what stands.
#[tokio::test]
async fn what_is_rolled_back_leaves_no_leaf() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (release, hold) = std::sync::mpsc::channel::<()>();
    let (started, running) = std::sync::mpsc::channel::<()>();
    let blocker = store.on_writer(move |_| {
        let _ = started.send(());
        let _ = hold.recv();
        Ok(())
    });
    running.recv().unwrap();
    let good = [
        store.commit_event(event("1")),
        store.commit_outcomes(vec![outcome("a", OutcomeState::Failed)], None).map_ok_unit(),
    ];
    let bad = store.commit_outcomes(
        vec![outcome("b", OutcomeState::Completed), outcome("", OutcomeState::Completed)],
        Some(event("never")),
    );
    let last = store.commit_event(event("2"));
    drop(release);
    blocker.await.unwrap();
    for good in good {
        good.await.unwrap();
    }
    assert!(matches!(bad.await, Err(StoreError::Inconsistent(_))));
    last.await.unwrap();
    assert_eq!(verified(&store).await.len(), 3);
}

trait MapOkUnit<'a> {
    fn map_ok_unit(self) -> crate::storage::Pending<'a, ()>;
}

impl<'a, T: Send + 'a> MapOkUnit<'a> for crate::storage::Pending<'a, T> {
    fn map_ok_unit(self) -> crate::storage::Pending<'a, ()> {
        Box::pin(async move { self.await.map(drop) })
    }
}

#[tokio::test]
async fn checkpoints_are_kept_with_what_witnesses_say() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    fill(&store, 3).await;
    let head = Arc::clone(&store.head().borrow());
    for line in ["\u{2014} b QUJD\n", "\u{2014} a QUJD\n", "\u{2014} b QUJD\n"] {
        store.keep_cosignature(Arc::clone(&head), line.to_owned()).await.unwrap();
    }
    let kept = store.checkpoints(0, 10).await.unwrap();
    println!("{:?}", kept.iter().map(|checkpoint| checkpoint.size).collect::<Vec<_>>());
    assert_eq!(kept.first().unwrap().size, 1, "the first of a second is kept");
    let own = kept.last().unwrap();
    assert_eq!((own.size, &own.note), (3, &head.note));
    assert_eq!(own.cosignatures, ["\u{2014} a QUJD\n", "\u{2014} b QUJD\n"]);
    assert_eq!(store.checkpoint_from(2).await.unwrap().unwrap().size, 3);
    assert_eq!(store.checkpoint_from(4).await.unwrap(), None);
    assert_eq!(store.checkpoints(1, 1).await.unwrap()[0].size, 3);
}

#[tokio::test]
async fn cursors_go_on_and_never_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    assert_eq!(store.cursor("siem".to_owned()).await.unwrap(), None);
    for (to, expected) in
        [(Some(5), Some(5)), (Some(3), Some(5)), (Some(9), Some(9)), (None, None), (Some(1), Some(1))]
    {
        store.move_cursor("siem".to_owned(), to).await.unwrap();
        assert_eq!(store.cursor("siem".to_owned()).await.unwrap(), expected, "moved to {to:?}");
    }
    drop(store);
    assert_eq!(open(dir.path()).cursors().await.unwrap(), [("siem".to_owned(), 1)]);
}
