//! `portcullis audit search`: finds decisions.

use super::super::client::{Client, Server, segment};
use super::super::output::{counted, printable_json, table};
use super::filter::{Filter, Range};
use super::{HEADING, page, row};
use crate::http::DecisionView;
use std::io::{self, IsTerminal, Write, stderr, stdout};
use std::time::{Duration, Instant};

const HELP: &str = "\
A flag that is given twice finds decisions with either value; different flags must all hold. Values are exact, or globs
with `*` and `?` (quote them for the shell). What was committed a moment ago is found, too.

Exit codes: 0 printed, even when nothing was found; 1 the server cannot be reached or refuses.

Examples:
  portcullis audit search --verdict deny --since 2h
  portcullis audit search --tenant emea --tool '*transfer*' --outcome completed --outcome unknown
  portcullis audit search --text 'titan retired' --count
  portcullis audit search --aws-request-id 0a1b2c3d-5e6f-4a7b-8c9d-0e1f2a3b4c5d
  portcullis audit search --principal 'svc-*' --since 7d --limit 100000 --output csv > decisions.csv";

/// Searches that take longer tell how far they are.
const SLOW: Duration = Duration::from_secs(2);

/// How to print what was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Output {
    /// Columns.
    #[default]
    Table,
    /// JSON, one decision per line.
    Json,
    /// The columns as comma-separated values (RFC 4180).
    Csv,
}

/// Arguments of `audit search`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Search {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    range: Range,
    /// The decision of this id, as in `x-portcullis-decision-id`
    #[arg(long, value_name = "ID", conflicts_with_all = ["since", "until", "count"])]
    id: Option<String>,
    /// Print only how many decisions there are
    #[arg(long)]
    count: bool,
    /// At most so many
    #[arg(long, default_value_t = 100)]
    limit: usize,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(super) fn run(args: &Search) -> anyhow::Result<()> {
    let client = args.server.client()?;
    let mut out = stdout().lock();
    if let Some(id) = &args.id {
        let decision: DecisionView = client.get(&format!("/v1/decisions/{}", segment(id)?), &[])?;
        writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&decision)?))?;
        return Ok(out.flush()?);
    }
    if args.count {
        count(args, &client, &mut out)?;
        return Ok(out.flush()?);
    }
    let (found, more) = find(args, &client)?;
    match args.output {
        Output::Json => {
            for decision in &found {
                writeln!(out, "{}", printable_json(&serde_json::to_string(decision)?))?;
            }
        }
        Output::Table => table(&mut out, &HEADING, &found.iter().map(row).collect::<Vec<_>>())?,
        Output::Csv => {
            csv(&mut out, &HEADING.map(|name| name.to_ascii_lowercase()))?;
            for decision in &found {
                csv(&mut out, &row(decision))?;
            }
        }
    }
    out.flush()?;
    if more {
        eprintln!("there are more; see --limit, --since and --count");
    }
    Ok(())
}

fn query(args: &Search) -> Vec<(&'static str, String)> {
    let mut query = args.filter.query();
    query.extend(args.range.query());
    query
}

fn count(args: &Search, client: &Client, out: &mut impl Write) -> anyhow::Result<()> {
    let mut query = query(args);
    query.extend([("limit", "1".to_owned()), ("count", "true".to_owned())]);
    let page = page(client, &query)?;
    let Some(count) = page.count else {
        anyhow::bail!(
            "the server has no search index yet, and does not count without it: see `search` in its /readyz, and try again later"
        );
    };
    match args.output {
        Output::Json => {
            writeln!(out, "{}", serde_json::json!({"count": count, "at_most": page.count_at_most}))?;
        }
        _ => writeln!(out, "{count}")?,
    }
    if page.count_at_most {
        eprintln!("at most: some decisions have values that the index does not keep apart");
    }
    Ok(())
}

/// As many decisions as asked for, and whether there are more.
fn find(args: &Search, client: &Client) -> anyhow::Result<(Vec<DecisionView>, bool)> {
    let mut found: Vec<DecisionView> = Vec::new();
    let (mut cursor, start, tells) = (None, Instant::now(), stderr().is_terminal());
    let mut told = false;
    while found.len() < args.limit {
        let mut query = query(args);
        query.extend(cursor.take().map(|cursor| ("cursor", cursor)));
        query.push(("limit", (args.limit - found.len()).min(1_000).to_string()));
        let page = page(client, &query)?;
        found.extend(page.decisions);
        cursor = page.next;
        if cursor.is_none() {
            break;
        }
        if tells && start.elapsed() > SLOW {
            told = true;
            let reached = found.last().map(|last| last.time.as_str()).unwrap_or_default();
            eprint!("\r{} so far, back to {reached}", counted(found.len(), "decision"));
        }
    }
    if told {
        eprintln!();
    }
    Ok((found, cursor.is_some()))
}

/// One line of comma-separated values (RFC 4180). A cell that a spreadsheet would take for a formula gets a `'` before it:
/// what callers write must not run there.
pub(super) fn csv(out: &mut impl Write, cells: &[impl AsRef<str>]) -> io::Result<()> {
    for (at, cell) in cells.iter().enumerate() {
        let cell = cell.as_ref();
        let guard = if cell.starts_with(['=', '+', '-', '@', '\t', '\r']) { "'" } else { "" };
        let comma = if at == 0 { "" } else { "," };
        if guard.is_empty() && !cell.contains(['"', ',', '\n', '\r']) {
            write!(out, "{comma}{cell}")?;
        } else {
            write!(out, "{comma}\"{guard}{}\"", cell.replace('"', "\"\""))?;
        }
    }
    write!(out, "\r\n")
}
