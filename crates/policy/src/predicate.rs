//! Compiled conditions, evaluated in three values: a condition on text that was not given is neither true nor false.

use crate::Call;
use crate::field::{Field, FieldValue};
use crate::glob::Glob;
use crate::names::{Names, Selector};
use regex::Regex;

/// The result of a condition; the order makes `all` a minimum and `any` a maximum.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    False,
    /// It depends on text that was not given.
    NeedsText,
    True,
}

impl Truth {
    fn not(self) -> Self {
        match self {
            Self::False => Self::True,
            Self::NeedsText => Self::NeedsText,
            Self::True => Self::False,
        }
    }
}

impl From<bool> for Truth {
    fn from(value: bool) -> Self {
        if value { Self::True } else { Self::False }
    }
}

/// A call with what is computed from it once.
#[derive(Debug)]
pub(crate) struct View<'c> {
    pub(crate) call: &'c Call,
    pub(crate) route: Option<&'c str>,
    pub(crate) names: Names,
}

impl<'c> View<'c> {
    /// `route` is the one that the call is on.
    pub(crate) fn of(call: &'c Call, route: Option<&'c str>) -> Self {
        Self { call, route, names: Names::of(call, route) }
    }
}

/// A tree of tests.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    All(Vec<Predicate>),
    Any(Vec<Predicate>),
    Not(Box<Predicate>),
    Test(Test),
}

/// One test of one subject. A missing value fails every test.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) check: Check,
}

/// What is tested.
#[derive(Clone)]
pub(crate) enum Subject {
    Selector(Selector),
    Field(&'static Field, String),
}

/// How it is tested. On lists: some element passes.
#[derive(Debug, Clone)]
pub(crate) enum Check {
    /// The text matches one of these.
    Globs(Vec<Glob>),
    Regex(Regex),
    /// The number is one of these.
    Integers(Vec<i128>),
    /// From, to, both included.
    Between(i128, i128),
    Boolean(bool),
    Exists,
}

impl Predicate {
    pub(crate) fn eval(&self, view: &View<'_>) -> Truth {
        match self {
            Self::All(parts) => all(parts.iter(), view),
            Self::Any(parts) => {
                let mut best = Truth::False;
                for part in parts {
                    best = best.max(part.eval(view));
                    if best == Truth::True {
                        break;
                    }
                }
                best
            }
            Self::Not(part) => part.eval(view).not(),
            Self::Test(test) => test.eval(view),
        }
    }

    /// Evaluating it may need the request's text.
    pub(crate) fn needs_text(&self) -> bool {
        self.any_field(&|field| field.needs_text)
    }

    /// It selects tool calls: what holds for it is none to Bedrock.
    pub(crate) fn selects_tools(&self) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(Self::selects_tools),
            Self::Not(part) => part.selects_tools(),
            Self::Test(Test { subject: Subject::Selector(selector), .. }) => selector.key() == "tools",
            Self::Test(Test { subject: Subject::Field(field, _), .. }) => field.name == "arguments",
        }
    }

    /// It reads the field of this name.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.any_field(&|field| field.name == name)
    }

    fn any_field(&self, wanted: &impl Fn(&Field) -> bool) -> bool {
        match self {
            Self::All(parts) | Self::Any(parts) => parts.iter().any(|part| part.any_field(wanted)),
            Self::Not(part) => part.any_field(wanted),
            Self::Test(test) => matches!(&test.subject, Subject::Field(field, _) if wanted(field)),
        }
    }
}

/// The conjunction; stops at the first that is false, so that text is asked for only where it matters.
pub(crate) fn all<'p>(parts: impl Iterator<Item = &'p Predicate>, view: &View<'_>) -> Truth {
    let mut worst = Truth::True;
    for part in parts {
        worst = worst.min(part.eval(view));
        if worst == Truth::False {
            break;
        }
    }
    worst
}

impl Test {
    pub(crate) fn eval(&self, view: &View<'_>) -> Truth {
        match self.subject.value(view) {
            FieldValue::Missing => Truth::False,
            FieldValue::NeedsText => Truth::NeedsText,
            value => self.check.holds(value).into(),
        }
    }
}

impl Subject {
    pub(crate) fn value<'v>(&self, view: &'v View<'_>) -> FieldValue<'v> {
        match self {
            Self::Selector(selector) => FieldValue::List(view.names.get(*selector)),
            Self::Field(field, key) => (field.get)(view.call, key),
        }
    }
}

impl std::fmt::Debug for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Selector(selector) => f.write_str(selector.key()),
            Self::Field(field, key) if key.is_empty() => f.write_str(field.name),
            Self::Field(field, key) => write!(f, "{}.{key}", field.name),
        }
    }
}

impl Check {
    fn holds(&self, value: FieldValue<'_>) -> bool {
        match (self, value) {
            (Self::Exists, FieldValue::List(items)) => !items.is_empty(),
            (Self::Exists, _) => true,
            (_, FieldValue::List(items)) => items.iter().any(|item| self.holds(FieldValue::Text(item))),
            (Self::Globs(globs), FieldValue::Text(text)) => globs.iter().any(|glob| glob.matches(text)),
            (Self::Regex(regex), FieldValue::Text(text)) => regex.is_match(text),
            (Self::Integers(numbers), FieldValue::Integer(own)) => numbers.contains(&i128::from(own)),
            (Self::Between(from, to), FieldValue::Integer(own)) => (*from..=*to).contains(&i128::from(own)),
            (Self::Boolean(wanted), FieldValue::Boolean(own)) => *wanted == own,
            // Types were checked when the rule was compiled; what cannot be compared does not hold.
            _ => false,
        }
    }
}
