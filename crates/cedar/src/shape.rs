//! Refuses texts whose shape alone would exhaust the parser's stack, before it sees them.

/// Depth of brackets.
const MAX_DEPTH: usize = 64;
/// Operators, member accesses and brackets of one policy: each may be a level of the tree.
const MAX_OPERATORS: usize = 1_000;

/// The first byte at which the text is too deep or too long, and why. Strings and comments do not count.
pub(crate) fn check(text: &str) -> Result<(), (usize, String)> {
    let (mut depth, mut operators) = (0_usize, 0_usize);
    let mut chars = text.char_indices().peekable();
    while let Some((offset, c)) = chars.next() {
        match c {
            '"' => {
                while let Some((_, c)) = chars.next() {
                    match c {
                        '\\' => drop(chars.next()),
                        '"' => break,
                        _ => {}
                    }
                }
            }
            '/' if chars.peek().is_some_and(|(_, next)| *next == '/') => {
                chars.by_ref().find(|(_, c)| *c == '\n');
            }
            ';' if depth == 0 => operators = 0,
            '(' | '[' | '{' => {
                depth += 1;
                operators += 1;
            }
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '&' | '|' | '.' | '+' | '-' | '*' | '!' | '?' | '@' | '=' | '<' | '>' => operators += 1,
            // `if`, `then`, `else`, `has`, `in`, `is`, `like`: each needs a blank or a bracket before it.
            c if c.is_whitespace() && chars.peek().is_some_and(|(_, next)| "tehil".contains(*next)) => {
                operators += 1
            }
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err((offset, format!("nested more than {MAX_DEPTH} levels deep")));
        }
        if operators > MAX_OPERATORS {
            return Err((offset, format!("the policy has more than {MAX_OPERATORS} operators; split it")));
        }
    }
    Ok(())
}
