//! Numbers of tokens, from sources that overlap.

use super::said::{Said, SeenCall};

/// What a call used, as its answer says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TokenUsage {
    /// Input tokens, without those read from or written to the prompt cache.
    pub input: u64,
    /// Output tokens.
    pub output: u64,
    /// Tokens read from the prompt cache.
    pub cache_read: u64,
    /// Tokens written to the prompt cache.
    pub cache_write: u64,
}

/// One number of a source.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field {
    /// Input tokens, however this source counts them.
    Input,
    Output,
    CacheRead,
    CacheWrite,
    /// Tokens read from the cache where [`Field::Input`] has them, too: OpenAI's way.
    Cached,
    /// A share of [`Field::CacheWrite`], by how long it is kept. Said once, so that shares can be added up.
    CacheShare,
}

/// Who says it. The sources of one answer say the same tokens again, and are never added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    /// The model's own answer, or Converse's. Cumulative where it says it more than once.
    Model,
    /// `amazon-bedrock-invocationMetrics`.
    Metrics,
    /// One model call of an agent, in its trace. These are different tokens each time.
    Trace,
}

/// What one source has said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Counts {
    input: Option<u64>,
    output: Option<u64>,
    cache_read: Option<u64>,
    cache_write: Option<u64>,
    cached: Option<u64>,
    cache_shares: Option<u64>,
}

impl Counts {
    /// Takes a number. Streams repeat their numbers as they grow (`message_start` says one output token, `message_delta` all
    /// of them), and some begin with zeros: the largest is the last.
    pub(super) fn says(&mut self, field: Field, tokens: u64) {
        let place = match field {
            Field::Input => &mut self.input,
            Field::Output => &mut self.output,
            Field::CacheRead => &mut self.cache_read,
            Field::CacheWrite => &mut self.cache_write,
            Field::Cached => &mut self.cached,
            Field::CacheShare => {
                let shares = self.cache_shares.unwrap_or_default();
                self.cache_shares = Some(shares.saturating_add(tokens));
                return;
            }
        };
        *place = (*place).max(Some(tokens));
    }

    pub(super) fn grow(&mut self, other: &Self) {
        let pairs = [
            (&mut self.input, other.input),
            (&mut self.output, other.output),
            (&mut self.cache_read, other.cache_read),
            (&mut self.cache_write, other.cache_write),
            (&mut self.cached, other.cached),
            (&mut self.cache_shares, other.cache_shares),
        ];
        for (place, said) in pairs {
            *place = (*place).max(said);
        }
    }

    /// What it comes to; `None` when it said nothing.
    fn usage(&self) -> Option<TokenUsage> {
        let said =
            [self.input, self.output, self.cache_read, self.cache_write, self.cached, self.cache_shares];
        said.iter().any(Option::is_some).then(|| {
            let cached = self.cached.unwrap_or_default();
            TokenUsage {
                input: self.input.unwrap_or_default().saturating_sub(cached),
                output: self.output.unwrap_or_default(),
                cache_read: self.cache_read.unwrap_or(cached),
                cache_write: self.cache_write.or(self.cache_shares).unwrap_or_default(),
            }
        })
    }
}

/// What one JSON document of an answer says.
#[derive(Debug, Clone, Default)]
pub(super) struct Found {
    pub(super) model: Counts,
    pub(super) metrics: Counts,
    pub(super) trace: Counts,
    /// Tool calls that begin in it.
    pub(super) calls: u64,
    /// Tool calls in a list of all of them.
    pub(super) listed: u64,
    /// Tool calls that are one item of a stream, each said once when it begins and once when it is done.
    pub(super) items: u64,
    /// Those items.
    pub(super) item_calls: Vec<SeenCall>,
    /// This document says that an item is done.
    pub(super) item_done: bool,
    /// The error that it tells of.
    pub(super) error: Option<String>,
    /// What it does to the stream that it is an event of.
    pub(super) course: Option<Course>,
    pub(super) said: Said,
}

/// How a stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// An answer begins, and its end is to be told.
    Begins,
    /// It ends.
    Ends,
}

impl Found {
    pub(super) fn of(&mut self, source: Source) -> &mut Counts {
        match source {
            Source::Model => &mut self.model,
            Source::Metrics => &mut self.metrics,
            Source::Trace => &mut self.trace,
        }
    }
}

/// What all documents of an answer and its head say.
#[derive(Debug, Clone, Default)]
pub(super) struct Tally {
    pub(super) head: Counts,
    model: Counts,
    metrics: Counts,
    trace: Option<TokenUsage>,
    calls: u64,
    listed: u64,
    /// The first exception or error.
    pub(super) exception: Option<String>,
    /// The last that was told of the stream's course.
    course: Option<Course>,
    pub(super) said: Said,
}

impl Tally {
    /// Adds a document that was read and may be believed.
    pub(super) fn add(&mut self, found: &Found) {
        self.model.grow(&found.model);
        self.metrics.grow(&found.metrics);
        if let Some(call) = found.trace.usage() {
            self.trace = Some(self.trace.unwrap_or_default().plus(call));
        }
        let items = if found.item_done { 0 } else { found.items };
        if !found.item_done {
            for call in &found.item_calls {
                self.said.call(call.clone());
            }
        }
        self.calls = self.calls.saturating_add(found.calls).saturating_add(items);
        self.listed = self.listed.max(found.listed);
        if self.exception.is_none() {
            self.exception.clone_from(&found.error);
        }
        self.course(found.course);
        self.said.add(&found.said);
    }

    /// The stream goes on like this.
    pub(super) fn course(&mut self, course: Option<Course>) {
        self.course = course.or(self.course);
    }

    /// Its author would have said more: an answer began and did not end, and no error says why. With `always`, it says
    /// how it begins and ends in any case.
    pub(super) fn is_cut(&self, always: bool) -> bool {
        self.exception.is_none()
            && match self.course {
                Some(Course::Ends) => false,
                Some(Course::Begins) => true,
                None => always,
            }
    }

    /// The tokens: those of an agent's model calls, or else what the most complete source says. A source is taken whole,
    /// because they count cached tokens differently; of equals the model's own, which tells them apart.
    pub(super) fn usage(&self) -> Option<TokenUsage> {
        let said = [self.head, self.metrics, self.model];
        self.trace.or_else(|| said.iter().filter_map(Counts::usage).max_by_key(|usage| usage.total()))
    }

    pub(super) fn tool_calls(&self) -> u64 {
        self.calls.max(self.listed)
    }
}

impl TokenUsage {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.input
            .saturating_add(self.output)
            .saturating_add(self.cache_read)
            .saturating_add(self.cache_write)
    }

    const fn plus(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            output: self.output.saturating_add(other.output),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            cache_write: self.cache_write.saturating_add(other.cache_write),
        }
    }
}
