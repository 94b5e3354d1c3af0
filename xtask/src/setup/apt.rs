//! Debian's packages, where we may install them.

use super::install;
use crate::shell;
use anyhow::{Context, Result, bail};
use std::process::Command;

/// Installs packages as root.
///
/// # Errors
/// This is no Debian, we are not root, or apt failed. The message names the packages, for someone who can.
pub(super) fn ensure(packages: &[&str]) -> Result<()> {
    let by_hand = format!("apt-get install -y --no-install-recommends {}", packages.join(" "));
    if shell::which("apt-get").is_none() {
        bail!("there is no apt-get on this machine; on Debian 12 the packages are: {}", packages.join(" "));
    }
    if !nix::unistd::geteuid().is_root() {
        bail!("only root can install packages: run `sudo apt-get update && sudo {by_hand}`, then this again");
    }
    // The lists may be missing (images delete them) or old (packages that are no longer there).
    install(apt().arg("update")).context("apt-get update")?;
    install(apt().args(["install", "-y", "--no-install-recommends"]).args(packages))
        .with_context(|| format!("`{by_hand}` failed"))
}

fn apt() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive");
    command
}
