//! `portcullis audit reconcile`.

use super::super::client::{Client, Server};
use super::super::output::printable_json;
use crate::clock;
use crate::http::parse_time;
use crate::reconcile::{self, Joiner, Lines, Outcome, RecordLine, Records, Stored, Tally, Verdict};
use crate::storage::LogReader;
use anyhow::{Context, bail};
use portcullis_reconcile::{Exceptions, Ignore, Names, Ours, Settings};
use serde::Deserialize;
use serde_json::json;
use std::io::{IsTerminal, Write, stderr, stdout};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

const HELP: &str = "\
Compares what AWS says was called with what the gate let out. AWS's side: CloudTrail events and model
invocation logs, in any form in which AWS delivers them (files, directories, s3://bucket/prefix; .json,
.jsonl, .log; packed with gzip or zstd, or not). Our side: the running server, exported records, or a data
directory.

A call of AWS's is ours when a record has its request id; where the outcome has none (the client went
away, the gate was killed), when account, access key, region, operation and model fit and the time is
closest. What is left bypassed the gate.

CloudTrail shows InvokeModel and Converse as management events; agents, knowledge bases, flows and
guardrails only where data events are turned on. What the files do not cover is told, and no finding.

Exit codes:
  0  every call that AWS saw is in the record
  1  it failed, or some of the logs could not be read
  2  a call bypassed the gate, or AWS did something else than was decided
  3  no call bypassed the gate, but some are unknown to AWS, or numbers differ

Examples:
  portcullis audit reconcile --cloudtrail s3://trail/AWSLogs/123456789012/CloudTrail/eu-central-1/2026/11/21 --since 24h
  portcullis audit reconcile --cloudtrail events/ --invocation-logs s3://bedrock-logs/AWSLogs --export records.jsonl
  portcullis audit reconcile --cloudtrail events.json.gz --export records.jsonl --allow known.yaml --output json

Keys for S3 come from the AWS_… variables of the environment. Documentation: docs/audit.md";

/// Arguments of `audit reconcile`.
#[derive(Debug, clap::Args)]
#[command(after_long_help = HELP)]
pub struct Reconcile {
    #[command(flatten)]
    server: Server,
    /// CloudTrail events: file, directory or s3://bucket/prefix; may be given several times
    #[arg(long, value_name = "PLACE")]
    cloudtrail: Vec<String>,
    /// Model invocation logs: likewise
    #[arg(long, value_name = "PLACE")]
    invocation_logs: Vec<String>,
    /// Records: the directory of an `audit export`, or a file of JSON Lines; may be given several times. Without it: the server
    #[arg(long, value_name = "PATH")]
    export: Vec<PathBuf>,
    /// Records of this data directory, also while a server runs on it
    #[arg(long, value_name = "DIR", conflicts_with = "export")]
    store: Option<PathBuf>,
    /// Compare from then on: 2026-11-21T10:00:00Z, Unix milliseconds, or how long ago (2h, 7d). Else from the first record on
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Compare until then: likewise. Else until the last record
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// Only this account; may be given several times
    #[arg(long, value_name = "ID")]
    account: Vec<String>,
    /// Only this region; may be given several times
    #[arg(long, value_name = "REGION")]
    region: Vec<String>,
    /// Calls that may go round the gate: a YAML file of exceptions
    #[arg(long, value_name = "FILE")]
    allow: Option<PathBuf>,
    /// What is no finding, separated by commas: reads (of the control plane), console, refused (by AWS), or none
    #[arg(long, value_name = "KINDS", value_delimiter = ',', default_value = "reads")]
    ignore: Vec<Kind>,
    /// How far apart the times of one call may be: 90s, 2m, 1h
    #[arg(long, value_name = "TIME", default_value = "2m")]
    tolerance: String,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Print,
    /// Write the report to a file as well: JSON where its name ends in .json, else text
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
    /// Leave a record of this in the server's log: who, of which files, with what result
    #[arg(long)]
    record: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Kind {
    Reads,
    Console,
    Refused,
    None,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
enum Print {
    /// A report to read
    #[default]
    Text,
    /// One JSON document
    Json,
}

/// Runs it.
///
/// # Errors
/// When nothing can be compared.
pub(super) fn run(args: &Reconcile) -> anyhow::Result<ExitCode> {
    let settings = settings(args)?;
    if args.cloudtrail.is_empty() && args.invocation_logs.is_empty() {
        bail!("nothing of AWS's to compare with: give --cloudtrail or --invocation-logs (see --help)");
    }
    // Before anything is read: a token that is missing, or a store that is none, shows up at once.
    let live = args.export.is_empty() && args.store.is_none();
    let client = if live || args.record { Some(args.server.client()?) } else { None };
    let mut records: Box<dyn Records> = match (&client, &args.store) {
        (_, Some(directory)) => Box::new(Stored(LogReader::open(directory)?)),
        (Some(client), None) if live => Box::new(Live { client, since_ms: settings.since_ms }),
        _ => Box::new(Lines(args.export.clone())),
    };
    let mut progress = Progress::new();
    let outcome = reconcile::reconcile(
        settings,
        &args.cloudtrail,
        &args.invocation_logs,
        &mut *records,
        &mut |said| progress.show(said),
    )?;
    progress.end();
    if let Some(path) = &args.report {
        save(path, &outcome).with_context(|| format!("cannot write `{}`", path.display()))?;
    }
    let mut out = stdout().lock();
    match args.output {
        Print::Text => reconcile::write_text(&mut out, &outcome)?,
        Print::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&outcome)?))?,
    }
    out.flush()?;
    if let Some(client) = client.as_ref().filter(|_| args.record) {
        let recorded: serde_json::Value = client.post("/v1/audit/reconciliations", &summary(&outcome))?;
        eprintln!(
            "recorded at {}",
            recorded.get("time").and_then(|time| time.as_str()).unwrap_or("an unknown time")
        );
    }
    Ok(ExitCode::from(match outcome.verdict() {
        Verdict::Clean => 0,
        Verdict::Incomplete => 1,
        Verdict::Bypassed => 2,
        Verdict::Different => 3,
    }))
}

fn settings(args: &Reconcile) -> anyhow::Result<Settings> {
    let now_ms = clock::unix_ms();
    let time = |text: &Option<String>| {
        text.as_deref().map(|text| parse_time(text, now_ms)).transpose().map_err(anyhow::Error::msg)
    };
    let (since_ms, until_ms) = (time(&args.since)?, time(&args.until)?);
    if since_ms.zip(until_ms).is_some_and(|(since, until)| since >= until) {
        bail!("--since is not before --until");
    }
    // `2m` is two minutes ago; two minutes is what is asked for.
    let ago = Some(args.tolerance.as_str()).filter(|text| text.ends_with(['s', 'm', 'h']));
    let tolerance_ms =
        ago.and_then(|text| parse_time(text, now_ms).ok()).map(|then| now_ms.saturating_sub(then));
    let tolerance_ms =
        tolerance_ms.with_context(|| format!("--tolerance {}: write 90s, 2m or 1h", args.tolerance))?;
    let has = |kind: Kind| args.ignore.contains(&kind);
    if has(Kind::None) && args.ignore.len() > 1 {
        bail!("--ignore none stands alone");
    }
    let exceptions = args.allow.as_deref().map(exceptions).transpose()?.unwrap_or_default();
    Ok(Settings {
        tolerance_ms,
        since_ms,
        // A server's record reaches to this moment, also when nothing was called since its last decision.
        until_ms: until_ms.or((args.export.is_empty() && args.store.is_none()).then_some(now_ms)),
        accounts: args.account.clone(),
        regions: args.region.clone(),
        ignore: Ignore { reads: has(Kind::Reads), console: has(Kind::Console), refused: has(Kind::Refused) },
        exceptions,
    })
}

fn exceptions(path: &Path) -> anyhow::Result<Exceptions> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read `{}`", path.display()))?;
    let exceptions: Exceptions =
        serde_yaml_ng::from_str(&text).with_context(|| format!("`{}`", path.display()))?;
    exceptions.check().map_err(|error| anyhow::anyhow!("`{}`: {error}", path.display()))?;
    Ok(exceptions)
}

fn save(path: &Path, outcome: &Outcome) -> anyhow::Result<()> {
    let mut text = Vec::new();
    if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::to_writer_pretty(&mut text, outcome)?;
        text.push(b'\n');
    } else {
        reconcile::write_text(&mut text, outcome)?;
    }
    Ok(std::fs::write(path, text)?)
}

/// What goes on record: enough to know what was compared, and what came out.
fn summary(outcome: &Outcome) -> serde_json::Value {
    let Outcome { report, inputs, records } = outcome;
    json!({
        "from_ms": report.from_ms, "to_ms": report.to_ms, "inputs_sha256": inputs.digest, "files": inputs.files,
        "aws_events": report.aws_events, "aws_calls": report.aws_calls, "decisions": report.decisions, "matched": report.matched(),
        "bypassed": report.bypassed.len(), "mismatched": report.mismatched.len(), "severe": report.severe(),
        "unknown_to_aws": report.unknown_to_aws, "unread": inputs.unread.len() + records.broken.len(),
    })
}

/// The records of a running server.
struct Live<'a> {
    client: &'a Client,
    since_ms: Option<u64>,
}

/// A page of decisions, as far as it is read here.
#[derive(Debug, Deserialize)]
struct Page {
    decisions: Vec<RecordLine>,
    #[serde(default)]
    next: Option<String>,
}

/// Calls that began before the time that is compared may have reached AWS within it.
const BEFORE_MS: u64 = 3_600_000;

impl Records for Live<'_> {
    fn each(
        &mut self,
        names: &mut Names,
        each: &mut dyn FnMut(Ours),
        progress: &mut dyn FnMut(&str),
    ) -> anyhow::Result<Tally> {
        let mut joiner = Joiner::new(names, each);
        let mut cursor: Option<String> = None;
        loop {
            let mut query =
                vec![("order", "asc".to_owned()), ("kind", "call".to_owned()), ("limit", "1000".to_owned())];
            match cursor.take() {
                Some(cursor) => query.push(("cursor", cursor)),
                None => query.extend(
                    self.since_ms.map(|since| ("since", since.saturating_sub(BEFORE_MS).to_string())),
                ),
            }
            let page: Page = self.client.get("/v1/decisions", &query)?;
            for record in page.decisions {
                joiner.record(record)?;
            }
            progress(&format!("{} decisions", joiner.tally.records));
            cursor = page.next;
            if cursor.is_none() {
                return Ok(joiner.finish());
            }
        }
    }
}

/// How far it is, on one line of the terminal, at most ten times a second.
struct Progress {
    shown: Option<Instant>,
    terminal: bool,
}

impl Progress {
    fn new() -> Self {
        Progress { shown: None, terminal: stderr().is_terminal() }
    }

    fn show(&mut self, said: &str) {
        if self.terminal && self.shown.is_none_or(|then| then.elapsed() > Duration::from_millis(100)) {
            self.shown = Some(Instant::now());
            eprint!("\r\x1b[K{said}");
        }
    }

    fn end(&self) {
        if self.shown.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}
