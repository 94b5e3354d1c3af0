//! The command line.

pub mod certs;
pub mod envoy;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// A gate for Amazon Bedrock traffic: decides every call, records it, and lets it out or rejects it.
#[derive(Debug, Parser)]
#[command(name = "portcullis", version, propagate_version = true, max_term_width = 110)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the certificates of the intercepting gate.
    Certs(certs::Args),
    /// Write Envoy's configuration.
    Envoy(envoy::Args),
}

/// Parses the arguments, runs the command, and turns its error into a message and an exit code.
#[must_use]
pub fn main() -> ExitCode {
    let result = match Cli::parse().command {
        Command::Certs(args) => certs::run(args),
        Command::Envoy(args) => envoy::run(args),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
