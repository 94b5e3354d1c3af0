//! `portcullis audit`: what was decided, from the admin API.

mod export;
mod facets;
mod filter;
mod key;
mod proof;
mod reconcile;
mod retention;
mod search;
mod show;
#[cfg(test)]
mod tests;
mod text;
mod trace;
mod verify;

use super::client::{Client, Server};
use super::output::{Format, counted, printable, printable_json};
use crate::http::{DecisionView, DecisionsPage};
use anyhow::Context;
use filter::Filter;
use portcullis_audit::DecisionKind;
use std::io::{Write, stdout};
use std::process::ExitCode;

/// The commands of `audit`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Follow decisions as they are made
    Tail(Box<Tail>),
    /// Find decisions, newest first
    Search(Box<search::Search>),
    /// Tell which values occur, and how often
    Facets(Box<facets::Facets>),
    /// Show one decision and what became of it
    Show(show::Show),
    /// Show a tool-use loop or session as a timeline
    Trace(trace::Trace),
    /// Check a store or an export: every record, every proof, every signature
    Verify(verify::Verify),
    /// Write records for other programs: JSON Lines, OCSF, Parquet, in-toto
    Export(export::Export),
    /// Find calls that AWS saw and the gate did not
    Reconcile(Box<reconcile::Reconcile>),
    /// Show, rotate and export the key that signs the log
    Key(key::Key),
    /// Prove that a decision is in the log
    Proof(proof::Proof),
    /// Prune what is old, hold what is needed
    Retention(retention::Retention),
    /// Read captured text
    Text(text::Text),
}

const TAIL_HELP: &str = "\
The filters are those of `audit search`. A decision is shown when it is made; its outcome comes later, so a filter on outcomes,
tools that an answer proposes, or AWS's request id finds what is there already and shows little that is new.

Examples:
  portcullis audit tail
  portcullis audit tail --verdict deny --verdict throttle --tenant emea
  portcullis audit tail --kind tool_call --tool '*transfer*' --output json";

/// Arguments of `audit tail`.
#[derive(Debug, clap::Args)]
#[command(after_help = TAIL_HELP)]
pub struct Tail {
    #[command(flatten)]
    server: Server,
    #[command(flatten)]
    filter: Filter,
    /// Decisions to show that were made before
    #[arg(short = 'n', long, default_value_t = 10)]
    lines: u32,
    /// Show what is there and end
    #[arg(long)]
    no_follow: bool,
    /// How to print; JSON is one decision per line
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs a command of `audit`. Each says in its `--help` what its exit codes mean; 1 is an error everywhere.
#[must_use]
pub fn run(command: Command) -> ExitCode {
    let result = match command {
        Command::Tail(args) => tail(&args).map(|()| ExitCode::SUCCESS),
        Command::Search(args) => search::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Facets(args) => facets::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Show(args) => show::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Trace(args) => trace::run(&args).map(|()| ExitCode::SUCCESS),
        Command::Verify(args) => verify::run(&args),
        Command::Export(args) => export::run(&args),
        Command::Reconcile(args) => reconcile::run(&args),
        Command::Key(args) => key::run(&args),
        Command::Proof(args) => proof::run(&args),
        Command::Retention(args) => retention::run(&args),
        Command::Text(args) => text::run(&args),
    };
    result.unwrap_or_else(|error| super::failed(&error, 1))
}

fn tail(args: &Tail) -> anyhow::Result<()> {
    let client = args.server.client()?;
    let mut query = args.filter.query();
    query.push(("limit", args.lines.clamp(1, 1_000).to_string()));
    let mut page = page(&client, &query)?;
    if args.lines == 0 {
        page.decisions.clear();
    }
    page.decisions.reverse();
    loop {
        for decision in &page.decisions {
            print_line(decision, args.output)?;
        }
        if args.no_follow {
            return Ok(());
        }
        let mut query = args.filter.query();
        query.extend([("order", "asc".to_owned()), ("wait", "20".to_owned()), ("cursor", page.follow)]);
        page = self::page(&client, &query)?;
    }
}

fn page(client: &Client, query: &[(&str, String)]) -> anyhow::Result<DecisionsPage> {
    client.get("/v1/decisions", query)
}

const HEADING: [&str; 12] = [
    "TIME",
    "KIND",
    "VERDICT",
    "OUTCOME",
    "PRINCIPAL",
    "ASSURANCE",
    "OPERATION",
    "MODEL",
    "TOOL",
    "ANSWER",
    "RULE",
    "DECISION",
];

fn row(decision: &DecisionView) -> Vec<String> {
    let record = &decision.record;
    vec![
        decision.time.clone(),
        record.kind.as_str().to_owned(),
        record.verdict.kind.as_str().to_owned(),
        decision.state.as_str().to_owned(),
        record.principal.name.clone(),
        decision.assurance.as_str().to_owned(),
        record.operation.clone(),
        record.model.as_ref().map(|model| model.id.clone()).unwrap_or_default(),
        tools(decision),
        answer(decision),
        record.policy.rule.clone().unwrap_or_else(|| "(default)".to_owned()),
        record.decision_id.clone(),
    ]
}

/// The tool that a decision is about; of a call, those that its answer proposes.
fn tools(decision: &DecisionView) -> String {
    if let Some(tool) = &decision.record.tool {
        return tool.names.first().cloned().unwrap_or_default();
    }
    let answer = decision.outcome.as_ref().and_then(|outcome| outcome.answer.as_ref());
    let proposed = answer.map(|answer| answer.tool_calls.as_slice()).unwrap_or_default();
    proposed.iter().map(|call| call.name.as_str()).collect::<Vec<_>>().join(",")
}

/// Why the model stopped, what a guardrail did, which models answered where that is not the one that was called, and what
/// was wrong with it.
fn answer(decision: &DecisionView) -> String {
    let Some(answer) = decision.outcome.as_ref().and_then(|outcome| outcome.answer.as_ref()) else {
        return String::new();
    };
    let called = decision.record.model.as_ref().map(|model| model.id.as_str());
    let others = answer.models.iter().filter(|model| Some(model.as_str()) != called);
    let guardrail = answer.guardrail.as_ref().filter(|said| said.action != "none");
    let mut parts: Vec<String> = Vec::new();
    parts.extend(answer.stop_reason.clone());
    parts.extend(guardrail.map(|said| format!("guardrail:{}", said.action)));
    parts.extend(others.map(|model| format!("by:{model}")));
    parts.extend(answer.flaw.clone());
    parts.join(" ")
}

/// `1 byte`, `1,204 bytes`
fn amount(number: u64, noun: &str) -> String {
    counted(usize::try_from(number).unwrap_or(usize::MAX), noun)
}

/// One decision on one line; the columns of a stream cannot know what is coming.
fn print_line(decision: &DecisionView, format: Format) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string(decision)?))?,
        Format::Table => writeln!(out, "{}", printable(&tail_line(decision)))?,
    }
    out.flush().context("cannot write")
}

fn tail_line(decision: &DecisionView) -> String {
    let record = &decision.record;
    let rule = record.policy.rule.as_deref().unwrap_or("(default)");
    let (verdict, principal) = (record.verdict.kind.as_str(), &record.principal.name);
    // A decision on an answer names what it is about; its operation is in the line of its call.
    let (what, which) = match record.kind {
        DecisionKind::Call => (
            record.operation.as_str(),
            record.model.as_ref().map(|model| model.id.clone()).unwrap_or_default(),
        ),
        DecisionKind::ToolCall => ("  tool call", tools(decision)),
        DecisionKind::AnswerText => ("  answer text", String::new()),
    };
    let which = if which.is_empty() { "-" } else { &which };
    format!("{}  {verdict:<8}  {principal:<24}  {what:<20}  {which}  {rule}", decision.time)
}
