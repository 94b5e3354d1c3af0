//! One pass over a request's text for everything that a bundle looks for in it.

use crate::bits::Bits;
use crate::fold::fold;
use aho_corasick::{AhoCorasick, AhoCorasickBuilder, AhoCorasickKind};
use regex::{Regex, RegexSet, RegexSetBuilder};
use std::collections::HashMap;

/// Bytes that the set of all regular expressions may compile to. Over that they are searched one by one.
const MAX_SET: usize = 64 * 1024 * 1024;
/// Patterns of this many bytes together become a table that is searched fastest.
const SMALL: usize = 16 * 1024;

/// The patterns, while a bundle is read.
#[derive(Debug, Default)]
pub(crate) struct Patterns {
    /// By text and whether case is ignored.
    literals: HashMap<(String, bool), usize>,
    regexes: HashMap<String, (usize, Regex)>,
}

impl Patterns {
    /// The number of a text to look for.
    pub(crate) fn literal(&mut self, text: &str, folds: bool) -> usize {
        let text = if folds { fold(text).into_owned() } else { text.to_owned() };
        let next = self.literals.len();
        *self.literals.entry((text, folds)).or_insert(next)
    }

    /// The number of a regular expression to look for.
    pub(crate) fn regex(&mut self, regex: &Regex, folds: bool) -> usize {
        let source = if folds { format!("(?i){}", regex.as_str()) } else { regex.as_str().to_owned() };
        let next = self.regexes.len();
        self.regexes.entry(source).or_insert_with(|| (next, regex.clone())).0
    }

    pub(crate) fn finish(self) -> Scanner {
        let count = self.literals.len();
        let mut folded = Vec::new();
        let mut exact = Vec::new();
        for ((text, folds), number) in self.literals {
            if folds { &mut folded } else { &mut exact }.push((number, text));
        }
        let mut regexes: Vec<_> = self.regexes.into_iter().collect();
        regexes.sort_unstable_by_key(|(_, (number, _))| *number);
        let sources = regexes.iter().map(|(source, _)| source);
        let set = RegexSetBuilder::new(sources).size_limit(MAX_SET).dfa_size_limit(MAX_SET).build();
        Scanner {
            count,
            folded: Automaton::new(folded, true),
            exact: Automaton::new(exact, false),
            set: set.ok().filter(|set| !set.is_empty()),
            regexes: regexes.into_iter().map(|(_, (_, regex))| regex).collect(),
        }
    }
}

/// The compiled patterns.
#[derive(Debug, Default)]
pub(crate) struct Scanner {
    count: usize,
    folded: Option<Automaton>,
    exact: Option<Automaton>,
    set: Option<RegexSet>,
    regexes: Vec<Regex>,
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Hits {
    literals: Bits,
    regexes: Bits,
}

impl Hits {
    pub(crate) fn literal(&self, number: usize) -> bool {
        self.literals.contains(number)
    }

    pub(crate) fn regex(&self, number: usize) -> bool {
        self.regexes.contains(number)
    }
}

impl Scanner {
    /// Searches the text. `folded` gives it with its case ignored; it is called only when it is needed.
    pub(crate) fn scan<'t>(&self, text: &'t str, folded: impl FnOnce() -> &'t str) -> Hits {
        let mut literals = Bits::empty(self.count);
        if let Some(automaton) = &self.folded {
            let as_it_is = text.is_ascii() && !automaton.is_plain();
            automaton.search(if as_it_is { text } else { folded() }, &mut literals);
        }
        if let Some(automaton) = &self.exact {
            automaton.search(text, &mut literals);
        }
        let mut regexes = Bits::empty(self.regexes.len());
        match &self.set {
            Some(set) => set.matches(text).iter().for_each(|number| regexes.insert(small(number))),
            None => {
                for (number, regex) in self.regexes.iter().enumerate() {
                    if regex.is_match(text) {
                        regexes.insert(small(number));
                    }
                }
            }
        }
        Hits { literals, regexes }
    }
}

fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// Texts that are searched for together.
#[derive(Debug)]
struct Automaton {
    /// None when it would have too many states: the texts are then searched for one by one.
    automaton: Option<AhoCorasick>,
    texts: Vec<String>,
    /// By the automaton's numbers.
    numbers: Vec<u32>,
}

impl Automaton {
    fn new(mut patterns: Vec<(usize, String)>, folds: bool) -> Option<Self> {
        patterns.sort_unstable();
        let bytes: usize = patterns.iter().map(|(_, text)| text.len()).sum();
        let kind = (bytes <= SMALL).then_some(AhoCorasickKind::DFA);
        let (numbers, texts): (Vec<u32>, Vec<String>) =
            patterns.into_iter().map(|(number, text)| (small(number), text)).unzip();
        let automaton = AhoCorasickBuilder::new().ascii_case_insensitive(folds).kind(kind).build(&texts).ok();
        (!numbers.is_empty()).then_some(Self { automaton, texts, numbers })
    }

    fn is_plain(&self) -> bool {
        self.automaton.is_none()
    }

    fn search(&self, text: &str, hits: &mut Bits) {
        let Some(automaton) = &self.automaton else {
            for (number, _) in self.numbers.iter().zip(&self.texts).filter(|(_, one)| text.contains(*one)) {
                hits.insert(*number);
            }
            return;
        };
        let mut left = self.numbers.len();
        for found in automaton.find_overlapping_iter(text) {
            let Some(number) = self.numbers.get(found.pattern().as_usize()) else { continue };
            if !hits.contains(*number as usize) {
                hits.insert(*number);
                left -= 1;
                if left == 0 {
                    return;
                }
            }
        }
    }
}
