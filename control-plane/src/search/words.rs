//! The dictionary: values of facets and their numbers.

use super::facet::Facet;
use std::collections::HashMap;
use std::sync::Arc;

/// The number of all values that have none of their own: see [`Words::number`].
pub(super) const OTHERS: u32 = 0;

/// How much of a facet is kept. What is beyond is found all the same, by reading more records.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caps {
    /// Values.
    pub(super) values: usize,
    /// Bytes of all values together.
    pub(super) bytes: usize,
    /// Bytes of one value.
    pub(super) longest: usize,
}

impl Default for Caps {
    fn default() -> Self {
        Caps { values: 50_000, bytes: 8 * 1024 * 1024, longest: 4096 }
    }
}

/// The text of [`OTHERS`] where no further value is taken.
const FULL: &str = "full";

/// A value that is new, for the file: number [`OTHERS`] says that there are values without a number.
#[derive(Debug, Clone)]
pub(super) struct NewWord {
    pub(super) facet: Facet,
    pub(super) number: u32,
    pub(super) text: Arc<str>,
}

#[derive(Debug, Default)]
struct Values {
    numbers: HashMap<Arc<str>, u32>,
    /// By number, less one.
    texts: Vec<Arc<str>>,
    bytes: usize,
    /// Some have no number.
    others: bool,
    /// No more get one.
    full: bool,
}

/// See the module's description.
#[derive(Debug, Default)]
pub(super) struct Words {
    facets: HashMap<Facet, Values>,
    caps: Caps,
}

impl Words {
    pub(super) fn new(caps: Caps) -> Self {
        Words { facets: HashMap::new(), caps }
    }

    /// Takes a value that the file has. They come in the order of their numbers.
    pub(super) fn load(&mut self, word: NewWord) {
        let values = self.facets.entry(word.facet).or_default();
        if word.number == OTHERS {
            values.others = true;
            values.full = &*word.text == FULL;
            return;
        }
        values.bytes += word.text.len();
        values.numbers.insert(Arc::clone(&word.text), word.number);
        values.texts.push(word.text);
    }

    /// The number of a value; a new one is told to `news`. Once a facet is full it stays so: a value that has a number had it
    /// from its first record on.
    pub(super) fn number(&mut self, facet: Facet, text: &str, news: &mut Vec<NewWord>) -> u32 {
        let values = self.facets.entry(facet).or_default();
        if let Some(number) = values.numbers.get(text) {
            return *number;
        }
        let others = |text: &str| NewWord { facet, number: OTHERS, text: text.into() };
        if values.full {
            return OTHERS;
        }
        if text.len() > self.caps.longest {
            if !std::mem::replace(&mut values.others, true) {
                news.push(others(""));
            }
            return OTHERS;
        }
        let text: Arc<str> = text.into();
        let next = u32::try_from(values.texts.len() + 1).unwrap_or(OTHERS);
        let fits = values.texts.len() < self.caps.values && values.bytes + text.len() <= self.caps.bytes;
        if next == OTHERS || !fits {
            (values.others, values.full) = (true, true);
            news.push(others(FULL));
            return OTHERS;
        }
        values.bytes += text.len();
        values.numbers.insert(Arc::clone(&text), next);
        values.texts.push(Arc::clone(&text));
        news.push(NewWord { facet, number: next, text });
        next
    }

    /// The number of that very value.
    pub(super) fn exact(&self, facet: Facet, text: &str) -> Option<u32> {
        self.facets.get(&facet)?.numbers.get(text).copied()
    }

    /// The numbers of all values that fit, in order.
    pub(super) fn matching(&self, facet: Facet, fits: impl Fn(&str) -> bool) -> Vec<u32> {
        let texts = self.facets.get(&facet).map(|values| values.texts.as_slice()).unwrap_or_default();
        (1..).zip(texts).filter(|(_, text)| fits(text)).map(|(number, _)| number).collect()
    }

    /// The value of that number.
    pub(super) fn text(&self, facet: Facet, number: u32) -> Option<Arc<str>> {
        let at = usize::try_from(number.checked_sub(1)?).ok()?;
        self.facets.get(&facet)?.texts.get(at).cloned()
    }

    /// The greatest number that a value of the facet has.
    pub(super) fn greatest(&self, facet: Facet) -> u32 {
        let values = self.facets.get(&facet).map_or(0, |values| values.texts.len());
        u32::try_from(values).unwrap_or(u32::MAX)
    }

    /// Facets that have values without a number.
    pub(super) fn crowded(&self) -> Vec<Facet> {
        let others = self.facets.iter().filter(|(_, values)| values.others);
        let mut crowded: Vec<_> = others.map(|(facet, _)| *facet).collect();
        crowded.sort_unstable();
        crowded
    }
}
