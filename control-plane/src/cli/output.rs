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

/// `1 error`, `2 errors`, `1,000 errors`: a number and its noun.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{} {noun}{ending}", grouped(number))
}

/// The number with a comma between thousands.
pub(crate) fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// The text with everything escaped that is not a character one sees: control characters, and those that change the
/// direction or the look of what stands beside them.
pub(crate) fn printable(text: &str) -> String {
    if !text.chars().any(is_trick) {
        return text.to_owned();
    }
    text.chars().flat_map(|c| if is_trick(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// JSON that a terminal shows as it is: JSON itself lets control characters above U+001F stand in strings.
pub(super) fn printable_json(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        // Outside strings there is nothing of the kind but line feeds.
        if c == '\n' || !is_trick(c) {
            text.push(c);
        } else {
            text.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    text
}

/// Unicode's `Cc`, and what of `Cf`, `Zl` and `Zp` shows nothing itself.
fn is_trick(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
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

    #[test]
    fn numbers_have_their_nouns() {
        for (number, expected) in
            [(0, "0 errors"), (1, "1 error"), (12, "12 errors"), (1_234_567, "1,234,567 errors")]
        {
            assert_eq!(counted(number, "error"), expected);
        }
        assert_eq!(grouped(100), "100");
        assert_eq!(grouped(1_000), "1,000");
    }

    #[test]
    fn what_a_caller_wrote_neither_moves_the_cursor_nor_turns_the_text_around() {
        for (text, shown, json) in [
            ("plain é 模型", "plain é 模型", "\"plain é 模型\""),
            ("\u{1b}]0;x\u{7}", "\\u{1b}]0;x\\u{7}", "\"\\u001b]0;x\\u0007\""),
            ("\u{9b}31m", "\\u{9b}31m", "\"\\u009b31m\""),
            ("\u{7f}", "\\u{7f}", "\"\\u007f\""),
            ("\u{202e}wolla", "\\u{202e}wolla", "\"\\u202ewolla\""),
            ("a\u{200b}b\u{2028}", "a\\u{200b}b\\u{2028}", "\"a\\u200bb\\u2028\""),
            ("\u{e0041}", "\\u{e0041}", "\"\\udb40\\udc41\""),
        ] {
            assert_eq!(printable(text), shown);
            let written = printable_json(&serde_json::to_string(text).unwrap());
            println!("{shown} {written}");
            assert_eq!(written, json);
            assert_eq!(serde_json::from_str::<String>(&written).unwrap(), text, "the same JSON");
        }
        assert_eq!(printable_json("{\n  \"a\": 1\n}"), "{\n  \"a\": 1\n}");
    }
}
