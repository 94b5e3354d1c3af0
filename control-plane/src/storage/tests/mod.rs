//! One body of tests for every store (there is one so far), and the faults that only a file can have.

mod approvals;
mod bundles;
mod commits;
mod faults;
mod links;
mod log;
mod migration;
mod opening;
mod power;
mod reading;
pub(crate) mod samples;
mod speed;

use super::{OpenError, SqliteOptions, SqliteStore, Store};
use portcullis_audit::{
    DecisionRecord, Model, OutcomeRecord, OutcomeState, Principal, Request, SCHEMA, Verdict, VerdictKind,
};
use std::path::Path;

/// Opens a store, perhaps one that was open a moment ago. A process that another test starts just then holds the lock too,
/// until it has become its program.
fn open(directory: &Path) -> SqliteStore {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        match SqliteStore::open(SqliteOptions::new(directory)) {
            Err(OpenError::InUse(_)) if std::time::Instant::now() < deadline => std::thread::yield_now(),
            result => return result.unwrap(),
        }
    }
}

fn decision(call_id: &str, kind: VerdictKind) -> DecisionRecord {
    DecisionRecord {
        schema: SCHEMA,
        call_id: call_id.to_owned(),
        gate: "gate-1".to_owned(),
        operation: "Converse".to_owned(),
        principal: Principal { name: "payments".to_owned(), ..Principal::default() },
        model: Some(Model {
            id: "eu.amazon.nova-lite-v1:0".to_owned(),
            base: Some("amazon.nova-lite-v1:0".to_owned()),
            ..Model::default()
        }),
        request: Request { sha256: Some("ab".repeat(32)), ..Request::default() },
        verdict: Verdict { kind, message: "because".to_owned(), ..Verdict::default() },
        ..DecisionRecord::default()
    }
}

fn outcome(call_id: &str, state: OutcomeState) -> OutcomeRecord {
    OutcomeRecord {
        schema: SCHEMA,
        call_id: call_id.to_owned(),
        state,
        recorded_at_ms: 7,
        ..OutcomeRecord::default()
    }
}

/// Fills a store with `n` allowed decisions, one after the other.
async fn fill(store: &impl Store, n: u32) -> Vec<String> {
    let mut ids = Vec::new();
    for at in 0..n {
        let committed =
            store.commit_decision(decision(&format!("call-{at}"), VerdictKind::Allow)).await.unwrap();
        ids.push(committed.decision_id);
    }
    ids
}
