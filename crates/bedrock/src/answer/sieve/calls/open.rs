//! A call that is not complete, and what it becomes.

use super::Outcome;
use crate::answer::sieve::said::{Draft, is_call};
use crate::answer::sieve::{CallProblem, Found, FoundCall};
use std::hash::{DefaultHasher, Hash, Hasher};

/// A call that is not complete.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) key: u32,
    pub(super) slot: Slot,
    pub(super) draft: Draft,
    /// Its arguments as far as they have come in parts; those of `draft` were given at once.
    pub(super) parts: Vec<u8>,
    /// It was found already: its arguments are too long.
    pub(super) found: bool,
}

/// What later pieces name an open call by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Slot {
    /// A content block.
    Block(Option<u64>),
    /// A call of a choice.
    Chat { choice: u64, index: Option<u64> },
    /// The one call of a choice, in the old form.
    ChatFunction { choice: u64 },
    /// An item of a response.
    Item(Option<u64>),
    /// Cohere's.
    Foretold(u64),
}

impl Open {
    pub(super) fn held(&self) -> usize {
        let given = self.draft.arguments.as_ref().map_or(0, |given| given.bytes.len());
        given.saturating_add(self.parts.len())
    }

    /// Arguments were given at once, and others in parts.
    pub(super) fn is_ambiguous(&self) -> bool {
        let given = self.draft.arguments.as_ref().map_or(&[][..], |given| &given.bytes);
        !self.parts.is_empty() && !matches!(given, b"" | b"{}")
    }

    /// Its arguments are too long: it is found at once, and keeps no more of them.
    pub(super) fn too_long(&mut self, out: &mut Outcome<'_>) {
        if std::mem::replace(&mut self.found, true) {
            return;
        }
        self.parts = Vec::new();
        let mut draft = self.draft.clone();
        draft.arguments = None;
        self.draft.arguments = None;
        let call = draft.call(Vec::new(), Some(CallProblem::ArgumentsTooLong));
        out.found.push(Found::Call { key: self.key, call });
    }
}

impl Draft {
    /// The call that it has become.
    pub(super) fn call(mut self, parts: Vec<u8>, problem: Option<CallProblem>) -> FoundCall {
        let origin = self.origin();
        let text = |bytes: Vec<u8>| match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        };
        let some = |bytes: Vec<u8>| (!bytes.is_empty()).then(|| text(bytes));
        let given = self.arguments.take().unwrap_or_default();
        let problem = problem
            .or_else(|| self.name_too_long.then_some(CallProblem::NameTooLong))
            .or_else(|| given.over.then_some(CallProblem::ArgumentsTooLong))
            .or_else(|| self.mistyped.then_some(CallProblem::Mistyped));
        let arguments = if parts.is_empty() { given.bytes } else { parts };
        // Tools of the provider have a type, and no name.
        let name = if self.name.is_empty() && is_call(&self.kind) { self.kind } else { self.name };
        FoundCall {
            origin,
            id: some(self.id),
            name: text(name),
            group: some(self.group),
            method: some(self.method.to_ascii_uppercase()),
            agent: some(self.agent),
            arguments: text(arguments),
            problem,
        }
    }

    /// Of what tells it apart from other calls.
    pub(super) fn hash(&self, parts: &[u8]) -> u64 {
        let given = self.arguments.as_ref().map_or(&[][..], |given| &given.bytes);
        let arguments = if parts.is_empty() { given } else { parts };
        let mut hasher = DefaultHasher::new();
        (&self.id, &self.name, arguments).hash(&mut hasher);
        hasher.finish()
    }
}
