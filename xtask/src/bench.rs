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
    /// The audit instead: durable records per second beside SQLite alone and a plain file, verification beside SHA-256 alone,
    /// search over ten million decisions (PORTCULLIS_SEARCH_DECISIONS=N for another number)
    #[arg(long)]
    audit: bool,
    /// What the benchmark itself takes; `cargo xtask bench -- --help` shows it
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// What `--audit` runs: the measurements are tests, because they need the inside of the store.
const AUDIT: [&[&str]; 2] = [
    &["--package", "portcullis", "--lib", "--", "storage::tests::speed", "search::speed"],
    &["--package", "portcullis-audit", "--test", "speed", "--"],
];

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.audit {
        for what in AUDIT {
            let mut measure = shell::cargo();
            measure.args(["test", "--release"]).args(what).args([
                "--ignored",
                "--nocapture",
                "--test-threads=1",
            ]);
            shell::run(&mut measure)?;
        }
        return Ok(());
    }
    let tools = setup::run()?;
    let built = build::build(&tools.wasm, true)?;
    let mut bench = Command::new(build::bench()?);
    bench.args(&arguments.arguments).current_dir(paths::root()).envs(test::environment(&tools, &built));
    shell::run(&mut bench)
}
