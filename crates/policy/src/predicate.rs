//! Compiled conditions, evaluated in three values: a condition on text that was not given is neither true nor false.

use crate::check::Check;
use crate::explain::Verity;
use crate::field::{Field, FieldValue};
use crate::names::Selector;
use crate::output;
use crate::sequence::Sequence;
use crate::source::report::Pos;
use crate::view::View;

/// The result of a condition; its order makes `all` a minimum and `any` a maximum.
pub(crate) type Truth = Verity;

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

/// A tree of tests. The places are those of the groups.
#[derive(Debug, Clone)]
pub(crate) enum Predicate {
    All(Vec<Predicate>, Pos),
    Any(Vec<Predicate>, Pos),
    Not(Box<Predicate>, Pos),
    Test(Test),
    Sequence(Box<Sequence>),
    /// All of these hold for one output: of a tool, or of the model.
    Output(Vec<Predicate>, Pos),
}

/// One test of one subject. A missing value fails every check, and so passes every negated one.
#[derive(Debug, Clone)]
pub(crate) struct Test {
    pub(crate) subject: Subject,
    pub(crate) check: Check,
    pub(crate) negated: bool,
    pub(crate) written: Written,
}

/// How a test was written, for whoever asks why.
#[derive(Debug, Clone)]
pub(crate) struct Written {
    /// Empty for a selector.
    pub(crate) operator: &'static str,
    pub(crate) value: Box<str>,
    pub(crate) at: Pos,
}

/// What is tested.
#[derive(Clone)]
pub(crate) enum Subject {
    Selector(Selector),
    Field(&'static Field, String),
}

impl Predicate {
    pub(crate) fn eval(&self, view: &View<'_>) -> Truth {
        match self {
            Self::All(parts, _) => all(parts.iter(), view),
            Self::Any(parts, _) => any(parts.iter(), |part| part.eval(view)),
            Self::Not(part, _) => part.eval(view).not(),
            Self::Test(test) => test.eval(view),
            Self::Sequence(sequence) => sequence.eval(view),
            Self::Output(parts, _) => output::eval(parts, view),
        }
    }

    /// Evaluating it may need the request's text.
    pub(crate) fn needs_text(&self) -> bool {
        self.any_field(&|field| field.needs_text) || self.reads_outputs()
    }

    /// It is about the text of answers: what holds for it is neither a call to Bedrock nor a tool call.
    pub(crate) fn reads_answers(&self) -> bool {
        self.any_field(&Field::is_of_answers)
    }

    /// It is about what tools answered that is sent back.
    pub(crate) fn reads_outputs(&self) -> bool {
        match self {
            Self::Output(..) => true,
            Self::All(parts, _) | Self::Any(parts, _) => parts.iter().any(Self::reads_outputs),
            Self::Not(part, _) => part.reads_outputs(),
            Self::Test(_) | Self::Sequence(_) => false,
        }
    }

    /// What it looks back on are tool calls.
    pub(crate) fn looks_for_tools(&self) -> bool {
        match self {
            Self::All(parts, _) | Self::Any(parts, _) | Self::Output(parts, _) => {
                parts.iter().any(Self::looks_for_tools)
            }
            Self::Not(part, _) => part.looks_for_tools(),
            Self::Test(_) => false,
            Self::Sequence(sequence) => sequence.looks_for_tools(),
        }
    }

    /// It selects tool calls: what holds for it is none to Bedrock.
    pub(crate) fn selects_tools(&self) -> bool {
        self.any_test(&|test| matches!(test.subject, Subject::Selector(Selector::Tools)))
            || self.any_field(&Field::is_of_tools)
    }

    /// It reads the field of this name.
    pub(crate) fn reads(&self, name: &str) -> bool {
        self.any_field(&|field| field.name == name)
    }

    /// Some field that it reads of the call itself is wanted; what it reads of the past does not count.
    pub(crate) fn any_field(&self, wanted: &impl Fn(&Field) -> bool) -> bool {
        self.any_test(&|test| {
            let reads = |subject: &Subject| matches!(subject, Subject::Field(field, _) if wanted(field));
            reads(&test.subject) || matches!(&test.check, Check::PercentOf { other, .. } if reads(other))
        })
    }

    /// Some test of the call itself is wanted.
    pub(crate) fn any_test(&self, wanted: &impl Fn(&Test) -> bool) -> bool {
        match self {
            Self::All(parts, _) | Self::Any(parts, _) | Self::Output(parts, _) => {
                parts.iter().any(|part| part.any_test(wanted))
            }
            Self::Not(part, _) => part.any_test(wanted),
            Self::Test(test) => wanted(test),
            Self::Sequence(_) => false,
        }
    }

    /// How far, in milliseconds, it looks back.
    pub(crate) fn looks_back(&self) -> Option<u64> {
        match self {
            Self::All(parts, _) | Self::Any(parts, _) | Self::Output(parts, _) => {
                parts.iter().filter_map(Self::looks_back).max()
            }
            Self::Not(part, _) => part.looks_back(),
            Self::Test(_) => None,
            Self::Sequence(sequence) => Some(sequence.looks_back()),
        }
    }

    pub(crate) fn at(&self) -> Pos {
        match self {
            Self::All(_, at) | Self::Any(_, at) | Self::Not(_, at) | Self::Output(_, at) => *at,
            Self::Test(test) => test.written.at,
            Self::Sequence(sequence) => sequence.at,
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

fn any<P>(parts: impl Iterator<Item = P>, eval: impl Fn(P) -> Truth) -> Truth {
    let mut best = Truth::False;
    for part in parts {
        best = best.max(eval(part));
        if best == Truth::True {
            break;
        }
    }
    best
}

impl Test {
    pub(crate) fn eval(&self, view: &View<'_>) -> Truth {
        let truth = match self.subject.value(view) {
            FieldValue::Missing => Truth::False,
            FieldValue::NeedsText => Truth::NeedsText,
            FieldValue::Text(_) if self.reads_folded_text() => {
                self.check.holds_of_folded(view.folded_text()).into()
            }
            value => self.check.holds(value, view).into(),
        };
        if self.negated { truth.not() } else { truth }
    }

    fn reads_folded_text(&self) -> bool {
        matches!(&self.check, Check::Globs { folds: true, .. })
            && matches!(&self.subject, Subject::Field(field, _) if field.is_searched())
    }
}

impl Subject {
    pub(crate) fn value<'v>(&self, view: &'v View<'_>) -> FieldValue<'v> {
        match self {
            Self::Selector(selector) => FieldValue::List(view.names.get(*selector)),
            Self::Field(field, key) => (field.get)(view, key),
        }
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Selector(own), Self::Selector(other)) => own == other,
            (Self::Field(own, key), Self::Field(other, other_key)) => {
                own.name == other.name && key == other_key
            }
            (Self::Selector(_), Self::Field(..)) | (Self::Field(..), Self::Selector(_)) => false,
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

impl std::fmt::Display for Subject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Debug::fmt(self, f)
    }
}
