//! Tables for people, `results.json` for machines.

use anyhow::{Context, Result};
use serde::Serialize;
use std::path::Path;

/// One comparison; later benchmarks add to the same list.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Outcome {
    /// What was measured.
    pub(crate) case: String,
    /// Against what.
    pub(crate) baseline: String,
    /// What the numbers are, with their unit.
    pub(crate) metric: String,
    /// Median over the runs.
    pub(crate) value: f64,
    /// Median of the baseline.
    pub(crate) baseline_value: f64,
    /// Median of the ratios, run by run.
    pub(crate) ratio: f64,
    /// Runs.
    pub(crate) runs: usize,
    /// Smallest ratio.
    pub(crate) min: f64,
    /// Largest ratio.
    pub(crate) max: f64,
}

impl Outcome {
    /// Compares two series that were measured in turn.
    #[must_use]
    pub(crate) fn compare(
        case: &str,
        baseline: &str,
        metric: &str,
        values: &[f64],
        baselines: &[f64],
    ) -> Self {
        let ratios: Vec<f64> = values.iter().zip(baselines).map(|(value, base)| value / base).collect();
        Self {
            case: case.to_owned(),
            baseline: baseline.to_owned(),
            metric: metric.to_owned(),
            value: median(values),
            baseline_value: median(baselines),
            ratio: median(&ratios),
            runs: values.len(),
            min: ratios.iter().copied().fold(f64::INFINITY, f64::min),
            max: ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Median; `NaN` of nothing.
#[must_use]
pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Prints the tables and writes `results.json` and `results.md`.
///
/// # Errors
/// The directory cannot be written.
pub(crate) fn write(directory: &Path, results: &[Outcome], phases: &[(String, f64)]) -> Result<()> {
    let mut table = String::from(
        "| case | metric | gate | baseline | | ratio | spread | runs |\n|---|---|---|---|---|---|---|---|\n",
    );
    for one in results {
        table.push_str(&format!(
            "| {} | {} | {:.3} | {:.3} | {} | {:.2} | {:.2}–{:.2} | {} |\n",
            one.case,
            one.metric,
            one.value,
            one.baseline_value,
            one.baseline,
            one.ratio,
            one.min,
            one.max,
            one.runs
        ));
    }
    table.push_str("\n| where the time goes, per request, and counts by their names | µs |\n|---|---|\n");
    for (phase, microseconds) in phases {
        table.push_str(&format!("| {phase} | {microseconds:.1} |\n"));
    }
    println!("{table}");
    std::fs::create_dir_all(directory).with_context(|| format!("make `{}`", directory.display()))?;
    std::fs::write(directory.join("results.json"), serde_json::to_string_pretty(results)?)?;
    std::fs::write(directory.join("results.md"), table)?;
    println!("written: {}", directory.join("results.json").display());
    Ok(())
}
