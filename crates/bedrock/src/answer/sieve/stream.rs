//! The frames of an AWS event stream as pieces.

use super::Found;
use super::intake::Intake;
use super::places::{self, Place};
use crate::answer::AnswerFlaw;
use crate::answer::frames::{FrameHead, FrameSink, Frames};

/// A prelude and a message's checksum.
const OVERHEAD: usize = 16;
const CHECKSUM: usize = 4;
/// Longest frame that is told whole although it is not read: a longer one need not be kept until its end.
const MAX_WAIT: usize = 65_536;

/// An event stream.
#[derive(Debug)]
pub(super) struct Stream {
    frames: Frames,
    /// InvokeModel's: a `chunk` is a document of the model's own. Elsewhere it is text.
    model: bool,
    frame: Frame,
}

/// The frame that is passing.
#[derive(Debug, Clone, Copy)]
enum Frame {
    /// Read: so many bytes.
    Document(usize),
    /// Not read.
    Passing(usize),
    /// Not read, and too long to wait for its end.
    Parts,
}

impl Stream {
    pub(super) fn new(model: bool) -> Self {
        Self { frames: Frames::new(), model, frame: Frame::Parts }
    }

    pub(super) fn push(&mut self, slice: &[u8], intake: &mut Intake, found: &mut Vec<Found>) {
        let Self { frames, model, frame } = self;
        frames.push(slice, &mut Cut { model: *model, frame, intake, found });
        if self.frames.is_broken() {
            intake.flaw(AnswerFlaw::Broken, found);
        }
    }

    pub(super) const fn is_whole(&self) -> bool {
        self.frames.is_whole()
    }
}

/// Takes the frames of one slice.
struct Cut<'a> {
    model: bool,
    frame: &'a mut Frame,
    intake: &'a mut Intake,
    found: &'a mut Vec<Found>,
}

impl Cut<'_> {
    /// Where events of this name are read by; others pass.
    fn root(&self, event: &[u8]) -> Option<&'static Place> {
        let text = self.intake.wants_text();
        Some(match event {
            b"contentBlockStart" => &places::BLOCK_START,
            b"contentBlockDelta" => &places::BLOCK_DELTA,
            b"contentBlockStop" => &places::BLOCK_STOP,
            b"chunk" if self.model => &places::MODEL_CHUNK,
            b"chunk" if text => &places::AGENT_CHUNK,
            b"metadata" if text => &places::METADATA,
            b"returnControl" => &places::RETURN_CONTROL,
            b"trace" => &places::TRACE,
            b"flowTraceEvent" => &places::FLOW_TRACE,
            b"flowOutputEvent" | b"flowMultiTurnInputRequestEvent" if text => &places::FLOW_OUTPUT,
            b"output" | b"responseEvent" | b"result" | b"analyzePromptEvent" | b"optimizedPromptEvent"
                if text =>
            {
                &places::TEXT_EVENT
            }
            _ => return None,
        })
    }
}

impl FrameSink for Cut<'_> {
    fn begin(&mut self, head: &FrameHead<'_>) {
        let length = OVERHEAD.saturating_add(head.headers).saturating_add(head.payload);
        // Headers that nobody can read, or that readers take differently, may name any event.
        if head.odd {
            self.intake.flaw(AnswerFlaw::Broken, self.found);
        }
        *self.frame = match self.root(head.event) {
            Some(root) => {
                if length > self.intake.max_piece() {
                    self.intake.flaw(AnswerFlaw::TooLong, self.found);
                }
                self.intake.begin(root);
                Frame::Document(length)
            }
            None if length > self.intake.max_piece().min(MAX_WAIT) => {
                self.intake.part(length.saturating_sub(CHECKSUM).saturating_sub(head.payload), self.found);
                Frame::Parts
            }
            None => Frame::Passing(length),
        };
    }

    fn payload(&mut self, part: &[u8]) {
        match self.frame {
            Frame::Document(_) => self.intake.push(part),
            Frame::Passing(_) => {}
            Frame::Parts => self.intake.part(part.len(), self.found),
        }
    }

    fn end(&mut self) {
        match *self.frame {
            Frame::Document(length) => self.intake.end(length, self.found),
            Frame::Passing(length) => self.intake.passes(length, self.found),
            Frame::Parts => self.intake.passes(CHECKSUM, self.found),
        }
    }
}
