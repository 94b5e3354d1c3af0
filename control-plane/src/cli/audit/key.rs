//! `portcullis audit key`.

use std::process::ExitCode;

/// Arguments of `audit key`.
#[derive(Debug, clap::Args)]
pub struct Key {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Key) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
