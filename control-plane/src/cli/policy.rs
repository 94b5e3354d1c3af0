//! `portcullis policy`.

use super::output::Format;
use crate::bundle::load_directory;
use anyhow::bail;
use portcullis_policy::{Diagnostic, LoadError, Severity, compile};
use std::io::{Write, stdout};
use std::path::PathBuf;

/// The commands of `policy`.
#[derive(Debug, clap::Subcommand)]
pub enum Command {
    /// Load a bundle and print what is wrong with it; exit code 1 when it has errors
    Check {
        /// The bundle's directory
        directory: PathBuf,
        /// How to print
        #[arg(long, value_enum, default_value_t)]
        output: Format,
    },
}

/// Runs a command of `policy`.
///
/// # Errors
/// When the bundle cannot be read or has errors.
pub fn run(command: Command) -> anyhow::Result<()> {
    let Command::Check { directory, output } = command;
    let compiled = load_directory(&directory).and_then(|files| compile(&files));
    let mut out = stdout().lock();
    let diagnostics = match &compiled {
        Ok(bundle) => bundle.warnings(),
        Err(LoadError { diagnostics }) => diagnostics,
    };
    match output {
        Format::Json => writeln!(out, "{}", serde_json::to_string_pretty(&json(diagnostics))?)?,
        Format::Table => {
            for diagnostic in diagnostics {
                writeln!(out, "{diagnostic}")?;
            }
        }
    }
    let errors = diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error).count();
    let Ok(bundle) = compiled else {
        bail!("`{}` does not load: {errors} error(s)", directory.display());
    };
    eprintln!(
        "`{}` is good: bundle {}, {} rules, digest {}",
        directory.display(),
        bundle.name(),
        bundle.rule_count(),
        bundle.digest()
    );
    Ok(())
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
