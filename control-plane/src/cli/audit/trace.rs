//! `portcullis audit trace`: a tool-use loop as a timeline.

use super::super::client::{Server, escaped};
use super::super::output::{Format, counted, grouped, printable, printable_json, table};
use super::amount;
use crate::http::{CorrelationView, StepKind, StepView, TotalsView};
use portcullis_audit::{Usage, VerdictKind};
use std::io::{self, Write, stdout};

const HELP: &str = "\
AFTER counts from the first step. What was found in an answer stands indented under its call.

Exit codes: 0 printed; 1 the server cannot be reached or refuses, or nothing on record has that id.

Examples:
  portcullis audit trace 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57
  portcullis audit trace tooluse_Qh1pYx3lR5y --output json
  portcullis audit trace session-7 --principal billing";

/// Arguments of `audit trace`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Trace {
    #[command(flatten)]
    server: Server,
    /// A correlation id, or what names a part of it: the id of a decision, a call, a tool call, a session, an approval
    #[arg(value_name = "ID")]
    id: String,
    /// Whose, where several use the same id
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// At most so many decisions, those nearest to ID
    #[arg(long, value_name = "N", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached, refuses, or knows nothing of the id.
pub(super) fn run(args: &Trace) -> anyhow::Result<()> {
    let mut query = vec![("limit", args.limit.to_string())];
    query.extend(args.principal.clone().map(|name| ("principal", name)));
    let path = format!("/v1/correlations/{}", escaped(&args.id)?);
    let found: CorrelationView = args.server.client()?.get(&path, &query)?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&found)?))?,
        Format::Table => print(&mut out, &found)?,
    }
    Ok(out.flush()?)
}

/// Prints a loop for people.
pub(super) fn print(out: &mut impl Write, found: &CorrelationView) -> io::Result<()> {
    let CorrelationView { id, more_ids, principal, assurance, other_principals, from, to, totals, .. } =
        found;
    let mut head = |name: &str, text: &str| writeln!(out, "{name:<12} {}", printable(text));
    head("correlation", id)?;
    if !more_ids.is_empty() {
        head("", &more_ids.join(", "))?;
    }
    head("principal", &format!("{principal} ({})", assurance.as_str()))?;
    if !other_principals.is_empty() {
        head("also used by", &other_principals.join(", "))?;
    }
    head("from", from)?;
    head("to", to)?;
    head("totals", &sums(totals))?;
    writeln!(out)?;
    let first = found.steps.first().map(|step| step.at_ms).unwrap_or(0);
    let rows: Vec<_> = found.steps.iter().map(|step| row(step, first)).collect();
    table(out, &["AFTER", "WHAT", "VERDICT", "RULE", "ID", "DETAIL"], &rows)?;
    if found.truncated {
        writeln!(out, "\nthere are more decisions; these are the nearest (see --limit)")?;
    }
    Ok(())
}

fn sums(totals: &TotalsView) -> String {
    let count = |number: u64, noun| counted(usize::try_from(number).unwrap_or(usize::MAX), noun);
    let mut parts = vec![count(totals.calls, "call")];
    if totals.tool_calls > 0 {
        parts.push(count(totals.tool_calls, "tool call"));
    }
    if totals.answer_texts > 0 {
        parts.push(count(totals.answer_texts, "answer text"));
    }
    parts.push(format!("{} refused", totals.refused));
    parts.extend(tokens(&totals.tokens));
    parts.extend(totals.costs.iter().map(|cost| format!("{} {}", cost.amount, cost.currency)));
    parts.join(", ")
}

fn row(step: &StepView, first: u64) -> Vec<String> {
    let default = || if step.verdict.is_some() { "(default)".to_owned() } else { String::new() };
    let id = match step.kind {
        StepKind::ToolCall => step.tool.as_ref().and_then(|tool| tool.id.clone()),
        StepKind::Outcome => None,
        _ => Some(step.id.clone()),
    };
    vec![
        after(step.at_ms.saturating_sub(first)),
        what(step),
        step.verdict.map(VerdictKind::as_str).unwrap_or_default().to_owned(),
        step.rule.clone().unwrap_or_else(default),
        id.unwrap_or_default(),
        detail(step),
    ]
}

fn what(step: &StepView) -> String {
    match step.kind {
        StepKind::Call => match &step.model {
            Some(model) => format!("{} {model}", step.what),
            None => step.what.clone(),
        },
        // One that nobody proposed to this gate stands for itself.
        StepKind::ToolCall if step.parent.is_none() => format!("tool {}", step.what),
        StepKind::ToolCall => format!("  tool {}", step.what),
        StepKind::AnswerText => "  text".to_owned(),
        StepKind::Outcome => format!("  {}", step.what),
        StepKind::Approval => format!("approval {}", step.what),
    }
}

fn detail(step: &StepView) -> String {
    let mut parts: Vec<String> = Vec::new();
    if step.kind == StepKind::Approval {
        parts.push(format!("by {}", step.who));
        parts.extend(Some(step.message.clone()).filter(|why| !why.is_empty()));
        return parts.join(": ");
    }
    if let Some(tool) = &step.tool {
        parts.push(amount(tool.arguments_bytes, "byte"));
        parts.extend(tool.problem.clone());
    }
    if let Some(text) = &step.text {
        parts.push(format!("{} after {}", amount(text.fresh, "new byte"), amount(text.before, "byte")));
    }
    let results: Vec<_> = step
        .results
        .iter()
        .map(|result| {
            let name = result.name.as_deref().or(result.id.as_deref()).unwrap_or("a tool");
            let failed = if result.error { ", failed" } else { "" };
            format!("{name} ({}{failed})", amount(result.bytes, "byte"))
        })
        .collect();
    if !results.is_empty() {
        parts.push(format!("sends back {}", results.join(" ")));
    }
    if step.verdict.is_some_and(|verdict| verdict != VerdictKind::Allow) {
        parts.extend(Some(step.message.clone()).filter(|message| !message.is_empty()));
    }
    parts.extend(answered(step));
    parts.join("; ")
}

/// What there is to say of an outcome, in the order in which one asks.
pub(super) fn answered(step: &StepView) -> Vec<String> {
    let mut parts = Vec::new();
    parts.extend(step.status.map(|status| status.to_string()));
    parts.extend(step.reason.clone());
    parts.extend(step.stop_reason.clone());
    parts.extend(step.flaw.clone());
    if let Some(guardrail) = &step.guardrail {
        let policies = guardrail.policies.join(" ");
        parts.push(format!("guardrail {} {policies}", guardrail.action).trim_end().to_owned());
    }
    parts.extend(step.tokens.as_ref().and_then(tokens));
    parts.extend(step.cost.as_ref().map(|cost| format!("{} {}", cost.amount, cost.currency)));
    if step.kind == StepKind::Outcome {
        parts.extend(step.duration_ms.map(seconds));
    }
    if !step.models.is_empty() {
        parts.push(format!("by {}", step.models.join(" ")));
    }
    if !step.proposes.is_empty() {
        let names: Vec<_> = step.proposes.iter().map(|call| call.name.as_str()).collect();
        parts.push(format!("proposes {}", names.join(" ")));
    }
    parts
}

/// `412 tokens in, 38 out`; `None` where none were counted.
pub(super) fn tokens(used: &Usage) -> Option<String> {
    let number = |tokens: u64| grouped(usize::try_from(tokens).unwrap_or(usize::MAX));
    let all = used.input_tokens + used.output_tokens + used.cache_read_tokens + used.cache_write_tokens;
    if all == 0 {
        return None;
    }
    let mut text = format!("{} tokens in, {} out", number(used.input_tokens), number(used.output_tokens));
    if used.cache_read_tokens + used.cache_write_tokens > 0 {
        let (read, write) = (number(used.cache_read_tokens), number(used.cache_write_tokens));
        text.push_str(&format!(", cache {read} read, {write} written"));
    }
    Some(text)
}

/// `+1.204 s`, `+2 m 05 s`, `+3 h 04 m`
fn after(ms: u64) -> String {
    match ms {
        0..60_000 => format!("+{}", seconds(ms)),
        60_000..3_600_000 => format!("+{} m {:02} s", ms / 60_000, ms % 60_000 / 1_000),
        _ => format!("+{} h {:02} m", ms / 3_600_000, ms % 3_600_000 / 60_000),
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1_000, ms % 1_000)
}
