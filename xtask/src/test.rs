//! `cargo xtask test`: unit, property and end-to-end tests, with everything they need built and named.

use crate::build::Built;
use crate::setup::Tools;
use crate::{build, setup, shell};
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

/// Build and run the tests: unit, property, end-to-end.
///
/// The end-to-end tests run the programs just built, a real Envoy and the real SDKs; only Bedrock is a fake. Nothing
/// leaves the machine. cargo-nextest is used where it is installed.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// Run the long tests as well: fifty kills of the control plane under load, bodies by the thousand
    #[arg(long)]
    pub long: bool,
    /// Only tests whose name contains this
    pub filter: Option<String>,
    /// Only these
    #[arg(long, value_enum, default_value = "all")]
    pub only: Which,
}

/// A part of the tests.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Which {
    #[default]
    All,
    /// Unit and property tests of every crate, and the examples in their documentation
    Unit,
    /// End-to-end
    E2e,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let tools = setup::run()?;
    let built = build::build(&tools.wasm, false)?;
    let mut results = Vec::new();
    let mut part = |name: &'static str, run: &dyn Fn() -> Result<()>| {
        let started = Instant::now();
        let result = run();
        if let Err(error) = &result {
            eprintln!("{name}: {error:#}");
        }
        results.push((name, result.is_ok(), started.elapsed()));
    };
    if arguments.only != Which::E2e {
        part("unit, property", &|| unit(arguments));
        part("documentation", &documentation);
    }
    if arguments.only != Which::Unit {
        part("end-to-end", &|| e2e(arguments, &tools, &built));
    }
    summary(&results)
}

/// Unit and property tests: every crate but the end-to-end tests.
pub(crate) fn unit(arguments: &Arguments) -> Result<()> {
    shell::run(runner(arguments).args(["--workspace", "--exclude", "e2e"]))
}

/// The examples in the documentation, which cargo-nextest cannot run.
pub(crate) fn documentation() -> Result<()> {
    shell::run(shell::cargo().args(["test", "--quiet", "--workspace", "--doc"]))
}

/// The end-to-end tests, with the places of everything they run in the environment.
pub(crate) fn e2e(arguments: &Arguments, tools: &Tools, built: &Built) -> Result<()> {
    // Not cargo-nextest: it runs every test in a process of its own, and these share an Envoy where they can.
    shell::run(ordinary(arguments).args(["--package", "e2e"]).envs(environment(tools, built)))
}

/// Where `portcullis` is.
pub(crate) const PORTCULLIS: &str = "PORTCULLIS_BIN";
/// Where the fake Bedrock is.
pub(crate) const FAKE_BEDROCK: &str = "FAKE_BEDROCK_BIN";
/// Where the filter is.
pub(crate) const WASM: &str = "PORTCULLIS_WASM";
/// Where Envoy is.
pub(crate) const ENVOY: &str = "ENVOY";
/// Where a Python with boto3 is.
pub(crate) const PYTHON: &str = "PORTCULLIS_PYTHON";

/// What the end-to-end tests and the benchmark find the programs by.
pub(crate) fn environment(tools: &Tools, built: &Built) -> Vec<(&'static str, OsString)> {
    let mut variables = vec![
        (ENVOY, tools.envoy.clone().into_os_string()),
        (PYTHON, tools.python.clone().into_os_string()),
        (WASM, built.wasm.clone().into_os_string()),
        (PORTCULLIS, built.portcullis.clone().into_os_string()),
        (FAKE_BEDROCK, built.fake_bedrock.clone().into_os_string()),
    ];
    variables.extend(std::env::current_exe().map(|own| ("PORTCULLIS_XTASK", own.into_os_string())));
    variables.extend(tools.js.clone().map(|js| ("PORTCULLIS_JS", js.into_os_string())));
    variables
}

fn runner(arguments: &Arguments) -> Command {
    if shell::which("cargo-nextest").is_none() {
        return ordinary(arguments);
    }
    let mut command = shell::cargo();
    command.args(["nextest", "run", "--no-fail-fast", "--no-tests=pass"]);
    chosen(&mut command, arguments);
    command
}

fn ordinary(arguments: &Arguments) -> Command {
    let mut command = shell::cargo();
    command.args(["test", "--no-fail-fast", "--lib", "--bins", "--tests"]);
    chosen(&mut command, arguments);
    command
}

fn chosen(command: &mut Command, arguments: &Arguments) {
    if arguments.long {
        command.env("PORTCULLIS_LONG", "1");
    }
    command.args(arguments.filter.as_slice());
}

fn summary(results: &[(&str, bool, Duration)]) -> Result<()> {
    println!();
    for (name, passed, took) in results {
        println!("  {name:<18}{:<8}{:>7.1} s", if *passed { "passed" } else { "FAILED" }, took.as_secs_f32());
    }
    if results.iter().any(|(_, passed, _)| !passed) {
        bail!("tests failed; their output is above");
    }
    Ok(())
}
