//! The command on stores and exports: as they were written, and changed in a hundred ways.

mod exports;
mod mutations;

use super::pipeline::{Ended, Plan, verify};
use super::{export, report, store};
use crate::storage::{Event, EventKind, Log, Logged, SqliteOptions, SqliteStore, Store};
use portcullis_audit::log::SigningKey;
use portcullis_audit::log::verify::{Code, Finding};
use portcullis_audit::{
    DecisionRecord, Model, OutcomeRecord, OutcomeState, Principal, SCHEMA, Verdict, VerdictKind,
};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

const ORIGIN: &str = "portcullis.local/0123abcd";

fn key(seed: u8) -> SigningKey {
    SigningKey::new(ORIGIN, &[seed; 32]).unwrap()
}

fn plan(seed: u8) -> Plan {
    Plan {
        origin: ORIGIN.to_owned(),
        keys: vec![key(seed).verifying_key()],
        witnesses: Vec::new(),
        given: Vec::new(),
        threads: 2,
        deep: true,
        state: None,
    }
}

fn verify_store(directory: &Path, plan: &Plan) -> Ended {
    verify(Box::new(store::Store::open(directory, plan.deep).unwrap()), plan).unwrap()
}

fn verify_export(path: &Path, plan: &Plan) -> anyhow::Result<Ended> {
    verify(Box::new(export::Export::open(path)?), plan)
}

fn shown(ended: &Ended) -> String {
    let mut out = Vec::new();
    report::text(&mut out, ended).unwrap();
    String::from_utf8(out).unwrap()
}

fn codes(ended: &Ended) -> Vec<(&'static str, Option<u64>, Option<u64>)> {
    ended.findings.iter().map(|finding| (finding.code.as_str(), finding.index, finding.end)).collect()
}

/// Each reading is 37 ms after the one before.
fn clock() -> u64 {
    static NOW: AtomicU64 = AtomicU64::new(1_763_758_800_000);
    NOW.fetch_add(37, Ordering::Relaxed)
}

/// Writes a store of decisions, outcomes and events with the key of seed 1; gives what its log holds and the newest checkpoint.
async fn write(directory: &Path, calls: u32) -> (Vec<Logged>, String) {
    let options = SqliteOptions {
        origin: Some(ORIGIN.to_owned()),
        log_key: crate::storage::LogKey::Seed([1; 32]),
        clock,
        ..SqliteOptions::new(directory)
    };
    let store = SqliteStore::open(options).unwrap();
    for at in 0..calls {
        let call_id = format!("call-{at}");
        let kind = if at % 7 == 3 { VerdictKind::Deny } else { VerdictKind::Allow };
        let model = Model { id: format!("amazon.nova-{}", at % 3), ..Model::default() };
        let record = DecisionRecord {
            schema: SCHEMA,
            call_id: call_id.clone(),
            gate: "gate-1".to_owned(),
            operation: "Converse".to_owned(),
            principal: Principal { name: format!("team-{}", at % 5), ..Principal::default() },
            model: Some(model),
            verdict: Verdict { kind, message: "because".to_owned(), ..Verdict::default() },
            ..DecisionRecord::default()
        };
        store.commit_decision(record).await.unwrap();
        let state = if kind == VerdictKind::Allow { OutcomeState::Completed } else { OutcomeState::Blocked };
        let outcome = OutcomeRecord {
            schema: SCHEMA,
            call_id,
            state,
            forwarded: kind == VerdictKind::Allow,
            ..OutcomeRecord::default()
        };
        store.commit_outcomes(vec![outcome], None).await.unwrap();
        if at % 25 == 24 {
            let detail = serde_json::json!({"what": "token_created", "name": format!("t{at}")});
            store
                .commit_event(Event { kind: EventKind::Admin, actor: "cli".to_owned(), detail })
                .await
                .unwrap();
        }
    }
    let head = store.head().borrow().clone();
    let records = store.log_records(0, u32::MAX, usize::MAX).await.unwrap();
    assert_eq!(records.len() as u64, head.size);
    (records, head.note.to_string())
}

#[tokio::test]
async fn a_store_that_nobody_has_touched_is_sound_also_while_it_is_open() {
    let directory = tempfile::tempdir().unwrap();
    let (records, note) = write(directory.path(), 150).await;
    let plan = plan(1);
    let ended = verify_store(directory.path(), &plan);
    println!("{}\n{}", shown(&ended), serde_json::to_string_pretty(&report::value(&ended)).unwrap());
    assert_eq!(codes(&ended), []);
    assert_eq!((ended.read, ended.parts.len()), (records.len() as u64, 1));
    assert!(ended.parts[0].checkpoints > 3, "{:?}", ended.parts);
    // With the checkpoint of before; with another key; with another log's key.
    let given = Plan { given: vec![note], ..plan.clone() };
    assert_eq!(codes(&verify_store(directory.path(), &given)), []);
    let other = verify_store(directory.path(), &self::plan(2));
    assert!(other.counts.keys().all(|code| *code == Code::UnknownKey), "{}", shown(&other));
    let open = SqliteStore::open(SqliteOptions {
        log_key: crate::storage::LogKey::Seed([1; 32]),
        ..SqliteOptions::new(directory.path())
    });
    let open = open.unwrap();
    let ended = verify_store(directory.path(), &plan);
    assert_eq!(codes(&ended), [], "{}", shown(&ended));
    drop(open);
}

fn names(finding: &Finding, codes: &[Code], index: u64) -> bool {
    codes.contains(&finding.code) && finding.covers(index)
}
