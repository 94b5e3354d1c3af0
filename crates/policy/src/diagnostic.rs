//! What is wrong with a bundle, and where.

use std::fmt;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The bundle loads; somebody should look.
    Warning,
    /// The bundle does not load.
    Error,
}

/// One finding. Shown as `rules/a.yaml:3:5: message`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// How bad it is.
    pub severity: Severity,
    /// The file, relative to the bundle.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { severity, path, line, column, message } = self;
        let level = match severity {
            Severity::Warning => "warning: ",
            Severity::Error => "",
        };
        write!(f, "{path}:{line}:{column}: {level}{message}")
    }
}

/// A bundle that does not load: every finding, in the order of files and lines; at least one is an error.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LoadError {
    /// The findings, warnings included.
    pub diagnostics: Vec<Diagnostic>,
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, diagnostic) in self.diagnostics.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{diagnostic}")?;
        }
        Ok(())
    }
}

impl std::error::Error for LoadError {}
