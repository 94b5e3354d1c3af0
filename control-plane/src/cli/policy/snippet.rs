//! Findings as people read them: the message, the place, the line, and a mark under what is meant.

use super::super::output::printable;
use portcullis_policy::{Diagnostic, Severity, SourceFile};
use std::io::{self, IsTerminal, Write};
use unicode_width::UnicodeWidthChar;

/// Columns of a source line that are shown; more is cut around the mark.
const WIDTH: usize = 100;
/// Columns kept before the mark in a line that is cut.
const BEFORE: usize = 40;
const TAB: usize = 4;

/// Whether to use colours.
#[derive(Debug, Clone, Copy)]
pub(in crate::cli) struct Paint(bool);

impl Paint {
    /// On a terminal, unless `NO_COLOR` is set.
    pub(in crate::cli) fn stdout() -> Self {
        Paint(io::stdout().is_terminal() && !Self::refused())
    }

    /// The same, for what goes to standard error.
    pub(in crate::cli) fn stderr() -> Self {
        Paint(io::stderr().is_terminal() && !Self::refused())
    }

    /// Never.
    pub(in crate::cli) const fn none() -> Self {
        Paint(false)
    }

    fn refused() -> bool {
        std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty())
    }

    fn wrap(self, code: &str, text: &str) -> String {
        if self.0 { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    pub(in crate::cli) fn bold(self, text: &str) -> String {
        self.wrap("1", text)
    }

    pub(in crate::cli) fn dim(self, text: &str) -> String {
        self.wrap("2", text)
    }

    pub(in crate::cli) fn red(self, text: &str) -> String {
        self.wrap("1;31", text)
    }

    pub(in crate::cli) fn green(self, text: &str) -> String {
        self.wrap("1;32", text)
    }

    pub(in crate::cli) fn yellow(self, text: &str) -> String {
        self.wrap("1;33", text)
    }

    fn blue(self, text: &str) -> String {
        self.wrap("1;34", text)
    }
}

/// Prints findings, each with its line where the file is at hand.
pub(super) fn print(
    out: &mut impl Write,
    paint: Paint,
    diagnostics: &[Diagnostic],
    files: &[SourceFile],
) -> io::Result<()> {
    for diagnostic in diagnostics {
        one(out, paint, diagnostic, files)?;
        writeln!(out)?;
    }
    Ok(())
}

fn one(out: &mut impl Write, paint: Paint, diagnostic: &Diagnostic, files: &[SourceFile]) -> io::Result<()> {
    let Diagnostic { severity, path, line, column, message } = diagnostic;
    let level = match severity {
        Severity::Error => paint.red("error"),
        Severity::Warning => paint.yellow("warning"),
    };
    writeln!(out, "{level}{}", paint.bold(&format!(": {}", printable(message))))?;
    let gutter = line.to_string().len();
    let arrow = format!("{:gutter$}-->", "");
    writeln!(out, "{} {}:{line}:{column}", paint.blue(&arrow), printable(path))?;
    let file = files.iter().find(|file| file.path == *path);
    let Some(text) = file.and_then(|file| line_of(&file.bytes, *line)) else { return Ok(()) };
    let Shown { text, indent, marks } = show(&text, usize::try_from(*column).unwrap_or(usize::MAX));
    let bar = paint.blue("|");
    let mark = "^".repeat(marks);
    let mark = match severity {
        Severity::Error => paint.red(&mark),
        Severity::Warning => paint.yellow(&mark),
    };
    writeln!(out, "{:gutter$} {bar}", "")?;
    writeln!(out, "{} {bar} {text}", paint.blue(&line.to_string()))?;
    writeln!(out, "{:gutter$} {bar} {:indent$}{mark}", "", "")
}

/// The line of that number, from 1; `None` where there is none or nothing stands in it.
fn line_of(bytes: &[u8], line: u32) -> Option<String> {
    let number = usize::try_from(line).ok()?.checked_sub(1)?;
    let line = bytes.split(|byte| *byte == b'\n').nth(number)?;
    let text = String::from_utf8_lossy(line);
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text).trim_end();
    (!text.is_empty()).then(|| text.to_owned())
}

/// A line ready to be printed, and where the mark goes.
#[derive(Debug, PartialEq, Eq)]
struct Shown {
    text: String,
    /// Columns before the mark.
    indent: usize,
    /// Columns of the mark.
    marks: usize,
}

/// Lays a line out in columns and cuts it around `column`, in characters from 1.
fn show(line: &str, column: usize) -> Shown {
    let at = column.saturating_sub(1);
    let token = token_length(line, at);
    let cells: Vec<String> = line.chars().map(cell).collect();
    let width = |cells: &[String]| cells.iter().map(|cell| columns(cell)).sum::<usize>();
    let (before, rest) = cells.split_at(at.min(cells.len()));
    let (marked, after) = rest.split_at(token.min(rest.len()));
    if width(&cells) <= WIDTH {
        return Shown { text: cells.concat(), indent: width(before), marks: width(marked).max(1) };
    }
    let before = tail(before, BEFORE);
    let indent: usize = width(&before);
    let marked = head(marked, WIDTH.saturating_sub(indent));
    let marks = width(&marked).max(1);
    let after = head(after, WIDTH.saturating_sub(indent + marks));
    Shown { text: [before, marked, after].concat().concat(), indent, marks }
}

/// As much of the end as fits, after `…` when something is missing.
fn tail(cells: &[String], room: usize) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    let mut used = 0;
    for cell in cells.iter().rev() {
        used += columns(cell);
        if used > room {
            kept.push("…".to_owned());
            break;
        }
        kept.push(cell.clone());
    }
    kept.reverse();
    kept
}

/// As much of the beginning as fits, before `…` when something is missing.
fn head(cells: &[String], room: usize) -> Vec<String> {
    let mut kept = Vec::new();
    let mut used = 0;
    for cell in cells {
        used += columns(cell);
        if used > room {
            kept.push("…".to_owned());
            break;
        }
        kept.push(cell.clone());
    }
    kept
}

/// What a character becomes on the terminal.
fn cell(c: char) -> String {
    match c {
        '\t' => " ".repeat(TAB),
        _ => printable(c.encode_utf8(&mut [0; 4])),
    }
}

fn columns(cell: &str) -> usize {
    cell.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// Characters of the word or the quoted text that begins there, at least 1.
fn token_length(line: &str, at: usize) -> usize {
    let mut chars = line.chars().skip(at).peekable();
    let Some(first) = chars.next() else { return 1 };
    let ends = |c: char, next: Option<&char>| match c {
        ',' | ']' | '}' => true,
        ':' => next.is_none_or(|next| next.is_whitespace()),
        _ => c.is_whitespace(),
    };
    let mut length = 1;
    let quoted = matches!(first, '"' | '\'');
    if matches!(first, '{' | '[' | '}' | ']' | ',' | '-' if chars.peek().is_none_or(|c| c.is_whitespace() || first != '-'))
    {
        return 1;
    }
    while let Some(c) = chars.next() {
        if quoted {
            length += 1;
            if c == first {
                break;
            }
        } else if ends(c, chars.peek()) {
            break;
        } else {
            length += 1;
        }
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mark_stands_under_the_word() {
        let long = format!("{}{{field: a, operator: wrong}}{}", "x".repeat(300), "y".repeat(300));
        let cases = [
            ("- {operator: graeter_than, value: 1}", 14, "- {operator: graeter_than, value: 1}", 13, 12),
            ("\tkey: value", 2, "    key: value", 4, 3),
            ("名前: 模型 x", 5, "名前: 模型 x", 6, 4),
            ("a: 'two words', b", 4, "a: 'two words', b", 3, 11),
            ("- a", 1, "- a", 0, 1),
            ("- {a: 1}", 3, "- {a: 1}", 2, 1),
            ("a: -5", 4, "a: -5", 3, 2),
            ("a: \u{1b}[31m", 4, "a: \\u{1b}[31m", 3, 10),
            ("abc", 9, "abc", 3, 1),
            ("m: https://x.example/y: z", 4, "m: https://x.example/y: z", 3, 19),
        ];
        for (line, column, text, indent, marks) in cases {
            let shown = show(line, column);
            println!("{}\n{:indent$}{}", shown.text, "", "^".repeat(shown.marks), indent = shown.indent);
            assert_eq!(shown, Shown { text: text.to_owned(), indent, marks });
        }
        let shown = show(&long, 322);
        println!("{}\n{:indent$}{}", shown.text, "", "^".repeat(shown.marks), indent = shown.indent);
        assert!(shown.text.starts_with('…') && shown.text.ends_with('…'));
        assert!(columns(&shown.text) <= WIDTH + 3);
        let marked: String = shown.text.chars().skip(shown.indent).take(shown.marks).collect();
        assert_eq!(marked, "wrong");
    }
}
