//! Strings that come again and again, kept once.

use std::collections::HashSet;
use std::sync::Arc;

/// Keeps one copy of each string: regions, models, role names and user agents are few, events are many.
#[derive(Debug, Default)]
pub struct Names(HashSet<Arc<str>>);

impl Names {
    /// The kept copy.
    pub fn keep(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.0.get(text) {
            return Arc::clone(kept);
        }
        let kept: Arc<str> = text.into();
        self.0.insert(Arc::clone(&kept));
        kept
    }

    /// The same of a string that may be missing; an empty one is missing.
    pub fn some(&mut self, text: Option<&str>) -> Option<Arc<str>> {
        text.filter(|text| !text.is_empty()).map(|text| self.keep(text))
    }
}
