//! What a stream takes in the VM, and whether it is given back.

use super::client::Call;
use super::upstream::Order;
use crate::report::Outcome;
use crate::setup::Bench;
use crate::variants::Variant;
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

const STREAMS: usize = 200;
const KIB: f64 = 1024.0;

/// Measures both on a gate that asks about tool calls.
///
/// # Errors
/// A stream did not come.
pub(super) fn run(
    runtime: &tokio::runtime::Runtime,
    bench: &Bench,
    long: bool,
    results: &mut Vec<Outcome>,
) -> Result<()> {
    let gate = bench.envoy(Variant::Gate)?;
    let memory = || -> Result<f64> {
        // The gauge follows with the VM's next tick.
        std::thread::sleep(Duration::from_millis(400));
        Ok(gate.stat("portcullis.vm_memory_bytes")? as f64 / KIB)
    };
    let before = memory()?;
    let stalled = Call::new(
        gate.transparent,
        &bench.tls,
        Order { frames: 40, stall: true, flush: true, ..Order::default() },
    );
    let open = runtime.block_on(async {
        let mut open = Vec::new();
        for _ in 0..STREAMS {
            let mut stream = stalled.connect().await?;
            stalled.send(&mut stream).await?;
            stalled.read_text(&mut stream).await?;
            open.push(stream);
        }
        anyhow::Ok(open)
    })?;
    let held = memory()?;
    drop(open);
    results.push(Outcome {
        case: format!("{STREAMS} streams open at once: VM memory of each"),
        baseline: "before the first".to_owned(),
        metric: "vm_memory_kib".to_owned(),
        value: (held - before) / STREAMS as f64,
        baseline_value: before,
        ratio: held / before,
        runs: 1,
        min: before,
        max: held,
    });
    let seconds = if long { 60 } else { 8 };
    let order = Order { frames: 60, tool: true, flush: true, pace_ms: 5, ..Order::default() };
    let call = Call::new(gate.transparent, &bench.tls, order);
    let (stop, done) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut tasks = Vec::new();
    for _ in 0..STREAMS {
        let (call, stop, done) = (call.clone(), Arc::clone(&stop), Arc::clone(&done));
        tasks.push(runtime.spawn(async move {
            let mut stream = call.connect().await?;
            let mut buffer = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                call.exchange(&mut stream, &mut buffer).await?;
                done.fetch_add(1, Ordering::Relaxed);
            }
            anyhow::Ok(())
        }));
    }
    let begun = Instant::now();
    let mut warm = f64::NAN;
    while begun.elapsed() < Duration::from_secs(seconds) {
        runtime.block_on(async { tokio::time::sleep(Duration::from_millis(200)).await });
        if warm.is_nan() && begun.elapsed() > Duration::from_secs(seconds / 4) {
            warm = gate.stat("portcullis.vm_memory_bytes")? as f64 / KIB;
        }
    }
    let last = gate.stat("portcullis.vm_memory_bytes")? as f64 / KIB;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        runtime.block_on(task)??;
    }
    eprintln!("  {} guarded streams with a tool call in {seconds} s", done.load(Ordering::Relaxed));
    results.push(Outcome {
        case: format!("{STREAMS} streams at once for {seconds} s: VM memory at the end"),
        baseline: "after a quarter".to_owned(),
        metric: "vm_memory_kib".to_owned(),
        value: last,
        baseline_value: warm,
        ratio: last / warm,
        runs: 1,
        min: warm,
        max: last,
    });
    Ok(())
}
