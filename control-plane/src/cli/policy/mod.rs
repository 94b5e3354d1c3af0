//! `portcullis policy`.

mod check;
mod diff;
mod explain;
mod junit;
mod replay;
mod shadow;
mod sign;
mod snippet;
mod source;
mod test;
mod tree;
mod versions;

use std::process::ExitCode;

/// What every command of `policy` says at the end of its help.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, and all is well
  1  done, and there is something to mend or to look at: the output says what
  2  it could not be done: a file cannot be read, the server cannot be reached, the command line is wrong";

/// The commands of `policy`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load a bundle and show what is wrong with it, with the lines
    Check(check::Args),
    /// Run the bundle's test cases, and show which rules they reach
    Test(test::Args),
    /// Show why a call gets its verdict
    Explain(explain::Args),
    /// Show what differs between two bundles
    Diff(diff::Args),
    /// Decide recorded calls again with another bundle, and show what would change
    Replay(replay::Args),
    /// Show what would have happened without shadow mode
    ShadowReport(shadow::Args),
    /// List the versions of the bundle that the server has, newest first
    Versions(versions::Versions),
    /// Upload a bundle, and activate it if asked to
    Push(versions::Push),
    /// Make an uploaded version active, and pin it
    Activate(versions::Activate),
    /// Go back to the version that was active before
    Rollback(versions::Rollback),
    /// Take the pin off, and follow the directory again
    Unpin(versions::Unpin),
    /// Print a bundle's digest
    Digest(sign::Digest),
    /// Pack a bundle as .tar.gz
    Pack(sign::Pack),
    /// Sign a bundle
    Sign(sign::Sign),
    /// Make a key to sign bundles with
    Keygen(sign::Keygen),
}

/// How a command ended that could do its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// Nothing to mend.
    Well,
    /// Something to mend or to look at; the output says what.
    Findings,
}

/// Runs a command of `policy`.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Check(args) => check::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::ShadowReport(args) => shadow::run(&args),
        Command::Versions(args) => versions::list(&args),
        Command::Push(args) => versions::push(&args),
        Command::Activate(args) => versions::activate(&args),
        Command::Rollback(args) => versions::rollback(&args),
        Command::Unpin(args) => versions::unpin(&args),
        Command::Digest(args) => sign::digest(&args),
        Command::Pack(args) => sign::pack(&args),
        Command::Sign(args) => sign::sign(&args),
        Command::Keygen(args) => sign::keygen(&args),
    };
    match result {
        Ok(Ending::Well) => ExitCode::SUCCESS,
        Ok(Ending::Findings) => ExitCode::from(1),
        Err(error) => super::failed(&error, 2),
    }
}
