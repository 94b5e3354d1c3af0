//! A store from before the log: everything that it has recorded becomes the first leaves, in the order of its times.

use super::log::{event, verified};
use super::samples::{self, Dice};
use super::*;
use crate::storage::id::seq_of;
use crate::storage::{Log, Query, RecordQuery};
use portcullis_audit::log::RecordKind;
use rusqlite::params;

const SCHEMAS: [&str; 8] = [
    include_str!("../sqlite/v1.sql"),
    include_str!("../sqlite/v2.sql"),
    include_str!("../sqlite/v3.sql"),
    include_str!("../sqlite/v4.sql"),
    include_str!("../sqlite/v5.sql"),
    include_str!("../sqlite/v6.sql"),
    include_str!("../sqlite/v7.sql"),
    include_str!("../sqlite/v8.sql"),
];

/// A store as version 8 of the schema has it; gives its decisions.
fn older(dir: &Path, count: u64) -> Vec<DecisionRecord> {
    let conn = rusqlite::Connection::open(dir.join("portcullis.db")).unwrap();
    for schema in SCHEMAS {
        conn.execute_batch(schema).unwrap();
    }
    conn.execute_batch("PRAGMA user_version = 8; BEGIN").unwrap();
    let mut dice = Dice(8);
    let mut decisions = Vec::new();
    for at in 0..count {
        let mut record = samples::decision(&mut dice, at);
        if at % 9 == 0 {
            record.policy.shadow = Some("deny".to_owned());
        }
        let outcome = samples::outcome(&mut dice, &record);
        conn.execute(
            "INSERT INTO decisions (seq, call_id, principal, operation, model, model_base, verdict, record, session, kind, tool)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            params![
                seq_of(&record.decision_id),
                record.call_id,
                record.principal.name,
                record.operation,
                record.model.as_ref().map(|model| &model.id),
                record.model.as_ref().map(|model| &model.base),
                record.verdict.kind.as_str(),
                serde_json::to_string_pretty(&record).unwrap(),
                record.agent.as_ref().map(|agent| &agent.session),
                record.kind.as_str(),
                record.tool.as_ref().map(|tool| &tool.names[0]),
            ],
        )
        .unwrap();
        if at % 3 > 0 {
            conn.execute(
                "INSERT INTO outcomes (call_id, state, recorded_at, record) VALUES (?1, ?2, ?3, ?4)",
                params![
                    outcome.call_id,
                    outcome.state.as_str(),
                    outcome.recorded_at_ms as i64,
                    serde_json::to_string(&outcome).unwrap()
                ],
            )
            .unwrap();
        }
        if at % 50 == 0 {
            conn.execute(
                "INSERT INTO events (at, kind, actor, detail) VALUES (?1, 'admin', 'alice', ?2)",
                params![record.decided_at_ms as i64, format!("{{\"what\": \"event-{at}\"}}")],
            )
            .unwrap();
        }
        decisions.push(record);
    }
    conn.execute_batch("COMMIT").unwrap();
    decisions
}

async fn check(store: &SqliteStore, decisions: &[DecisionRecord]) {
    let records = verified(store).await;
    let (outcomes, events) = (decisions.len() - decisions.len().div_ceil(3), decisions.len().div_ceil(50));
    assert_eq!(records.len(), decisions.len() + outcomes + events);
    for record in decisions.iter().step_by(7) {
        let found = store.decision(record.decision_id.clone()).await.unwrap().expect("it is there");
        assert_eq!(found.record, *record);
        let places = store.log_find(record.decision_id.clone()).await.unwrap();
        let logged = store.log_records(places[0], 1, 1).await.unwrap().remove(0);
        assert_eq!(
            (logged.entry.id.as_str(), logged.entry.time_ms),
            (record.decision_id.as_str(), record.decided_at_ms)
        );
    }
    let kinds = |kind| records.iter().filter(|logged| logged.entry.kind == kind).count();
    assert_eq!((kinds(RecordKind::Outcome), kinds(RecordKind::Admin)), (outcomes, events));
    let shadowed =
        RecordQuery { shadowed: true, limit: 10_000, max_bytes: usize::MAX, ..RecordQuery::default() };
    assert_eq!(store.records(shadowed).await.unwrap().records.len(), decisions.len().div_ceil(9));
    let query = Query { principal: Some("payments".to_owned()), limit: 10_000, ..Query::default() };
    let wanted = decisions.iter().filter(|record| record.principal.name == "payments").count();
    assert_eq!(store.decisions(query).await.unwrap().decisions.len(), wanted);
    let events = store.events(None, 100).await.unwrap();
    assert_eq!(events.last().unwrap().detail["what"], "event-0");
}

#[tokio::test]
async fn what_was_recorded_before_is_in_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = older(dir.path(), 1_500);
    let error = crate::storage::Records::open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::TooOld { found: 8, .. }), "{error}");
    let store = open(dir.path());
    check(&store, &decisions).await;
    let before = store.head().borrow().size;
    store.commit_event(event("first of the new")).await.unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(verified(&store).await.len() as u64, before + 1);
    crate::storage::Records::open(dir.path()).unwrap();
}

/// The disk is full in the middle: nothing opens, nothing is lost, and with room it goes on where it was.
#[tokio::test]
async fn a_migration_that_is_cut_off_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let decisions = older(dir.path(), 3_000);
    let pages = std::fs::metadata(dir.path().join("portcullis.db")).unwrap().len() / 4096;
    let mut failed = 0;
    let store = loop {
        let room = Some(u32::try_from(pages).unwrap() + 40 * failed);
        match SqliteStore::open(SqliteOptions { max_pages: room, ..SqliteOptions::new(dir.path()) }) {
            Ok(store) => break store,
            Err(error) => {
                assert!(error.to_string().contains("full"), "{error}");
                failed += 1;
            }
        }
    };
    println!("the disk was full {failed} times");
    assert!(failed > 0, "the disk never got full");
    check(&store, &decisions).await;
}
