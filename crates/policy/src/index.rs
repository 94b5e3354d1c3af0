//! Finds the rules that may hold for a call without looking at each.
//!
//! A *dimension* is a subject (a selector or a text field) that rules match by text: `operations`, `models`,
//! `model.provider` … For every dimension each rule is filed under the texts and globs that it asks for, or under "asks
//! for nothing". A call's values then select rules by hash lookups and one pass over each value; the intersection over all
//! dimensions is exact for the conditions that were filed, so only the others are evaluated.

use crate::about::Asked;
use crate::bits::{Bits, Postings};
use crate::check::Check;
use crate::field::{FieldKind, FieldValue};
use crate::fold::with_folded;
use crate::glob::{Glob, GlobSet};
use crate::predicate::{Predicate, Subject, Test};
use crate::rule::Rule;
use crate::view::View;
use std::collections::{BTreeMap, HashMap};

/// More dimensions cost every call a little, and rarely used ones gain little.
const MAX_DIMENSIONS: usize = 16;

/// The index over a bundle's rules.
#[derive(Debug)]
pub(crate) struct Index {
    rules: usize,
    /// The rules about each kind of thing, in the order of [`Asked::ALL`].
    about: [Bits; Asked::ALL.len()],
    dimensions: Vec<Dimension>,
    /// By rule: the conditions that the index does not answer.
    rest: Vec<Vec<usize>>,
}

#[derive(Debug)]
struct Dimension {
    subject: Subject,
    /// Values are folded first.
    folds: bool,
    /// Rules that ask for nothing here.
    indifferent: Bits,
    literals: HashMap<String, Postings>,
    globs: GlobSet,
    by_glob: Vec<Postings>,
}

/// What a dimension is identified by.
type Key = String;

impl Index {
    pub(crate) fn new(rules: &[Rule]) -> Self {
        let mut uses: BTreeMap<Key, usize> = BTreeMap::new();
        for rule in rules {
            let mut keys: Vec<Key> =
                rule.conditions.iter().filter_map(fileable).map(|(key, ..)| key).collect();
            keys.sort_unstable();
            keys.dedup();
            keys.into_iter().for_each(|key| *uses.entry(key).or_default() += 1);
        }
        let mut by_use: Vec<(Key, usize)> = uses.into_iter().collect();
        by_use.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        by_use.truncate(MAX_DIMENSIONS);

        let mut filings: HashMap<Key, Filing<'_>> =
            by_use.iter().map(|(key, _)| (key.clone(), Filing::default())).collect();
        let mut rest = Vec::with_capacity(rules.len());
        for (number, rule) in (0_u32..).zip(rules) {
            let mut left = Vec::new();
            for (place, condition) in rule.conditions.iter().enumerate() {
                let filed = fileable(condition).is_some_and(|(key, test, globs)| {
                    filings.get_mut(&key).is_some_and(|filing| filing.add(number, test, globs))
                });
                if !filed {
                    left.push(place);
                }
            }
            rest.push(left);
        }
        let dimensions = by_use
            .iter()
            .filter_map(|(key, _)| filings.remove(key).and_then(|filing| filing.finish(rules.len())))
            .collect();
        let about = Asked::ALL.map(|asked| {
            let mut bits = Bits::empty(rules.len());
            let numbered = (0_u32..).zip(rules).filter(|(_, rule)| rule.about.has(asked));
            numbered.for_each(|(number, _)| bits.insert(number));
            bits
        });
        Self { rules: rules.len(), about, dimensions, rest }
    }

    /// The rules about this kind of thing of which every filed condition holds, ascending, each with the conditions still to evaluate.
    pub(crate) fn candidates(&self, view: &View<'_>) -> Vec<(usize, &[usize])> {
        let [calls, tools, answers] = &self.about;
        let mut found = match Asked::of(view.call) {
            Asked::Call => calls.clone(),
            Asked::Tool => tools.clone(),
            Asked::Answer => answers.clone(),
        };
        let mut selected = Bits::empty(self.rules);
        for dimension in &self.dimensions {
            selected.copy_from(&dimension.indifferent);
            match dimension.subject.value(view) {
                FieldValue::Text(text) => dimension.select(text, &mut selected),
                FieldValue::List(items) => {
                    items.iter().for_each(|text| dimension.select(text, &mut selected))
                }
                FieldValue::Missing
                | FieldValue::NeedsText
                | FieldValue::Integer(_)
                | FieldValue::Boolean(_)
                | FieldValue::Json(_) => {}
            }
            found.intersect(&selected);
        }
        found.iter().filter_map(|number| Some((number, self.rest.get(number)?.as_slice()))).collect()
    }
}

impl Dimension {
    fn select(&self, text: &str, selected: &mut Bits) {
        if self.folds {
            with_folded(text, |text| self.select_folded(text, selected));
        } else {
            self.select_folded(text, selected);
        }
    }

    fn select_folded(&self, text: &str, selected: &mut Bits) {
        if let Some(postings) = self.literals.get(text) {
            postings.add_to(selected);
        }
        self.globs.each_match(text, |glob| {
            if let Some(postings) = self.by_glob.get(glob) {
                postings.add_to(selected);
            }
        });
    }
}

/// A condition that a dimension can answer exactly: text against globs, on a subject that needs no text of the request.
fn fileable(condition: &Predicate) -> Option<(Key, &Test, &[Glob])> {
    let Predicate::Test(test) = condition else { return None };
    let Check::Globs { globs, folds } = &test.check else { return None };
    let kind = match &test.subject {
        Subject::Field(field, _) => Some(field.kind),
        Subject::Selector(_) => None,
    };
    let searches_text = condition.needs_text() || condition.reads_answers();
    if test.negated || kind == Some(FieldKind::Json) || searches_text {
        return None;
    }
    // No written key has a control character.
    let folds = if *folds { "" } else { "\u{1}exactly" };
    Some((format!("{:?}{folds}", test.subject), test, globs))
}

/// A dimension while it is filled.
#[derive(Default)]
struct Filing<'r> {
    test: Option<&'r Test>,
    filed: Vec<u32>,
    literals: HashMap<&'r str, Vec<u32>>,
    /// By the glob's text.
    globs: BTreeMap<&'r str, (&'r Glob, Vec<u32>)>,
}

impl<'r> Filing<'r> {
    /// Files a rule; `false` when it already is (two conditions on one subject: the second is evaluated).
    fn add(&mut self, number: u32, test: &'r Test, globs: &'r [Glob]) -> bool {
        if self.filed.last() == Some(&number) {
            return false;
        }
        self.test = Some(test);
        self.filed.push(number);
        for glob in globs {
            let list = match glob.as_literal() {
                Some(text) => self.literals.entry(text).or_default(),
                None => &mut self.globs.entry(glob.source()).or_insert_with(|| (glob, Vec::new())).1,
            };
            if list.last() != Some(&number) {
                list.push(number);
            }
        }
        true
    }

    fn finish(self, rules: usize) -> Option<Dimension> {
        let test = self.test?;
        let folds = matches!(test.check, Check::Globs { folds: true, .. });
        let mut asking = Bits::empty(rules);
        self.filed.iter().for_each(|number| asking.insert(*number));
        let mut indifferent = Bits::full(rules);
        indifferent.subtract(&asking);
        let literals = self
            .literals
            .into_iter()
            .map(|(text, rules_)| (text.to_owned(), Postings::new(rules_, rules)))
            .collect();
        let (globs, by_glob) = self
            .globs
            .into_values()
            .map(|(glob, rules_)| (glob.clone(), Postings::new(rules_, rules)))
            .unzip();
        let subject = test.subject.clone();
        Some(Dimension { subject, folds, indifferent, literals, globs: GlobSet::new(globs), by_glob })
    }
}
