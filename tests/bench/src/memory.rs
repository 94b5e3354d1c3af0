//! What the VM keeps after a thousand bodies of 24 MiB.

use crate::load::{self, Plan};
use crate::report::Outcome;
use crate::setup::{Bench, HOST};
use crate::speed::request;
use crate::variants::Variant;
use anyhow::{Context, Result};
use std::sync::Arc;
use std::time::Duration;

const MIB: f64 = 1024.0 * 1024.0;

/// Sends them, and reads the VM's own gauge.
///
/// # Errors
/// A call was not answered 200.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, bench: &Bench, bodies: usize) -> Result<Outcome> {
    let gate = bench.envoy(Variant::Gate)?;
    let before = gate.stat("portcullis.vm_memory_bytes")? as f64 / MIB;
    let image = "QUJD".repeat(24 * 1024 * 1024 / 4 - 64);
    let body = format!(
        r#"{{"messages":[{{"role":"user","content":[{{"image":{{"format":"png","source":{{"bytes":"{image}"}}}}}},{{"text":"what is this"}}]}}]}}"#
    );
    let plan = Plan {
        address: gate.transparent,
        host: HOST.to_owned(),
        tls: Arc::clone(&bench.tls),
        request: Arc::new(request("/model/amazon.nova-pro-v1%3A0/converse", body.as_bytes())),
        connections: 1,
        warm_up: Duration::ZERO,
        measure: Duration::ZERO,
    };
    let progress = |done: usize| {
        if done.is_multiple_of(50) {
            eprintln!("  memory: {done}/{bodies} bodies of 24 MiB");
        }
    };
    runtime.block_on(load::send(&plan, bodies, progress)).context("24 MiB bodies")?;
    let after = gate.stat("portcullis.vm_memory_bytes")? as f64 / MIB;
    Ok(Outcome {
        case: format!("VM memory after {bodies} bodies of 24 MiB"),
        baseline: "before the first".to_owned(),
        metric: "vm_memory_mib".to_owned(),
        value: after,
        baseline_value: before,
        ratio: after / before,
        runs: 1,
        min: after,
        max: after,
    })
}
