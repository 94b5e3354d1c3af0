//! `portcullis audit retention`: how long records stay, and legal holds.

use crate::cli::client::{Server, segment};
use crate::cli::output::{Format, printable, printable_json, table};
use crate::http::{HoldList, HoldView, NewHold, RetentionView, show_time};
use crate::retention::HoldScope;
use serde::Serialize;
use std::io::{Write, stdout};
use std::process::ExitCode;

const DAY_MS: u64 = 86_400_000;

const HELP: &str = "\
How long records stay is configured (`audit.retention` in portcullis.yaml); without it they stay for ever. A hold keeps records
beyond that. What fits everything that a hold says is held: --principal alice --model '*claude*' holds Alice's calls to Claude.

Examples:
  portcullis audit retention status
  portcullis audit retention hold add case-4711 --principal alice --since 2026-01-01T00:00:00Z --reason 'litigation 4711'
  portcullis audit retention hold list
  portcullis audit retention hold release case-4711 --why 'settled'

Documentation: docs/audit.md";

/// Arguments of `audit retention`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Retention {
    #[command(subcommand)]
    command: Command,
    /// How to print; JSON of a list is one object per line
    #[arg(long, value_enum, default_value_t, global = true)]
    output: Format,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Show how long records stay, and what the last pass did
    Status {
        #[command(flatten)]
        server: Server,
    },
    /// Place, list and release legal holds
    Hold {
        #[command(subcommand)]
        command: Hold,
    },
}

#[derive(Debug, clap::Subcommand)]
enum Hold {
    /// Place a hold: what fits everything that it says is not pruned
    Add(Box<Add>),
    /// List holds, oldest first
    List {
        #[command(flatten)]
        server: Server,
        /// Those that were released, too
        #[arg(long)]
        all: bool,
    },
    /// Release a hold: from the next pass on it holds nothing
    Release {
        #[command(flatten)]
        server: Server,
        /// Its name
        name: String,
        /// Why, for the record
        #[arg(long, value_name = "TEXT")]
        why: String,
    },
}

#[derive(Debug, clap::Args)]
struct Add {
    #[command(flatten)]
    server: Server,
    /// What to call it; never used before
    name: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// Records of this principal
    #[arg(long)]
    principal: Option<String>,
    /// Records of this tenant
    #[arg(long)]
    tenant: Option<String>,
    /// Records of this tool-use loop or session, by its correlation id
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Calls of this model, as called or its base model; exact, or with `*` and `?`
    #[arg(long)]
    model: Option<String>,
    /// Written at or after: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Written before: likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// From this index of the log on
    #[arg(long, value_name = "INDEX")]
    first: Option<u64>,
    /// Up to this index of the log, itself included
    #[arg(long, value_name = "INDEX")]
    last: Option<u64>,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached or refuses.
pub(super) fn run(args: &Retention) -> anyhow::Result<ExitCode> {
    match &args.command {
        Command::Status { server } => status(server, args.output)?,
        Command::Hold { command: Hold::Add(add) } => {
            let Add {
                server,
                name,
                reason,
                principal,
                tenant,
                correlation,
                model,
                since,
                until,
                first,
                last,
            } = &**add;
            let wish = NewHold {
                name: name.clone(),
                reason: reason.clone(),
                principal: principal.clone(),
                tenant: tenant.clone(),
                correlation: correlation.clone(),
                model: model.clone(),
                since: since.clone(),
                until: until.clone(),
                first: *first,
                last: *last,
            };
            let hold: HoldView = server.client()?.post("/v1/audit/holds", &wish)?;
            holds(&[hold], args.output)?;
        }
        Command::Hold { command: Hold::List { server, all } } => {
            let list: HoldList = server.client()?.get("/v1/audit/holds", &[])?;
            let shown = list.holds.into_iter().filter(|hold| *all || hold.released.is_none());
            holds(&shown.collect::<Vec<_>>(), args.output)?;
        }
        Command::Hold { command: Hold::Release { server, name, why } } => {
            let path = format!("/v1/audit/holds/{}/release", segment(name)?);
            let hold: HoldView = server.client()?.post(&path, &serde_json::json!({ "why": why }))?;
            holds(&[hold], args.output)?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn json(value: &impl Serialize) -> anyhow::Result<()> {
    Ok(writeln!(stdout(), "{}", printable_json(&serde_json::to_string(value)?))?)
}

fn status(server: &Server, output: Format) -> anyhow::Result<()> {
    let view: RetentionView = server.client()?.get("/v1/audit/retention", &[])?;
    if output == Format::Json {
        return json(&view);
    }
    let mut out = stdout().lock();
    if view.keep_ms.is_empty() {
        writeln!(out, "Every record stays for ever; see `audit.retention` in docs/audit.md.")?;
        return Ok(());
    }
    let rows: Vec<Vec<String>> =
        view.keep_ms.iter().map(|(kind, ms)| vec![kind.clone(), format!("{}d", ms / DAY_MS)]).collect();
    table(&mut out, &["KIND", "STAYS"], &rows)?;
    let Some(last) = &view.last else {
        return Ok(writeln!(out, "\nThere was no pass yet.")?);
    };
    writeln!(out, "\nLast pass: {}, {} pruned", show_time(last.at_ms), last.pruned)?;
    for (hold, records) in &last.held {
        writeln!(out, "  {records} held by `{}`", printable(hold))?;
    }
    for (export, records) in &last.waiting {
        writeln!(out, "  {records} wait for the export `{}`", printable(export))?;
    }
    if let Some(error) = &last.error {
        writeln!(out, "  it ended early: {}", printable(error))?;
    }
    Ok(())
}

fn holds(holds: &[HoldView], output: Format) -> anyhow::Result<()> {
    if output == Format::Json {
        return holds.iter().try_for_each(json);
    }
    let rows: Vec<Vec<String>> = holds
        .iter()
        .map(|hold| {
            let released =
                hold.released.as_ref().map(|end| format!("{} by {}: {}", end.time, end.by, end.why));
            let (name, by, time) = (hold.name.clone(), hold.by.clone(), hold.time.clone());
            vec![name, time, by, scope(&hold.scope), hold.reason.clone(), released.unwrap_or_default()]
        })
        .collect();
    Ok(table(&mut stdout().lock(), &["NAME", "SINCE", "BY", "HOLDS", "REASON", "RELEASED"], &rows)?)
}

fn scope(scope: &HoldScope) -> String {
    let HoldScope { principal, tenant, correlation, model, since_ms, until_ms, first, last } = scope;
    let texts =
        [("principal", principal), ("tenant", tenant), ("correlation", correlation), ("model", model)];
    let mut parts: Vec<String> =
        texts.iter().filter_map(|(name, text)| Some(format!("{name}={}", text.as_ref()?))).collect();
    parts.extend(since_ms.map(|ms| format!("since={}", show_time(ms))));
    parts.extend(until_ms.map(|ms| format!("until={}", show_time(ms))));
    parts.extend(first.map(|index| format!("first={index}")));
    parts.extend(last.map(|index| format!("last={index}")));
    parts.join(" ")
}
