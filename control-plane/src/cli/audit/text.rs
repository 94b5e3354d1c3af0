//! `portcullis audit text`.

use std::process::ExitCode;

/// Arguments of `audit text`.
#[derive(Debug, clap::Args)]
pub struct Text {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Text) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
