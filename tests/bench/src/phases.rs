//! Where the time of a decision goes, from the histograms that the product itself keeps.

use crate::setup::Bench;
use anyhow::{Context, Result};
use std::collections::BTreeMap;

/// Mean microseconds by phase, control plane first.
///
/// # Errors
/// The control plane does not answer.
pub(crate) fn read(bench: &Bench) -> Result<Vec<(String, f64)>> {
    let (_, metrics) = bench.control_plane.admin.get("/metrics")?;
    let metrics = metrics.as_str().context("metrics are text")?;
    let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
    for line in metrics.lines().filter(|line| line.starts_with("portcullis_decision_seconds_")) {
        let Some((name, value)) = line.rsplit_once(' ') else { continue };
        let Some(phase) = name.split("phase=\"").nth(1).and_then(|rest| rest.split('"').next()) else {
            continue;
        };
        let entry = sums.entry(phase.to_owned()).or_default();
        if name.starts_with("portcullis_decision_seconds_sum") {
            entry.0 = value.parse()?;
        } else if name.starts_with("portcullis_decision_seconds_count") {
            entry.1 = value.parse()?;
        }
    }
    let means = sums.into_iter().filter(|(_, (_, count))| *count > 0.0);
    Ok(means.map(|(phase, (sum, count))| (format!("control plane: {phase}"), sum / count * 1e6)).collect())
}
