//! Many globs, matched against one text in one pass.

use super::Glob;
use aho_corasick::AhoCorasick;
use std::collections::HashMap;

/// Globs by number. One pass over the text finds the globs whose longest literal part occurs; only those are matched
/// in full.
#[derive(Debug, Default)]
pub(crate) struct GlobSet {
    globs: Vec<Glob>,
    /// Finds literal parts; the pattern's number is an index of `by_needle`.
    needles: Option<AhoCorasick>,
    by_needle: Vec<Vec<usize>>,
    /// Globs without a literal part.
    bare: Vec<usize>,
}

impl GlobSet {
    /// Builds the set; the globs are numbered from 0 in this order.
    pub(crate) fn new(globs: Vec<Glob>) -> Self {
        let mut numbers: HashMap<String, usize> = HashMap::new();
        let mut by_needle: Vec<Vec<usize>> = Vec::new();
        let mut bare = Vec::new();
        for (number, glob) in globs.iter().enumerate() {
            let needle = glob.needle();
            if needle.is_empty() {
                bare.push(number);
                continue;
            }
            let slot = *numbers.entry(needle).or_insert_with(|| {
                by_needle.push(Vec::new());
                by_needle.len() - 1
            });
            if let Some(list) = by_needle.get_mut(slot) {
                list.push(number);
            }
        }
        let mut ordered: Vec<(usize, String)> =
            numbers.into_iter().map(|(needle, slot)| (slot, needle)).collect();
        ordered.sort_unstable();
        let needles =
            AhoCorasick::new(ordered.iter().map(|(_, needle)| needle)).ok().filter(|_| !ordered.is_empty());
        if needles.is_none() {
            // Over the automaton's size: correct, only slower.
            bare = (0..globs.len()).collect();
            by_needle.clear();
        }
        Self { globs, needles, by_needle, bare }
    }

    /// Calls `hit` with the number of every glob that matches, some more than once.
    pub(crate) fn each_match(&self, text: &str, mut hit: impl FnMut(usize)) {
        let mut check = |number: &usize| {
            if self.globs.get(*number).is_some_and(|glob| glob.matches(text)) {
                hit(*number);
            }
        };
        self.bare.iter().for_each(&mut check);
        if let Some(needles) = &self.needles {
            for found in needles.find_overlapping_iter(text) {
                self.by_needle.get(found.pattern().as_usize()).into_iter().flatten().for_each(&mut check);
            }
        }
    }
}
