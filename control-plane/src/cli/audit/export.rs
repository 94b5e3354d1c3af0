//! `portcullis audit export`.

/// Arguments of `audit export`.
#[derive(Debug, clap::Args)]
pub struct Export {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Export) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
