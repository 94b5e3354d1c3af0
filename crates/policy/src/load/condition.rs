//! One written condition to a predicate.

use crate::field::{self, Field, FieldKind};
use crate::glob::Glob;
use crate::limits::{MAX_NAME_CHARS, MAX_REGEX_CHARS, MAX_REGEX_PROGRAM};
use crate::predicate::{Check, Predicate, Subject, Test};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Reader, did_you_mean};
use regex::{Regex, RegexBuilder};
use std::collections::HashMap;
use std::rc::Rc;

/// The operators, as conditions write them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operator {
    Equals,
    NotEquals,
    In,
    NotIn,
    Contains,
    NotContains,
    StartsWith,
    EndsWith,
    Glob,
    Matches,
    Greater,
    GreaterOrEqual,
    Less,
    LessOrEqual,
    Exists,
}

/// Long and short forms.
pub(crate) const OPERATORS: &[(&str, Operator)] = &[
    ("equals", Operator::Equals),
    ("eq", Operator::Equals),
    ("not_equals", Operator::NotEquals),
    ("ne", Operator::NotEquals),
    ("neq", Operator::NotEquals),
    ("in", Operator::In),
    ("not_in", Operator::NotIn),
    ("nin", Operator::NotIn),
    ("contains", Operator::Contains),
    ("not_contains", Operator::NotContains),
    ("starts_with", Operator::StartsWith),
    ("ends_with", Operator::EndsWith),
    ("glob", Operator::Glob),
    ("matches", Operator::Matches),
    ("regex", Operator::Matches),
    ("greater_than", Operator::Greater),
    ("gt", Operator::Greater),
    ("greater_than_or_equal", Operator::GreaterOrEqual),
    ("gte", Operator::GreaterOrEqual),
    ("less_than", Operator::Less),
    ("lt", Operator::Less),
    ("less_than_or_equal", Operator::LessOrEqual),
    ("lte", Operator::LessOrEqual),
    ("exists", Operator::Exists),
];

/// Compiled once per distinct pattern of a bundle.
pub(crate) type Regexes = HashMap<String, Regex>;

/// Reads `{field, operator, value}`.
pub(crate) fn read(reader: &mut Reader<'_>, regexes: &mut Regexes, node: &Node) -> Option<Predicate> {
    let map = reader.map(node, "a condition", &["field", "operator", "value"])?;
    let name = reader.required(map, "field", "the condition");
    let name = name.and_then(|name| reader.text(name, "`field`", MAX_NAME_CHARS));
    let operator = reader.required(map, "operator", "the condition");
    let operator = operator.and_then(|operator| reader.choice(operator, "operator", OPERATORS));
    let (field, key) = resolve(reader, &name?)?;
    let (operator, value) = (operator?, map.get("value"));
    let value = match (operator, value) {
        (Operator::Exists, None) => None,
        (_, Some(value)) => Some(value),
        (_, None) => {
            reader.error(map.at, "the condition has no `value`");
            return None;
        }
    };
    let mut condition = Condition { reader, regexes, field, operator };
    let (check, negated) = condition.check(value.map(Rc::as_ref), node)?;
    let test = Predicate::Test(Test { subject: Subject::Field(field, key), check });
    Some(if negated { Predicate::Not(Box::new(test)) } else { test })
}

/// The field that a text names, and the key where it is one of a map.
pub(crate) fn resolve(reader: &mut Reader<'_>, name: &Located) -> Option<(&'static Field, String)> {
    if let Some(found) = field::lookup(&name.text) {
        return Some(found);
    }
    let fields = field::fields();
    let message = match fields.iter().find(|field| field.kind == FieldKind::Map && field.name == name.text) {
        Some(map) => format!("field `{}` needs a key, as in `{}.KEY`", name.text, map.name),
        None => {
            let hint = did_you_mean(&name.text, fields.iter().map(|field| field.name));
            format!("unknown field `{}`{hint}", name.text)
        }
    };
    reader.error(name.at, message);
    None
}

struct Condition<'a, 'r> {
    reader: &'a mut Reader<'r>,
    regexes: &'a mut Regexes,
    field: &'static Field,
    operator: Operator,
}

impl Condition<'_, '_> {
    /// The check, and whether it is to be negated.
    fn check(&mut self, value: Option<&Node>, whole: &Node) -> Option<(Check, bool)> {
        use Operator as O;
        let negated = matches!(self.operator, O::NotEquals | O::NotIn | O::NotContains);
        let Some(value) = value else { return Some((Check::Exists, false)) };
        let check = match (self.operator, self.field.kind) {
            (O::Exists, _) => {
                let wanted = self.reader.boolean(value, "`value` of `exists`")?;
                return Some((Check::Exists, !wanted));
            }
            (O::Equals | O::NotEquals, FieldKind::Text | FieldKind::Map) => {
                Check::Globs(vec![Glob::literal(&self.text(value)?.text)])
            }
            (O::Equals | O::NotEquals, FieldKind::Integer) => Check::Integers(vec![self.integer(value)?]),
            (O::Equals | O::NotEquals, FieldKind::Boolean) => {
                let what = self.what();
                Check::Boolean(self.reader.boolean(value, &what)?)
            }
            (O::In | O::NotIn, FieldKind::Text | FieldKind::Map | FieldKind::List) => {
                Check::Globs(self.texts(value)?.iter().map(|one| Glob::literal(&one.text)).collect())
            }
            (O::In | O::NotIn, FieldKind::Integer) => Check::Integers(self.integers(value)?),
            (O::Contains | O::NotContains, FieldKind::List) => {
                Check::Globs(vec![Glob::literal(&self.text(value)?.text)])
            }
            (O::Contains | O::NotContains, FieldKind::Text | FieldKind::Map) => {
                Check::Globs(vec![Glob::contains(&self.text(value)?.text)])
            }
            (O::StartsWith, FieldKind::Text | FieldKind::Map | FieldKind::List) => {
                Check::Globs(vec![Glob::prefix(&self.text(value)?.text)])
            }
            (O::EndsWith, FieldKind::Text | FieldKind::Map | FieldKind::List) => {
                Check::Globs(vec![Glob::suffix(&self.text(value)?.text)])
            }
            (O::Glob, FieldKind::Text | FieldKind::Map | FieldKind::List) => {
                let what = self.what();
                let globs = self.reader.texts(value, &what)?;
                Check::Globs(read_globs(self.reader, &globs, false)?)
            }
            (O::Matches, FieldKind::Text | FieldKind::Map | FieldKind::List) => {
                Check::Regex(self.regex(value)?)
            }
            (O::Greater, FieldKind::Integer) => Check::Between(self.integer(value)? + 1, i128::MAX),
            (O::GreaterOrEqual, FieldKind::Integer) => Check::Between(self.integer(value)?, i128::MAX),
            (O::Less, FieldKind::Integer) => Check::Between(i128::MIN, self.integer(value)? - 1),
            (O::LessOrEqual, FieldKind::Integer) => Check::Between(i128::MIN, self.integer(value)?),
            (_, kind) => {
                self.mismatch(whole, kind);
                return None;
            }
        };
        Some((check, negated))
    }

    fn mismatch(&mut self, whole: &Node, kind: FieldKind) {
        let at = match &whole.value {
            Value::Map(entries) => {
                entries.iter().find(|entry| entry.key == "operator").map(|entry| entry.value.at)
            }
            Value::List(_) | Value::Scalar { .. } => None,
        };
        let written =
            OPERATORS.iter().find(|(_, operator)| *operator == self.operator).map_or("", |(name, _)| name);
        let usable = match kind {
            FieldKind::Integer => {
                "equals, not_equals, in, not_in, greater_than, less_than and their like, exists"
            }
            FieldKind::Boolean => "equals, not_equals, exists",
            FieldKind::List => {
                "contains, not_contains, in, not_in, starts_with, ends_with, glob, matches, exists"
            }
            FieldKind::Text | FieldKind::Map => {
                "equals, not_equals, in, not_in, contains, not_contains, starts_with, ends_with, glob, matches, exists"
            }
        };
        let message =
            format!("`{written}` does not apply to `{}` ({}); use {usable}", self.field.name, kind.as_str());
        self.reader.error(at.unwrap_or(whole.at), message);
    }

    fn what(&self) -> String {
        format!("`value` for `{}`", self.field.name)
    }

    fn text(&mut self, value: &Node) -> Option<Located> {
        let what = self.what();
        self.reader.text(value, &what, MAX_NAME_CHARS)
    }

    fn texts(&mut self, value: &Node) -> Option<Vec<Located>> {
        let what = self.what();
        self.reader.list(value, &what)?;
        self.reader.texts(value, &what)
    }

    fn integer(&mut self, value: &Node) -> Option<i128> {
        let what = self.what();
        self.reader.integer(value, &what).map(i128::from)
    }

    fn integers(&mut self, value: &Node) -> Option<Vec<i128>> {
        let what = self.what();
        let items = self.reader.list(value, &what)?;
        if items.is_empty() {
            self.reader.error(value.at, format!("{what} is an empty list"));
            return None;
        }
        items.iter().map(|item| self.integer(item)).collect()
    }

    fn regex(&mut self, value: &Node) -> Option<Regex> {
        let what = self.what();
        let pattern = self.reader.text(value, &what, MAX_REGEX_CHARS)?;
        if let Some(known) = self.regexes.get(&pattern.text) {
            return Some(known.clone());
        }
        match RegexBuilder::new(&pattern.text).size_limit(MAX_REGEX_PROGRAM).build() {
            Ok(regex) => {
                self.regexes.insert(pattern.text, regex.clone());
                Some(regex)
            }
            Err(error) => {
                let reason = match error {
                    regex::Error::CompiledTooBig(limit) => {
                        format!("it compiles to more than {limit} bytes; make its repetitions smaller")
                    }
                    // The library's message draws the pattern with a caret over several lines; the last says what is wrong.
                    other => other
                        .to_string()
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned(),
                };
                self.reader.error(pattern.at, format!("bad regular expression: {reason}"));
                None
            }
        }
    }
}

/// Globs from their texts, lower-cased when case is folded.
pub(crate) fn read_globs(reader: &mut Reader<'_>, texts: &[Located], fold: bool) -> Option<Vec<Glob>> {
    let mut globs = Vec::with_capacity(texts.len());
    for text in texts {
        let source = if fold { text.text.to_ascii_lowercase() } else { text.text.clone() };
        match Glob::parse(&source) {
            Ok(glob) => globs.push(glob),
            Err(message) => reader.error(text.at, message),
        }
    }
    (globs.len() == texts.len()).then_some(globs)
}
