//! `gate-bench reload`: a bundle of many rules is swapped while calls run.

use crate::load::{self, Plan, Traced};
use crate::report::median;
use crate::setup::{self, Bench, HOST};
use crate::speed::converse;
use crate::variants::Variant;
use anyhow::{Context, Result, ensure};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rules in both bundles.
    #[arg(long, default_value_t = 10_000)]
    rules: usize,
    /// Connections.
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// Swaps.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
}

/// Swaps and measures.
///
/// # Errors
/// A call failed, or the new bundle did not become active.
pub(crate) fn run(runtime: &tokio::runtime::Runtime, options: &Options) -> Result<()> {
    let bench = Bench::start(options.rules, false)?;
    let plan = Plan {
        address: bench.envoy(Variant::Gate)?.transparent,
        host: HOST.to_owned(),
        tls: Arc::clone(&bench.tls),
        request: Arc::new(converse(560)),
        connections: options.connections,
        warm_up: Duration::from_millis(500),
        measure: Duration::from_secs(6),
    };
    let mut ratios = Vec::new();
    println!(
        "| swap of {} rules | p99 before, ms | p99 in the second after, ms | ratio | active after, ms | calls, failed |",
        options.rules
    );
    println!("|---|---|---|---|---|---|");
    for round in 1..=options.rounds {
        let swap = Instant::now() + Duration::from_secs(3);
        let (traced, active) = std::thread::scope(|scope| {
            let swapping = scope.spawn(|| swap_at(&bench, options.rules + round, swap));
            let traced = runtime.block_on(load::trace(&plan));
            (traced, swapping.join())
        });
        // Every call must be answered 200: anything else is an error here.
        let (traced, _) = traced.context("a call failed during the swap")?;
        let active = active.map_err(|_| anyhow::anyhow!("the swapping thread panicked"))??;
        let between = |from: Instant, to: Instant| -> Result<f64> {
            let of = |one: &Traced| (one.begun >= from && one.begun < to).then_some(one.took_ns);
            Ok(load::measured(traced.iter().filter_map(of).collect(), to - from)?.p99_ms)
        };
        let (before, after) =
            (between(swap - Duration::from_secs(2), swap)?, between(swap, swap + Duration::from_secs(1))?);
        ratios.push(after / before);
        println!(
            "| {round} | {before:.2} | {after:.2} | {:.2} | {} | {}, 0 |",
            after / before,
            active.as_millis(),
            traced.len()
        );
    }
    println!("median ratio {:.2}", median(&ratios));
    Ok(())
}

/// Puts another bundle in place at `when`, and waits until it is the active one; gives how long that took.
fn swap_at(bench: &Bench, rules: usize, when: Instant) -> Result<Duration> {
    let text = setup::rule_file(rules);
    let generation = || -> Result<(String, u64)> {
        let (status, body) = bench.control_plane.admin.get("/v1/bundles")?;
        ensure!(status == 200, "GET /v1/bundles: {status} {body}");
        let active = body.get("active").context("active")?;
        Ok((
            active["digest"].as_str().context("digest")?.to_owned(),
            active["rules"].as_u64().context("rules")?,
        ))
    };
    let (old, _) = generation()?;
    std::thread::sleep(when.saturating_duration_since(Instant::now()));
    e2e::bundle::write(&bench.control_plane.bundle, &[("rules/many.yaml", text.as_str())])?;
    e2e::wait::until("the new bundle to be active", || {
        ensure!(generation()?.0 != old, "still the old one");
        Ok(())
    })?;
    Ok(when.elapsed())
}
