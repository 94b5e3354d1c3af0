//! What the model says: the same for every API, which only differ in how they word it.

use super::{Ask, prompt};
use crate::calls::{SaidCall, SaidRecord};
use crate::directives::{Directives, ToolMark};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

/// What a guardrail puts in place of an answer.
pub(super) const BLOCKED: &str = "Sorry, the model cannot answer this question.";

/// What stands for `[[filler:…]]` in an answer's text.
pub(super) const FILLER: &str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

/// One of its pieces in a stream: 32 KiB, so that hundreds of megabytes are made in no time.
pub(super) static FILLER_PIECE: LazyLock<String> = LazyLock::new(|| FILLER.repeat(512));

/// A proposed tool call.
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    /// As an object, for the APIs that want one. See [`ToolCall::placeholder`].
    pub(super) input: Value,
    /// As text, for streams and for the APIs that have text everywhere.
    pub(super) text: String,
    pub(super) server: bool,
}

/// An answer.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) tools: Vec<ToolCall>,
    /// Text after the tool calls; often empty.
    pub(super) after: String,
    /// The guardrail stepped in.
    pub(super) blocked: bool,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cache_read_tokens: u64,
    pub(super) cache_write_tokens: u64,
    /// The answer says of tokens.
    pub(super) counted: bool,
    /// Tool calls have an end.
    pub(super) stops: bool,
    parallel: bool,
    deltas: Option<usize>,
    stop: Option<String>,
}

impl Said {
    /// `guarded`: a guardrail is attached to this call.
    pub(super) fn new(ask: &Ask<'_>, guarded: bool) -> Self {
        let orders = &ask.directives;
        let blocked = guarded && orders.guardrail;
        let mut text = match (&orders.say, orders.words) {
            _ if blocked => BLOCKED.to_owned(),
            (Some(text), _) => text.clone(),
            (None, Some(n)) => words("word", n),
            (None, None) if !orders.tools.is_empty() => "I will use a tool.".to_owned(),
            (None, None) => format!("Echo: {}", orders.rest.trim().chars().take(2_000).collect::<String>()),
        };
        let mut tools: Vec<ToolCall> = if blocked {
            Vec::new()
        } else {
            let calls = orders.tools.iter().enumerate();
            calls.map(|(index, mark)| ToolCall::new(index, mark, orders)).collect()
        };
        // Returned control has one id for all that it returns.
        if let Some(id) = tools.first().map(|tool| tool.id.clone()).filter(|_| ask.is_agent()) {
            tools.iter_mut().for_each(|tool| tool.id.clone_from(&id));
        }
        let tool_tokens: u64 = tools.iter().map(|tool| prompt::tokens_of(&tool.text)).sum();
        let output_tokens = prompt::tokens_of(&text) + tool_tokens;
        let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens] =
            orders.tokens.unwrap_or([ask.input_tokens, output_tokens, 0, 0]);
        if orders.filler > 0 {
            text.push(' ');
            text.push_str(FILLER);
        }
        let said = Self {
            text,
            tools,
            after: words("after", orders.after),
            blocked,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            counted: !orders.no_usage,
            stops: !orders.no_stop,
            parallel: orders.parallel,
            deltas: orders.deltas,
            stop: orders.stop.clone(),
        };
        let _ = ask.said.set(said.record());
        said
    }

    fn record(&self) -> SaidRecord {
        let cut = |text: &str| text.chars().take(4_096).collect::<String>();
        let call = |tool: &ToolCall| SaidCall {
            id: tool.id.clone(),
            name: tool.name.clone(),
            sha256: hex::encode(Sha256::digest(&tool.text)),
            bytes: tool.text.len() as u64,
            arguments: cut(&tool.text),
        };
        SaidRecord {
            text: cut(&self.text),
            tool_calls: self.tools.iter().map(call).collect(),
            input_tokens: self.input_tokens,
            output_tokens: self.output_tokens,
            cache_read_tokens: self.cache_read_tokens,
            cache_write_tokens: self.cache_write_tokens,
            counted: self.counted,
        }
    }

    /// The text in pieces of one word.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ').map(|piece| if piece == FILLER { &FILLER_PIECE } else { piece })
    }

    /// The text after the tool calls, likewise.
    pub(super) fn pieces_after(&self) -> impl Iterator<Item = &str> {
        self.after.split_inclusive(' ')
    }

    /// All of the text, for the APIs that have it in one place.
    pub(super) fn all_text(&self) -> String {
        if self.after.is_empty() { self.text.clone() } else { format!("{} {}", self.text, self.after) }
    }

    /// A tool call's arguments as a model streams them.
    pub(super) fn fragments(&self, tool: &ToolCall) -> Vec<String> {
        fragments(&tool.text, self.deltas)
    }

    /// What is streamed for each tool call, as it is to be streamed: one call after the other, or in turn.
    pub(super) fn woven<T>(&self, calls: Vec<Vec<T>>) -> Vec<T> {
        if !self.parallel {
            return calls.into_iter().flatten().collect();
        }
        let mut calls: Vec<_> = calls.into_iter().map(Vec::into_iter).collect();
        let mut woven = Vec::new();
        loop {
            let before = woven.len();
            woven.extend(calls.iter_mut().filter_map(Iterator::next));
            if woven.len() == before {
                return woven;
            }
        }
    }

    /// The stop reason out of this API's words.
    pub(super) fn stop(&self, blocked: &str, tool: &str, end: &str) -> String {
        if let Some(ordered) = &self.stop {
            return ordered.clone();
        }
        let stop = match () {
            () if self.blocked => blocked,
            () if self.tools.iter().all(|tool| tool.server) => end,
            () => tool,
        };
        stop.to_owned()
    }

    /// Converse's `usage`.
    pub(super) fn usage(&self) -> Value {
        json!({
            "inputTokens": self.input_tokens,
            "outputTokens": self.output_tokens,
            "totalTokens": self.total(),
            "cacheReadInputTokens": self.cache_read_tokens,
            "cacheWriteInputTokens": self.cache_write_tokens,
        })
    }

    /// All tokens.
    pub(super) fn total(&self) -> u64 {
        self.input_tokens + self.output_tokens + self.cache_read_tokens + self.cache_write_tokens
    }

    /// Input tokens as OpenAI counts them: with those from the cache.
    pub(super) fn prompt_tokens(&self) -> u64 {
        self.input_tokens + self.cache_read_tokens + self.cache_write_tokens
    }
}

impl ToolCall {
    fn new(index: usize, mark: &ToolMark, orders: &Directives) -> Self {
        let id = orders.id.clone().unwrap_or_else(|| {
            let unique = uuid::Uuid::now_v7().simple().to_string();
            format!("tooluse_{}", unique.chars().rev().take(22).collect::<String>())
        });
        let mut text = if orders.as_written { mark.written.clone() } else { mark.input.to_string() };
        let mut input = mark.input.clone();
        if orders.broken_json {
            text.pop();
            text.push_str(r#", "and then"#);
            input = json!(text);
        } else if orders.as_written {
            input = json!(Self::placeholder(index));
        }
        Self { id, name: mark.name.clone(), input, text, server: mark.server }
    }

    /// Stands for arguments that are to be written as they were ordered, which no JSON value can do (an object cannot
    /// have a key twice): replaced in the bytes of the answer.
    pub(super) fn placeholder(index: usize) -> String {
        format!("@@arguments {index}@@")
    }
}

fn words(word: &str, count: usize) -> String {
    (1..=count.min(100_000)).map(|n| format!("{word}{n}")).collect::<Vec<_>>().join(" ")
}

/// Text cut anywhere between characters: into so many pieces, or into at least three. Real streams begin with an empty
/// one.
fn fragments(text: &str, count: Option<usize>) -> Vec<String> {
    let text: Vec<char> = text.chars().collect();
    let size = match count {
        Some(count) => text.len().div_ceil(count.max(1)),
        None => text.len().div_ceil(4).min(16),
    };
    let pieces = text.chunks(size.max(1)).map(|piece| piece.iter().collect());
    [String::new()].into_iter().chain(pieces).collect()
}

/// The assessment that a guardrail attaches to its trace.
pub(super) fn assessment(blocked: bool, characters: usize) -> Value {
    let mut assessment = json!({
        "invocationMetrics": {
            "guardrailProcessingLatency": 100,
            "usage": {
                "topicPolicyUnits": 1, "contentPolicyUnits": 1, "wordPolicyUnits": 1,
                "sensitiveInformationPolicyUnits": 1, "sensitiveInformationPolicyFreeUnits": 0,
                "contextualGroundingPolicyUnits": 0,
            },
            "guardrailCoverage": {"textCharacters": {"guarded": characters, "total": characters}},
        },
    });
    if blocked {
        assessment["topicPolicy"] =
            json!({"topics": [{"name": "Forbidden", "type": "DENY", "action": "BLOCKED"}]});
    }
    assessment
}
