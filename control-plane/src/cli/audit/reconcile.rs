//! `portcullis audit reconcile`.

use std::process::ExitCode;

/// Arguments of `audit reconcile`.
#[derive(Debug, clap::Args)]
pub struct Reconcile {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Reconcile) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
