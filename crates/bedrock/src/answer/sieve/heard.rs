//! Text that is told again: OpenAI's responses tell a text in parts, whole, in its item and in the list of all items.

use super::said::Said;
use std::hash::{DefaultHasher, Hasher};

/// Most texts that are remembered; later ones are found as often as they are told.
const MAX_TEXTS: usize = 4_096;

/// What was told.
#[derive(Debug, Default)]
pub(super) struct Heard {
    /// Of the text that is being told in parts.
    parts: DefaultHasher,
    length: usize,
    /// Its place.
    index: Option<u64>,
    /// Of texts that were told whole.
    whole: Vec<u64>,
}

impl Heard {
    /// Leaves of a piece's text what is new.
    pub(super) fn sift(&mut self, said: &mut Said) {
        let kind = said.kind.as_slice();
        let responses = kind.starts_with(b"response.");
        if kind == b"text-generation" || responses && kind.ends_with(b".delta") {
            if self.index != said.index {
                self.begin(said.index);
            }
            self.parts.write(&said.text);
            self.length = self.length.saturating_add(said.text.len());
        } else if responses || kind == b"stream-end" {
            let mut new = Vec::new();
            let mut end = said.text.len();
            for &start in said.texts.iter().rev() {
                let text = said.text.get(start..end).unwrap_or_default();
                // Before it, a line feed.
                end = start.saturating_sub(1);
                if !self.knows(text) {
                    new.push(text);
                }
            }
            if new.len() < said.texts.len() {
                new.reverse();
                said.text = new.join(&b'\n');
            }
        }
    }

    fn begin(&mut self, index: Option<u64>) {
        self.parts = DefaultHasher::new();
        self.length = 0;
        self.index = index;
    }

    fn knows(&mut self, text: &[u8]) -> bool {
        let mut hasher = DefaultHasher::new();
        hasher.write(text);
        let hash = hasher.finish();
        if self.whole.contains(&hash) {
            return true;
        }
        let same = self.length == text.len() && self.parts.finish() == hash;
        if same {
            self.begin(self.index);
        }
        if self.whole.len() < MAX_TEXTS {
            self.whole.push(hash);
        }
        same
    }
}
