//! `testdata/limits/retries.yaml`: attempts of one invocation. After every step the ledger is stored, restored, and
//! compared; each case also runs on a ledger that is restored before every step.

use super::{Table, used, want};
use crate::{Late, Ledger, Refusal, Want};
use serde::Deserialize;
use std::path::Path;
use std::sync::Arc;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    steps: Vec<Step>,
}

#[derive(Deserialize, Debug)]
#[serde(deny_unknown_fields)]
struct Step {
    at: Option<u64>,
    of: Option<String>,
    reserve: Option<String>,
    refuse: Option<String>,
    settle: Option<String>,
    release: Option<String>,
    keep: Option<String>,
    abort: Option<String>,
    used: u64,
}

const NOW: u64 = 1_800_000_000_000;
const WINDOW: u64 = 600_000;

fn attempt(of: Option<&str>) -> Want {
    Want { retry_of: Some(Arc::from(of.unwrap_or("x"))), ..want("calls", "k", 1, 5, WINDOW) }
}

fn restored(ledger: &Ledger) -> Ledger {
    let mut other = Ledger::restore(ledger.export());
    other.configure("calls", 5, WINDOW);
    other
}

#[test]
fn every_case() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata/limits/retries.yaml");
    let cases: Vec<Case> = serde_yaml_ng::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    assert!(!cases.is_empty());
    for case in &cases {
        println!("{}", case.name);
        for restart in [false, true] {
            run(case, restart);
        }
    }
    println!("{} cases", cases.len());
}

fn run(case: &Case, restart: bool) {
    let (mut ledger, mut table, mut now) = (Ledger::new(), Table::default(), NOW);
    ledger.configure("calls", 5, WINDOW);
    for step in &case.steps {
        if restart {
            ledger = restored(&ledger);
        }
        now = step.at.map_or(now, |at| NOW + at * 1_000);
        let wants = [attempt(step.of.as_deref())];
        let mut changes = Vec::new();
        if let Some(call) = &step.reserve {
            changes.extend(ledger.reserve(now, call, &wants).unwrap().changes);
        }
        if let Some(call) = &step.refuse {
            let refused = ledger.reserve(now, call, &wants);
            assert!(matches!(refused, Err(Refusal::Exceeded { .. })), "{}: {step:?}", case.name);
        }
        if let Some(call) = &step.settle {
            changes.extend(ledger.settle(now, call, |_| 99));
        }
        if let Some(call) = &step.release {
            changes.extend(ledger.release(now, call));
        }
        if let Some(call) = &step.keep {
            changes.extend(ledger.keep(now, call, Late::MayCome));
        }
        if let Some(call) = &step.abort {
            changes.extend(ledger.keep(now, call, Late::No));
        }
        table.apply(&changes);
        assert_eq!(used(&ledger, now, "calls", "k"), step.used, "{}: {step:?}", case.name);
        assert_eq!(table.snapshot().groups, ledger.export().groups, "{}: {step:?}", case.name);
        assert_eq!(table.snapshot().open, ledger.export().open, "{}: {step:?}", case.name);
    }
    // Long after, nothing of it is left.
    table.apply(&ledger.release(now, "none"));
    for call in ledger.export().open {
        table.apply(&ledger.keep(now, &call.call, Late::MayCome));
    }
    table.apply(&ledger.sweep(now + crate::KEPT_MS));
    assert_eq!(ledger.export(), crate::Snapshot::default(), "{}", case.name);
    assert_eq!(table.snapshot(), crate::Snapshot::default(), "{}", case.name);
}
