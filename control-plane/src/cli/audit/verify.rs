//! `portcullis audit verify`.

use std::process::ExitCode;

/// Arguments of `audit verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Verify) -> anyhow::Result<ExitCode> {
    anyhow::bail!("not built yet")
}
