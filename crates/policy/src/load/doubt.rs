//! Rules that load but hardly do what their author believes.

use crate::check::Check;
use crate::decision::Effect;
use crate::glob::Glob;
use crate::number::Comparison;
use crate::predicate::{Predicate, Subject, Test};
use crate::rule::Rule;
use crate::source::report::Report;
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};

/// Pairs of conditions that are compared. Behind that, rules that never decide are not found: a check must not take
/// longer than reading the rules.
const MAX_WORK: usize = 100_000;

/// Reports them as warnings.
pub(crate) fn warn(rules: &[Rule], report: &mut Report) {
    warn_of_redact(rules, report);
    warn_of_moot(rules, report);
}

fn warn_of_redact(rules: &[Rule], report: &mut Report) {
    if let Some(rule) = rules.iter().find(|rule| rule.effect == Effect::Redact) {
        let message =
            "the gate of this version changes no call and no answer: what is to be redacted is refused";
        report.warning(&rule.source.path, rule.source.at, message);
    }
}

/// Rules that never decide because a stricter one holds whenever they do, and rules that are written twice.
fn warn_of_moot(rules: &[Rule], report: &mut Report) {
    let prints: Vec<Vec<u64>> =
        rules.iter().map(|rule| rule.conditions.iter().map(fingerprint).collect()).collect();
    let mut seen: HashMap<(Effect, bool, Vec<u64>), usize> = HashMap::new();
    let mut by_print: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut by_subject: HashMap<u64, Vec<usize>> = HashMap::new();
    let mut told = vec![false; rules.len()];
    for (number, (rule, own)) in rules.iter().zip(&prints).enumerate() {
        let mut sorted = own.clone();
        sorted.sort_unstable();
        if let Some(first) = seen.insert((rule.effect, rule.shadow, sorted), number)
            && let Some(first) = rules.get(first)
        {
            let message = format!(
                "rule `{}` does the same as `{}` ({}:{}) for the same calls; delete one",
                rule.id, first.id, first.source.path, first.source.at.line
            );
            report.warning(&rule.source.path, rule.source.at, message);
            if let Some(told) = told.get_mut(number) {
                *told = true;
            }
        }
        if rule.shadow || !rule.effect.decides() {
            continue;
        }
        own.iter().for_each(|print| by_print.entry(*print).or_default().push(number));
        rule.conditions
            .iter()
            .filter_map(subject)
            .for_each(|subject| by_subject.entry(subject).or_default().push(number));
    }
    let mut work = 0;
    let mut broad: Vec<(usize, &Rule)> =
        rules.iter().enumerate().filter(|(_, rule)| !rule.shadow && rule.effect > Effect::Allow).collect();
    // Fewer conditions hold for more calls.
    broad.sort_by_key(|(number, rule)| (rule.conditions.len(), *number));
    for (number, stricter) in broad {
        let own = prints.get(number).map_or(&[][..], Vec::as_slice);
        let milder: Vec<usize> = match (stricter.conditions.first(), own.first()) {
            (Some(first), Some(print)) => {
                let same = by_print.get(print).into_iter().flatten();
                let near = subject(first).and_then(|subject| by_subject.get(&subject)).into_iter().flatten();
                same.chain(near).copied().collect()
            }
            _ => (0..rules.len()).collect(),
        };
        for other in milder {
            let (Some(rule), Some(prints), Some(told)) =
                (rules.get(other), prints.get(other), told.get_mut(other))
            else {
                continue;
            };
            work += 1 + stricter.conditions.len() * rule.conditions.len();
            if work > MAX_WORK {
                return;
            }
            let milder = rule.effect < stricter.effect && stricter.about.covers(rule.about);
            if *told || rule.shadow || !rule.effect.decides() || !milder {
                continue;
            }
            let implied = |(wanted, print): (&Predicate, &u64)| {
                prints.contains(print) || rule.conditions.iter().any(|has| implies(has, wanted))
            };
            if stricter.conditions.iter().zip(own).all(implied) {
                *told = true;
                let message = format!(
                    "rule `{}` never decides: `{}` ({}:{}) is stricter and holds whenever it does",
                    rule.id, stricter.id, stricter.source.path, stricter.source.at.line
                );
                report.warning(&rule.source.path, rule.source.at, message);
            }
        }
    }
}

/// Equal for conditions that are written the same.
fn fingerprint(predicate: &Predicate) -> u64 {
    let mut hash = DefaultHasher::new();
    print(predicate, &mut hash);
    hash.finish()
}

fn print(predicate: &Predicate, hash: &mut impl Hasher) {
    std::mem::discriminant(predicate).hash(hash);
    match predicate {
        Predicate::All(parts, _) | Predicate::Any(parts, _) | Predicate::Output(parts, _) => {
            parts.len().hash(hash);
            parts.iter().for_each(|part| print(part, hash));
        }
        Predicate::Not(part, _) => print(part, hash),
        Predicate::Sequence(sequence) => {
            for (kind, past) in [&sequence.blocked_by, &sequence.requires].iter().enumerate() {
                past.iter().for_each(|past| (kind, &past.text).hash(hash));
            }
        }
        Predicate::Test(test) => {
            print_subject(&test.subject, hash);
            (test.negated, test.written.operator, &test.written.value).hash(hash);
            match &test.check {
                Check::Globs { globs, folds } => {
                    folds.hash(hash);
                    globs.iter().for_each(|glob| glob.source().hash(hash));
                }
                Check::Scalars { scalars, folds } => {
                    folds.hash(hash);
                    scalars.iter().for_each(|scalar| std::mem::discriminant(scalar).hash(hash));
                }
                Check::Contains { scalar, folds, .. } => (std::mem::discriminant(scalar), folds).hash(hash),
                Check::Regex(regex) => regex.as_str().hash(hash),
                Check::TextLiteral(number) | Check::TextRegex(number) => number.hash(hash),
                _ => {}
            }
        }
    }
}

fn print_subject(subject: &Subject, hash: &mut impl Hasher) {
    match subject {
        Subject::Selector(selector) => selector.hash(hash),
        Subject::Field(field, key) => (field.name, key).hash(hash),
    }
}

/// What a condition by globs or bounds is about; the others are compared as written only.
fn subject(predicate: &Predicate) -> Option<u64> {
    let Predicate::Test(Test { subject, check, negated: false, .. }) = predicate else { return None };
    matches!(check, Check::Globs { .. } | Check::Compare(..)).then(|| {
        let mut hash = DefaultHasher::new();
        print_subject(subject, &mut hash);
        hash.finish()
    })
}

/// Whatever passes `has` passes `wanted`. Errs on the side of no.
fn implies(has: &Predicate, wanted: &Predicate) -> bool {
    let (Predicate::Test(has), Predicate::Test(wanted)) = (has, wanted) else { return false };
    if has.negated || wanted.negated || has.subject != wanted.subject {
        return false;
    }
    match (&has.check, &wanted.check) {
        (Check::Globs { globs, folds }, Check::Globs { globs: wide, folds: wide_folds }) => {
            folds == wide_folds && globs.iter().all(|glob| wide.iter().any(|wide| covers(wide, glob)))
        }
        (Check::Compare(own, bound), Check::Compare(other, wide)) => {
            use Comparison as C;
            let order = bound.compare(wide);
            match (own, other) {
                (C::Greater | C::GreaterOrEqual, C::GreaterOrEqual) | (C::Greater, C::Greater) => {
                    order.is_ge()
                }
                (C::GreaterOrEqual, C::Greater) => order.is_gt(),
                (C::Less | C::LessOrEqual, C::LessOrEqual) | (C::Less, C::Less) => order.is_le(),
                (C::LessOrEqual, C::Less) => order.is_lt(),
                _ => false,
            }
        }
        _ => false,
    }
}

fn covers(wide: &Glob, narrow: &Glob) -> bool {
    wide.source() == narrow.source()
        || wide.source() == "*"
        || narrow.as_literal().is_some_and(|text| wide.matches(text))
}
