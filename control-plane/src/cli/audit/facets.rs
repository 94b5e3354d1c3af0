//! `portcullis audit facets`: which values occur, and how often.

use super::super::client::Server;
use super::super::output::{Format, grouped, printable, printable_json};
use super::filter::{Filter, Range};
use crate::http::FacetView;
use std::io::{self, Write, stdout};

const HELP: &str = "\
Counts decisions by one property, the most frequent value first. The filters are those of `audit search`; a decision may have
several values (models as called and their base, forms of a tool's name), or none.

Exit codes: 0 printed; 1 the server cannot be reached or refuses, or its search index is not there yet.

Examples:
  portcullis audit facets principal --since 24h
  portcullis audit facets rule --verdict deny --since 7d
  portcullis audit facets tool --tenant emea --limit 20
  portcullis audit facets outcome --model '*claude*' --output json";

/// Arguments of `audit facets`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Facets {
    #[command(flatten)]
    server: Server,
    /// principal, tenant, model, tool, rule, verdict, outcome, operation, agent, region, account, route, provider, kind, bundle
    /// or message
    #[arg(value_name = "FACET", value_parser = facet)]
    facet: String,
    #[command(flatten)]
    filter: Filter,
    #[command(flatten)]
    range: Range,
    /// At most so many values
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

fn facet(name: &str) -> Result<String, String> {
    use crate::search::Facet;
    let known = Facet::ALL.map(Facet::as_str).join(", ");
    Facet::parse(name).map(|facet| facet.as_str().to_owned()).ok_or(format!("use one of {known}"))
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached, refuses, or has no index.
pub(super) fn run(args: &Facets) -> anyhow::Result<()> {
    let mut query = args.filter.query();
    query.extend(args.range.query());
    query.extend([("facet", args.facet.clone()), ("limit", args.limit.to_string())]);
    let found: FacetView = args.server.client()?.get("/v1/audit/facets", &query)?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&found)?))?,
        Format::Table => print(&mut out, &found)?,
    }
    out.flush()?;
    if found.more {
        eprintln!("there are more; see --limit");
    }
    Ok(())
}

/// Prints values for people: the number first, so that a long value does not push it away.
pub(super) fn print(out: &mut impl Write, found: &FacetView) -> io::Result<()> {
    let number = |decisions: u64| grouped(usize::try_from(decisions).unwrap_or(usize::MAX));
    let width = found.values.iter().map(|value| number(value.decisions).len()).max().unwrap_or(0).max(9);
    writeln!(out, "{:>width$}  {}", "DECISIONS", found.facet.to_uppercase())?;
    for value in &found.values {
        let name = value.value.as_deref().unwrap_or("(others, which the index does not keep apart)");
        writeln!(out, "{:>width$}  {}", number(value.decisions), printable(name))?;
    }
    Ok(())
}
