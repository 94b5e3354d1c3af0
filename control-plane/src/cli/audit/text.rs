//! `portcullis audit text`: what was asked and answered, where it is kept.

use super::super::client::{Server, segment};
use super::super::output::{Format, printable, printable_json};
use super::amount;
use crate::http::{TextView, TextsView};
use std::io::{Write, stdout};
use std::process::ExitCode;

const HELP: &str = "\
Text is kept only where `audit.capture_text` says so, and for `audit.keep_text`. Every reading is on record, with your token's
name and the reason, before the text is handed out: see `portcullis audit tail`, or GET /v1/events.

Exit codes: 0 printed; 1 the server cannot be reached or refuses, there is no such decision, or it has no text.

Examples:
  portcullis audit text 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57 --reason 'incident 4711'
  portcullis audit text 019a9f3e-5c1d-7a3b-9c0e-2f6d8b1a4e57 --reason 'subject access request 12' --output json";

/// Arguments of `audit text`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub struct Text {
    #[command(flatten)]
    server: Server,
    /// The decision's id, as in `x-portcullis-decision-id`
    #[arg(value_name = "ID")]
    id: String,
    /// Why it is read; goes on record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

/// Runs it.
///
/// # Errors
/// When the server cannot be reached, refuses, or has no text.
pub(super) fn run(args: &Text) -> anyhow::Result<ExitCode> {
    let path = format!("/v1/audit/text/{}", segment(&args.id)?);
    let found: TextsView = args.server.client()?.get(&path, &[("reason", args.reason.clone())])?;
    let mut out = stdout().lock();
    match args.output {
        Format::Json => writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&found)?))?,
        Format::Table => {
            for text in &found.texts {
                writeln!(out, "{}", heading(text))?;
                let lines = text.text.as_deref().or(text.problem.as_deref()).unwrap_or_default().lines();
                for line in lines {
                    writeln!(out, "  {}", printable(line))?;
                }
            }
        }
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn heading(text: &TextView) -> String {
    let mut heading = format!("{} ({}", text.kind, amount(text.bytes, "byte"));
    for (is, what) in
        [(text.cut, "a part"), (text.redacted, "redacted"), (text.text.is_none(), "not readable")]
    {
        if is {
            heading.push_str(", ");
            heading.push_str(what);
        }
    }
    heading.push_str("):");
    heading
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_say_what_is_missing() {
        let text = |cut, redacted, text: Option<&str>| TextView {
            kind: "prompt".to_owned(),
            bytes: 1,
            cut,
            redacted,
            text: text.map(str::to_owned),
            problem: None,
        };
        assert_eq!(heading(&text(false, false, Some("a"))), "prompt (1 byte):");
        assert_eq!(heading(&text(true, true, None)), "prompt (1 byte, a part, redacted, not readable):");
    }
}
