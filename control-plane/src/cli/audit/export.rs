//! `portcullis audit export`.

use std::process::ExitCode;

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
pub struct Export {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Export) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
