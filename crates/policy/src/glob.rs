//! Globs over names, and many of them at once.
//!
//! `*` is any run of characters, `/` and `:` included, `?` one character, `[abc]`, `[a-z]` and `[!abc]` one of (or
//! not of) a set; everything else stands for itself. Own code because it sits on the path of every decision: thousands of
//! globs such as `*opus*` would be one huge regular expression elsewhere, slow to build.

use memchr::memmem::Finder;
use std::fmt;

mod set;

pub(crate) use set::GlobSet;

/// One compiled glob. Matching is case-sensitive; who wants otherwise lowers both sides.
#[derive(Clone)]
pub(crate) struct Glob {
    source: String,
    shape: Shape,
}

#[derive(Clone)]
enum Shape {
    /// `*`
    Everything,
    Literal,
    /// The literal before the only star.
    Prefix(String),
    Suffix(String),
    Contains(Box<Finder<'static>>),
    General(Vec<Token>),
}

#[derive(Clone, PartialEq, Eq)]
enum Token {
    Star,
    One,
    Char(char),
    Class { negated: bool, ranges: Vec<(char, char)> },
}

impl fmt::Debug for Glob {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Glob({:?})", self.source)
    }
}

impl Glob {
    /// Parses a glob.
    ///
    /// # Errors
    /// Says what is wrong, for people.
    pub(crate) fn parse(source: &str) -> Result<Self, String> {
        let tokens = tokens(source)?;
        let literal = |tokens: &[Token]| -> Option<String> {
            tokens.iter().map(|token| if let Token::Char(c) = token { Some(*c) } else { None }).collect()
        };
        let shape = match tokens.as_slice() {
            [Token::Star] => Some(Shape::Everything),
            [Token::Star, inner @ .., Token::Star] => literal(inner).map(|text| contains(&text)),
            [Token::Star, rest @ ..] => literal(rest).map(Shape::Suffix),
            [rest @ .., Token::Star] => literal(rest).map(Shape::Prefix),
            all => literal(all).map(|_| Shape::Literal),
        }
        .unwrap_or(Shape::General(tokens));
        Ok(Self { source: source.to_owned(), shape })
    }

    /// Matches this text and no other.
    pub(crate) fn literal(text: &str) -> Self {
        Self { source: text.to_owned(), shape: Shape::Literal }
    }

    /// Matches what starts with this text.
    pub(crate) fn prefix(text: &str) -> Self {
        Self { source: format!("\u{1}{text}"), shape: Shape::Prefix(text.to_owned()) }
    }

    /// Matches what ends with this text.
    pub(crate) fn suffix(text: &str) -> Self {
        Self { source: format!("\u{2}{text}"), shape: Shape::Suffix(text.to_owned()) }
    }

    /// Matches what contains this text.
    pub(crate) fn contains(text: &str) -> Self {
        Self { source: format!("\u{3}{text}"), shape: contains(text) }
    }

    /// Names the glob: two with the same name match the same. A control character, which no written glob has, keeps
    /// the text of [`Glob::prefix`] and its like apart from that of parsed globs.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// The text of a literal.
    pub(crate) fn as_literal(&self) -> Option<&str> {
        matches!(self.shape, Shape::Literal).then_some(self.source.as_str())
    }

    pub(crate) fn matches(&self, text: &str) -> bool {
        match &self.shape {
            Shape::Everything => true,
            Shape::Literal => self.source == text,
            Shape::Prefix(prefix) => text.starts_with(prefix.as_str()),
            Shape::Suffix(suffix) => text.ends_with(suffix.as_str()),
            Shape::Contains(finder) => finder.find(text.as_bytes()).is_some(),
            Shape::General(tokens) => walk(tokens, text),
        }
    }

    /// The longest text that whatever matches must contain; empty when there is none.
    fn needle(&self) -> String {
        match &self.shape {
            Shape::Everything => String::new(),
            Shape::Literal => self.source.clone(),
            Shape::Prefix(text) | Shape::Suffix(text) => text.clone(),
            Shape::Contains(finder) => String::from_utf8_lossy(finder.needle()).into_owned(),
            Shape::General(tokens) => {
                let runs = tokens.split(|token| !matches!(token, Token::Char(_))).map(|run| {
                    run.iter()
                        .filter_map(|token| if let Token::Char(c) = token { Some(*c) } else { None })
                        .collect()
                });
                runs.max_by_key(String::len).unwrap_or_default()
            }
        }
    }
}

fn contains(text: &str) -> Shape {
    Shape::Contains(Box::new(Finder::new(text.as_bytes()).into_owned()))
}

fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut tokens = Vec::new();
    let mut chars = source.chars();
    while let Some(c) = chars.next() {
        match c {
            '*' if tokens.last() == Some(&Token::Star) => {}
            '*' => tokens.push(Token::Star),
            '?' => tokens.push(Token::One),
            '[' => {
                let class =
                    class(&mut chars).ok_or_else(|| format!("glob `{source}` has a `[` without `]`"))?;
                if let Token::Class { ranges, .. } = &class
                    && let Some((first, last)) = ranges.iter().find(|(first, last)| first > last)
                {
                    return Err(format!(
                        "glob `{source}` has the range `{first}-{last}`, which holds nothing"
                    ));
                }
                tokens.push(class);
            }
            '{' | '}' => match chars.as_str().split_once('}') {
                // Paths of API operations have braces: `/transfers/{id}`.
                Some((inner, after)) if c == '{' && !inner.contains(['{', ',', '*', '?', '[']) => {
                    tokens.extend(['{'].into_iter().chain(inner.chars()).chain(['}']).map(Token::Char));
                    chars = after.chars();
                }
                _ => return Err(format!("glob `{source}` has a brace; write the alternatives as a list")),
            },
            other => tokens.push(Token::Char(other)),
        }
    }
    Ok(tokens)
}

/// The rest of a `[…]`; a `]` that comes first stands for itself, as in shells.
fn class(chars: &mut std::str::Chars<'_>) -> Option<Token> {
    let mut members = Vec::new();
    let mut next = chars.next()?;
    let negated = next == '!' || next == '^';
    if negated {
        next = chars.next()?;
    }
    loop {
        members.push(next);
        next = chars.next()?;
        if next == ']' {
            break;
        }
    }
    let mut ranges = Vec::new();
    let mut rest = members.as_slice();
    while let Some((first, tail)) = rest.split_first() {
        if let ['-', last, after @ ..] = tail {
            ranges.push((*first, *last));
            rest = after;
        } else {
            ranges.push((*first, *first));
            rest = tail;
        }
    }
    Some(Token::Class { negated, ranges })
}

/// Greedy matching that goes back to the last star only: at most `tokens × text` steps.
fn walk(tokens: &[Token], text: &str) -> bool {
    let (mut pattern, mut rest) = (tokens, text.chars());
    let mut retry: Option<(&[Token], std::str::Chars<'_>)> = None;
    loop {
        match pattern.split_first() {
            Some((Token::Star, after)) => {
                if after.is_empty() {
                    return true;
                }
                retry = Some((after, rest.clone()));
                pattern = after;
                continue;
            }
            Some((token, after)) => {
                let mut ahead = rest.clone();
                match ahead.next() {
                    Some(c) if token.accepts(c) => {
                        (pattern, rest) = (after, ahead);
                        continue;
                    }
                    Some(_) => {}
                    None => return false,
                }
            }
            None => {
                if rest.as_str().is_empty() {
                    return true;
                }
            }
        }
        let Some((after, from)) = &mut retry else { return false };
        if from.next().is_none() {
            return false;
        }
        (pattern, rest) = (after, from.clone());
    }
}

impl Token {
    fn accepts(&self, c: char) -> bool {
        match self {
            Self::Star | Self::One => true,
            Self::Char(own) => *own == c,
            Self::Class { negated, ranges } => {
                ranges.iter().any(|(first, last)| (*first..=*last).contains(&c)) != *negated
            }
        }
    }
}

#[cfg(test)]
mod tests;
