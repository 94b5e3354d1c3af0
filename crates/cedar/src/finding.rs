//! What is wrong with a policy, and where.

use miette::Diagnostic;

/// One finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// The file.
    pub path: String,
    /// Line, from 1.
    pub line: u32,
    /// Column in characters, from 1.
    pub column: u32,
    /// The policies do not load.
    pub error: bool,
    /// What is wrong and what to do, for people.
    pub message: String,
}

impl Finding {
    /// A finding at a byte of a file.
    pub(crate) fn at(path: &str, text: &str, offset: usize, error: bool, message: impl Into<String>) -> Self {
        let (line, column) = place(text, offset);
        Self { path: path.to_owned(), line, column, error, message: message.into() }
    }

    /// One of Cedar's own errors, in a line: its message, and its advice.
    pub(crate) fn of(path: &str, text: &str, start: usize, error: bool, found: &dyn Diagnostic) -> Self {
        let label = found.labels().and_then(|mut labels| labels.next());
        let offset = label.as_ref().map_or(start, miette::LabeledSpan::offset);
        let mut message = found.to_string().replace('\n', " ");
        let advice = label.as_ref().and_then(|label| label.label().map(str::to_owned));
        for more in [advice, found.help().map(|help| help.to_string())].into_iter().flatten() {
            message.push_str("; ");
            message.push_str(&more.replace('\n', " "));
        }
        Self::at(path, text, offset, error, message)
    }
}

fn place(text: &str, offset: usize) -> (u32, u32) {
    let before = text.get(..text.floor_char_boundary(offset.min(text.len()))).unwrap_or_default();
    let line = before.matches('\n').count();
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count();
    (u32::try_from(line + 1).unwrap_or(u32::MAX), u32::try_from(column + 1).unwrap_or(u32::MAX))
}
