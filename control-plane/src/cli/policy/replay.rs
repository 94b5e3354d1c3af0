//! `portcullis policy replay`.

mod report;
mod run;

use super::super::client::Server;
use super::super::output::{Format, printable_json};
use super::{Ending, source};
use crate::clock;
use crate::http::parse_time;
use crate::storage::RecordQuery;
use anyhow::{Context, anyhow};
use run::Lines;
use std::io::{Write, stdout};
use std::path::PathBuf;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy replay bundles/next --since 7d
  portcullis policy replay bundles/next --since 30d --principal billing --enforce-shadow
  portcullis policy replay bundles/next --since 24h --data-dir /var/lib/portcullis --output json

Exit codes:
  0  no verdict changes
  1  some change, or the bundle does not load
  2  the records cannot be read, or the command line is wrong";

/// Arguments of `policy replay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The candidate: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Decided at or after: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Decided before: likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only calls of this principal, as recorded
    #[arg(long)]
    principal: Option<String>,
    /// Only this operation
    #[arg(long)]
    operation: Option<String>,
    /// Take the candidate's shadow mode as lifted
    #[arg(long)]
    enforce_shadow: bool,
    /// Read the records of this data directory, without a server
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Rows of the table; the rest is counted
    #[arg(long, value_name = "N", default_value_t = 50)]
    rows: usize,
    #[command(flatten)]
    server: Server,
    /// How to print; JSON has every row
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let Some(bundle) = source::compiled(&args.bundle)? else { return Ok(Ending::Findings) };
    let lines = open(args)?;
    let table = run::replay(&bundle, lines, args.enforce_shadow)?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => {
            let json = report::json(&bundle, &table);
            writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&json)?))?;
        }
        Format::Table => report::print(&mut out, &bundle, &table, args.rows)?,
    }
    out.flush()?;
    Ok(if table.changes() == 0 { Ending::Well } else { Ending::Findings })
}

fn open(args: &Args) -> anyhow::Result<Lines> {
    let now_ms = clock::unix_ms();
    let time = |text: &String| parse_time(text, now_ms).map_err(|error| anyhow!(error));
    let (since, until) = (time(&args.since)?, args.until.as_ref().map(time).transpose()?);
    if let Some(directory) = &args.data_dir {
        let query = RecordQuery {
            since_ms: Some(since),
            until_ms: until,
            principal: args.principal.clone(),
            operation: args.operation.clone(),
            ..RecordQuery::default()
        };
        return Lines::of_directory(directory, query);
    }
    let mut query = vec![("since", since.to_string())];
    query.extend(until.map(|ms| ("until", ms.to_string())));
    query.extend(args.principal.clone().map(|name| ("principal", name)));
    query.extend(args.operation.clone().map(|name| ("operation", name)));
    let client = args.server.client()?;
    let reader = client.lines("/v1/decisions/export", &query).context("cannot fetch the records")?;
    Ok(Lines::of_reader(reader))
}
