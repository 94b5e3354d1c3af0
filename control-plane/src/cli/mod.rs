//! The command line.

pub mod approvals;
pub mod audit;
pub mod certs;
mod client;
pub mod envoy;
pub mod keys;
mod limits;
pub mod output;
pub mod policy;
pub mod serve;
mod store;

use clap::{CommandFactory, Parser, Subcommand};
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes:
  0  done
  1  it failed, and the message says why
  2  the command line is wrong
  (the commands of `policy` answer with 1 what they find, and with 2 what they cannot do)

Documentation: docs/operations.md";

/// A gate for Amazon Bedrock traffic: decides every call, records it, and lets it out or rejects it.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 110, after_help = EXIT_CODES)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the control plane
    Serve(Box<serve::Args>),
    /// Show what was decided
    #[command(subcommand)]
    Audit(audit::Command),
    /// Answer calls that wait for a person
    Approvals(approvals::Args),
    /// Make, list and revoke tokens and virtual AWS keys
    Keys(keys::Args),
    /// See what is used of the limits
    #[command(subcommand)]
    Limits(limits::Command),
    /// Work on policy bundles
    #[command(subcommand)]
    Policy(policy::Command),
    /// Make the certificates of the intercepting gate
    Certs(certs::Args),
    /// Write Envoy's configuration
    Envoy(envoy::Args),
    /// Write a completion script, such as `portcullis completions bash > /etc/bash_completion.d/portcullis`
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
}

/// Parses the arguments, runs the command, and turns its error into a message and an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Serve(args) => serve::run(*args),
        Command::Audit(command) => return audit::run(command),
        Command::Approvals(args) => return approvals::run(args),
        Command::Keys(args) => keys::run(args),
        Command::Limits(command) => limits::run(command),
        Command::Policy(command) => return policy::run(command),
        Command::Certs(args) => certs::run(args),
        Command::Envoy(args) => envoy::run(args),
        Command::Completions { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "portcullis", &mut std::io::stdout());
            Ok(())
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, 1),
    }
}

/// Says why a command failed, and ends with that code.
fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    // Whoever reads our output has enough of it: `portcullis audit search | head`.
    if is_broken_pipe(error) {
        return ExitCode::SUCCESS;
    }
    eprintln!("error: {error:#}");
    ExitCode::from(code)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<std::io::Error>())
        .any(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
}

/// The whole command line, for tests.
#[cfg(test)]
pub(crate) fn command() -> clap::Command {
    Cli::command()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }
}
