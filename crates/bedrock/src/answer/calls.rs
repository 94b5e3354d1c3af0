//! Tool calls of a document, from their parts.

use super::counts::Found;
use super::places::{Part, Proof};
use super::said::SeenCall;
use super::sieve::CallOrigin;

/// An object that is a tool call, or may be one, while it is open.
#[derive(Debug, Clone)]
pub(super) struct Candidate {
    /// How many containers are open within the document, it included.
    depth: usize,
    proof: Proof,
    /// Its type is that of a call.
    typed: Option<CallOrigin>,
    id: Option<String>,
    name: Option<String>,
    method: Option<String>,
    /// The kind of an item without a name: `web_search`.
    kind: Option<String>,
    /// Somebody else makes it, and tells of it elsewhere.
    elsewhere: bool,
}

impl Candidate {
    pub(super) const fn new(depth: usize, proof: Proof) -> Self {
        Self { depth, proof, typed: None, id: None, name: None, method: None, kind: None, elsewhere: false }
    }

    pub(super) const fn depth(&self) -> usize {
        self.depth
    }

    pub(super) fn part(&mut self, part: Part, word: &str) {
        if word.is_empty() {
            return;
        }
        match part {
            Part::Id => self.id = Some(word.to_owned()),
            Part::Name => self.name = Some(word.to_owned()),
            Part::Method => self.method = Some(word.to_owned()),
            Part::Type => {
                self.typed = origin(word);
                self.kind = word.strip_suffix("_call").map(str::to_owned);
            }
            Part::Execution => self.elsewhere = word == "RETURN_CONTROL",
        }
    }

    /// The object is over: what it was.
    pub(super) fn end(self, found: &mut Found) {
        let origin = match self.proof {
            // A type only says that it is not the caller's.
            Proof::Given(origin) => Some(self.typed.unwrap_or(origin)),
            Proof::Named(_) => Some(CallOrigin::Agent),
            Proof::Type | Proof::Listed | Proof::Item => self.typed,
            Proof::Id => self.id.is_some().then_some(CallOrigin::Model),
            Proof::Name => self.name.is_some().then_some(CallOrigin::Model),
        };
        let Some(origin) = origin.filter(|_| !self.elsewhere) else { return };
        let counts = u64::from(matches!(origin, CallOrigin::Model | CallOrigin::ReturnControl));
        let name = match (self.name, self.method) {
            (Some(name), Some(method)) => format!("{method} {name}"),
            (Some(name), None) => name,
            (None, _) => match self.proof {
                Proof::Named(name) => name.to_owned(),
                _ => self.kind.unwrap_or_default(),
            },
        };
        let call = SeenCall { id: self.id, name, origin };
        match self.proof {
            Proof::Listed => {
                found.listed = found.listed.saturating_add(counts);
                found.said.listed(call);
            }
            Proof::Item => {
                found.items = found.items.saturating_add(counts);
                found.item_calls.push(call);
            }
            _ => {
                found.calls = found.calls.saturating_add(counts);
                found.said.call(call);
            }
        }
    }
}

/// Who makes a call of this type; `None` where it is none.
fn origin(kind: &str) -> Option<CallOrigin> {
    match kind {
        "tool_use" | "function_call" | "custom_tool_call" | "computer_call" | "local_shell_call"
        | "shell_call" | "apply_patch_call" => Some(CallOrigin::Model),
        _ if kind.ends_with("tool_use") || kind.ends_with("_call") => Some(CallOrigin::Server),
        _ => None,
    }
}
