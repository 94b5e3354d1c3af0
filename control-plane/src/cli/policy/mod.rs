//! `portcullis policy`.

mod check;
mod diff;
mod explain;
mod junit;
mod replay;
mod schema;
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
    ///
    /// Loads the bundle as the control plane would, its test cases too, and shows every error and every warning with the
    /// line that it stands in. Warnings tell of rules that cannot match, rules that another one makes idle, and what is not
    /// enforced by this version.
    #[command(after_help = EXIT_CODES, after_long_help = check::HELP)]
    Check(check::Args),
    /// Run the bundle's test cases, and show which rules they reach
    ///
    /// Runs the cases in `tests/` of the bundle: a call and what must come of it (docs/policy.md, Tests). A case that fails
    /// shows what was expected, what came, and which condition of the rules in question decided.
    #[command(after_help = EXIT_CODES, after_long_help = test::HELP)]
    Test(test::Args),
    /// Show why a call gets its verdict
    ///
    /// Shows the rules that hold, and those that only one condition keeps from it (--all shows every one), each with its
    /// conditions and what the call says there.
    ///
    /// The call is written as in a test case (docs/policy.md, Tests), or it is a recorded decision: then the record is
    /// fetched from the server, and explained with BUNDLE, or with the server's active bundle when none is given.
    #[command(after_help = EXIT_CODES, after_long_help = explain::HELP)]
    Explain(explain::Args),
    /// Show what differs between two bundles
    ///
    /// Compares rules, routes, limits, prices, principals and Cedar policies key by key. What is only written differently is
    /// no difference: other files, another order of keys or rules, short forms of operators, comments.
    #[command(after_help = EXIT_CODES, after_long_help = diff::HELP)]
    Diff(diff::Args),
    /// Decide recorded calls again with another bundle, and show what would change
    ///
    /// Shows which recorded calls would get another verdict, by rule, principal and model, with examples to look at. Nothing
    /// is changed. The records come from the server, or from a data directory on this machine (--data-dir; the server may be
    /// running).
    ///
    /// Records keep no text, and neither what was counted nor what a session did before: a call whose verdict hangs on that
    /// is counted as not known. Limits, approvals and tool calls are not replayed.
    #[command(after_help = EXIT_CODES, after_long_help = replay::HELP)]
    Replay(replay::Args),
    /// Print the schemas of a bundle's files, for editors
    ///
    /// JSON Schemas (draft 2020-12) of rule files, bundle.yaml and test cases, and the schema of Cedar policies. Editors
    /// complete keys and show their meaning with them; `policy check` checks more than they can say.
    #[command(after_help = EXIT_CODES, after_long_help = schema::HELP)]
    Schema(schema::Args),
    /// Show what would have happened without shadow mode
    ///
    /// Shows how many calls would have got another verdict had no rule and no bundle been in shadow mode, by rule, principal,
    /// model and operation. It is counted from records, so it is what the bundles of that time said; for another bundle see
    /// `policy replay`.
    #[command(after_help = EXIT_CODES, after_long_help = shadow::HELP)]
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
        Command::Schema(args) => schema::run(&args),
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
