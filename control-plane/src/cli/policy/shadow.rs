//! `portcullis policy shadow-report`.

use super::super::client::Server;
use super::super::output::{Format, counted, grouped, printable_json, table};
use super::Ending;
use crate::app::{ShadowCount, ShadowReport};
use std::io::{self, Write, stdout};

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy shadow-report --since 7d
  portcullis policy shadow-report --since 2026-11-01T00:00:00Z --principal billing --output json

Exit codes:
  0  no call would have got another verdict
  1  some would have
  2  the server cannot be reached or refuses, or the command line is wrong";

/// Arguments of `policy shadow-report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Decided at or after: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (15m, 2h, 7d)
    #[arg(long, value_name = "TIME", default_value = "7d")]
    since: String,
    /// Decided before: likewise
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Principal, exact
    #[arg(long)]
    principal: Option<String>,
    /// Operation, exact
    #[arg(long)]
    operation: Option<String>,
    #[command(flatten)]
    server: Server,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let mut query = vec![("since", args.since.clone())];
    query.extend(args.until.clone().map(|time| ("until", time)));
    query.extend(args.principal.clone().map(|name| ("principal", name)));
    query.extend(args.operation.clone().map(|name| ("operation", name)));
    let report: ShadowReport = args.server.client()?.get("/v1/shadow-report", &query)?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&report)?))?,
        Format::Table => print(&mut out, &report)?,
    }
    out.flush()?;
    Ok(if report.changed == 0 { Ending::Well } else { Ending::Findings })
}

fn number(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

fn print(out: &mut impl Write, report: &ShadowReport) -> io::Result<()> {
    let decisions = counted(usize::try_from(report.decisions).unwrap_or(usize::MAX), "decision");
    if report.changed == 0 {
        return writeln!(out, "{decisions}; shadow mode would have changed none");
    }
    writeln!(
        out,
        "{decisions}; without shadow mode {} would have got another verdict\n",
        number(report.changed)
    )?;
    let rows: Vec<_> = report
        .by_verdict
        .iter()
        .map(|line| vec![number(line.count), line.from.clone(), line.to.clone()])
        .collect();
    table(out, &["COUNT", "WAS", "WOULD BE"], &rows)?;
    writeln!(out)?;
    let rows: Vec<_> = report
        .by_rule
        .iter()
        .map(|line| {
            let rule = line.rule.clone().unwrap_or_else(|| "(default)".to_owned());
            vec![
                number(line.count),
                rule,
                line.to.clone(),
                line.examples.first().cloned().unwrap_or_default(),
            ]
        })
        .collect();
    table(out, &["COUNT", "RULE", "WOULD BE", "NEWEST DECISION"], &rows)?;
    for (heading, lines) in [
        ("PRINCIPAL", &report.by_principal),
        ("MODEL", &report.by_model),
        ("OPERATION", &report.by_operation),
    ] {
        writeln!(out)?;
        let row = |line: &ShadowCount| vec![number(line.count), line.name.clone()];
        table(out, &["COUNT", heading], &lines.iter().map(row).collect::<Vec<_>>())?;
    }
    Ok(())
}
