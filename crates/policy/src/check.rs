//! One check of one value.

use crate::cidr::{self, Network};
use crate::field::FieldValue;
use crate::fold::with_folded;
use crate::glob::Glob;
use crate::hours::{self, Window};
use crate::number::{Comparison, Number, Quantity};
use crate::predicate::Subject;
use crate::view::View;
use memchr::memmem::Finder;
use regex::Regex;
use serde_json::Value;

/// How a value is tested. On lists: some element passes, except where a variant says otherwise.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    /// The text matches one of these.
    Globs {
        globs: Vec<Glob>,
        /// The text is folded first; the globs are.
        folds: bool,
    },
    /// Every name of the list matches one of these, and there is one. Names are folded already; an ARN and its last part
    /// are two names of one thing.
    Every(Vec<Glob>),
    /// The JSON value is one of these, itself: a list is none of them.
    Scalars {
        scalars: Vec<Scalar>,
        folds: bool,
    },
    /// The JSON text contains this, or the JSON list has it as an element.
    Contains {
        scalar: Scalar,
        finder: Option<Box<Finder<'static>>>,
        folds: bool,
    },
    Regex(Regex),
    /// This text, by its number, occurs in the request's text.
    TextLiteral(usize),
    /// This regular expression, by its number, matches in the request's text.
    TextRegex(usize),
    /// The number is one of these.
    Numbers(Vec<Number>),
    Compare(Comparison, Number),
    /// The number of elements, entries, items or characters.
    Length(Comparison, Number),
    Boolean(bool),
    Exists,
    Cidr(Vec<Network>),
    /// The moment is inside (or outside) the window, on one of its days.
    Hours {
        window: Box<Window>,
        inside: bool,
    },
    /// The number is more than so many percent of another.
    PercentOf {
        other: Box<Subject>,
        percent: Number,
    },
}

/// A plain value of a rule.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Scalar {
    /// Folded where the check folds.
    Text(String),
    Number(Number),
    Boolean(bool),
}

impl Check {
    pub(crate) fn holds(&self, value: FieldValue<'_>, view: &View<'_>) -> bool {
        match (self, value) {
            (_, FieldValue::Missing | FieldValue::NeedsText) => false,
            (Self::Exists, FieldValue::List(items)) => !items.is_empty(),
            (Self::Exists, _) => true,
            (Self::Every(globs), FieldValue::List(items)) => {
                !items.is_empty() && items.iter().all(|item| is_covered(item, items, globs))
            }
            (Self::Length(comparison, length), value) => {
                size(value).is_some_and(|size| compare(&Quantity::Integer(size), *comparison, length))
            }
            (Self::Scalars { scalars, folds }, FieldValue::Json(value)) => {
                scalars.iter().any(|scalar| scalar.is(value, *folds))
            }
            (Self::Contains { scalar, folds, .. }, FieldValue::Json(Value::Array(items))) => {
                items.iter().any(|item| scalar.is(item, *folds))
            }
            (Self::TextLiteral(number), _) => view.hits().is_some_and(|hits| hits.literal(*number)),
            (Self::TextRegex(number), _) => view.hits().is_some_and(|hits| hits.regex(*number)),
            (_, FieldValue::List(items)) => items.iter().any(|item| self.holds(FieldValue::Text(item), view)),
            (_, FieldValue::Json(Value::Array(items))) => {
                items.iter().any(|item| self.holds(FieldValue::Json(item), view))
            }
            (_, FieldValue::Text(text)) => self.holds_of_text(text, view),
            (_, FieldValue::Json(Value::String(text))) => self.holds_of_text(text, view),
            (Self::Boolean(wanted), FieldValue::Boolean(own)) => *wanted == own,
            (_, value) => quantity(value).is_some_and(|own| self.holds_of_number(&own, view)),
        }
    }

    fn holds_of_text(&self, text: &str, view: &View<'_>) -> bool {
        match self {
            Self::Globs { globs, folds: false } => globs.iter().any(|glob| glob.matches(text)),
            Self::Globs { globs, folds: true } => {
                with_folded(text, |text| globs.iter().any(|glob| glob.matches(text)))
            }
            Self::Contains { finder: Some(finder), folds, .. } => {
                let find = |text: &str| finder.find(text.as_bytes()).is_some();
                if *folds { with_folded(text, find) } else { find(text) }
            }
            Self::Regex(regex) => regex.is_match(text),
            Self::Cidr(networks) => cidr::address(text)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address))),
            Self::Hours { window, inside } => {
                hours::moment(text).and_then(|moment| window.contains(moment)) == Some(*inside)
            }
            Self::Compare(..) | Self::Numbers(_) | Self::PercentOf { .. } => {
                Quantity::of_text(text).is_some_and(|own| self.holds_of_number(&own, view))
            }
            // Types were checked when the rule was compiled; what cannot be compared does not hold.
            _ => false,
        }
    }

    fn holds_of_number(&self, own: &Quantity, view: &View<'_>) -> bool {
        match self {
            Self::Compare(comparison, bound) => compare(own, *comparison, bound),
            Self::Numbers(numbers) => numbers.iter().any(|one| compare(own, Comparison::Equal, one)),
            Self::Hours { window, inside } => {
                hours::moment_of_seconds(own.approx()).and_then(|moment| window.contains(moment))
                    == Some(*inside)
            }
            Self::PercentOf { other, percent } => match other.value(view) {
                FieldValue::Json(Value::String(text)) => {
                    Quantity::of_text(text).is_some_and(|other| is_more_than_percent(own, percent, &other))
                }
                value => quantity(value).is_some_and(|other| is_more_than_percent(own, percent, &other)),
            },
            _ => false,
        }
    }

    /// On folded request text, which is folded once for all checks.
    pub(crate) fn holds_of_folded(&self, text: &str) -> bool {
        matches!(self, Self::Globs { globs, .. } if globs.iter().any(|glob| glob.matches(text)))
    }
}

/// A name matches, or another name of the same thing does.
fn is_covered(name: &str, names: &[String], globs: &[Glob]) -> bool {
    let matches = |name: &str| globs.iter().any(|glob| glob.matches(name));
    let tail = |name: &'_ str| name.strip_prefix("arn:")?.split_once('/').map(|(_, tail)| tail.to_owned());
    matches(name)
        || tail(name).is_some_and(|tail| matches(&tail))
        || names.iter().any(|other| tail(other).as_deref() == Some(name) && matches(other))
}

fn compare(own: &Quantity, comparison: Comparison, bound: &Number) -> bool {
    own.compare(bound).is_some_and(|ordering| comparison.holds(ordering))
}

/// Exact where all three are whole numbers.
fn is_more_than_percent(own: &Quantity, percent: &Number, other: &Quantity) -> bool {
    if let (Quantity::Integer(own), Some(percent), Quantity::Integer(other)) =
        (own, percent.as_integer(), other)
        && let (Some(own), Some(share)) = (own.checked_mul(100), other.checked_mul(percent))
    {
        return own > share;
    }
    own.approx() * 100.0 > other.approx() * percent.approx()
}

/// Booleans count as 1 and 0, as in the rule formats of others.
fn quantity(value: FieldValue<'_>) -> Option<Quantity> {
    match value {
        FieldValue::Integer(number) => Some(Quantity::Integer(number.into())),
        FieldValue::Json(Value::Number(number)) => Quantity::of_json(number),
        FieldValue::Json(Value::Bool(value)) => Some(Quantity::Integer((*value).into())),
        _ => None,
    }
}

/// Elements of a list, entries of an object; of an argument that is text the items between `,` or `;`; of other text the
/// characters.
fn size(value: FieldValue<'_>) -> Option<i128> {
    let size = match value {
        FieldValue::List(items) => items.len(),
        FieldValue::Text(text) => text.chars().count(),
        FieldValue::Json(Value::Array(items)) => items.len(),
        FieldValue::Json(Value::Object(map)) => map.len(),
        FieldValue::Json(Value::String(text)) if text.contains([',', ';']) => {
            text.split([',', ';']).filter(|item| !item.trim().is_empty()).count()
        }
        FieldValue::Json(Value::String(text)) => usize::from(!text.trim().is_empty()),
        _ => return None,
    };
    i128::try_from(size).ok()
}

impl Scalar {
    fn is(&self, value: &Value, folds: bool) -> bool {
        match (self, value) {
            (Self::Text(own), Value::String(text)) if folds => with_folded(text, |text| text == own),
            (Self::Text(own), Value::String(text)) => text == own,
            (Self::Boolean(own), Value::Bool(value)) => own == value,
            (Self::Number(own), Value::Bool(value)) => Number::integer((*value).into()).compare(own).is_eq(),
            (Self::Number(own), Value::Number(number)) => {
                Quantity::of_json(number).is_some_and(|number| compare(&number, Comparison::Equal, own))
            }
            (Self::Boolean(own), Value::Number(number)) => Quantity::of_json(number)
                .is_some_and(|number| compare(&number, Comparison::Equal, &Number::integer((*own).into()))),
            _ => false,
        }
    }
}
