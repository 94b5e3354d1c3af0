//! A scalar's value beside its meaning, for facts and for what tool results say of themselves.

use super::facts::{MAX_FACT, prefix};
use super::shape::{Fact, Part, Says};

/// The current scalar's copy, where somebody wants one.
#[derive(Debug, Clone)]
pub(super) struct Tee {
    says: Says,
    copies: bool,
    text: Vec<u8>,
    len: u64,
}

impl Default for Tee {
    fn default() -> Self {
        Self { says: Says::Nothing, copies: false, text: Vec::new(), len: 0 }
    }
}

impl Tee {
    /// Begins a scalar.
    pub(super) fn open(&mut self, says: Says) {
        self.says = says;
        self.copies = match says {
            Says::Nothing | Says::Fact(_, Fact::Bytes | Fact::Keys | Fact::Presence | Fact::Count) => false,
            Says::Fact(_, Fact::Value) => true,
            Says::Result(part) => part != Part::Content,
        };
        self.text.clear();
        self.len = 0;
    }

    /// Takes its next part.
    pub(super) fn part(&mut self, part: &[u8]) {
        self.len = self.len.saturating_add(part.len() as u64);
        if self.copies {
            let room = MAX_FACT.saturating_sub(self.text.len());
            let kept = prefix(part, room);
            self.text.extend_from_slice(kept);
            // What follows a cut does not belong behind it.
            self.copies = kept.len() == part.len();
        }
    }

    /// It is no value after all.
    pub(super) fn forget(&mut self) {
        self.says = Says::Nothing;
        self.copies = false;
    }

    /// Ends it.
    pub(super) fn take(&mut self) -> Says {
        std::mem::replace(&mut self.says, Says::Nothing)
    }

    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }
}
