//! The tool calls of an answer, put together from what its pieces say.

mod open;

use super::compact::compact;
use super::places::Shape;
use super::said::{Arguments, Draft, Said, is_call};
use super::{CallProblem, Found, SieveLimits};
use crate::answer::AnswerFlaw;
use open::{Open, Slot};

/// Most calls that are open at once.
const MAX_OPEN: usize = 256;
/// Most calls that are remembered, to know them when they are told again.
const MAX_TOLD: usize = 4_096;

/// The calls that are open, and those that may be told again.
#[derive(Debug)]
pub(super) struct Calls {
    limits: SieveLimits,
    open: Vec<Open>,
    told: Vec<Told>,
    next: u32,
}

/// A call that may be told again.
#[derive(Debug, Clone, Copy)]
struct Told {
    key: u32,
    /// Of its id, name and arguments.
    hash: u64,
}

/// What a piece does to the calls.
pub(super) struct Outcome<'a> {
    pub(super) found: &'a mut Vec<Found>,
    /// The calls that the piece is part of.
    pub(super) keys: Vec<u32>,
}

impl Outcome<'_> {
    fn part_of(&mut self, key: u32) {
        if !self.keys.contains(&key) {
            self.keys.push(key);
        }
    }
}

impl Calls {
    pub(super) const fn new(limits: SieveLimits) -> Self {
        Self { limits, open: Vec::new(), told: Vec::new(), next: 0 }
    }

    /// Takes what a piece says.
    pub(super) fn take(&mut self, said: &mut Said, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let mut whole = 0;
        for draft in std::mem::take(&mut said.calls) {
            self.draft(draft, said, &mut whole, out)?;
        }
        if let Some(fragment) = said.fragment.take() {
            self.fragment(fragment, said, out)?;
        }
        if let Some(done) = said.done.take() {
            self.done(&done, said, out)?;
        }
        if said.stop || matches!(said.kind.as_slice(), b"content_block_stop" | b"tool-call-end") {
            self.close(|slot| slot == Slot::Block(said.index), out)?;
        }
        for &finished in &said.finished {
            self.finish_choices(|choice| choice == finished, out)?;
        }
        Ok(())
    }

    /// `[DONE]`: no choice goes on.
    pub(super) fn all_choices(&mut self, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        self.finish_choices(|_| true, out)
    }

    /// The answer ends: what is open stays unfinished.
    pub(super) fn end(&mut self, found: &mut Vec<Found>) {
        for open in self.open.drain(..).filter(|open| !open.found) {
            let call = open.draft.call(open.parts, Some(CallProblem::Unfinished));
            found.push(Found::Call { key: open.key, call });
        }
    }

    fn draft(
        &mut self,
        mut draft: Draft,
        said: &Said,
        whole: &mut u64,
        out: &mut Outcome<'_>,
    ) -> Result<(), AnswerFlaw> {
        let Some(shape) = draft.shape else { return Ok(()) };
        match shape {
            Shape::Whole | Shape::Typed => {
                self.whole(draft, None, out);
            }
            Shape::ReturnControl => self.returned(draft, out),
            // It follows as `returnControl`; but its arguments are here already, so here it is decided.
            Shape::Trace if draft.returns => self.tell(draft, out)?,
            Shape::Trace => {
                self.whole(draft, None, out);
            }
            Shape::Named => {
                let at = *whole;
                *whole += 1;
                if !self.foretold(&draft, at, out)? {
                    self.tell(draft, out)?;
                }
            }
            Shape::Listed | Shape::NamedListed => self.listed(draft, out)?,
            Shape::Block | Shape::TypedBlock => self.open(Slot::Block(said.index), draft, out)?,
            Shape::Chat => {
                let slot = Slot::Chat { choice: draft.choice, index: draft.index };
                self.chat(slot, draft, out)?;
            }
            Shape::ChatFunction => {
                let slot = Slot::ChatFunction { choice: draft.choice };
                self.chat(slot, draft, out)?;
            }
            Shape::Item if said.kind.ends_with(b".done") => self.item_done(draft, said, out)?,
            Shape::Item => self.open(Slot::Item(said.index), draft, out)?,
            Shape::Foretold => {
                let slot = Slot::Foretold(draft.index.unwrap_or_default());
                let part = draft.arguments.take();
                if !self.open.iter().any(|open| open.slot == slot) {
                    self.open(slot, draft, out)?;
                }
                if let Some(part) = part {
                    self.append(slot, part, out)?;
                }
            }
            Shape::BlockOrFragment => {
                let slot = Slot::Block(said.index.or(draft.index));
                let part = draft.arguments.take();
                if !draft.name.is_empty() {
                    self.open(slot, draft, out)?;
                }
                if let Some(part) = part {
                    self.append(slot, part, out)?;
                }
            }
        }
        Ok(())
    }

    /// A call that was told at once.
    pub(super) fn whole(&mut self, draft: Draft, problem: Option<CallProblem>, out: &mut Outcome<'_>) -> u32 {
        let key = self.key();
        out.part_of(key);
        out.found.push(Found::Call { key, call: draft.call(Vec::new(), problem) });
        key
    }

    /// The same, and it may be told again.
    fn tell(&mut self, draft: Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let hash = draft.hash(&[]);
        let key = self.whole(draft, None, out);
        self.remember(key, hash)
    }

    /// A call that an agent hands back. Its trace may have told it before.
    fn returned(&mut self, draft: Draft, out: &mut Outcome<'_>) {
        let hash = draft.hash(&[]);
        match self.told.iter().find(|told| told.hash == hash) {
            Some(told) => out.part_of(told.key),
            None => {
                self.whole(draft, None, out);
            }
        }
    }

    fn remember(&mut self, key: u32, hash: u64) -> Result<(), AnswerFlaw> {
        if self.told.len() >= MAX_TOLD {
            return Err(AnswerFlaw::TooLong);
        }
        self.told.push(Told { key, hash });
        Ok(())
    }

    /// A call in a list of all: told before, complete only now, or new.
    fn listed(&mut self, draft: Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let hash = draft.hash(&[]);
        let mut known = false;
        for told in self.told.iter().filter(|told| told.hash == hash) {
            out.part_of(told.key);
            known = true;
        }
        if known {
            return Ok(());
        }
        let same = |open: &Open| matches!(open.slot, Slot::Item(_)) && open.draft.id == draft.id;
        match self.open.iter().find(|open| same(open)).map(|open| open.slot) {
            Some(slot) => self.complete(slot, &draft, out),
            None => self.tell(draft, out),
        }
    }

    fn item_done(&mut self, draft: Draft, said: &Said, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let slot = Slot::Item(said.index);
        if self.open.iter().any(|open| open.slot == slot) {
            self.complete(slot, &draft, out)
        } else {
            self.listed(draft, out)
        }
    }

    /// An open item is told whole: as it was told in parts, or nobody knows which is meant.
    fn complete(&mut self, slot: Slot, draft: &Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let Some(at) = self.open.iter().position(|open| open.slot == slot) else { return Ok(()) };
        let mut open = self.open.remove(at);
        out.part_of(open.key);
        if open.draft.name != draft.name || open.draft.id != draft.id {
            return Err(AnswerFlaw::Unreadable);
        }
        if open.found {
            return Ok(());
        }
        let first = open.draft.arguments.take().unwrap_or_default();
        let last = draft.arguments.clone().unwrap_or_default();
        if last.over {
            return self.report(open, Some(CallProblem::ArgumentsTooLong), out);
        }
        for told in [&first.bytes, &open.parts] {
            if !told.is_empty() && *told != last.bytes {
                return Err(AnswerFlaw::Unreadable);
            }
        }
        open.parts = last.bytes;
        self.report(open, None, out)
    }

    fn report(
        &mut self,
        open: Open,
        problem: Option<CallProblem>,
        out: &mut Outcome<'_>,
    ) -> Result<(), AnswerFlaw> {
        let hash = open.draft.hash(&open.parts);
        let repeats = matches!(open.slot, Slot::Item(_));
        out.found.push(Found::Call { key: open.key, call: open.draft.call(open.parts, problem) });
        if repeats { self.remember(open.key, hash) } else { Ok(()) }
    }

    /// Cohere tells a call whole that it told in parts before: one call if it is the same, and else two. Says which.
    fn foretold(&mut self, draft: &Draft, at: u64, out: &mut Outcome<'_>) -> Result<bool, AnswerFlaw> {
        let slot = Slot::Foretold(at);
        let Some(at) = self.open.iter().position(|open| open.slot == slot) else { return Ok(false) };
        let open = self.open.remove(at);
        out.part_of(open.key);
        if open.found {
            return Ok(false);
        }
        let arguments = draft.arguments.as_ref().map_or(&[][..], |arguments| &arguments.bytes);
        let same = open.draft.name == draft.name
            && compact(&open.parts, self.limits.max_arguments).as_deref() == Some(arguments);
        if same {
            self.remember(open.key, draft.hash(&[]))?;
        }
        out.found.push(Found::Call { key: open.key, call: open.draft.call(open.parts, None) });
        Ok(same)
    }

    /// A part of a call of a choice. The first has its name.
    fn chat(&mut self, slot: Slot, mut draft: Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let part = draft.arguments.take();
        match self.open.iter_mut().rev().find(|open| open.slot == slot) {
            Some(open) => {
                let again = |old: &mut Vec<u8>, new: &Vec<u8>| {
                    if old.is_empty() {
                        old.clone_from(new);
                    }
                    new.is_empty() || old == new
                };
                let same = again(&mut open.draft.name, &draft.name) && again(&mut open.draft.id, &draft.id);
                match slot {
                    _ if same => {}
                    // Calls that have no index are told apart by their ids.
                    Slot::Chat { index: None, .. } if !draft.name.is_empty() => {
                        self.open_another(slot, draft, out)?;
                    }
                    _ => return Err(AnswerFlaw::Unreadable),
                }
            }
            None => self.open(slot, draft, out)?,
        }
        part.map_or(Ok(()), |part| self.append(slot, part, out))
    }

    fn open(&mut self, slot: Slot, draft: Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        // Does it go on, or begin anew?
        if self.open.iter().any(|open| open.slot == slot) {
            return Err(AnswerFlaw::Unreadable);
        }
        self.open_another(slot, draft, out)
    }

    fn open_another(&mut self, slot: Slot, draft: Draft, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        // A part of something that never began; a call that nobody could make.
        if draft.name.is_empty() && draft.id.is_empty() && !is_call(&draft.kind) {
            return Err(AnswerFlaw::Unreadable);
        }
        if self.open.len() >= MAX_OPEN {
            return Err(AnswerFlaw::TooLong);
        }
        let key = self.key();
        out.part_of(key);
        self.open.push(Open { key, slot, draft, parts: Vec::new(), found: false });
        self.bound(out);
        Ok(())
    }

    /// The next part of an open call's arguments.
    fn append(&mut self, slot: Slot, part: Arguments, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let Some(open) = self.open.iter_mut().rev().find(|open| open.slot == slot) else {
            // It never began. Nothing of nothing does no harm.
            return if part.bytes.is_empty() && !part.over { Ok(()) } else { Err(AnswerFlaw::Unreadable) };
        };
        out.part_of(open.key);
        if open.found {
            return Ok(());
        }
        if part.over || open.parts.len().saturating_add(part.bytes.len()) > self.limits.max_arguments {
            open.too_long(out);
            return Ok(());
        }
        if open.parts.is_empty() {
            open.parts = part.bytes;
        } else {
            open.parts.extend_from_slice(&part.bytes);
        }
        self.bound(out);
        Ok(())
    }

    fn fragment(&mut self, part: Arguments, said: &Said, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        let item = said.kind.starts_with(b"response.");
        self.append(if item { Slot::Item(said.index) } else { Slot::Block(said.index) }, part, out)
    }

    /// An item's arguments are told once more.
    fn done(&mut self, done: &Arguments, said: &Said, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        if !said.kind.starts_with(b"response.") || !said.kind.ends_with(b".done") {
            return Ok(());
        }
        let slot = Slot::Item(said.index);
        let Some(open) = self.open.iter_mut().find(|open| open.slot == slot) else {
            return Err(AnswerFlaw::Unreadable);
        };
        out.part_of(open.key);
        if open.found {
            Ok(())
        } else if done.over {
            open.too_long(out);
            Ok(())
        } else if open.parts.is_empty() {
            open.parts.clone_from(&done.bytes);
            self.bound(out);
            Ok(())
        } else if open.parts == done.bytes {
            Ok(())
        } else {
            Err(AnswerFlaw::Unreadable)
        }
    }

    /// Completes the open calls of these choices.
    fn finish_choices(&mut self, is: impl Fn(u64) -> bool, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        self.close(
            |slot| match slot {
                Slot::Chat { choice, .. } | Slot::ChatFunction { choice } => is(choice),
                _ => false,
            },
            out,
        )
    }

    /// Completes open calls: what was given at the start is their arguments unless parts of them came.
    fn close(&mut self, is: impl Fn(Slot) -> bool, out: &mut Outcome<'_>) -> Result<(), AnswerFlaw> {
        for open in self.open.extract_if(.., |open| is(open.slot)) {
            out.part_of(open.key);
            if open.is_ambiguous() {
                return Err(AnswerFlaw::Unreadable);
            }
            if !open.found {
                out.found.push(Found::Call { key: open.key, call: open.draft.call(open.parts, None) });
            }
        }
        Ok(())
    }

    /// Keeps all open calls together within their bound.
    fn bound(&mut self, out: &mut Outcome<'_>) {
        let mut left = self.limits.max_arguments.saturating_mul(4);
        for open in &mut self.open {
            if open.draft.arguments.as_ref().is_some_and(|given| given.over) {
                open.too_long(out);
            }
            match left.checked_sub(open.held()) {
                Some(rest) => left = rest,
                None => open.too_long(out),
            }
        }
    }

    const fn key(&mut self) -> u32 {
        let key = self.next;
        self.next = self.next.wrapping_add(1);
        key
    }
}
