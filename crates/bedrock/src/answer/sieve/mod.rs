//! An answer cut into pieces, each with what it says: what the gate holds back and lets go on by.
//!
//! A piece is a whole frame of an event stream, or a whole server-sent event; a plain document is one piece. Pieces tile the
//! answer: their lengths add up to what was pushed, but for what is not whole yet. In any chunking the findings are the same.

mod calls;
mod compact;
mod events;
mod forms;
mod heard;
mod intake;
mod last_words;
mod places;
mod reading;
mod said;
mod stream;
mod written;

use super::AnswerHead;
use super::reader::AnswerFlaw;
use crate::operation::Operation;
use events::Events;
use intake::Intake;
use stream::Stream;

/// Bounds on what a sieve keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SieveLimits {
    /// Longest arguments of one tool call, in bytes of JSON text.
    pub max_arguments: usize,
    /// Longest piece that is read; a longer one is [`AnswerFlaw::TooLong`]. Pieces that can hold neither tool calls nor wanted
    /// text may be longer: they pass in parts ([`Found::Part`]).
    pub max_piece: usize,
    /// Text is wanted: [`Found::Text`].
    pub text: bool,
}

/// How an answer is framed, and so how it can be ended by somebody else than its author.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerForm {
    /// AWS event stream of bedrock-runtime: ended by `validationException`.
    ModelEvents,
    /// AWS event stream of bedrock-agentcore (InvokeHarness): the same, but its API has no `serviceUnavailableException`.
    HarnessEvents,
    /// AWS event stream of bedrock-agent-runtime: ended by `accessDeniedException`.
    AgentEvents,
    /// Server-sent events in OpenAI's way.
    OpenAiEvents,
    /// Server-sent events in Anthropic's way.
    AnthropicEvents,
    /// One document: to be held whole, and replaced by an error.
    Document,
}

/// Something found, in the order in which it stands in the answer. What a piece says comes before its [`Found::Piece`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// Text of the piece that follows: what it says for the first time.
    Text(String),
    /// A tool call is complete: nothing that belongs to it comes later, but for repetitions. `key` names it among the calls of
    /// this answer. A call whose arguments are too long is found as soon as they are.
    Call {
        /// As in [`Found::Piece`].
        key: u32,
        /// The call.
        call: FoundCall,
    },
    /// A piece is whole: the next `len` bytes of the answer.
    Piece {
        /// Its length in bytes.
        len: usize,
        /// Tool calls that it is part of, each once. A piece may be part of calls that are complete only later, and of calls
        /// that were complete before: `response.completed` repeats them all.
        calls: Vec<u32>,
    },
    /// The next `len` bytes of the answer: of a long piece that says nothing and is not read, such as a file of an agent. Long is
    /// more than 64 KiB, or than [`SieveLimits::max_piece`]. The [`Found::Piece`] that ends it has only the rest of its length.
    /// No words of somebody else may come between a part and that piece. How such a piece is cut into parts depends on how the
    /// answer arrives.
    Part {
        /// Its length in bytes.
        len: usize,
    },
    /// From here on the answer cannot be read: nothing of the rest may be believed, and no piece of it is told. The last finding.
    /// [`AnswerFlaw::TooLong`] says that a piece was too long to be read, or that too many calls are open at once.
    Flaw(AnswerFlaw),
}

/// A tool call as an answer proposes or tells of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FoundCall {
    /// Who is to make it.
    pub origin: CallOrigin,
    /// Its id, cut to 256 bytes.
    pub id: Option<String>,
    /// The tool: a function's name, or the path of an API operation. Cut to 1,024 bytes.
    pub name: String,
    /// Action group of an agent.
    pub group: Option<String>,
    /// HTTP method of an API operation, in capitals.
    pub method: Option<String>,
    /// Agent id, where the answer names one.
    pub agent: Option<String>,
    /// The arguments as JSON text, as the model wrote them; parameter lists of agents as an object.
    pub arguments: String,
    /// Why it cannot be read.
    pub problem: Option<CallProblem>,
}

/// Who makes a tool call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum CallOrigin {
    /// A model proposes it to the caller.
    #[default]
    Model,
    /// The provider makes it within the answer.
    Server,
    /// An agent returns control to the caller.
    ReturnControl,
    /// An agent makes it, and its trace tells so.
    Agent,
}

/// Why a tool call cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallProblem {
    /// Its name is longer than 1,024 bytes.
    NameTooLong,
    /// A parameter of an agent declares to be a number or a boolean, and is none.
    Mistyped,
    /// Its arguments are longer than the limit.
    ArgumentsTooLong,
    /// The answer ends within it.
    Unfinished,
}

impl CallProblem {
    /// The stable code.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NameTooLong => "name_too_long",
            Self::Mistyped => "mistyped",
            Self::ArgumentsTooLong => "arguments_too_long",
            Self::Unfinished => "unfinished",
        }
    }
}

/// Cuts an answer into pieces.
#[derive(Debug)]
pub struct Sieve {
    form: AnswerForm,
    body: Body,
    intake: Intake,
}

#[derive(Debug)]
enum Body {
    EventStream(Stream),
    ServerSent(Events),
    /// So many bytes of a document.
    Document(usize),
}

impl Sieve {
    /// A sieve for a good answer of this operation; `None` where it can hold neither tool calls nor text of a model.
    ///
    /// # Errors
    /// [`AnswerFlaw::Encoded`] where it could, and has a `content-encoding` that is not read.
    pub fn new(
        operation: Option<&Operation>,
        head: &AnswerHead<'_>,
        limits: SieveLimits,
    ) -> Result<Option<Self>, AnswerFlaw> {
        let Some(operation) = operation.filter(|operation| forms::speaks(operation)) else { return Ok(None) };
        if forms::is_encoded(head) {
            return Err(AnswerFlaw::Encoded);
        }
        let form = AnswerForm::of(operation, head);
        let mut intake = Intake::new(limits);
        let body = match form {
            AnswerForm::ModelEvents | AnswerForm::HarnessEvents | AnswerForm::AgentEvents => {
                Body::EventStream(Stream::new(operation.name.starts_with("InvokeModel")))
            }
            AnswerForm::OpenAiEvents | AnswerForm::AnthropicEvents => Body::ServerSent(Events::new()),
            AnswerForm::Document => {
                intake.begin(&places::ANSWER);
                Body::Document(0)
            }
        };
        Ok(Some(Self { form, body, intake }))
    }

    /// How the answer is framed.
    #[must_use]
    pub const fn form(&self) -> AnswerForm {
        self.form
    }

    /// Reads the next slice, of any length.
    pub fn push(&mut self, slice: &[u8], found: &mut Vec<Found>) {
        let Self { body, intake, .. } = self;
        if intake.is_flawed() {
            return;
        }
        match body {
            Body::EventStream(stream) => stream.push(slice, intake, found),
            Body::ServerSent(events) => events.push(slice, intake, found),
            Body::Document(length) => {
                *length = length.saturating_add(slice.len());
                if *length > intake.max_piece() {
                    intake.flaw(AnswerFlaw::TooLong, found);
                }
                intake.push(slice);
            }
        }
    }

    /// The answer ends here: calls that are not complete are found as [`CallProblem::Unfinished`], a piece that is not whole as
    /// [`AnswerFlaw::Truncated`].
    pub fn finish(&mut self, found: &mut Vec<Found>) {
        let Self { body, intake, .. } = self;
        let whole = match body {
            Body::EventStream(stream) => stream.is_whole(),
            Body::ServerSent(events) => {
                events.finish(intake, found);
                true
            }
            Body::Document(0) => true,
            Body::Document(length) => {
                intake.cut(true, found);
                intake.end(*length, found);
                true
            }
        };
        intake.finish(whole, found);
    }
}

/// Why a stream is ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamEnding {
    /// It is forbidden: `validationException` or `accessDeniedException`.
    Denied,
    /// Nobody could say: `serviceUnavailableException`, where the stream's API has it, or its nearest relative.
    Undecided,
    /// The stream cannot be read: `modelStreamErrorException`, or its nearest relative.
    Unreadable,
}
