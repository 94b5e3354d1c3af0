//! `portcullis audit key`.

/// Arguments of `audit key`.
#[derive(Debug, clap::Args)]
pub struct Key {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Key) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
