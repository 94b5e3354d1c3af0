//! What was seen before in the same session, or was not.

use crate::Call;
use crate::Seen;
use crate::fold::with_folded;
use crate::glob::Glob;
use crate::predicate::{Predicate, Truth, all};
use crate::source::report::Pos;
use crate::view::View;

/// How far back is looked when a rule does not say: 24 hours, in milliseconds.
pub(crate) const DEFAULT_WITHIN: u64 = 24 * 60 * 60 * 1000;

/// The `blocked_by` and `requires` of a rule: holds when something of `blocked_by` was seen, or something of `requires`
/// was not.
#[derive(Debug, Clone)]
pub(crate) struct Sequence {
    pub(crate) blocked_by: Vec<Past>,
    pub(crate) requires: Vec<Past>,
    pub(crate) at: Pos,
}

/// A tool call or a call that may have been seen.
#[derive(Debug, Clone)]
pub(crate) struct Past {
    /// Folded.
    pub(crate) tool: Option<Glob>,
    /// Folded.
    pub(crate) operation: Option<Glob>,
    /// In milliseconds.
    pub(crate) within: u64,
    pub(crate) conditions: Vec<Predicate>,
    /// How it was written.
    pub(crate) text: Box<str>,
    pub(crate) at: Pos,
}

impl Sequence {
    pub(crate) fn eval(&self, view: &View<'_>) -> Truth {
        if view.not_at_hand.history {
            return Truth::NeedsText;
        }
        // What is not known of the past counts against the call.
        let blocked = self.blocked_by.iter().any(|past| past.was_seen(view) != Truth::False);
        (blocked || self.requires.iter().any(|past| past.was_seen(view) != Truth::True)).into()
    }

    /// Some of what it looks for are tool calls.
    pub(crate) fn looks_for_tools(&self) -> bool {
        self.blocked_by.iter().chain(&self.requires).any(|past| past.tool.is_some())
    }

    pub(crate) fn looks_back(&self) -> u64 {
        self.blocked_by.iter().chain(&self.requires).map(|past| past.within).max().unwrap_or_default()
    }
}

impl Past {
    /// It was seen before the call, not longer ago than `within`. Of what was seen before a restart the arguments are not
    /// kept: whether conditions on them held is not known.
    pub(crate) fn was_seen(&self, view: &View<'_>) -> Truth {
        let nobody = Call::default();
        let of = |seen: &Seen| {
            let in_time = view.time.checked_sub(seen.time).is_some_and(|age| age <= self.within);
            if in_time && self.names(seen) {
                all(self.conditions.iter(), &View::of_seen(seen, &nobody))
            } else {
                Truth::False
            }
        };
        view.call.history.iter().map(of).max().unwrap_or(Truth::False)
    }

    fn names(&self, seen: &Seen) -> bool {
        let matches = |glob: &Glob, name: &String| with_folded(name, |name| glob.matches(name));
        let tool = self.tool.as_ref().is_none_or(|glob| seen.tools.iter().any(|name| matches(glob, name)));
        let operation = self
            .operation
            .as_ref()
            .is_none_or(|glob| !seen.operation.is_empty() && matches(glob, &seen.operation));
        tool && operation
    }
}
