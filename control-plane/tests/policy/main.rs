//! `portcullis policy`, by the real binary: what it prints, how it ends, and what it does with a server.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "helpers of tests panic as tests do; clippy knows only functions marked #[test]"
)]

mod printed;
mod records;
mod schemas;
mod server;

use std::path::PathBuf;
use std::process::Command;

/// A command in the repository, without the environment of whoever runs the tests.
fn portcullis(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portcullis"));
    command.args(args).env_clear().current_dir(repository());
    command
}

fn repository() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}
