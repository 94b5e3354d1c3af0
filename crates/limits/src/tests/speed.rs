//! How long a reservation takes; `cargo test --release -p portcullis-limits speed -- --ignored --nocapture`.

use super::want;
use crate::{Ledger, Want};
use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

#[test]
#[ignore = "a measurement"]
fn measure() {
    const DAY: u64 = 86_400_000;
    for keys in [1_u64, 1_000, 100_000] {
        let mut ledger = Ledger::new();
        let wants = |n: u64| -> Vec<Want> {
            let key =
                format!("principal.name=team-{}-application,model.base=anthropic.claude", n * 7919 % keys);
            let mut wants: Vec<Want> = [60_000, 3_600_000, DAY, 30 * DAY, 400 * DAY]
                .into_iter()
                .enumerate()
                .map(|(limit, window)| want(&format!("limit-{limit}"), &key, 10, u64::MAX, window))
                .collect();
            wants[0].retry_of = Some(Arc::from(format!("invocation-{n}")));
            wants
        };
        // Slices of a window's length behind.
        for n in 0..keys.max(10_000) {
            let call = format!("w{n}");
            ledger.reserve(1_800_000_000_000 + n * 60, &call, &wants(n)).unwrap();
            ledger.settle(1_800_000_000_000 + n * 60, &call, |entry| entry.amount);
        }
        let start = 1_800_000_000_000 + keys.max(10_000) * 60;
        let prepared: Vec<_> = (0..20_000).map(|n| (format!("call-{n}"), wants(n))).collect();
        let (mut reserves, mut settles) = (Vec::new(), Vec::new());
        for (n, (call, wants)) in (0_u64..).zip(&prepared) {
            let now = start + n * 60;
            let begin = Instant::now();
            black_box(ledger.reserve(now, call, black_box(wants)).unwrap());
            reserves.push(begin.elapsed());
            let begin = Instant::now();
            black_box(ledger.settle(now, call, |entry| entry.amount / 2));
            settles.push(begin.elapsed());
        }
        reserves.sort_unstable();
        settles.sort_unstable();
        let begin = Instant::now();
        ledger.sweep(start + 20_000 * 60);
        println!(
            "{keys} keys: reserve 5 limits p50 {:?}, p99 {:?}; settle p50 {:?}; sweep {:?}",
            reserves[10_000],
            reserves[19_800],
            settles[10_000],
            begin.elapsed()
        );
    }
}
