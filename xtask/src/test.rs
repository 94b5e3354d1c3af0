//! `cargo xtask test`: unit, property and end-to-end tests, with everything they need built and named.

mod select;

use crate::build::Built;
use crate::setup::Tools;
use crate::{build, setup, shell};
use anyhow::{Context, Result, bail};
use select::Part;
use std::ffi::OsString;
use std::process::Command;
use std::time::{Duration, Instant};

/// Build and run the tests: unit, property, end-to-end.
///
/// The end-to-end tests run the programs just built, a real Envoy and the real SDKs; only Bedrock is a fake. Nothing
/// leaves the machine. cargo-nextest is used where it is installed.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct Arguments {
    /// At full length: two hundred kills of the control plane under load instead of five, every power cut, a thousand changes of
    /// a log. Takes about an hour
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
    let mut parts = Vec::new();
    if arguments.only != Which::E2e {
        parts.extend([Part::Unit, Part::Documentation]);
    }
    if arguments.only != Which::Unit {
        parts.push(Part::EndToEnd);
    }
    if arguments.long && arguments.only != Which::E2e {
        parts.push(Part::Long);
    }
    let mut results = Vec::new();
    for part in parts {
        let started = Instant::now();
        let result = perform(part, arguments, &environment(&tools, &built));
        if let Err(error) = &result {
            eprintln!("error: {}: {error:#}", part.name());
        }
        results.push(Line { part, result: result.ok(), took: started.elapsed() });
    }
    if arguments.only != Which::E2e && arguments.filter.is_none() {
        coverage()?;
    }
    print!("\n{}", summary(&results));
    for what in left_out(&tools) {
        println!("  LEFT OUT: {what}");
    }
    if results.iter().any(|line| line.result.is_none()) {
        bail!("tests failed; their output is above");
    }
    match &arguments.filter {
        Some(filter) if results.iter().all(|line| line.result == Some(0)) => {
            bail!("no test's name contains `{filter}`: nothing was run")
        }
        _ => Ok(()),
    }
}

/// Unit and property tests and the examples in the documentation, then the table of what is recognised of Bedrock.
pub(crate) fn unit(arguments: &Arguments, tools: &Tools) -> Result<()> {
    let environment = places(tools);
    perform(Part::Unit, arguments, &environment)?;
    perform(Part::Documentation, arguments, &environment)?;
    coverage()
}

/// The end-to-end tests.
pub(crate) fn e2e(arguments: &Arguments, tools: &Tools, built: &Built) -> Result<()> {
    perform(Part::EndToEnd, arguments, &environment(tools, built)).map(drop)
}

/// Runs one part and gives back of how many tests. Only a filter may leave none of them.
fn perform(part: Part, arguments: &Arguments, environment: &[(&'static str, OsString)]) -> Result<usize> {
    let selection = part.selection()?;
    if part == Part::Long {
        // Optimised, and by name: some are ordinary tests that do more when they are optimised.
        let mut command = shell::cargo();
        command.args(["test", "--no-fail-fast"]).args(&selection).args([
            "--",
            "--include-ignored",
            "--nocapture",
        ]);
        command.args(select::LONG).envs(environment.iter().map(|(name, value)| (name, value)));
        shell::run(&mut command)?;
        return Ok(select::LONG.len());
    }
    let filter = arguments.filter.as_deref();
    let count = select::count(&selection, filter).context("cannot list the tests")?;
    if count == 0 {
        match filter {
            Some(filter) => println!("{}: no test's name contains `{filter}`", part.name()),
            None => bail!("there are no tests: whatever selects them is wrong"),
        }
        return Ok(0);
    }
    let mut command = runner(part);
    command.args(&selection).args(filter).envs(environment.iter().map(|(name, value)| (name, value)));
    if arguments.long {
        command.env("PORTCULLIS_LONG", "1");
    }
    shell::run(&mut command)?;
    Ok(count)
}

/// cargo-nextest where it can and is installed. It cannot run the examples in the documentation, and it runs every test in
/// a process of its own, while the end-to-end tests share an Envoy where they can.
fn runner(part: Part) -> Command {
    let mut command = shell::cargo();
    if part == Part::Unit && shell::which("cargo-nextest").is_some() {
        command.args(["nextest", "run", "--no-fail-fast", "--status-level", "slow"]);
    } else {
        command.args(["test", "--no-fail-fast"]);
    }
    command
}

/// Prints the totals of the coverage table: the operations of Bedrock, each recognised from every SDK's form of its path.
fn coverage() -> Result<()> {
    let mut command = shell::cargo();
    command.args([
        "test",
        "--quiet",
        "--workspace",
        "--test",
        "coverage",
        "every_operation",
        "--",
        "--nocapture",
    ]);
    let said = shell::output(&mut command)?;
    let totals = said.find("service                          operations").context("no coverage table")?;
    let (_, totals) = said.split_at(totals);
    println!(
        "\nRecognised, each as itself, from the paths that boto3, the JavaScript and the Anthropic SDK make:"
    );
    for line in totals.lines().take_while(|line| !line.is_empty() && !line.starts_with("test result")) {
        println!("  {}", line.trim_start_matches('.'));
    }
    Ok(())
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
/// What tests must not do without: a test that finds it missing fails, if it is named here. The others say so and pass.
const REQUIRE: &str = "PORTCULLIS_REQUIRE";

/// What the end-to-end tests and the benchmark find the programs by.
pub(crate) fn environment(tools: &Tools, built: &Built) -> Vec<(&'static str, OsString)> {
    let mut variables = places(tools);
    variables.extend([
        (WASM, built.wasm.clone().into_os_string()),
        (PORTCULLIS, built.portcullis.clone().into_os_string()),
        (FAKE_BEDROCK, built.fake_bedrock.clone().into_os_string()),
    ]);
    variables.extend(std::env::current_exe().map(|own| ("PORTCULLIS_XTASK", own.into_os_string())));
    variables
}

/// What every test finds the tools by.
fn places(tools: &Tools) -> Vec<(&'static str, OsString)> {
    let mut required = vec!["envoy"];
    required.extend(tools.js.is_some().then_some("node"));
    required.extend(tools.may_mount.then_some("mount"));
    let mut variables = vec![
        (ENVOY, tools.envoy.clone().into_os_string()),
        (PYTHON, tools.python.clone().into_os_string()),
        (REQUIRE, required.join(",").into()),
    ];
    variables.extend(tools.js.clone().map(|js| ("PORTCULLIS_JS", js.into_os_string())));
    variables
}

/// What cannot be tested on this machine.
pub(crate) fn left_out(tools: &Tools) -> Vec<&'static str> {
    let mut left_out = Vec::new();
    if tools.js.is_none() {
        left_out.push("the JavaScript SDK: there is no node or npm on PATH");
    }
    if !tools.may_mount {
        left_out.push(
            "a file system that gets full: we may not mount a small one here (a file size limit is tested)",
        );
    }
    left_out
}

struct Line {
    part: Part,
    /// How many tests ran, when none failed.
    result: Option<usize>,
    took: Duration,
}

fn summary(results: &[Line]) -> String {
    let mut text = String::new();
    for Line { part, result, took } in results {
        let result = match result {
            Some(count) => format!("{count:>4} passed"),
            None => "FAILED".to_owned(),
        };
        text += &format!("  {:<18}{result:>12}  {:>7.1} s\n", part.name(), took.as_secs_f32());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_says_how_many() {
        let line = |part, result| Line { part, result, took: Duration::from_millis(1_500) };
        assert_eq!(
            summary(&[line(Part::Unit, Some(280)), line(Part::EndToEnd, None)]),
            "  unit, property      280 passed      1.5 s\n  end-to-end              FAILED      1.5 s\n"
        );
    }
}
