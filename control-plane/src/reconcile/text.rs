//! The report, for people: the worst first.

use super::{Outcome, Verdict};
use crate::cli::output::{counted, grouped, printable};
use crate::http::show_time;
use portcullis_reconcile::{Bypassed, Mismatch, Report, Severity, Told};
use std::fmt::Write as _;
use std::io::{self, Write};

/// Calls that are shown one by one. JSON has all of them.
const SHOWN: usize = 100;

/// Writes it.
///
/// # Errors
/// When `out` cannot be written.
pub fn write(out: &mut impl Write, outcome: &Outcome) -> io::Result<()> {
    let mut text = String::new();
    head(&mut text, outcome);
    bypassed(&mut text, &outcome.report);
    mismatched(&mut text, &outcome.report);
    unknown(&mut text, &outcome.report);
    not_covered(&mut text, &outcome.report);
    coverage(&mut text, &outcome.report);
    rest(&mut text, outcome);
    // What callers wrote (user agents, session names) must not move the cursor.
    text.lines().try_for_each(|line| writeln!(out, "{}", printable(line)))
}

fn number(count: u64) -> String {
    grouped(usize::try_from(count).unwrap_or(usize::MAX))
}

fn many(count: u64, noun: &str) -> String {
    counted(usize::try_from(count).unwrap_or(usize::MAX), noun)
}

/// Writing to a string does not fail.
macro_rules! put {
    ($text:expr, $($argument:tt)*) => { let _ = writeln!($text, $($argument)*); };
}

fn head(text: &mut String, outcome: &Outcome) {
    let Outcome { report, inputs, records } = outcome;
    let verdict = match outcome.verdict() {
        Verdict::Clean => "clean: every call that AWS saw is in the record",
        Verdict::Incomplete => "INCOMPLETE: some of the logs could not be read, see below",
        Verdict::Bypassed => "FINDINGS",
        Verdict::Different => "no call bypassed the gate; there are differences",
    };
    put!(text, "{verdict}");
    let time = |ms: Option<u64>| ms.map_or("–".to_owned(), show_time);
    put!(text, "");
    put!(
        text,
        "  compared        {} to {}, tolerance {} s",
        time(report.from_ms),
        time(report.to_ms),
        report.tolerance_ms / 1_000
    );
    put!(
        text,
        "  AWS             {} in {}: {} that matter",
        many(report.aws_events, "event"),
        many(inputs.files, "file"),
        many(report.aws_calls, "call")
    );
    put!(text, "  the record      {} on calls", many(report.decisions, "decision"));
    put!(
        text,
        "  both know       {}: {} by request id, {} by account, operation, model and time",
        many(report.matched(), "call"),
        number(report.matched_by_id),
        number(report.matched_by_time)
    );
    if report.decisions == 0 {
        put!(text, "");
        put!(
            text,
            "  There is no decision in the record that was given: all that AWS saw counts as bypassed."
        );
    }
    if records.pruned > 0 {
        put!(text, "");
        put!(
            text,
            "  {} of the record are pruned: their calls count as unknown to the gate. Give --since a time after them.",
            many(records.pruned, "entry").replace("entrys", "entries")
        );
    }
}

fn bypassed(text: &mut String, report: &Report) {
    if report.bypassed.is_empty() {
        return;
    }
    put!(text, "");
    put!(
        text,
        "BYPASSED: {} reached Amazon Bedrock and did not pass the gate",
        many(report.bypassed.len() as u64, "call")
    );
    for group in &report.groups {
        put!(text, "");
        put!(text, "  {}", group.who);
        let mut from = format!("account {}, {}", group.account.as_deref().unwrap_or("unknown"), group.region);
        if let Some(address) = &group.source_ip {
            let _ = write!(from, ", from {address}");
        }
        if let Some(endpoint) = &group.vpc_endpoint {
            let _ = write!(from, " through {endpoint}");
        }
        put!(text, "    {from}");
        let refused = match group.refused_by_aws {
            0 => String::new(),
            count => format!(", {} refused by AWS", number(count)),
        };
        put!(
            text,
            "    {} between {} and {}{refused}",
            many(group.calls, "call"),
            show_time(group.first_ms),
            show_time(group.last_ms)
        );
        for (what, calls) in &group.what {
            put!(text, "    {:>6} × {what}", number(*calls));
        }
    }
    put!(text, "");
    for call in report.bypassed.iter().take(SHOWN) {
        put!(text, "  {}", one(call));
    }
    if report.bypassed.len() > SHOWN {
        put!(
            text,
            "  … and {} more: --output json has all of them",
            number((report.bypassed.len() - SHOWN) as u64)
        );
    }
}

fn one(bypassed: &Bypassed) -> String {
    let Told { time_ms, operation, model, request_id, event_ids, error, user_agent, .. } = &bypassed.call;
    let mut line = format!("{}  {operation} {}", show_time(*time_ms), model.as_deref().unwrap_or("-"));
    let _ = write!(line, "  request {}", request_id.as_deref().unwrap_or("-"));
    if let Some(event) = event_ids.first() {
        let _ = write!(line, "  event {event}");
    }
    if let Some(error) = error {
        let _ = write!(line, "  refused by AWS: {error}");
    }
    if let Some(refused) = &bypassed.refused_before {
        let _ = write!(line, "  AFTER THE GATE HAD REFUSED IT: decision {refused}");
    }
    if let Some(agent) = user_agent {
        let _ = write!(line, "  ({})", agent.split_whitespace().next().unwrap_or_default());
    }
    line
}

fn mismatched(text: &mut String, report: &Report) {
    if report.mismatched.is_empty() {
        return;
    }
    put!(text, "");
    put!(
        text,
        "MISMATCHED: {} that both know, described differently; {} severe",
        many(report.mismatched.len() as u64, "call"),
        number(report.severe() as u64)
    );
    for mismatch in report.mismatched.iter().take(SHOWN) {
        let Mismatch { severity, decision_id, principal, differences, aws, .. } = mismatch;
        let severity = if *severity == Severity::Severe { "SEVERE" } else { "minor " };
        let request = aws.request_id.as_deref().unwrap_or("-");
        put!(
            text,
            "  {severity}  {}  decision {decision_id} of {principal}, request {request}",
            show_time(aws.time_ms)
        );
        for difference in differences {
            put!(
                text,
                "          {}: record {}, AWS {}",
                difference.field.as_str(),
                difference.ours,
                difference.aws
            );
        }
    }
    if report.mismatched.len() > SHOWN {
        put!(
            text,
            "  … and {} more: --output json has all of them",
            number((report.mismatched.len() - SHOWN) as u64)
        );
    }
}

fn unknown(text: &mut String, report: &Report) {
    if report.unknown_to_aws == 0 {
        return;
    }
    put!(text, "");
    put!(
        text,
        "UNKNOWN TO AWS: {} that went out and ended well by the record, in hours that AWS's files cover",
        many(report.unknown_to_aws, "call")
    );
    for call in report.unknown.iter().take(SHOWN) {
        put!(
            text,
            "  {}  decision {} of {}, {} {} in {}, request {}",
            show_time(call.decided_at_ms),
            call.decision_id,
            call.principal,
            call.operation,
            call.model.as_deref().unwrap_or("-"),
            call.region,
            call.request_id.as_deref().unwrap_or("-")
        );
    }
    if report.unknown_to_aws > SHOWN as u64 {
        put!(text, "  … and {} more", number(report.unknown_to_aws - SHOWN as u64));
    }
}

fn not_covered(text: &mut String, report: &Report) {
    if report.not_covered.is_empty() {
        return;
    }
    put!(text, "");
    put!(text, "NOT COVERED: of these calls AWS's files cannot tell");
    for missing in &report.not_covered {
        let account = missing.account.as_deref().map(|account| format!(" of {account}")).unwrap_or_default();
        let why = match missing.why {
            "none" => format!("no event of that kind anywhere; they need {}", missing.turn_on),
            "edge" => "before the first or after the last event that was given".to_owned(),
            _ => "no event of that kind in that hour: is a file missing?".to_owned(),
        };
        put!(
            text,
            "  {} ({}) in {}{account}: {why}",
            many(missing.calls, "call"),
            missing.class,
            missing.region
        );
    }
}

fn coverage(text: &mut String, report: &Report) {
    if report.coverage.is_empty() {
        return;
    }
    put!(text, "");
    put!(text, "COVERAGE, as AWS's files show it themselves");
    for covered in &report.coverage {
        put!(
            text,
            "  {}, account {}, {}, {}: {} in {} of {}, {} to {}",
            covered.source,
            covered.account.as_deref().unwrap_or("unknown"),
            covered.region,
            covered.class,
            many(covered.events, "event"),
            number(covered.hours),
            many(covered.hours_between, "hour"),
            show_time(covered.first_ms),
            show_time(covered.last_ms)
        );
    }
}

fn rest(text: &mut String, outcome: &Outcome) {
    let Outcome { report, inputs, records } = outcome;
    let mut lines: Vec<String> = Vec::new();
    let mut line = |count: u64, what: &str| {
        if count > 0 {
            lines.push(format!("{:>10}  {what}", number(count)));
        }
    };
    for (name, count) in &report.exceptions {
        line(*count, &format!("of AWS's calls: exception `{name}`"));
    }
    for (reason, count) in &report.ignored {
        line(*count, &format!("of AWS's: {reason}"));
    }
    line(report.aws_repeated, "of AWS's events: delivered more than once");
    line(inputs.other_events, "of AWS's events: about something else");
    line(inputs.skipped, "of AWS's files: no logs");
    line(
        report.missing_in_invocation_logs,
        "matched calls: missing in the invocation logs, which cover their hour",
    );
    line(report.not_sent, "of our calls: refused, or never left the gate");
    line(
        report.refused_by_aws,
        "of our calls: refused by AWS, and not in its files, which leave out many of these",
    );
    line(
        report.undetermined,
        "of our calls: did not end well, and AWS does not show them; they may not have arrived",
    );
    line(report.out_of_scope, "of our calls: other accounts, regions or times");
    line(records.other_providers, "of our calls: to other providers");
    line(records.outcomes_alone, "of our outcomes: without their decision among the records");
    if !lines.is_empty() {
        put!(text, "");
        put!(text, "NO FINDINGS");
        lines.iter().for_each(|line| {
            put!(text, "{line}");
        });
    }
    if !records.gaps.is_empty() {
        put!(text, "");
        put!(
            text,
            "GAPS: gates have told that calls went out, or outcomes were lost, without a record; bypassed calls may be these"
        );
        for gap in records.gaps.iter().take(SHOWN) {
            put!(text, "  {}  {}  {}", show_time(gap.at_ms), gap.gate, gap.detail);
        }
    }
    if !inputs.unread.is_empty() || !records.broken.is_empty() {
        put!(text, "");
        put!(text, "NOT READ: nothing can be said of what stands there");
        for unread in &inputs.unread {
            put!(text, "  {}, {}: {}", unread.file, unread.place, unread.what);
        }
        for broken in &records.broken {
            put!(text, "  {broken}");
        }
    }
}
