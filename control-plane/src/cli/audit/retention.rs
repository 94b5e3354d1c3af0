//! `portcullis audit retention`.

/// Arguments of `audit retention`.
#[derive(Debug, clap::Args)]
pub struct Retention {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Retention) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
