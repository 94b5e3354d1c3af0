//! `cargo xtask bench`: builds everything optimised and hands over to `tests/bench`.

use crate::{build, paths, setup, shell, test};
use anyhow::Result;
use std::ffi::OsString;
use std::process::Command;

/// Measure what the gate costs, as ratios against baselines of the same run.
///
/// Plain Envoy, Envoy with an ext_authz whose service decides nothing, and the gate, one after the other on this machine.
/// Writes target/bench/results.json. Close other programs first.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the benchmark itself takes; `cargo xtask bench -- --help` shows it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = setup::run()?;
    let built = build::build(&tools.wasm, true)?;
    let mut bench = Command::new(build::bench()?);
    bench.args(&arguments.arguments).current_dir(paths::root()).envs(test::environment(&tools, &built));
    shell::run(&mut bench)
}
