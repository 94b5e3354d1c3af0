//! Many keys.

use super::want;
use crate::{Ledger, Refusal};

const NOW: u64 = 1_800_000_000_500;

#[test]
fn a_limit_that_counts_too_many_keys_fails_closed() {
    let mut ledger = Ledger { max_keys: Some(3), ..Ledger::new() };
    let one = |key: &str| [want("l", key, 1, 10, 60_000)];
    for key in ["a", "b", "c"] {
        ledger.reserve(NOW, key, &one(key)).unwrap();
    }
    let refused = ledger.reserve(NOW, "d", &one("d")).unwrap_err();
    println!("{refused}");
    assert!(matches!(&refused, Refusal::Full { limit } if &**limit == "l"));
    let mut shadow = one("d");
    shadow[0].enforced = false;
    let let_out = ledger.reserve(NOW, "e", &shadow).unwrap();
    assert_eq!((let_out.uncounted.len(), let_out.changes.len()), (1, 0));
    // Keys that it knows, and other limits, count on.
    ledger.reserve(NOW, "f", &one("a")).unwrap();
    ledger.reserve(NOW, "g", &[want("other", "d", 1, 10, 60_000)]).unwrap();
    // Time makes room.
    assert!(ledger.reserve(NOW + 59_000, "i", &one("e")).is_err());
    ledger.reserve(NOW + 61_000, "i", &one("e")).unwrap();
}

#[test]
fn keys_without_use_are_forgotten() {
    let mut ledger = Ledger::new();
    for n in 0..1_000 {
        let call = format!("c{n}");
        ledger.reserve(NOW, &call, &[want("l", &call, 1, 10, 60_000)]).unwrap();
        ledger.settle(NOW, &call, |entry| entry.amount);
    }
    assert_eq!(ledger.export().uses.len(), 1_000);
    ledger.sweep(NOW + 61_000);
    assert_eq!(ledger.export(), crate::Snapshot::default());
    assert!(ledger.limits.values().all(|limit| limit.keys.is_empty()));
}
