//! `portcullis audit proof`.

/// Arguments of `audit proof`.
#[derive(Debug, clap::Args)]
pub struct Proof {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Proof) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
