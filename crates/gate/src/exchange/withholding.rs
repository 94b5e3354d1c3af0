//! A document that must be inspected: the host holds all of it, headers too, until all is decided.

use super::answer::Answer;
use super::matters::{Heard, Matters};
use super::{Phase, Step};
use crate::effect::{Effect, Held};
use crate::event::{Event, Then};
use crate::metric::Metric;
use crate::refusal::Refusal;
use crate::stop::Stop;
use portcullis_bedrock::ApiShape;
use portcullis_bedrock::answer::{Found, Sieve};

/// A document that is being inspected. Its bytes are the host's; what is asked about is asked while the rest arrives.
#[derive(Debug)]
pub(super) struct Withholding {
    answer: Answer,
    shape: ApiShape,
    sieve: Sieve,
    matters: Matters,
    size: u64,
    upstream: Upstream,
}

/// What may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstream {
    Arriving,
    Over,
}

/// Where the document goes on from, when it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Site {
    /// A callback about the answer: its return value says it.
    Answer,
    /// Elsewhere: the host must be told.
    Elsewhere,
}

impl Withholding {
    pub(super) fn new(answer: Answer, shape: ApiShape, sieve: Sieve, matters: Matters) -> Self {
        Self { answer, shape, sieve, matters, size: 0, upstream: Upstream::Arriving }
    }

    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, then } => {
                let mut found = Vec::new();
                self.read(slice, &mut found, step);
                if then == Then::End {
                    self.finish(&mut found);
                }
                match (self.take(found, step), then) {
                    (Some(stop), _) => self.refuse(&stop, step),
                    (None, Then::More) => Phase::Withholding(self),
                    (None, Then::Turn | Then::End) => self.go_on(Site::Answer, step),
                }
            }
            Event::ResponseTrailers => {
                let mut found = Vec::new();
                self.finish(&mut found);
                match self.take(found, step) {
                    Some(stop) => self.refuse(&stop, step),
                    None => self.go_on(Site::Answer, step),
                }
            }
            Event::CalloutDone { token, result } => match self.matters.answered(token, result, step) {
                Heard::Nothing => Phase::Withholding(self),
                Heard::Cleared => self.go_on(Site::Elsewhere, step),
                Heard::Stopped(stop) => self.refuse(&stop, step),
            },
            Event::Tick => match self.matters.tick(step) {
                Heard::Nothing | Heard::Cleared => Phase::Withholding(self),
                Heard::Stopped(stop) => self.refuse(&stop, step),
            },
            Event::Closed(end) => {
                step.count(Metric::GoneWhileHeld);
                self.answer.take_back();
                self.answer.cut(end, step)
            }
            _ => Phase::Withholding(self),
        }
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.matters.held()
    }

    fn read(&mut self, slice: &[u8], found: &mut Vec<Found>, step: &Step<'_>) {
        self.answer.came(slice, step);
        self.answer.out(slice);
        self.size = self.size.saturating_add(slice.len() as u64);
        self.sieve.push(slice, found);
    }

    fn finish(&mut self, found: &mut Vec<Found>) {
        self.upstream = Upstream::Over;
        self.sieve.finish(found);
    }

    /// Takes note of what was found; gives back what speaks against the whole document.
    fn take(&mut self, found: Vec<Found>, step: &Step<'_>) -> Option<Stop> {
        if self.size > step.around.gate.answers.max_held_answer_bytes {
            return Some(Stop::TooLarge);
        }
        for found in found {
            match found {
                Found::Text(text) => self.matters.text(&text),
                Found::Call { key, call } => self.matters.call(key, call),
                // It goes on whole or not at all.
                Found::Piece { .. } | Found::Part { .. } => {}
                Found::Flaw(flaw) => return Some(Stop::Unreadable(flaw)),
            }
        }
        None
    }

    /// Asks the next question, or lets the document go on when there is none and it is complete.
    fn go_on(mut self: Box<Self>, site: Site, step: &mut Step<'_>) -> Phase {
        if self.upstream == Upstream::Over && self.matters.is_empty() {
            if site == Site::Elsewhere {
                step.out.push(Effect::ResumeAnswer);
            }
            return Phase::Answered(Box::new(self.answer));
        }
        self.matters.ask(0, step);
        Phase::Withholding(self)
    }

    fn refuse(self: Box<Self>, stop: &Stop, step: &mut Step<'_>) -> Phase {
        let Self { mut answer, shape, .. } = *self;
        answer.take_back();
        replace(answer, shape, stop, step)
    }
}

/// Answers in the answer's place, whose headers have not gone on.
pub(super) fn replace(answer: Answer, shape: ApiShape, stop: &Stop, step: &mut Step<'_>) -> Phase {
    step.count(stop.metric());
    let id = answer.decision_id().unwrap_or(step.trace.call_id.as_str());
    let reply = Refusal::Answer(stop.clone()).reply(shape, id);
    let status = reply.status;
    step.out.push(Effect::Reply(reply));
    answer.blocked(stop, Some(status), step);
    Phase::Replaced
}
