//! `portcullis audit key`: the key that signs the log.

use super::super::client::Server;
use super::super::output::Format;
use crate::config::DEFAULT_DATA_DIR;
use crate::http::{LogKeys, RotatedKey};
use crate::storage::{Log, SqliteOptions, SqliteStore};
use serde_json::json;
use std::io::{Write, stdout};
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Keep the public key where those who run the gate cannot change it: that copy is what an audit rests on. After a rotation add the
new key to the copy and keep the old one: what it has signed stays signed by it, and the record of the rotation is covered by both.

Exit codes: 0 done; 1 the server or the store cannot be reached, or refuses.

Examples:
  portcullis audit key show > log.vkey
  portcullis audit key rotate
  portcullis audit key rotate --lost --data-dir /var/lib/portcullis      # the server is stopped, the key file is gone
  portcullis audit key recover --data-dir /var/lib/portcullis            # the store was put back to an older copy";

/// Arguments of `audit key`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Key {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Print the public keys, the one in use last
    Show {
        #[command(flatten)]
        server: Server,
        /// How to print; a table is one key per line, as `--key` takes it
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Sign with a new key from now on
    Rotate {
        #[command(flatten)]
        server: Server,
        /// The key is lost: make a new one in the stopped store of --data-dir. The log says so for good
        #[arg(long)]
        lost: bool,
        /// With --lost: the store
        #[arg(long, value_name = "DIR", env = "PORTCULLIS_DATA_DIR")]
        data_dir: Option<PathBuf>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
    /// Go on with a stopped store that was put back to an older copy, under another name. The log says so for good
    Recover {
        /// The store
        #[arg(long, value_name = "DIR", env = "PORTCULLIS_DATA_DIR")]
        data_dir: Option<PathBuf>,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
}

/// Runs it.
///
/// # Errors
/// When the server or the store cannot be reached, or refuses.
pub(super) fn run(args: &Key) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Show { server, output } => {
            let keys: LogKeys = server.client()?.get("/v1/audit/keys", &[])?;
            match output {
                Format::Json => writeln!(stdout(), "{}", serde_json::to_string_pretty(&keys)?)?,
                Format::Table => writeln!(stdout(), "{}", keys.keys.join("\n"))?,
            }
        }
        Command::Rotate { server, lost: false, output, .. } => {
            let made: RotatedKey = server.client()?.post("/v1/audit/keys/rotate", &json!({}))?;
            print(&[made.key], *output)?;
        }
        Command::Rotate { lost: true, data_dir, output, .. } => {
            change(data_dir.as_ref(), *output, |options| SqliteOptions {
                replace_lost_key: true,
                ..options
            })?;
        }
        Command::Recover { data_dir, output } => {
            change(data_dir.as_ref(), *output, |options| SqliteOptions { recover: true, ..options })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Opens the store in a way that changes its key or name, and closes it.
fn change(
    directory: Option<&PathBuf>,
    output: Format,
    how: impl FnOnce(SqliteOptions) -> SqliteOptions,
) -> anyhow::Result<()> {
    let directory = directory.cloned().unwrap_or_else(|| DEFAULT_DATA_DIR.into());
    let store = SqliteStore::open(how(super::super::store::options(&directory)?))?;
    let keys: Vec<String> = store.log_keys().iter().map(ToString::to_string).collect();
    print(&keys, output)
}

fn print(keys: &[String], output: Format) -> anyhow::Result<()> {
    let newest = keys.last().map(String::as_str).unwrap_or_default();
    match output {
        Format::Json => writeln!(stdout(), "{}", json!({ "key": newest }))?,
        Format::Table => {
            writeln!(stdout(), "{newest}")?;
            eprintln!("the log is signed with this key from now on: add it to every copy of the public keys");
        }
    }
    Ok(())
}
