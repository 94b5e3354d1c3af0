//! Operators: what each applies to, and the check that it becomes.

use super::condition::{Place, resolve};
use super::language::Language;
use super::{value, words};
use crate::check::{Check, Scalar};
use crate::field::{Field, FieldKind};
use crate::fold::fold;
use crate::glob::Glob;
use crate::limits::{MAX_NAME_CHARS, MAX_REGEX_CHARS};
use crate::number::{Comparison, Number};
use crate::predicate::{Subject, Test, Written};
use crate::source::node::{Node, Value};
use crate::source::read::{Located, Map, Reader, describe};
use crate::source::report::Pos;
use memchr::memmem::Finder;

/// The operators.
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
    Compare(Comparison),
    Length(Comparison),
    Exists,
    NotExists,
    Cidr,
    WithinHours,
    OutsideHours,
    PercentOf,
}

/// As conditions write them, long and short.
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
    ("starts", Operator::StartsWith),
    ("ends_with", Operator::EndsWith),
    ("ends", Operator::EndsWith),
    ("glob", Operator::Glob),
    ("matches", Operator::Matches),
    ("regex", Operator::Matches),
    ("greater_than", Operator::Compare(Comparison::Greater)),
    ("gt", Operator::Compare(Comparison::Greater)),
    ("greater_than_or_equal", Operator::Compare(Comparison::GreaterOrEqual)),
    ("gte", Operator::Compare(Comparison::GreaterOrEqual)),
    ("less_than", Operator::Compare(Comparison::Less)),
    ("lt", Operator::Compare(Comparison::Less)),
    ("less_than_or_equal", Operator::Compare(Comparison::LessOrEqual)),
    ("lte", Operator::Compare(Comparison::LessOrEqual)),
    ("length_equals", Operator::Length(Comparison::Equal)),
    ("len_eq", Operator::Length(Comparison::Equal)),
    ("length_greater_than", Operator::Length(Comparison::Greater)),
    ("len_gt", Operator::Length(Comparison::Greater)),
    ("length_greater_than_or_equal", Operator::Length(Comparison::GreaterOrEqual)),
    ("len_gte", Operator::Length(Comparison::GreaterOrEqual)),
    ("length_less_than", Operator::Length(Comparison::Less)),
    ("len_lt", Operator::Length(Comparison::Less)),
    ("length_less_than_or_equal", Operator::Length(Comparison::LessOrEqual)),
    ("len_lte", Operator::Length(Comparison::LessOrEqual)),
    ("exists", Operator::Exists),
    ("not_exists", Operator::NotExists),
    ("cidr", Operator::Cidr),
    ("within_hours", Operator::WithinHours),
    ("outside_hours", Operator::OutsideHours),
    ("percent_of", Operator::PercentOf),
];

/// One condition while it is read.
pub(crate) struct Condition<'a, 'r> {
    pub(crate) reader: &'a mut Reader<'r>,
    pub(crate) language: &'a mut Language,
    pub(crate) subject: Subject,
    pub(crate) field: &'static Field,
    pub(crate) operator: Operator,
    /// Case is ignored.
    pub(crate) folds: bool,
    pub(crate) place: Place,
    pub(crate) operator_at: Pos,
}

impl Condition<'_, '_> {
    pub(crate) fn read(&mut self, map: Map<'_>, node: &Node) -> Option<Test> {
        let value = map.get("value");
        let needs_none = matches!(self.operator, Operator::Exists | Operator::NotExists);
        let (check, negated) = match value {
            Some(value) => self.check(value)?,
            None if needs_none => (Check::Exists, self.operator == Operator::NotExists),
            None => {
                self.reader.error(map.at, "the condition has no `value`");
                return None;
            }
        };
        let operator =
            OPERATORS.iter().find(|(_, operator)| *operator == self.operator).map_or("", |(name, _)| name);
        let value = value.map_or_else(String::new, |value| value::show(value)).into_boxed_str();
        let written = Written { operator, value, at: node.at };
        Some(Test { subject: self.subject.clone(), check, negated, written })
    }

    /// The check, and whether it is to be negated.
    fn check(&mut self, value: &Node) -> Option<(Check, bool)> {
        use FieldKind as K;
        use Operator as O;
        let negated = matches!(self.operator, O::NotEquals | O::NotIn | O::NotContains);
        let texts = matches!(self.field.kind, K::Text | K::Map | K::List);
        let folds = self.folds;
        let check = match (self.operator, self.field.kind) {
            (O::Exists | O::NotExists, _) => {
                let wanted = self.reader.boolean(value, "`value` of `exists`")?;
                return Some((Check::Exists, wanted != (self.operator == O::Exists)));
            }
            (O::Equals | O::NotEquals, _) if texts => {
                Check::Globs { globs: vec![self.literal(value)?], folds }
            }
            (O::Equals | O::NotEquals, K::Integer) => Check::Numbers(vec![self.number(value)?]),
            (O::Equals | O::NotEquals, K::Boolean) => {
                let what = self.what();
                Check::Boolean(self.reader.boolean(value, &what)?)
            }
            (O::Equals | O::NotEquals, K::Json) => {
                Check::Scalars { scalars: vec![self.scalar(value)?], folds }
            }
            (O::In | O::NotIn, K::Integer) => Check::Numbers(self.each(value, Self::number)?),
            (O::In | O::NotIn, K::Json) => Check::Scalars { scalars: self.each(value, Self::scalar)?, folds },
            (O::In | O::NotIn, _) if texts => {
                let globs = self.each(value, |own, one| own.literal(one))?;
                self.globs(globs)
            }
            (O::Contains | O::NotContains, K::List) => {
                Check::Globs { globs: vec![self.literal(value)?], folds }
            }
            (O::Contains | O::NotContains, K::Text | K::Map) => self.contains_text(value)?,
            (O::Contains | O::NotContains, K::Json) => {
                let scalar = self.scalar(value)?;
                let finder = match &scalar {
                    Scalar::Text(text) => Some(Box::new(Finder::new(text.as_bytes()).into_owned())),
                    Scalar::Number(_) | Scalar::Boolean(_) => None,
                };
                Check::Contains { scalar, finder, folds }
            }
            (O::StartsWith, _) if texts || self.field.kind == K::Json => {
                let text = self.folded(value)?;
                self.globs(vec![Glob::prefix(&text)])
            }
            (O::EndsWith, _) if texts || self.field.kind == K::Json => {
                let text = self.folded(value)?;
                self.globs(vec![Glob::suffix(&text)])
            }
            (O::Glob, _) if texts || self.field.kind == K::Json => {
                let what = self.what();
                let globs = self.reader.texts(value, &what)?;
                let globs = read_globs(self.reader, &globs, folds)?;
                self.globs(globs)
            }
            (O::Matches, _) if texts || self.field.kind == K::Json => {
                let what = self.what();
                let pattern = self.reader.text(value, &what, MAX_REGEX_CHARS)?;
                let regex = self.language.regex(self.reader, &pattern, folds)?;
                if self.field.is_searched() {
                    Check::TextRegex(self.language.patterns.regex(&regex, folds))
                } else {
                    Check::Regex(regex)
                }
            }
            (O::Compare(comparison), K::Integer | K::Json) => Check::Compare(comparison, self.number(value)?),
            (O::Length(comparison), K::Text | K::Map | K::List | K::Json) => {
                let what = self.what();
                let length = self.reader.integer(value, &what)?;
                if length < 0 {
                    self.reader.error(value.at, format!("{what} is a length, which is never below 0"));
                    return None;
                }
                Check::Length(comparison, Number::integer(length.into()))
            }
            (O::Cidr, K::Text | K::Map | K::List | K::Json) => {
                Check::Cidr(value::networks(self.reader, value)?)
            }
            (O::WithinHours | O::OutsideHours, _) if self.field.is_moment() => {
                let window = Box::new(value::window(self.reader, self.language, value)?);
                Check::Hours { window, inside: self.operator == O::WithinHours }
            }
            (O::PercentOf, K::Integer | K::Json) => self.percent_of(value)?,
            (_, kind) => {
                self.mismatch(kind);
                return None;
            }
        };
        Some((check, negated))
    }

    fn globs(&self, globs: Vec<Glob>) -> Check {
        Check::Globs { globs, folds: self.folds }
    }

    fn contains_text(&mut self, value: &Node) -> Option<Check> {
        let what = self.what();
        let text = self.reader.text(value, &what, MAX_NAME_CHARS)?.text;
        if self.field.is_searched() {
            return Some(Check::TextLiteral(self.language.patterns.literal(&text, self.folds)));
        }
        let text = if self.folds { fold(&text).into_owned() } else { text };
        Some(self.globs(vec![Glob::contains(&text)]))
    }

    fn percent_of(&mut self, value: &Node) -> Option<Check> {
        let map = self.reader.map(value, "the value of `percent_of`", &["field", "percent"])?;
        let name = self.reader.required(map, "field", "`percent_of`");
        let name = name.and_then(|name| self.reader.text(name, "`field`", MAX_NAME_CHARS));
        let percent = self.reader.required(map, "percent", "`percent_of`");
        let percent = percent.and_then(|percent| self.reader.number(percent, "`percent`"));
        let name = name?;
        let (field, key) = resolve(self.reader, &name, self.place)?;
        if !matches!(field.kind, FieldKind::Integer | FieldKind::Json) {
            let kind = field.kind.as_str();
            self.reader.error(name.at, format!("`{}` is {kind}, not a number", name.text));
            return None;
        }
        Some(Check::PercentOf { other: Box::new(Subject::Field(field, key)), percent: percent? })
    }

    fn mismatch(&mut self, kind: FieldKind) {
        let written =
            OPERATORS.iter().find(|(_, operator)| *operator == self.operator).map_or("", |(name, _)| name);
        let hours = if self.field.is_moment() { ", within_hours, outside_hours" } else { "" };
        let usable = match kind {
            FieldKind::Integer => {
                "equals, not_equals, in, not_in, greater_than, less_than and their like, percent_of, exists"
            }
            FieldKind::Boolean => "equals, not_equals, exists",
            FieldKind::List => {
                "contains, not_contains, in, not_in, starts_with, ends_with, glob, matches, cidr, length_equals and its \
                 like, exists"
            }
            FieldKind::Text | FieldKind::Map | FieldKind::Json => {
                "equals, not_equals, in, not_in, contains, not_contains, starts_with, ends_with, glob, matches, cidr, \
                 length_equals and its like, exists"
            }
        };
        let message = format!(
            "`{written}` does not apply to `{}` ({}); use {usable}{hours}",
            self.field.name,
            kind.as_str()
        );
        self.reader.error(self.operator_at, message);
    }

    fn what(&self) -> String {
        format!("`value` for `{}`", self.subject)
    }

    fn folded(&mut self, value: &Node) -> Option<String> {
        let what = self.what();
        let text = self.reader.text(value, &what, MAX_NAME_CHARS)?.text;
        Some(if self.folds { fold(&text).into_owned() } else { text })
    }

    fn literal(&mut self, value: &Node) -> Option<Glob> {
        let text = self.folded(value)?;
        words::known(self.reader, value.at, self.field.name, text).map(|text| Glob::literal(&text))
    }

    fn number(&mut self, value: &Node) -> Option<Number> {
        let what = self.what();
        self.reader.number(value, &what)
    }

    /// A plain value as it stands: a number, a boolean, or text.
    fn scalar(&mut self, value: &Node) -> Option<Scalar> {
        let what = self.what();
        match value::scalar(value) {
            Ok(Scalar::Text(text)) if self.folds => Some(Scalar::Text(fold(&text).into_owned())),
            Ok(scalar) => Some(scalar),
            Err(hint) => {
                let got = describe(value);
                self.reader.error(
                    value.at,
                    format!("{what} must be text, a number or a boolean, but this is {got}{hint}"),
                );
                None
            }
        }
    }

    fn each<T>(
        &mut self,
        value: &Node,
        mut read: impl FnMut(&mut Self, &Node) -> Option<T>,
    ) -> Option<Vec<T>> {
        let what = self.what();
        let Value::List(items) = &value.value else {
            self.reader.list(value, &what)?;
            return None;
        };
        if items.is_empty() {
            self.reader.error(value.at, format!("{what} is an empty list, so nothing is in it"));
            return None;
        }
        items.iter().map(|item| read(self, item)).collect()
    }
}

/// Globs from their texts, folded when case is ignored.
pub(crate) fn read_globs(reader: &mut Reader<'_>, texts: &[Located], folds: bool) -> Option<Vec<Glob>> {
    let mut globs = Vec::with_capacity(texts.len());
    for text in texts {
        let parsed = if folds { Glob::parse(&fold(&text.text)) } else { Glob::parse(&text.text) };
        match parsed {
            Ok(glob) => globs.push(glob),
            Err(message) => reader.error(text.at, message),
        }
    }
    (globs.len() == texts.len()).then_some(globs)
}
