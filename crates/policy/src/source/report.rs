//! Collects what is wrong while a bundle is read, so that one load shows every mistake.

use crate::limits::MAX_DIAGNOSTICS;
use crate::{Diagnostic, Severity};

/// A place in a file, both from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pos {
    pub(crate) line: u32,
    pub(crate) column: u32,
}

impl Pos {
    /// Where what concerns a whole file is shown.
    pub(crate) const START: Self = Self { line: 1, column: 1 };
}

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Report {
    diagnostics: Vec<Diagnostic>,
    errors: usize,
    dropped: usize,
}

impl Report {
    pub(crate) fn error(&mut self, path: &str, at: Pos, message: impl Into<String>) {
        self.errors += 1;
        self.push(Severity::Error, path, at, message.into());
    }

    pub(crate) fn warning(&mut self, path: &str, at: Pos, message: impl Into<String>) {
        self.push(Severity::Warning, path, at, message.into());
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// The findings in the order of files and lines, errors before what was left out.
    pub(crate) fn into_diagnostics(mut self) -> Vec<Diagnostic> {
        self.diagnostics.sort_by(|a, b| (&a.path, a.line, a.column).cmp(&(&b.path, b.line, b.column)));
        if self.dropped > 0 {
            let (path, severity) = self.diagnostics.last().map_or_else(
                || (String::new(), Severity::Warning),
                |last| (last.path.clone(), last.severity),
            );
            let message = format!("{} more findings are not shown; mend these first", self.dropped);
            self.diagnostics.push(Diagnostic { severity, path, line: 1, column: 1, message });
        }
        self.diagnostics
    }

    fn push(&mut self, severity: Severity, path: &str, at: Pos, message: String) {
        let first_error = severity == Severity::Error && self.errors == 1;
        if self.diagnostics.len() >= MAX_DIAGNOSTICS && !first_error {
            self.dropped += 1;
            return;
        }
        self.diagnostics.push(Diagnostic {
            severity,
            path: path.to_owned(),
            line: at.line,
            column: at.column,
            message,
        });
    }
}
