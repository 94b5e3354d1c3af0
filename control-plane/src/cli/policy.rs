//! `portcullis policy`.

use std::path::PathBuf;

/// The commands of `policy`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load a bundle and print what is wrong with it; exit code 1 when it has errors
    Check {
        /// The bundle's directory
        directory: PathBuf,
    },
}

/// Runs a command of `policy`.
///
/// # Errors
/// When the bundle cannot be read or has errors.
pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Check { directory } = command;
    anyhow::bail!("cannot check `{}` yet", directory.display())
}
