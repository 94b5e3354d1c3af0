//! `cargo xtask …`: everything that a person or CI runs, in one place and without a shell script to read first.

mod bench;
mod build;
mod ci;
mod down;
mod k8s;
mod links;
mod paths;
mod ready;
mod sandbox;
mod setup;
mod shell;
mod test;
mod up;
mod walls;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Everything a person or CI runs.
///
/// On a fresh machine `cargo xtask up --sandbox` is all it takes to see the gate decide calls, and `cargo xtask test`
/// to see that it works. Both install what is missing first (`cargo xtask setup`), outside the repository, into
/// $PORTCULLIS_CACHE, $XDG_CACHE_HOME/portcullis or ~/.cache/portcullis.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", max_term_width = 110)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install what is missing: a Wasm toolchain, Envoy, a Python with boto3, the JavaScript SDK
    Setup,
    /// Build the control plane, the fake Bedrock and the filter
    Build(build::Arguments),
    /// Start the gate: control plane + Envoy, with --sandbox a fake Bedrock too
    Up(up::Arguments),
    /// Stop what `up` started, wherever it runs
    Down(down::Arguments),
    /// Build and run the tests: unit, property, end-to-end
    Test(test::Arguments),
    /// Everything that must hold before a change is merged, with a table of what took how long
    Ci(ci::Arguments),
    /// Measure what the gate costs, as ratios against baselines of the same run
    Bench(bench::Arguments),
    /// Check the dependency walls of walls.toml
    Walls,
    /// Render and validate the Kubernetes manifests, lint the Dockerfiles
    K8s(k8s::Arguments),
    /// Check that links between the Markdown files lead somewhere
    Links,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup => setup::run().map(drop),
        Command::Build(arguments) => build::run(&arguments),
        Command::Up(arguments) => up::run(&arguments),
        Command::Down(arguments) => down::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Ci(arguments) => ci::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Walls => walls::run(),
        Command::K8s(arguments) => k8s::run(&arguments),
        Command::Links => links::run(),
    }
}
