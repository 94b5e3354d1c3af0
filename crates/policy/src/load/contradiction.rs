//! Conditions that can never hold together: a rule with them protects nothing, and its author believes that it does.

use crate::Call;
use crate::check::{Check, Scalar};
use crate::field::{FieldKind, FieldValue};
use crate::number::{Comparison, Number};
use crate::predicate::{Predicate, Subject, Test};
use crate::source::read::Reader;
use crate::view::View;
use serde_json::Value;
use std::collections::HashMap;

/// More tests of one field than this are not compared with each other.
const MAX_TESTS: usize = 64;

/// Reports conditions that contradict each other. Only what can be proved is reported.
pub(crate) fn check(reader: &mut Reader<'_>, conditions: &[Predicate]) {
    let mut tests = Vec::new();
    let mut groups = Vec::new();
    conditions.iter().for_each(|one| flatten(one, &mut tests, &mut groups));
    if let Some((test, why)) = impossible(&tests) {
        reader.error(test.written.at, format!("the rule can never match: {why}"));
        return;
    }
    for (branches, at) in groups {
        let mut dead = Vec::new();
        for branch in branches {
            let mut both = tests.clone();
            flatten(branch, &mut both, &mut Vec::new());
            if both.len() > tests.len()
                && let Some((_, why)) = impossible(&both)
            {
                dead.push((branch.at(), why));
            }
        }
        if !dead.is_empty() && dead.len() == branches.len() {
            let why = dead.first().map_or("", |(_, why)| why);
            reader
                .error(at, format!("the rule can never match: no alternative can hold; of the first, {why}"));
            return;
        }
        for (at, why) in dead {
            reader.warning(at, format!("this alternative can never hold: {why}"));
        }
    }
}

type Group<'p> = (&'p [Predicate], crate::source::report::Pos);

/// What must hold: tests, and groups of which one must.
fn flatten<'p>(predicate: &'p Predicate, tests: &mut Vec<&'p Test>, groups: &mut Vec<Group<'p>>) {
    match predicate {
        Predicate::All(parts, _) | Predicate::Output(parts, _) => {
            parts.iter().for_each(|part| flatten(part, tests, groups))
        }
        Predicate::Any(parts, at) => groups.push((parts, *at)),
        Predicate::Test(test) => tests.push(test),
        Predicate::Not(..) | Predicate::Sequence(_) => {}
    }
}

/// A test that cannot hold beside the others, and why.
fn impossible<'p>(tests: &[&'p Test]) -> Option<(&'p Test, String)> {
    let fields = tests.iter().filter_map(|test| match &test.subject {
        Subject::Field(field, key) => Some(((field.name, key.as_str()), field.kind, *test)),
        Subject::Selector(_) => None,
    });
    let mut by_field: HashMap<(&str, &str), (FieldKind, Vec<&Test>)> = HashMap::new();
    let mut order = Vec::new();
    for (key, kind, test) in fields {
        let entry = by_field.entry(key).or_insert_with(|| {
            order.push(key);
            (kind, Vec::new())
        });
        entry.1.push(test);
    }
    order.iter().find_map(|key| {
        let (kind, tests) = by_field.get(key)?;
        impossible_of_field(*kind, tests)
    })
}

fn impossible_of_field<'p>(kind: FieldKind, tests: &[&'p Test]) -> Option<(&'p Test, String)> {
    if tests.len() > MAX_TESTS {
        return None;
    }
    let absent = tests.iter().find(|test| test.negated && matches!(test.check, Check::Exists));
    let present = tests.iter().find(|test| !test.negated);
    if let (Some(absent), Some(present)) = (absent, present) {
        return Some((present, format!("{} beside {}", said(absent), said(present))));
    }
    if let Some(found) = no_candidate(kind, tests) {
        return Some(found);
    }
    let positive = |wanted: fn(&Check) -> Option<(Comparison, &Number)>| {
        tests
            .iter()
            .filter(|test| !test.negated)
            .filter_map(move |test| wanted(&test.check).map(|(comparison, bound)| (*test, comparison, bound)))
    };
    if kind == FieldKind::Integer {
        let compared = positive(|check| match check {
            Check::Compare(comparison, bound) => Some((*comparison, bound)),
            _ => None,
        });
        if let Some(found) = empty_range(compared, largest(tests)) {
            return Some(found);
        }
    }
    let lengths = positive(|check| match check {
        Check::Length(comparison, bound) => Some((*comparison, bound)),
        _ => None,
    });
    empty_range(lengths, i128::from(u64::MAX))
}

/// The largest value that the field of these tests can have.
fn largest(tests: &[&Test]) -> i128 {
    match tests.first().map(|test| &test.subject) {
        Some(Subject::Field(field, _)) if field.name == "time.hour" => 23,
        Some(Subject::Field(field, _)) if field.name == "time.minute" => 59,
        _ => u64::MAX.into(),
    }
}

fn said(test: &Test) -> String {
    format!("`{} {} {}`", test.subject, test.written.operator, test.written.value).replace(" `", "`")
}

/// The first test that names the values one by one, when none of them passes all tests.
fn no_candidate<'p>(kind: FieldKind, tests: &[&'p Test]) -> Option<(&'p Test, String)> {
    let (number, first, candidates) = tests.iter().enumerate().find_map(|(number, test)| {
        let values = candidates(kind, &test.check)?;
        (!test.negated).then_some((number, *test, values))
    })?;
    let nobody = Call::default();
    let view = View::of(&nobody, None);
    let others: Vec<&'p Test> =
        tests.iter().enumerate().filter(|(other, _)| *other != number).map(|(_, test)| *test).collect();
    let passes = |test: &Test, value: &Value| {
        let value = match (kind, value) {
            (FieldKind::Text | FieldKind::Map, Value::String(text)) => FieldValue::Text(text),
            (FieldKind::Boolean, Value::Bool(value)) => FieldValue::Boolean(*value),
            (_, value) => FieldValue::Json(value),
        };
        !decidable(&test.check, value) || test.check.holds(value, &view) != test.negated
    };
    if kind == FieldKind::Integer && candidates.iter().all(|value| value.as_f64().is_some_and(|n| n < 0.0)) {
        return Some((first, format!("`{}` is never below 0", first.subject)));
    }
    if kind == FieldKind::Integer && !candidates.iter().any(|value| can_be(value, largest(tests))) {
        let why = format!("`{}` is a whole number of at most {}", first.subject, largest(tests));
        return Some((first, why));
    }
    let alive = candidates.iter().any(|value| others.iter().all(|test| passes(test, value)));
    if alive {
        return None;
    }
    let other = others.iter().find(|test| !candidates.iter().any(|value| passes(test, value)));
    let other = other.or(others.first())?;
    Some((other, format!("{} beside {}", said(first), said(other))))
}

/// The values that a test names, where it names them.
fn candidates(kind: FieldKind, check: &Check) -> Option<Vec<Value>> {
    match check {
        Check::Globs { globs, .. } if matches!(kind, FieldKind::Text | FieldKind::Map) => {
            globs.iter().map(|glob| glob.as_literal().map(Value::from)).collect()
        }
        Check::Scalars { scalars, .. } => scalars.iter().map(scalar).collect(),
        Check::Numbers(numbers) => numbers.iter().map(number).collect(),
        Check::Boolean(value) => Some(vec![Value::Bool(*value)]),
        _ => None,
    }
}

fn scalar(scalar: &Scalar) -> Option<Value> {
    match scalar {
        Scalar::Text(text) => Some(Value::from(text.as_str())),
        Scalar::Boolean(value) => Some(Value::Bool(*value)),
        Scalar::Number(value) => number(value),
    }
}

fn number(number: &Number) -> Option<Value> {
    match number.as_integer() {
        Some(value) => {
            i64::try_from(value).map(Value::from).or_else(|_| u64::try_from(value).map(Value::from)).ok()
        }
        None => serde_json::Number::from_f64(number.approx()).map(Value::Number),
    }
}

/// A whole number that is not too large.
fn can_be(value: &Value, largest: i128) -> bool {
    match value {
        Value::Number(number) => number.as_u64().is_some_and(|value| i128::from(value) <= largest),
        _ => true,
    }
}

/// The test's result on a value is known here. A value is known with its case ignored only.
fn decidable(check: &Check, value: FieldValue<'_>) -> bool {
    let text = matches!(value, FieldValue::Text(_) | FieldValue::Json(Value::String(_)));
    match check {
        Check::TextLiteral(_) | Check::TextRegex(_) | Check::PercentOf { .. } | Check::Every(_) => false,
        Check::Globs { folds, .. } | Check::Scalars { folds, .. } | Check::Contains { folds, .. } => {
            *folds || !text
        }
        // It may heed case.
        Check::Regex(_) => !text,
        // Lengths of folded text may differ; times are not folded.
        Check::Length(..) | Check::Hours { .. } => !text,
        Check::Numbers(_) | Check::Compare(..) | Check::Boolean(_) | Check::Exists | Check::Cidr(_) => true,
    }
}

/// Bounds between which there is no whole number, 0 or more.
fn empty_range<'p, 'n>(
    tests: impl Iterator<Item = (&'p Test, Comparison, &'n Number)>,
    largest: i128,
) -> Option<(&'p Test, String)> {
    let (mut low, mut high): (i128, i128) = (0, largest);
    let (mut lower, mut upper): (Option<&Test>, Option<&Test>) = (None, None);
    for (test, comparison, bound) in tests {
        let Some(bound) = bound.as_integer() else { continue };
        let (from, to) = match comparison {
            Comparison::Equal => (bound, bound),
            Comparison::Greater => (bound.saturating_add(1), i128::MAX),
            Comparison::GreaterOrEqual => (bound, i128::MAX),
            Comparison::Less => (i128::MIN, bound.saturating_sub(1)),
            Comparison::LessOrEqual => (i128::MIN, bound),
        };
        if from > low {
            (low, lower) = (from, Some(test));
        }
        if to < high {
            (high, upper) = (to, Some(test));
        }
        if low > high {
            let why = match (lower, upper) {
                (Some(lower), Some(upper)) if !std::ptr::eq(lower, upper) => {
                    format!("{} beside {}", said(lower), said(upper))
                }
                (Some(_), None) => format!("`{}` is never above {largest}", test.subject),
                _ => format!("`{}` is never below 0", test.subject),
            };
            return Some((test, why));
        }
    }
    None
}
