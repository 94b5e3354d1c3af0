//! What the model says: the same for every API, which only differ in how they word it.

use super::{Ask, prompt};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// What a guardrail puts in place of an answer.
pub(super) const BLOCKED: &str = "Sorry, the model cannot answer this question.";

/// A proposed tool call.
pub(super) struct ToolCall {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) input: Value,
}

/// An answer.
pub(super) struct Said {
    pub(super) text: String,
    pub(super) tools: Vec<ToolCall>,
    /// The guardrail stepped in.
    pub(super) blocked: bool,
    pub(super) input_tokens: u64,
    pub(super) output_tokens: u64,
    pub(super) cache_read_tokens: u64,
    pub(super) cache_write_tokens: u64,
    /// The answer says of tokens.
    pub(super) counted: bool,
}

impl Said {
    /// `guarded`: a guardrail is attached to this call.
    pub(super) fn new(ask: &Ask<'_>, guarded: bool) -> Self {
        let orders = &ask.directives;
        let blocked = guarded && orders.guardrail;
        let text = match orders.words {
            _ if blocked => BLOCKED.to_owned(),
            Some(words) => (1..=words.min(100_000)).map(|n| format!("word{n}")).collect::<Vec<_>>().join(" "),
            None if !orders.tools.is_empty() => "I will use a tool.".to_owned(),
            None => format!("Echo: {}", orders.rest.trim().chars().take(2_000).collect::<String>()),
        };
        let tools: Vec<ToolCall> =
            if blocked { Vec::new() } else { orders.tools.iter().enumerate().map(tool_call).collect() };
        let tool_tokens: u64 = tools.iter().map(|tool| prompt::tokens_of(&tool.input.to_string())).sum();
        let output_tokens = prompt::tokens_of(&text) + tool_tokens;
        let [input_tokens, output_tokens, cache_read_tokens, cache_write_tokens] =
            orders.tokens.unwrap_or([ask.input_tokens, output_tokens, 0, 0]);
        let counted = !orders.no_usage;
        Self {
            text,
            tools,
            blocked,
            input_tokens,
            output_tokens,
            cache_read_tokens,
            cache_write_tokens,
            counted,
        }
    }

    /// The text in pieces of one word.
    pub(super) fn pieces(&self) -> impl Iterator<Item = &str> {
        self.text.split_inclusive(' ')
    }

    /// The stop reason out of this API's words.
    pub(super) fn stop(&self, blocked: &'static str, tool: &'static str, end: &'static str) -> &'static str {
        if self.blocked {
            blocked
        } else if self.tools.is_empty() {
            end
        } else {
            tool
        }
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

fn tool_call((index, (name, input)): (usize, &(String, Value))) -> ToolCall {
    let digest = hex::encode(Sha256::digest(format!("{index} {name} {input}")));
    let id = format!("tooluse_{}", digest.chars().take(22).collect::<String>());
    ToolCall { id, name: name.clone(), input: input.clone() }
}

/// A tool input as a model streams it: its JSON text in at least three pieces, cut anywhere between characters.
pub(super) fn fragments(input: &Value) -> Vec<String> {
    let text: Vec<char> = input.to_string().chars().collect();
    let size = text.len().div_ceil(4).clamp(1, 16);
    let mut pieces: Vec<String> = text.chunks(size).map(|piece| piece.iter().collect()).collect();
    // Real streams begin with an empty fragment.
    pieces.insert(0, String::new());
    pieces
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
