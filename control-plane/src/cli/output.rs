//! Printing: tables for people, JSON for programs.

use std::io::{self, Write};

/// How to print.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Columns.
    #[default]
    Table,
    /// JSON.
    Json,
}

/// Prints rows under a heading, columns as wide as their widest cell. Control characters are shown, not sent to the
/// terminal: what callers write must not move the cursor.
pub(super) fn table(out: &mut impl Write, heading: &[&str], rows: &[Vec<String>]) -> io::Result<()> {
    let rows: Vec<Vec<String>> =
        rows.iter().map(|row| row.iter().map(|cell| printable(cell)).collect()).collect();
    let widths: Vec<usize> = heading
        .iter()
        .enumerate()
        .map(|(at, name)| {
            let cells = rows.iter().filter_map(|row| row.get(at)).map(|cell| cell.chars().count());
            cells.max().unwrap_or(0).max(name.len())
        })
        .collect();
    line(out, &widths, heading.iter().copied())?;
    for row in &rows {
        line(out, &widths, row.iter().map(String::as_str))?;
    }
    Ok(())
}

fn line<'a>(out: &mut impl Write, widths: &[usize], cells: impl Iterator<Item = &'a str>) -> io::Result<()> {
    let mut text = String::new();
    for (cell, width) in cells.zip(widths) {
        text.push_str(&format!("{cell:<width$}  "));
    }
    writeln!(out, "{}", text.trim_end())
}

/// The text with control characters escaped.
pub(super) fn printable(text: &str) -> String {
    if !text.chars().any(char::is_control) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_escapes_do_not_reach_the_terminal() {
        let mut out = Vec::new();
        let rows =
            vec![vec!["a".to_owned(), "\u{1b}[31mred".to_owned()], vec!["bcd".to_owned(), String::new()]];
        table(&mut out, &["ID", "NAME"], &rows).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "ID   NAME\na    \\u{1b}[31mred\nbcd\n");
    }
}
