//! Messages with `{field}` placeholders, filled from the call. They never say what a request or a tool's arguments say.

use crate::field::{Field, FieldValue};
use crate::predicate::Subject;
use crate::view::View;

/// A value is cut to so many characters.
const MAX_VALUE_CHARS: usize = 128;

/// A message, in parts.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Template {
    parts: Vec<Part>,
    source: String,
}

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Text(String),
    Field(Subject),
}

impl Template {
    /// A message without placeholders.
    pub(crate) fn plain(text: &str) -> Self {
        Self { parts: vec![Part::Text(text.to_owned())], source: text.to_owned() }
    }

    /// Reads `{field}`; `{{` and `}}` stand for braces. `resolve` finds the field of a name.
    ///
    /// # Errors
    /// Says what is wrong, for people.
    pub(crate) fn parse(
        source: &str,
        resolve: impl Fn(&str) -> Result<(&'static Field, String), String>,
    ) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut text = String::new();
        let mut rest = source;
        while let Some(at) = rest.find(['{', '}']) {
            let (before, from) = rest.split_at(at);
            text.push_str(before);
            if let Some(after) = from.strip_prefix("{{") {
                text.push('{');
                rest = after;
            } else if let Some(after) = from.strip_prefix("}}") {
                text.push('}');
                rest = after;
            } else if let Some((name, after)) = from.strip_prefix('{').and_then(|inner| inner.split_once('}'))
            {
                let (field, key) = resolve(name.trim())?;
                if !text.is_empty() {
                    parts.push(Part::Text(std::mem::take(&mut text)));
                }
                parts.push(Part::Field(Subject::Field(field, key)));
                rest = after;
            } else {
                return Err("a brace without its partner; write `{{` or `}}` for the character".to_owned());
            }
        }
        text.push_str(rest);
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        Ok(Self { parts, source: source.to_owned() })
    }

    /// As written.
    pub(crate) fn source(&self) -> &str {
        &self.source
    }

    /// With the call's values.
    pub(crate) fn fill(&self, view: &View<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(subject) => out.push_str(&shown(subject.value(view))),
            }
        }
        out
    }
}

/// A value for people: cut, on one line, `(none)` when it is missing.
pub(crate) fn shown(value: FieldValue<'_>) -> String {
    match value {
        FieldValue::Missing | FieldValue::NeedsText => "(none)".to_owned(),
        FieldValue::Text(text) => clean(text),
        FieldValue::Integer(number) => number.to_string(),
        FieldValue::Boolean(value) => value.to_string(),
        FieldValue::List([]) => "(none)".to_owned(),
        FieldValue::List(items) => clean(&items.join(", ")),
        FieldValue::Json(value) => clean(&value.to_string()),
    }
}

/// Cut, and without what a terminal or a log would take for more than text.
pub(crate) fn clean(text: &str) -> String {
    let mut out = String::new();
    for (number, c) in text.chars().enumerate() {
        if number == MAX_VALUE_CHARS {
            out.push('…');
            break;
        }
        if c.is_control() || is_format(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// Characters that turn the direction of text around or separate lines without being seen.
fn is_format(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}
