//! `cargo xtask ci`: everything that must hold before a change is merged. What `.ci/run` calls.

use crate::setup::Tools;
use crate::test::Arguments as Tests;
use crate::{build, k8s, links, paths, setup, shell, test, walls};
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::process::Command;
use std::time::{Duration, Instant};

/// Everything that must hold before a change is merged, with a table of what took how long.
///
/// Stops at the first step that fails. `cargo xtask ci --only clippy,walls` runs some of them.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Run the remaining steps even when one has failed
    #[arg(long)]
    keep_going: bool,
    /// Run only these steps
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Step>,
    /// Leave these steps out
    #[arg(long, value_enum, value_delimiter = ',')]
    skip: Vec<Step>,
}

/// A step, in the order in which they run: what is quick to fail comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Step {
    /// rustfmt changes nothing
    Fmt,
    /// The dependency walls hold
    Walls,
    /// Links between the Markdown files lead somewhere
    Links,
    /// Kubernetes manifests are valid, Dockerfiles are clean
    K8s,
    /// clippy has nothing to say about any target of any crate
    Clippy,
    /// rustdoc has nothing to say
    Docs,
    /// Unit and property tests, and the examples in the documentation
    Unit,
    /// End-to-end tests
    E2e,
    /// The fuzz targets build
    Fuzz,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Passed(Duration),
    Failed(Duration),
    NotRun,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let chosen = |step: &Step| {
        (arguments.only.is_empty() || arguments.only.contains(step)) && !arguments.skip.contains(step)
    };
    let steps: Vec<Step> = Step::value_variants().iter().copied().filter(chosen).collect();
    let tools = setup::run()?;
    if tools.js.is_none() {
        bail!("there is no node or no npm on PATH: CI leaves no SDK out, install Node 20 or newer");
    }
    let before = changes()?;
    let mut table = Vec::new();
    let mut stopped = false;
    for step in steps {
        if stopped {
            table.push((step, Outcome::NotRun));
            continue;
        }
        println!("\n━━ {} ━━", name(step));
        let started = Instant::now();
        let result = perform(step, &tools);
        table.push((
            step,
            match result {
                Ok(()) => Outcome::Passed(started.elapsed()),
                Err(error) => {
                    eprintln!("error: {}: {error:#}", name(step));
                    stopped = !arguments.keep_going;
                    Outcome::Failed(started.elapsed())
                }
            },
        ));
    }
    print!("\n{}", rendered(&table));
    for what in test::left_out(&tools) {
        println!("  LEFT OUT: {what}");
    }
    if table.iter().any(|(_, outcome)| matches!(outcome, Outcome::Failed(_))) {
        bail!("not everything holds");
    }
    let after = changes()?;
    if after != before {
        bail!("a step changed the repository, which must be as it was. Before:\n{before}after:\n{after}");
    }
    Ok(())
}

/// What git sees as changed: tests and tools must not write where people do.
fn changes() -> Result<String> {
    shell::output(Command::new("git").args(["status", "--porcelain"]).current_dir(paths::root()))
}

fn perform(step: Step, tools: &Tools) -> Result<()> {
    let tests = Tests { long: true, ..Tests::default() };
    match step {
        Step::Fmt => {
            shell::run(shell::cargo().args(["fmt", "--all", "--check"]))?;
            shell::run(shell::cargo().args(["fmt", "--check"]).current_dir(paths::root().join("fuzz")))
        }
        Step::Walls => walls::run(),
        Step::Links => links::run(),
        Step::K8s => k8s::check(&k8s::Arguments::default(), tools),
        Step::Clippy => {
            let clippy = ["clippy", "--quiet", "--workspace", "--all-targets", "--", "-D", "warnings"];
            shell::run(shell::cargo().args(clippy))
        }
        Step::Docs => {
            let doc = ["doc", "--quiet", "--workspace", "--no-deps"];
            shell::run(shell::cargo().args(doc).env("RUSTDOCFLAGS", "-D warnings"))
        }
        Step::Unit => test::unit(&tests, tools),
        Step::E2e => test::e2e(&tests, tools, &build::build(&tools.wasm, false)?),
        Step::Fuzz => {
            let fuzz = paths::root().join("fuzz");
            if !fuzz.join("Cargo.toml").exists() {
                bail!("there is no fuzz/Cargo.toml");
            }
            shell::run(shell::cargo().args(["build", "--quiet", "--bins", "--locked"]).current_dir(fuzz))
        }
    }
}

fn name(step: Step) -> String {
    step.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
}

fn rendered(table: &[(Step, Outcome)]) -> String {
    let mut text = String::new();
    let mut total = Duration::ZERO;
    for (step, outcome) in table {
        let name = name(*step);
        text += &match outcome {
            Outcome::Passed(took) => format!("  {name:<10}passed  {:>7.1} s\n", took.as_secs_f32()),
            Outcome::Failed(took) => format!("  {name:<10}FAILED  {:>7.1} s\n", took.as_secs_f32()),
            Outcome::NotRun => format!("  {name:<10}not run\n"),
        };
        if let Outcome::Passed(took) | Outcome::Failed(took) = outcome {
            total += *took;
        }
    }
    text + &format!("  {:<10}        {:>7.1} s\n", "in all", total.as_secs_f32())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_says_what_happened_to_each_step() {
        let table = [
            (Step::Fmt, Outcome::Passed(Duration::from_millis(1_500))),
            (Step::E2e, Outcome::Failed(Duration::from_secs(61))),
            (Step::Fuzz, Outcome::NotRun),
        ];
        assert_eq!(
            rendered(&table),
            "  fmt       passed      1.5 s\n  e2e       FAILED     61.0 s\n  fuzz      not run\n  in all               62.5 s\n"
        );
    }
}
