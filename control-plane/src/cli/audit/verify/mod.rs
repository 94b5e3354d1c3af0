//! `portcullis audit verify`: is this the log that was written? Offline, with the public key only.

mod export;
mod pipeline;
mod report;
mod source;
mod state;
mod store;
#[cfg(test)]
mod tests;

use super::proof::read_keys;
use crate::cli::output::Format;
use anyhow::{Context, bail};
use pipeline::Plan;
use portcullis_audit::log::WitnessKey;
use source::Source;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Reads every record, builds the tree again, and compares its root with every checkpoint that the key has signed. Whatever was
changed, dropped, inserted, moved, dated back or signed by somebody else is named, with the record. Neither the program that
wrote the log nor its server is asked: a copy of the data directory will do, also while the original is written to.

A log that was put back to an earlier state as a whole is sound in itself: give --checkpoint with one that was kept elsewhere
(a published or cosigned one, the file `checkpoint` of a backup), and it is found to be shorter than it was.

Exit codes:
  0  the log is what was written; what it does not know (calls without an outcome, gaps) is listed
  1  it could not be read to its end, or the command line does not fit to it
  2  it is not what was written: see the findings (a mistake in the command line has the same code, and a message)
  3  with --strict: it is what was written, and does not know everything
  130  stopped by Ctrl-C; with --from-state it goes on from there the next time

Examples:
  portcullis audit verify --store /var/lib/portcullis --key log.vkey
  portcullis audit verify --export ./november --key log.vkey --checkpoint published-in-october.txt
  portcullis audit verify --export records.jsonl.zst --key \"$(cat log.vkey)\" --output json
  portcullis audit verify --store /mnt/backup --key log.vkey --from-state verify.state --threads 8";

/// Arguments of `audit verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Verify {
    /// A data directory, or a copy of one
    #[arg(long, value_name = "DIR", required_unless_present = "export", conflicts_with = "export")]
    store: Option<PathBuf>,
    /// An export: a directory with its manifests, or a .jsonl (.gz, .zst) with its `checkpoint` beside it
    #[arg(long, value_name = "PATH")]
    export: Option<PathBuf>,
    /// The log's public key (`portcullis audit key show`), or a file with one key per line: every key that ever signed
    #[arg(long, value_name = "KEY|FILE", required = true)]
    key: Vec<String>,
    /// A checkpoint of before, kept elsewhere: this log must go on from it
    #[arg(long, value_name = "FILE")]
    checkpoint: Vec<PathBuf>,
    /// A witness that must have cosigned the newest checkpoint: its public key, or a file with one per line
    #[arg(long, value_name = "KEY|FILE")]
    witness_key: Vec<String>,
    /// Go on from this file, if it is there; Ctrl-C writes it
    #[arg(long, value_name = "FILE")]
    from_state: Option<PathBuf>,
    /// Threads that hash; all processors when absent
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    threads: Option<u16>,
    /// How to print; JSON is one document with every finding
    #[arg(long, value_enum, default_value_t)]
    output: Format,
    /// Exit code 3 where the log does not know everything that happened
    #[arg(long)]
    strict: bool,
    /// Also: is every record in canonical form, and does a search find what the record says
    #[arg(long)]
    deep: bool,
}

/// Runs it.
///
/// # Errors
/// When the log or a key cannot be read.
pub(super) fn run(args: &Verify) -> anyhow::Result<ExitCode> {
    let plan = args.plan()?;
    let source = args.source()?;
    let ended = pipeline::verify(source, &plan)?;
    report::print(&ended, args.output)?;
    Ok(ended.exit_code(args.strict))
}

impl Verify {
    fn plan(&self) -> anyhow::Result<Plan> {
        let mut keys = Vec::new();
        for key in &self.key {
            keys.extend(read_keys(key)?);
        }
        // The newest is the last, as `audit key show` prints them.
        let Some(origin) = keys.last().map(|key| key.name().to_owned()) else { bail!("there is no key") };
        if let Some(other) = keys.iter().find(|key| first_name(key.name()) != first_name(&origin)) {
            bail!(
                "the keys are of two logs, `{origin}` and `{}`: a log has one name (or, after it was recovered, the same with a \
                 number behind it), whatever keys sign it",
                other.name()
            );
        }
        let mut given = Vec::new();
        for path in &self.checkpoint {
            let text = std::fs::read_to_string(path);
            given.push(text.with_context(|| format!("cannot read the checkpoint `{}`", path.display()))?);
        }
        let mut witnesses = Vec::new();
        for key in &self.witness_key {
            witnesses.extend(read_witnesses(key)?);
        }
        let threads = match self.threads {
            Some(threads) => usize::from(threads),
            None => std::thread::available_parallelism().map_or(1, usize::from),
        };
        let (deep, state) = (self.deep, self.from_state.clone());
        Ok(Plan { origin, keys, witnesses, given, threads, deep, state })
    }

    fn source(&self) -> anyhow::Result<Box<dyn Source>> {
        match (&self.store, &self.export) {
            (Some(directory), _) => Ok(Box::new(store::Store::open(directory, self.deep)?)),
            (_, Some(path)) => Ok(Box::new(export::Export::open(path)?)),
            _ => bail!("give --store or --export"),
        }
    }
}

/// The name of a log before it was recovered: without `/2`, `/3` …
fn first_name(origin: &str) -> &str {
    match origin.rsplit_once('/') {
        Some((name, number))
            if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) && number.len() < 4 =>
        {
            name
        }
        _ => origin,
    }
}

/// The keys in a file, or the key itself.
fn read_witnesses(key: &str) -> anyhow::Result<Vec<WitnessKey>> {
    let text = if key.contains('+') && !std::path::Path::new(key).exists() {
        key.to_owned()
    } else {
        std::fs::read_to_string(key).with_context(|| format!("cannot read the key file `{key}`"))?
    };
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.parse().with_context(|| format!("`{line}`"))).collect()
}
