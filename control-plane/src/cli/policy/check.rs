//! `portcullis policy check`.

use super::super::output::{Format, counted, printable_json};
use super::snippet::{self, Paint};
use super::{Ending, source};
use portcullis_policy::testcase::read_cases;
use portcullis_policy::{Diagnostic, LoadError, Severity, compile};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// What the long help ends with.
pub(super) const HELP: &str = "\
Examples:
  portcullis policy check bundles/finance
  portcullis policy check --deny-warnings bundles/finance      in CI
  portcullis policy check --output json finance.tar.gz | jq -r '.[] | \"\\(.path):\\(.line): \\(.message)\"'

Exit codes:
  0  the bundle loads (with --deny-warnings: without a warning)
  1  it does not
  2  it could not be read, or the command line is wrong";

/// Arguments of `policy check`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The bundle: a directory, or a .tar.gz of one
    #[arg(value_name = "BUNDLE")]
    bundle: PathBuf,
    /// Warnings are errors
    #[arg(long)]
    deny_warnings: bool,
    /// How to print; JSON is a list of {severity, path, line, column, message}
    #[arg(long, value_enum, default_value_t)]
    output: Format,
}

pub(super) fn run(args: &Args) -> anyhow::Result<Ending> {
    let files = source::read(&args.bundle)?;
    let (mut diagnostics, loaded) = match files.as_deref().map(compile) {
        Ok(Ok(bundle)) => (bundle.warnings().to_vec(), Some(bundle)),
        Ok(Err(LoadError { diagnostics })) => (diagnostics, None),
        Err(LoadError { diagnostics }) => (diagnostics.clone(), None),
    };
    let files = files.unwrap_or_default();
    if let Err(LoadError { diagnostics: more }) = read_cases(&files) {
        diagnostics.extend(more);
    }
    let mut out = stdout().lock();
    match args.output {
        Format::Json => {
            writeln!(out, "{}", printable_json(&serde_json::to_string_pretty(&json(&diagnostics))?))?
        }
        Format::Table => snippet::print(&mut out, Paint::stdout(), &diagnostics, &files)?,
    }
    out.flush()?;
    let count = |severity| diagnostics.iter().filter(|one| one.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let name = args.bundle.display();
    let found = match (errors, warnings) {
        (0, 0) => String::new(),
        (0, _) => counted(warnings, "warning"),
        (_, 0) => counted(errors, "error"),
        _ => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let bad = errors > 0 || (args.deny_warnings && warnings > 0);
    match &loaded {
        Some(bundle) if !bad => {
            let (rules, digest) = (counted(bundle.rule_count(), "rule"), bundle.digest());
            let found = if found.is_empty() { found } else { format!("; {found}") };
            eprintln!("`{name}` is good: bundle {}, {rules}, digest {digest}{found}", bundle.name());
            Ok(Ending::Well)
        }
        Some(_) if errors > 0 => {
            eprintln!("the rules of `{name}` load, its tests do not: {found}");
            Ok(Ending::Findings)
        }
        Some(_) => {
            eprintln!("`{name}` loads, but with --deny-warnings it does not pass: {found}");
            Ok(Ending::Findings)
        }
        None => {
            eprintln!("`{name}` does not load: {found}");
            Ok(Ending::Findings)
        }
    }
}

fn json(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let one = |diagnostic: &Diagnostic| {
        let severity = match diagnostic.severity {
            Severity::Warning => "warning",
            Severity::Error => "error",
        };
        serde_json::json!({
            "severity": severity, "path": diagnostic.path, "line": diagnostic.line, "column": diagnostic.column,
            "message": diagnostic.message,
        })
    };
    diagnostics.iter().map(one).collect()
}
