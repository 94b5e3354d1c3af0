//! What is told in the end.

use super::pipeline::Ended;
use crate::cli::output::{Format, grouped, printable, printable_json};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use portcullis_audit::log::verify::{Finding, Severity};
use serde_json::{Value, json};
use std::io::{self, Write, stdout};

/// Findings that are shown of each severity; JSON has more.
const SHOWN: usize = 50;

pub(super) fn print(ended: &Ended, format: Format) -> anyhow::Result<()> {
    let mut out = stdout().lock();
    match format {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&value(ended))?))?,
        Format::Table => text(&mut out, ended)?,
    }
    Ok(out.flush()?)
}

pub(super) fn value(ended: &Ended) -> Value {
    let total =
        |of: fn(&portcullis_audit::log::verify::Summary) -> u64| ended.parts.iter().map(of).sum::<u64>();
    json!({
        "origin": ended.origin,
        "sound": !ended.has(Severity::Integrity) && ended.stopped.is_none(),
        "complete": !ended.has(Severity::Completeness),
        "finished": ended.stopped.is_none(),
        "records": total(|part| part.records),
        "pruned": total(|part| part.pruned),
        "checkpoints": total(|part| part.checkpoints),
        "unaudited_calls": total(|part| part.gap.unaudited),
        "lost_outcomes": total(|part| part.gap.lost),
        "parts": ended.parts,
        "newest_checkpoint": ended.newest.as_ref().map(|newest| json!({
            "size": newest.size, "root": STANDARD.encode(newest.root),
        })),
        "cosigned_by": ended.witnesses.iter().map(|(name, time_s)| json!({"name": name, "time_s": time_s})).collect::<Vec<_>>(),
        "counts": ended.counts,
        "findings": ended.findings,
        "seconds": ended.seconds,
    })
}

pub(super) fn text(out: &mut impl Write, ended: &Ended) -> io::Result<()> {
    let number = |number: u64| grouped(usize::try_from(number).unwrap_or(usize::MAX));
    let mut line = |name: &str, text: String| writeln!(out, "{name:<12} {}", printable(&text));
    line("log", ended.origin.clone())?;
    for part in &ended.parts {
        let pruned =
            if part.pruned > 0 { format!(", {} pruned", number(part.pruned)) } else { String::new() };
        line("records", format!("{} ({} to {}){pruned}", number(part.records), part.first, part.end))?;
        line("checkpoints", format!("{} lead to the records", number(part.checkpoints)))?;
        if !part.unchecked.is_empty() {
            let sizes = part.unchecked.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
            line("not compared", format!("checkpoints of {sizes} records: they end before what was read"))?;
        }
    }
    if let Some(newest) = &ended.newest {
        line("newest", format!("{} records, root {}", number(newest.size), STANDARD.encode(newest.root)))?;
    }
    for (name, time_s) in &ended.witnesses {
        line("cosigned by", format!("{name}, {}", crate::http::show_time(time_s.saturating_mul(1_000))))?;
    }
    let speed = (ended.read as f64 / ended.seconds.max(0.001)) as u64;
    line("time", format!("{:.1} s, {} records/s", ended.seconds, number(speed)))?;
    for (severity, heading) in [
        (Severity::Integrity, "What is not as it was written:"),
        (Severity::Completeness, "What the log does not know:"),
    ] {
        list(out, ended, severity, heading)?;
    }
    let verdict = match (&ended.stopped, ended.has(Severity::Integrity), ended.has(Severity::Completeness)) {
        (_, true, _) => "This is not the log that was written.",
        (Some(Some(_)), ..) => "Stopped. So far it is what was written; the same command goes on from here.",
        (Some(None), ..) => "Stopped, and nothing is kept to go on from.",
        (None, false, true) => "This is the log that was written; it does not know everything that happened.",
        (None, false, false) => "This is the log that was written.",
    };
    writeln!(out, "\n{verdict}")
}

fn list(out: &mut impl Write, ended: &Ended, severity: Severity, heading: &str) -> io::Result<()> {
    let counts: Vec<_> = ended.counts.iter().filter(|(code, _)| code.severity() == severity).collect();
    if counts.is_empty() {
        return Ok(());
    }
    writeln!(out, "\n{heading}")?;
    for (code, count) in &counts {
        writeln!(out, "  {:>9}  {}", grouped(usize::try_from(**count).unwrap_or(usize::MAX)), code.as_str())?;
    }
    writeln!(out)?;
    let found: Vec<_> = ended.findings.iter().filter(|finding| finding.code.severity() == severity).collect();
    for finding in found.iter().take(SHOWN) {
        writeln!(out, "  {}", printable(&sentence(finding)))?;
    }
    if found.len() > SHOWN {
        writeln!(out, "  … and {} more: see --output json", grouped(found.len() - SHOWN))?;
    }
    Ok(())
}

/// `record 17 (0199…): changed_record: …`
fn sentence(finding: &Finding) -> String {
    let place = match (finding.index, finding.end) {
        (Some(first), Some(end)) if end > first + 1 => format!("records {first} to {}: ", end - 1),
        (Some(index), _) => match &finding.id {
            Some(id) => format!("record {index} ({id}): "),
            None => format!("record {index}: "),
        },
        _ => String::new(),
    };
    format!("{place}{}: {}", finding.code.as_str(), finding.detail)
}
