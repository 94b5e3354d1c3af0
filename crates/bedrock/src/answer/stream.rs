//! What the frames of Bedrock's event streams say.

use super::counts::{Course, Tally};
use super::document::Document;
use super::frames::{FrameHead, FrameSink};
use super::places::{self, Place};

/// Longest exception name that is kept.
const MAX_EXCEPTION: usize = 128;

/// Whose stream it is: an event's name alone does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// InvokeModel's: a `chunk` is a document of the model's own.
    Model,
    /// Everybody else's: a `chunk` is text.
    Other,
}

/// The events of a stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    dialect: Dialect,
    document: Document,
    frame: Frame,
    /// What the frame says of the stream's course.
    course: Option<Course>,
    pub(super) tally: Tally,
}

/// The frame that is passing.
#[derive(Debug, Clone)]
enum Frame {
    /// Read.
    Document,
    /// Not read.
    Passing,
    /// An exception of this name.
    Exception(String),
}

impl Stream {
    pub(super) fn new(dialect: Dialect) -> Self {
        Self {
            dialect,
            document: Document::new(&places::NOTHING),
            frame: Frame::Passing,
            course: None,
            tally: Tally::default(),
        }
    }

    /// Events with text pass unread.
    fn root(&self, event: &[u8]) -> Option<&'static Place> {
        match (event, self.dialect) {
            (b"chunk", Dialect::Model) => Some(&places::CHUNK),
            (b"trace", Dialect::Other) => Some(&places::TRACE),
            (b"returnControl", Dialect::Other) => Some(&places::RETURN_CONTROL),
            (b"flowTraceEvent", Dialect::Other) => Some(&places::FLOW_TRACE),
            (b"traceEvent", Dialect::Other) => Some(&places::RETRIEVE_TRACE),
            (
                b"metadata" | b"contentBlockStart" | b"messageStop" | b"flowCompletionEvent" | b"guardrail",
                Dialect::Other,
            ) => Some(&places::ANSWER),
            _ => None,
        }
    }
}

impl FrameSink for Stream {
    fn begin(&mut self, head: &FrameHead<'_>) {
        self.frame = match head.message {
            b"exception" => Frame::Exception(name(head.exception)),
            b"error" => Frame::Exception(name(head.error)),
            _ => {
                self.course = match (head.event, self.dialect) {
                    (b"messageStart", Dialect::Other) => Some(Course::Begins),
                    (b"messageStop", Dialect::Other) => Some(Course::Ends),
                    _ => None,
                };
                match self.root(head.event) {
                    Some(root) => {
                        self.document.begin(root);
                        Frame::Document
                    }
                    None => Frame::Passing,
                }
            }
        };
    }

    fn payload(&mut self, part: &[u8]) {
        if let Frame::Document = self.frame {
            self.document.push(part);
        }
    }

    fn end(&mut self) {
        self.tally.course(self.course.take());
        match std::mem::replace(&mut self.frame, Frame::Passing) {
            Frame::Document => {
                self.document.end();
                self.tally.add(self.document.found());
            }
            Frame::Passing => {}
            Frame::Exception(name) => {
                self.tally.exception.get_or_insert(name);
            }
        }
    }
}

/// Members of an event stream begin with a small letter, and are otherwise named as their error.
fn name(member: &[u8]) -> String {
    let member = member.get(..MAX_EXCEPTION).unwrap_or(member);
    let mut name: String =
        member.iter().filter(|byte| byte.is_ascii_graphic()).map(|&byte| char::from(byte)).collect();
    if let Some(first) = name.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    name
}
