//! `portcullis audit retention`.

use std::process::ExitCode;

/// Arguments of `audit retention`.
#[derive(Debug, clap::Args)]
pub struct Retention {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Retention) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
