//! A stream that must be inspected: its pieces go on once nothing is open about them.
//!
//! ```text
//!            ┌── a piece is undecided: the host holds a placeholder, the gate the bytes ──┐
//!  Guarding ─┤                                                                            ├─▶ Answered
//!     │      └── nothing is open: what has come goes on ──────────────────────────────────┘
//!     │ refused, undecided in time, unreadable
//!     ├─ while the host holds, or hands over bytes ──▶ last words ──▶ Ended: the rest is read and dropped
//!     └─ in between ──▶ Ending ─ the next bytes ──▶ last words ──▶ Ended
//! ```
//!
//! The host lets bytes be put in two moments only: while it hands some over, and while it holds some. So a question that is
//! answered while the stream flows (what came before it went on, the rest waits here) takes effect when the next bytes come,
//! or the end does; one of them always comes, or the stream is reset. Where nothing can go on, the host holds, and the answer
//! takes effect at once. After the last bytes nothing comes any more, so there nothing goes on until all is decided.

use super::answer::Answer;
use super::line::Line;
use super::matters::{Heard, Matters};
use super::{Phase, Step};
use crate::effect::{AnswerFlow, Effect, Held};
use crate::event::{Event, Then};
use crate::stop::Stop;
use portcullis_bedrock::AnswerFlaw;
use portcullis_bedrock::answer::{AnswerForm, Found, Sieve};

/// A stream that is being inspected.
#[derive(Debug)]
pub(super) struct Guarding {
    answer: Answer,
    form: AnswerForm,
    script: Script,
    matters: Matters,
    line: Line,
    /// Bytes that the host hands over now.
    fresh: usize,
    host: Host,
    upstream: Upstream,
}

/// Whether the stream can be read.
#[derive(Debug)]
enum Script {
    Legible(Box<Sieve>),
    /// Not from where the line ends.
    Flawed(AnswerFlaw),
}

/// What the host does with the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    /// What it is given goes on.
    Flows,
    /// It holds a placeholder for what is in the line.
    Holds,
}

/// What may still come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Upstream {
    Arriving,
    Over,
}

/// Whether the host hands bytes over in this step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Turn {
    Bytes,
    None,
}

/// A stream whose end is settled; the next bytes are replaced by it.
#[derive(Debug)]
pub(super) struct Ending {
    answer: Answer,
    last: Vec<u8>,
    stop: Stop,
}

/// A stream that has been ended; what still comes is read and dropped.
#[derive(Debug)]
pub(super) struct Ended {
    answer: Answer,
    stop: Stop,
}

impl Guarding {
    pub(super) fn new(answer: Answer, sieve: Sieve, matters: Matters) -> Self {
        Self {
            answer,
            form: sieve.form(),
            script: Script::Legible(Box::new(sieve)),
            matters,
            line: Line::default(),
            fresh: 0,
            host: Host::Flows,
            upstream: Upstream::Arriving,
        }
    }

    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, then } => {
                self.read(slice, step);
                match then {
                    Then::More => Phase::Guarding(self),
                    Then::Turn => self.turn(Turn::Bytes, step),
                    Then::End => {
                        self.finish();
                        self.turn(Turn::Bytes, step)
                    }
                }
            }
            Event::ResponseTrailers => {
                self.finish();
                match self.host {
                    Host::Holds => self.turn(Turn::None, step),
                    Host::Flows if self.line.is_empty() && matches!(self.script, Script::Legible(_)) => {
                        Phase::Answered(Box::new(self.answer))
                    }
                    Host::Flows => abort(self.answer, &Stop::Trailers, step),
                }
            }
            Event::CalloutDone { token, result } => match self.matters.answered(token, result, step) {
                Heard::Nothing => Phase::Guarding(self),
                Heard::Cleared => self.cleared(step),
                Heard::Stopped(stop) => self.stopped(stop, step),
            },
            Event::Tick => match self.matters.tick(step) {
                Heard::Nothing | Heard::Cleared => Phase::Guarding(self),
                Heard::Stopped(stop) => self.stopped(stop, step),
            },
            Event::Closed(end) => {
                if !self.line.is_empty() {
                    step.count(crate::Metric::GoneWhileHeld);
                }
                self.answer.cut(end, step)
            }
            _ => Phase::Guarding(self),
        }
    }

    pub(super) fn held(&self) -> Option<Held> {
        self.matters.held()
    }

    pub(super) fn flow(&self) -> AnswerFlow {
        match self.host {
            Host::Flows => AnswerFlow::Continue,
            Host::Holds => AnswerFlow::Hold,
        }
    }

    fn read(&mut self, slice: &[u8], step: &Step<'_>) {
        self.answer.came(slice, step);
        if let Script::Legible(sieve) = &mut self.script {
            let mut found = Vec::new();
            self.line.push(slice);
            self.fresh = self.fresh.saturating_add(slice.len());
            sieve.push(slice, &mut found);
            self.take(found);
        }
    }

    fn finish(&mut self) {
        self.upstream = Upstream::Over;
        if let Script::Legible(sieve) = &mut self.script {
            let mut found = Vec::new();
            sieve.finish(&mut found);
            self.take(found);
        }
    }

    fn take(&mut self, found: Vec<Found>) {
        for found in found {
            match found {
                Found::Text(text) => self.matters.text(&text),
                Found::Call { key, call } => self.matters.call(key, call),
                Found::Piece { len, calls } => self.line.piece(len, self.matters.mark(calls)),
                Found::Part { len } => self.line.part(len),
                Found::Flaw(flaw) => {
                    self.line.drop_rest();
                    self.script = Script::Flawed(flaw);
                }
            }
        }
    }

    /// Says what goes on, and asks what is to be asked.
    fn turn(mut self: Box<Self>, turn: Turn, step: &mut Step<'_>) -> Phase {
        let fresh = std::mem::take(&mut self.fresh);
        let free = self.line.is_free(&self.matters);
        // How much comes at once is the host's affair; what stays here is ours.
        let stays = match self.upstream {
            Upstream::Over if !free => self.line.len(),
            Upstream::Over | Upstream::Arriving => self.line.waiting(&self.matters),
        };
        if stays > step.around.gate.answers.max_held_bytes {
            return self.end(Stop::TooLarge, step);
        }
        // Behind a flaw nothing is found: a call that was open there stays open, and nobody waits for its end.
        if let (Script::Flawed(flaw), true) = (&self.script, free || self.matters.is_empty()) {
            let stop = Stop::Unreadable(*flaw);
            return self.end(stop, step);
        }
        let bytes = if self.upstream == Upstream::Over && !free {
            Vec::new()
        } else {
            self.line.release(&self.matters)
        };
        self.answer.out(&bytes);
        if !bytes.is_empty() {
            // What goes on as it came need not be replaced.
            let untouched = turn == Turn::Bytes && free && bytes.len() == fresh;
            if !untouched {
                step.out.push(Effect::Release(bytes));
            }
            self.host = Host::Flows;
        } else if !self.line.is_empty() {
            if turn == Turn::Bytes {
                step.out.push(Effect::Hide);
            }
            self.host = Host::Holds;
        }
        if self.upstream == Upstream::Over && self.line.is_empty() {
            return Phase::Answered(Box::new(self.answer));
        }
        self.matters.ask(self.answer.bytes(), step);
        Phase::Guarding(self)
    }

    fn cleared(mut self: Box<Self>, step: &mut Step<'_>) -> Phase {
        match self.host {
            Host::Holds => self.turn(Turn::None, step),
            Host::Flows => {
                self.matters.ask(self.answer.bytes(), step);
                Phase::Guarding(self)
            }
        }
    }

    fn stopped(self: Box<Self>, stop: Stop, step: &mut Step<'_>) -> Phase {
        match self.host {
            Host::Holds => self.end(stop, step),
            Host::Flows => match self.last(&stop) {
                (answer, Some(last)) => {
                    step.count(stop.metric());
                    Phase::Ending(Box::new(Ending { answer, last, stop }))
                }
                (answer, None) => abort(answer, &stop, step),
            },
        }
    }

    /// Ends the stream now: what may go on goes on, and the last words.
    fn end(self: Box<Self>, stop: Stop, step: &mut Step<'_>) -> Phase {
        match self.last(&stop) {
            (answer, Some(last)) => {
                step.count(stop.metric());
                Ending { answer, last, stop }.say(step)
            }
            (answer, None) => abort(answer, &stop, step),
        }
    }

    /// The last bytes of the stream; `None` where no words fit.
    fn last(mut self: Box<Self>, stop: &Stop) -> (Answer, Option<Vec<u8>>) {
        let mut last = self.line.release(&self.matters);
        if !self.line.takes_words() {
            return (self.answer, None);
        }
        last.extend(self.form.last_words(stop.ending(), &stop.message()));
        (self.answer, Some(last))
    }
}

impl Ending {
    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, then } => {
                self.answer.came(slice, step);
                if then == Then::More { Phase::Ending(self) } else { self.say(step) }
            }
            Event::ResponseTrailers => {
                step.out.push(Effect::Abort);
                self.answer.blocked(&self.stop, None, step);
                Phase::Replaced
            }
            Event::Closed(_) => {
                self.answer.blocked(&self.stop, None, step);
                Phase::Closed
            }
            _ => Phase::Ending(self),
        }
    }

    fn say(self, step: &mut Step<'_>) -> Phase {
        let Self { mut answer, last, stop } = self;
        answer.out(&last);
        step.out.push(Effect::Release(last));
        Phase::Ended(Box::new(Ended { answer, stop }))
    }
}

impl Ended {
    pub(super) fn wants_more(&self) -> bool {
        self.answer.wants_more()
    }

    pub(super) fn step(mut self: Box<Self>, event: Event<'_>, step: &mut Step<'_>) -> Phase {
        match event {
            Event::ResponseBody { slice, then } => {
                self.answer.came(slice, step);
                if then != Then::More {
                    step.out.push(Effect::Release(Vec::new()));
                }
                Phase::Ended(self)
            }
            Event::Closed(_) => {
                self.answer.blocked(&self.stop, None, step);
                Phase::Closed
            }
            _ => Phase::Ended(self),
        }
    }
}

/// Resets a stream that cannot be ended in words.
fn abort(answer: Answer, stop: &Stop, step: &mut Step<'_>) -> Phase {
    step.count(stop.metric());
    step.out.push(Effect::Abort);
    answer.blocked(stop, None, step);
    Phase::Replaced
}
