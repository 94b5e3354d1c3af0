//! `portcullis audit verify`.

/// Arguments of `audit verify`.
#[derive(Debug, clap::Args)]
pub struct Verify {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Verify) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
