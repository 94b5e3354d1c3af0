//! `portcullis audit reconcile`.

/// Arguments of `audit reconcile`.
#[derive(Debug, clap::Args)]
pub struct Reconcile {}

/// Runs it.
///
/// # Errors
/// See there.
pub(super) fn run(_args: &Reconcile) -> anyhow::Result<()> {
    anyhow::bail!("not built yet")
}
