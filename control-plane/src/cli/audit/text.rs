//! `portcullis audit text`.

/// Arguments of `audit text`.
#[derive(Debug, clap::Args)]
pub struct Text {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Text) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
