//! `gate-bench policy`: one decision of the policy engine beside those of Cedar and of the `veto` package, on the same rules, in
//! the same run; text scanning, compiling, and what limits add.

mod engine;
mod limits;
mod peers;
mod text;

use crate::report::{self, Outcome};
use anyhow::Result;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// What to measure.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Rounds; in each, every engine is measured once, in turn.
    #[arg(long, default_value_t = 5)]
    rounds: usize,
    /// Where the results go.
    #[arg(long, default_value = "target/bench-policy")]
    out: PathBuf,
}

/// Measures all of it.
///
/// # Errors
/// An engine does not load the rules, or decides otherwise than the others.
pub(crate) fn run(options: &Options) -> Result<()> {
    let mut results = Vec::new();
    let mut notes = Vec::new();
    for rules in [100, 1_000, 10_000] {
        engine::run(rules, options.rounds, &mut results, &mut notes)?;
    }
    limits::run(options.rounds, &mut results)?;
    text::run(options.rounds, &mut notes)?;
    report::write(&options.out, &results, &notes)
}

/// Median microseconds of one call of `work`, from samples of ten.
pub(super) fn median_us(samples: usize, mut work: impl FnMut()) -> f64 {
    let mut taken: Vec<Duration> = (0..samples)
        .map(|_| {
            let begun = Instant::now();
            for _ in 0..10 {
                work();
            }
            begun.elapsed() / 10
        })
        .collect();
    taken.sort_unstable();
    taken.get(samples / 2).map_or(f64::NAN, |one| one.as_secs_f64() * 1e6)
}

/// One row.
pub(super) fn compare(case: &str, baseline: &str, ours: &[f64], theirs: &[f64]) -> Outcome {
    Outcome::compare(case, baseline, "µs per decision, p50", ours, theirs)
}
