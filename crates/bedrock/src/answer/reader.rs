//! An answer, read by what it is.

use super::counts::{Counts, Field, Tally, TokenUsage};
use super::document::Document;
use super::events::Events;
use super::frames::Frames;
use super::places;
use super::stream::{Dialect, Stream};
use crate::operation::{ActionKind, Operation};

/// What of an answer's head its body is read by. Values are raw.
#[derive(Debug, Clone, Copy, Default)]
pub struct AnswerHead<'a> {
    /// `content-type`.
    pub content_type: Option<&'a [u8]>,
    /// `content-encoding`.
    pub content_encoding: Option<&'a [u8]>,
    /// `x-amzn-bedrock-input-token-count` (InvokeModel).
    pub input_tokens: Option<&'a [u8]>,
    /// `x-amzn-bedrock-output-token-count`.
    pub output_tokens: Option<&'a [u8]>,
    /// `x-amzn-bedrock-cache-read-input-token-count`.
    pub cache_read_tokens: Option<&'a [u8]>,
    /// `x-amzn-bedrock-cache-write-input-token-count`.
    pub cache_write_tokens: Option<&'a [u8]>,
}

/// Reads the body of a good answer (2xx) while it passes, in bounded memory: 16 KiB of a frame's headers at most, a few hundred
/// bytes else.
#[derive(Debug, Clone)]
pub struct AnswerReader {
    form: Form,
    head: Counts,
}

#[derive(Debug, Clone)]
enum Form {
    /// Nothing of it matters.
    Unread,
    /// It cannot be read.
    Encoded,
    Json {
        document: Box<Document>,
        /// It says that it is JSON; otherwise that is a guess.
        declared: bool,
        empty: bool,
    },
    ServerSent(Box<Events>),
    EventStream(Box<(Frames, Stream)>),
}

/// What an answer says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AnswerSummary {
    /// Tokens, where it says so; of an answer that was cut, what it said until then.
    pub usage: Option<TokenUsage>,
    /// Tool calls that the model proposes and the caller is to make; those that the provider makes itself do not count.
    pub tool_calls: u64,
    /// The exception or error in its stream: `ThrottlingException`; on the compatible paths `overloaded_error`.
    pub exception: Option<String>,
    /// What is wrong with it.
    pub flaw: Option<AnswerFlaw>,
}

/// Why an answer could not be read, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFlaw {
    /// It has a `content-encoding`, such as gzip.
    Encoded,
    /// It says that it is JSON, and is not.
    Unreadable,
    /// Its event stream ends within a frame.
    Truncated,
    /// A frame of its event stream has a wrong length or checksum.
    Broken,
    /// A part of it that has to be read whole is too long, or holds too many tool calls. Only a [`Sieve`](super::Sieve) finds it.
    TooLong,
}

impl AnswerReader {
    /// A reader for an answer of this operation.
    #[must_use]
    pub fn new(operation: Option<&Operation>, head: &AnswerHead<'_>) -> Self {
        Self {
            form: operation.map_or(Form::Unread, |operation| Form::of(operation, head)),
            head: head.counts(),
        }
    }

    /// Whether there is any use in [`AnswerReader::push`].
    #[must_use]
    pub fn wants_more(&self) -> bool {
        match &self.form {
            Form::Unread | Form::Encoded => false,
            Form::Json { document, .. } => !document.is_broken(),
            Form::ServerSent(_) => true,
            Form::EventStream(stream) => !stream.0.is_broken(),
        }
    }

    /// Reads the next slice, of any length.
    pub fn push(&mut self, slice: &[u8]) {
        match &mut self.form {
            Form::Unread | Form::Encoded => {}
            Form::Json { document, empty, .. } => {
                *empty &= slice.is_empty();
                document.push(slice);
            }
            Form::ServerSent(events) => events.push(slice),
            Form::EventStream(both) => {
                let (frames, stream) = &mut **both;
                frames.push(slice, stream);
            }
        }
    }

    /// The answer ends here, or was cut here.
    #[must_use]
    pub fn finish(self) -> AnswerSummary {
        let Self { form, head } = self;
        let mut tally = Tally::default();
        let mut flaw = None;
        match form {
            Form::Unread => {}
            Form::Encoded => flaw = Some(AnswerFlaw::Encoded),
            Form::Json { mut document, declared, empty } => {
                if !document.end() && declared && !empty {
                    flaw = Some(AnswerFlaw::Unreadable);
                }
                tally.add(document.found());
            }
            Form::ServerSent(mut events) => {
                events.end();
                tally = events.tally;
            }
            Form::EventStream(both) => {
                let (frames, stream) = *both;
                flaw = match (frames.is_broken(), frames.is_whole()) {
                    (true, _) => Some(AnswerFlaw::Broken),
                    (false, false) => Some(AnswerFlaw::Truncated),
                    (false, true) => None,
                };
                tally = stream.tally;
            }
        }
        tally.head = head;
        AnswerSummary {
            usage: tally.usage(),
            tool_calls: tally.tool_calls(),
            exception: tally.exception,
            flaw,
        }
    }
}

impl Form {
    fn of(operation: &Operation, head: &AnswerHead<'_>) -> Self {
        let kind = media_type(head.content_type);
        let streams = kind == b"application/vnd.amazon.eventstream";
        if !streams && !says_usage(operation) {
            return Self::Unread;
        }
        if head.content_encoding.is_some_and(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
        {
            return Self::Encoded;
        }
        if streams {
            let dialect =
                if operation.name.starts_with("InvokeModel") { Dialect::Model } else { Dialect::Other };
            return Self::EventStream(Box::new((Frames::new(), Stream::new(dialect))));
        }
        if kind == b"text/event-stream" {
            return Self::ServerSent(Box::new(Events::new()));
        }
        Self::Json {
            document: Box::new(Document::new(&places::ANSWER)),
            declared: kind == b"application/json",
            empty: true,
        }
    }
}

/// Whether answers of this operation may say what a model used. What an agent's own container answers is its own business.
fn says_usage(operation: &Operation) -> bool {
    operation.kind != ActionKind::Other && operation.name != "InvokeAgentRuntime"
}

/// The media type, lower-case, without parameters; of at most 64 bytes.
fn media_type(content_type: Option<&[u8]>) -> Vec<u8> {
    let kind = content_type.unwrap_or_default().split(|&byte| byte == b';').next().unwrap_or_default();
    kind.trim_ascii().get(..64).unwrap_or(kind.trim_ascii()).to_ascii_lowercase()
}

impl AnswerHead<'_> {
    fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for (field, value) in [
            (Field::Input, self.input_tokens),
            (Field::Output, self.output_tokens),
            (Field::CacheRead, self.cache_read_tokens),
            (Field::CacheWrite, self.cache_write_tokens),
        ] {
            let number = value.and_then(|value| std::str::from_utf8(value).ok()?.trim().parse().ok());
            if let Some(tokens) = number {
                counts.says(field, tokens);
            }
        }
        counts
    }
}
