//! An answer, read by what it is.

use super::counts::{Counts, Field, Tally, TokenUsage};
use super::document::Document;
use super::events::Events;
use super::frames::Frames;
use super::inflate::Inflate;
use super::places;
use super::said::{GuardrailSaid, SeenCall};
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
    /// The session or execution that it names, by whichever header: `x-amz-bedrock-agent-session-id`,
    /// `x-amzn-bedrock-knowledge-base-session-id`, `x-amz-bedrock-flow-execution-id`,
    /// `x-amzn-bedrock-agentcore-runtime-session-id`.
    pub session: Option<&'a [u8]>,
}

/// Reads the body of a good answer (2xx) while it passes, in bounded memory: 16 KiB of a frame's headers at most, a few KiB of
/// facts, and 52 KiB where it is compressed.
#[derive(Debug, Clone)]
pub struct AnswerReader {
    form: Form,
    coding: Option<Box<Inflate>>,
    head: Counts,
    session: Option<String>,
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
    EventStream {
        both: Box<(Frames, Stream)>,
        /// The stream tells in any case how it begins and ends.
        tells_end: bool,
    },
}

/// Longest session id that is kept.
const MAX_SESSION: usize = 256;

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
    /// Why the model stopped, in its own words; of several answers the last.
    pub stop_reason: Option<String>,
    /// What a guardrail did, where it says so.
    pub guardrail: Option<GuardrailSaid>,
    /// Models that it names, each once; at most 16, cut to 256 bytes, 2 KiB of them.
    pub models: Vec<String>,
    /// Tool calls that it proposes or tells of, in order; the first 64, or 6 KiB of ids and names.
    pub calls: Vec<SeenCall>,
    /// Session or execution that it names, cut to 256 bytes.
    pub session: Option<String>,
    /// Tokens that it counted and did not use (CountTokens).
    pub counted_tokens: Option<u64>,
}

/// Why an answer could not be read, or not to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AnswerFlaw {
    /// It has a `content-encoding`, such as gzip.
    Encoded,
    /// It says that it is JSON, and is not.
    Unreadable,
    /// Its event stream ends within a frame, or before its author has said that it ends; or its compression does.
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
        let mut form = operation.map_or(Form::Unread, |operation| Form::of(operation, head));
        let coding =
            head.content_encoding.filter(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"));
        let inflate = coding.filter(|_| !matches!(form, Form::Unread)).and_then(Inflate::of);
        if coding.is_some() && inflate.is_none() && !matches!(form, Form::Unread) {
            form = Form::Encoded;
        }
        let session = head.session.map(|id| {
            let mut id = String::from_utf8_lossy(id).into_owned();
            id.retain(|character| !character.is_control());
            id.truncate(id.floor_char_boundary(MAX_SESSION));
            id
        });
        Self { form, coding: inflate.map(Box::new), head: head.counts(), session }
    }

    /// Whether there is any use in [`AnswerReader::push`].
    #[must_use]
    pub fn wants_more(&self) -> bool {
        if self.coding.as_ref().is_some_and(|coding| coding.is_broken()) {
            return false;
        }
        match &self.form {
            Form::Unread | Form::Encoded => false,
            Form::Json { document, .. } => !document.is_broken(),
            Form::ServerSent(_) => true,
            Form::EventStream { both, .. } => !both.0.is_broken(),
        }
    }

    /// Reads the next slice, of any length.
    pub fn push(&mut self, slice: &[u8]) {
        let Self { form, coding, .. } = self;
        match coding {
            Some(coding) => coding.push(slice, |plain| form.push(plain)),
            None => form.push(slice),
        }
    }

    /// The answer ends here, or was cut here.
    #[must_use]
    pub fn finish(self) -> AnswerSummary {
        let Self { form, coding, head, session } = self;
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
                flaw = tally.is_cut(false).then_some(AnswerFlaw::Truncated);
            }
            Form::EventStream { both, tells_end } => {
                let (frames, stream) = *both;
                flaw = match (frames.is_broken(), frames.is_whole()) {
                    (true, _) => Some(AnswerFlaw::Broken),
                    (false, false) => Some(AnswerFlaw::Truncated),
                    (false, true) => stream.tally.is_cut(tells_end).then_some(AnswerFlaw::Truncated),
                };
                tally = stream.tally;
            }
        }
        if let Some(coding) = coding {
            flaw = match (coding.is_broken(), coding.is_whole()) {
                (true, _) => Some(AnswerFlaw::Encoded),
                (false, false) => Some(AnswerFlaw::Truncated),
                (false, true) => flaw,
            };
        }
        tally.head = head;
        AnswerSummary {
            usage: tally.usage(),
            tool_calls: tally.tool_calls(),
            exception: tally.exception,
            flaw,
            stop_reason: tally.said.stop_reason(),
            guardrail: tally.said.guardrail_said(),
            models: std::mem::take(&mut tally.said.models),
            session: session.or_else(|| tally.said.session.take()),
            counted_tokens: tally.said.counted,
            calls: tally.said.calls(),
        }
    }
}

impl Form {
    fn push(&mut self, slice: &[u8]) {
        match self {
            Form::Unread | Form::Encoded => {}
            Form::Json { document, empty, .. } => {
                *empty &= slice.is_empty();
                document.push(slice);
            }
            Form::ServerSent(events) => events.push(slice),
            Form::EventStream { both, .. } => {
                let (frames, stream) = &mut **both;
                frames.push(slice, stream);
            }
        }
    }

    fn of(operation: &Operation, head: &AnswerHead<'_>) -> Self {
        let kind = media_type(head.content_type);
        let streams = kind == b"application/vnd.amazon.eventstream";
        if !streams && !is_read(operation) {
            return Self::Unread;
        }
        if streams {
            let dialect =
                if operation.name.starts_with("InvokeModel") { Dialect::Model } else { Dialect::Other };
            let both = Box::new((Frames::new(), Stream::new(dialect)));
            return Self::EventStream { both, tells_end: operation.name == "ConverseStream" };
        }
        if kind == b"text/event-stream" {
            return Self::ServerSent(Box::new(Events::new()));
        }
        let counts = matches!(operation.name, "CountTokens" | "CountMessageTokens");
        let root = if counts { &places::COUNT } else { &places::ANSWER };
        Self::Json {
            document: Box::new(Document::new(root)),
            declared: kind == b"application/json",
            empty: true,
        }
    }
}

/// Whether answers of this operation say anything that is read. What an agent's own container answers is its own business.
fn is_read(operation: &Operation) -> bool {
    match operation.name {
        "InvokeAgentRuntime" => false,
        "ApplyGuardrail" | "InvokeGuardrailChecks" | "Retrieve" => true,
        _ => operation.kind != ActionKind::Other,
    }
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
