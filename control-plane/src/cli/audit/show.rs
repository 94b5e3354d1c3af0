//! `portcullis audit show`: one decision, and what became of it.

use super::super::client::{Server, segment};
use super::super::output::{Format, printable, printable_json};
use super::amount;
use super::trace::tokens;
use crate::http::DecisionView;
use portcullis_audit::OutcomeRecord;
use std::io::{self, Write, stdout};

const HELP: &str = "\
Exit codes: 0 printed; 1 the server cannot be reached or refuses, or there is no such decision.

Examples:
  portcullis audit show 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57
  portcullis audit show 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57 --output json";

/// Arguments of `audit show`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Show {
    #[command(flatten)]
    server: Server,
    /// The decision's id, as in `x-portcullis-decision-id`
    #[arg(value_name = "ID")]
    id: String,
    /// How to print; JSON is all that is known
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached, refuses, or knows no such decision.
pub(super) fn run(args: &Show) -> anyhow::Result<()> {
    let path = format!("/v1/decisions/{}", segment(&args.id)?);
    let found: DecisionView = args.server.client()?.get(&path, &[])?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&found)?))?,
        Format::Table => print(&mut out, &found)?,
    }
    Ok(out.flush()?)
}

/// Prints a decision for people.
pub(super) fn print(out: &mut impl Write, view: &DecisionView) -> io::Result<()> {
    let record = &view.record;
    let mut lines: Vec<(&str, String)> = Vec::new();
    let mut line = |name, text: String| {
        if !text.is_empty() {
            lines.push((name, text));
        }
    };
    line("decision", format!("{} ({})", record.decision_id, record.kind.as_str()));
    line("time", view.time.clone());
    let rule = record.policy.rule.as_ref().map_or("the default".to_owned(), |rule| format!("rule `{rule}`"));
    line("verdict", format!("{} by {rule}", record.verdict.kind.as_str()));
    line("message", record.verdict.message.clone());
    line("approval", record.verdict.approval_id.clone().unwrap_or_default());
    if let Some(approval) = &record.approval {
        line("approved", format!("{} by {}", approval.id, approval.by));
    }
    let tenant =
        record.principal.tenant.as_ref().map(|tenant| format!(", tenant {tenant}")).unwrap_or_default();
    line("principal", format!("{} ({}){tenant}", record.principal.name, view.assurance.as_str()));
    line("on behalf of", record.delegation.join(", "));
    line("operation", record.operation.clone());
    line("host", record.request.host.clone());
    line("model", record.model.as_ref().map(|model| model.id.clone()).unwrap_or_default());
    line("session", record.agent.as_ref().and_then(|agent| agent.session.clone()).unwrap_or_default());
    if let Some(tool) = &record.tool {
        let id = tool.id.as_ref().map(|id| format!(" {id}")).unwrap_or_default();
        line("tool", format!("{}{id} ({})", tool.names.first().cloned().unwrap_or_default(), tool.origin));
        line(
            "arguments",
            format!("{}, sha256 {}", amount(tool.arguments_bytes, "byte"), tool.arguments_sha256),
        );
        line("problem", tool.problem.clone().unwrap_or_default());
        line("let out before", tool.released_bytes.map(|bytes| amount(bytes, "byte")).unwrap_or_default());
    }
    if let Some(text) = &record.text {
        line("text", format!("{} after {}", amount(text.fresh, "new byte"), amount(text.before, "byte")));
        line("let out before", amount(text.released_bytes, "byte"));
    }
    let matched = record.policy.matched.iter().map(|rule| {
        let shadow = if rule.shadow { ", shadow" } else { "" };
        format!("{} ({}{shadow})", rule.rule, rule.effect)
    });
    line("matched", matched.collect::<Vec<_>>().join(", "));
    line("in the answer to", record.parent.clone().unwrap_or_default());
    line("correlation", record.correlation_id.clone().unwrap_or_default());
    if record.kind.is_call() {
        line("outcome", outcome(view));
    }
    if let Some(told) = &view.outcome {
        for (name, text) in answer(told) {
            line(name, text);
        }
    }
    line(
        "cost",
        view.cost.as_ref().map(|cost| format!("{} {}", cost.amount, cost.currency)).unwrap_or_default(),
    );
    for (name, text) in lines {
        writeln!(out, "{name:<16} {}", printable(&text))?;
    }
    Ok(())
}

fn outcome(view: &DecisionView) -> String {
    let mut parts = vec![view.state.as_str().to_owned()];
    if let Some(told) = &view.outcome {
        parts.extend(told.reason.clone());
        parts.extend(told.status.map(|status| status.to_string()));
        parts.extend(told.error_type.clone());
        parts.push(amount(told.response_bytes, "byte"));
        parts.push(format!("{} ms", told.duration_ms));
    }
    parts.join(", ")
}

fn answer(told: &OutcomeRecord) -> Vec<(&'static str, String)> {
    let mut lines = vec![("tokens", told.usage.as_ref().and_then(tokens).unwrap_or_default())];
    let Some(answer) = &told.answer else { return lines };
    let guardrail = answer
        .guardrail
        .as_ref()
        .map(|said| format!("{} {}", said.action, said.policies.join(" ")).trim_end().to_owned());
    let proposed: Vec<_> = answer
        .tool_calls
        .iter()
        .map(|call| match &call.id {
            Some(id) => format!("{} {id} ({})", call.name, call.origin),
            None => format!("{} ({})", call.name, call.origin),
        })
        .collect();
    lines.extend([
        ("first byte", answer.first_byte_ms.map(|ms| format!("{ms} ms")).unwrap_or_default()),
        ("stop reason", answer.stop_reason.clone().unwrap_or_default()),
        ("guardrail", guardrail.unwrap_or_default()),
        ("models used", answer.models.join(", ")),
        ("proposes", proposed.join(", ")),
        ("session told", answer.session.clone().unwrap_or_default()),
        ("flaw", answer.flaw.clone().unwrap_or_default()),
        ("answer sha256", answer.sha256.clone().unwrap_or_default()),
    ]);
    lines
}
