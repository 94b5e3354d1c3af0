//! One limit at a time.

use super::{Table, used, want};
use crate::{Exceeded, Late, Ledger, MAX_AMOUNT, Refusal, Reservation, Use, slice_ms};
use std::sync::Arc;

const MINUTE: u64 = 60_000;
const NOW: u64 = 1_800_000_000_500;

fn exceeded(result: Result<Reservation, Refusal>) -> Vec<Exceeded> {
    match result {
        Err(Refusal::Exceeded { exceeded, .. }) => exceeded,
        other => panic!("{other:?}"),
    }
}

#[test]
fn room_comes_back_slice_by_slice() {
    let mut ledger = Ledger::new();
    for second in 0..3 {
        ledger
            .reserve(NOW + second * 1_000, &format!("c{second}"), &[want("l", "k", 10, 30, MINUTE)])
            .unwrap();
    }
    let now = NOW + 30_000;
    for (asked, after) in
        [(10, Some(30_500)), (11, Some(31_500)), (20, Some(31_500)), (30, Some(32_500)), (31, None)]
    {
        let over = exceeded(ledger.reserve(now, "d", &[want("l", "k", asked, 30, MINUTE)]));
        println!("{asked} more after {:?} ms", over[0].retry_after_ms);
        assert_eq!((over[0].used, over[0].max, over[0].retry_after_ms), (30, 30, after));
        if let Some(after) = after {
            let fits = |at| ledger.clone().reserve(at, "d", &[want("l", "k", asked, 30, MINUTE)]).is_ok();
            assert_eq!((fits(now + after - 1), fits(now + after)), (false, true));
        }
    }
}

#[test]
fn lengths_of_slices() {
    let day = 24 * 60 * MINUTE;
    for (window, slice) in
        [(MINUTE, 1_000), (MINUTE + 1, 1_001), (60 * MINUTE, MINUTE), (400 * day, 576_000_000)]
    {
        println!("{window} ms in slices of {} ms", slice_ms(window));
        assert_eq!(slice_ms(window), slice);
    }
}

#[test]
fn all_or_nothing() {
    let mut ledger = Ledger::new();
    let wants =
        |calls, tokens| [want("calls", "", 1, calls, MINUTE), want("tokens", "k", 50, tokens, 2 * MINUTE)];
    ledger.reserve(NOW, "a", &wants(2, 100)).unwrap();
    let over = exceeded(ledger.reserve(NOW, "b", &wants(2, 99)));
    assert_eq!(over.iter().map(|one| &*one.limit).collect::<Vec<_>>(), ["tokens"]);
    let over = exceeded(ledger.reserve(NOW, "b", &wants(1, 99)));
    assert_eq!(over.iter().map(|one| &*one.limit).collect::<Vec<_>>(), ["calls", "tokens"], "each is told");
    assert_eq!((used(&ledger, NOW, "calls", ""), used(&ledger, NOW, "tokens", "k")), (1, 50));
    // The same count twice in one call.
    let over = exceeded(ledger.reserve(
        NOW,
        "b",
        &[want("tokens", "k", 25, 99, MINUTE), want("tokens", "k", 25, 99, MINUTE)],
    ));
    assert_eq!(over.len(), 1);
    ledger
        .reserve(NOW, "b", &[want("tokens", "k", 25, 100, MINUTE), want("tokens", "k", 25, 100, MINUTE)])
        .unwrap();
    assert_eq!(used(&ledger, NOW, "tokens", "k"), 100);
}

#[test]
fn what_is_not_enforced_is_counted_and_noted() {
    let mut ledger = Ledger::new();
    let mut warned = want("warned", "", 7, 10, MINUTE);
    warned.enforced = false;
    let first = ledger.reserve(NOW, "a", std::slice::from_ref(&warned)).unwrap();
    assert!(first.fresh && first.noted.is_empty());
    let second = ledger.reserve(NOW, "b", std::slice::from_ref(&warned)).unwrap();
    assert_eq!((second.noted[0].used, second.noted.len()), (7, 1));
    assert_eq!(used(&ledger, NOW, "warned", ""), 14);
    let refused = ledger.reserve(NOW, "c", &[warned, want("strict", "", 2, 1, MINUTE)]);
    let Err(Refusal::Exceeded { exceeded, noted }) = refused else { panic!("{refused:?}") };
    assert_eq!((exceeded.len(), noted.len(), used(&ledger, NOW, "warned", "")), (1, 1, 14));
}

#[test]
fn nothing_is_taken_but_asked_for() {
    let mut ledger = Ledger::new();
    ledger.reserve(NOW, "a", &[want("tools", "", 0, 3, MINUTE)]).unwrap();
    assert_eq!(ledger.settle(NOW, "a", |_| 5).len(), 2);
    assert_eq!(used(&ledger, NOW, "tools", ""), 5, "more than was known before, and more than is allowed");
    assert_eq!(exceeded(ledger.reserve(NOW, "b", &[want("tools", "", 0, 3, MINUTE)])).len(), 1);
    assert_eq!(exceeded(ledger.reserve(NOW, "b", &[want("none", "", 0, 0, MINUTE)]))[0].retry_after_ms, None);
}

#[test]
fn outcomes() {
    let mut ledger = Ledger::new();
    let wants = [want("tokens", "k", 50, 1_000, MINUTE), want("calls", "k", 1, 10, MINUTE)];
    for call in ["settled", "released", "kept", "aborted", "open"] {
        ledger.reserve(NOW, call, &wants).unwrap();
    }
    let again = ledger.reserve(NOW, "open", &wants).unwrap();
    assert!(!again.fresh && again.changes.is_empty(), "{again:?}");
    let later = NOW + 5_000;
    let tokens = |entry: &crate::Entry| if &*entry.limit == "tokens" { 20 } else { 1 };
    ledger.settle(later, "settled", tokens);
    ledger.release(later, "released");
    ledger.keep(later, "kept", Late::MayCome);
    ledger.keep(later, "aborted", Late::No);
    let uses = ledger.usage(later);
    println!("{uses:#?}");
    let expected = |limit: &str, used, reserved, max| Use {
        limit: Arc::from(limit),
        key: Arc::from("k"),
        used,
        reserved,
        max,
        window_ms: MINUTE,
        resets_ms: NOW + 60_500,
    };
    assert_eq!(uses, [expected("calls", 4, 1, 10), expected("tokens", 170, 50, 1_000)]);
    // Told again, or after it was told otherwise: nothing.
    for call in ["settled", "released", "aborted", "unheard"] {
        assert_eq!(ledger.settle(later, call, tokens), []);
        assert_eq!(ledger.release(later, call), []);
        assert_eq!(ledger.keep(later, call, Late::MayCome), []);
    }
    assert_eq!(ledger.keep(later, "kept", Late::MayCome), []);
    assert_eq!(ledger.usage(later), uses);
    // The late outcome of one that stood as used.
    ledger.settle(later, "kept", tokens);
    assert_eq!(used(&ledger, later, "tokens", "k"), 140);
    // A correction is made in the slice of the decision.
    assert_eq!(used(&ledger, NOW + 60_499, "tokens", "k"), 140);
    assert_eq!(used(&ledger, NOW + 60_500, "tokens", "k"), 0);
}

#[test]
fn an_outcome_after_the_window_changes_nothing() {
    let mut ledger = Ledger::new();
    ledger.reserve(NOW, "a", &[want("l", "", 5, 10, MINUTE)]).unwrap();
    ledger.reserve(NOW + 70_000, "b", &[want("l", "", 5, 10, MINUTE)]).unwrap();
    ledger.settle(NOW + 70_000, "a", |_| 10);
    assert_eq!(used(&ledger, NOW + 70_000, "l", ""), 5);
}

#[test]
fn a_window_of_another_length() {
    let mut ledger = Ledger::new();
    ledger.configure("l", 100, 60 * MINUTE);
    ledger.reserve(NOW, "a", &[want("l", "", 60, 100, 60 * MINUTE)]).unwrap();
    // Shorter: until its slice (a minute) has left the new window, never before.
    ledger.configure("l", 100, MINUTE);
    let end = NOW / MINUTE * MINUTE + MINUTE;
    assert_eq!(used(&ledger, NOW + 59_999, "l", ""), 60);
    assert_eq!(used(&ledger, end + MINUTE - 1, "l", ""), 60);
    assert_eq!(used(&ledger, end + MINUTE, "l", ""), 0);
    ledger.reserve(NOW + 1_000, "b", &[want("l", "", 40, 100, MINUTE)]).unwrap();
    ledger.settle(NOW + 2_000, "a", |_| 50);
    ledger.settle(NOW + 2_000, "b", |_| 30);
    // Longer: what is still known counts on.
    ledger.configure("l", 100, 120 * MINUTE);
    assert_eq!(used(&ledger, NOW + 119 * MINUTE, "l", ""), 80);
    assert_eq!(exceeded(ledger.reserve(NOW + 119 * MINUTE, "c", &[want("l", "", 21, 100, 1)])).len(), 1);
}

#[test]
fn numbers_at_the_edge() {
    let mut ledger = Ledger::new();
    let mut table = Table::default();
    for (place, amount) in [u64::MAX, MAX_AMOUNT, 1].into_iter().enumerate() {
        let mut all = want("l", "", amount, u64::MAX, MINUTE);
        all.enforced = false;
        table.apply(&ledger.reserve(NOW, &place.to_string(), &[all]).unwrap().changes);
    }
    table.apply(&ledger.settle(NOW, "2", |_| u64::MAX));
    assert_eq!(used(&ledger, NOW, "l", ""), MAX_AMOUNT);
    assert_eq!(table.snapshot(), ledger.export());
    for now in [0, 1, u64::MAX] {
        let _ = Ledger::new().reserve(now, "x", &[want("l", "", 1, 1, u64::MAX)]).unwrap();
        let _ = Ledger::new().reserve(now, "x", &[want("l", "", 1, 1, 0)]).unwrap();
    }
}
