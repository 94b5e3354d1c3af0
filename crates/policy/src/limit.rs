//! Limits as a bundle writes them, and what one call takes from them.

use crate::decision::Effect;
use std::sync::Arc;

/// What a limit counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Measure {
    /// Calls let out; SDK retries of one invocation are one call.
    Requests,
    /// Input and output tokens, cache reads and writes included.
    Tokens,
    /// Input tokens, without cache reads and writes.
    InputTokens,
    /// Output tokens.
    OutputTokens,
    /// Tokens read from the prompt cache.
    CacheReadTokens,
    /// Tokens written to the prompt cache.
    CacheWriteTokens,
    /// Nano-units of the currency of the bundle's prices (a billionth of a dollar).
    Cost,
    /// Tool calls that the model proposed.
    ToolCalls,
}

/// One limit of a bundle.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitSpec {
    /// Its id.
    pub id: String,
    /// What it counts.
    pub measure: Measure,
    /// Most of it in any window, in the measure's unit.
    pub max: u64,
    /// Length of the sliding window in milliseconds.
    pub window_ms: u64,
    /// Names of the fields that it counts by; empty: one count for all.
    pub per: Vec<String>,
    /// What happens over it: [`Effect::Throttle`], [`Effect::Deny`], [`Effect::RequireApproval`], or [`Effect::Warn`]:
    /// it is noted.
    pub action: Effect,
    /// It, or the whole bundle, is in shadow mode: counted, reported, never enforced.
    pub shadow: bool,
    /// For the caller.
    pub message: Option<String>,
}

/// What one call takes from one limit.
#[derive(Debug, Clone, PartialEq)]
pub struct Charge {
    /// The limit.
    pub limit: Arc<LimitSpec>,
    /// The values of the limit's `per` fields, as `field=value` joined by `,`; empty for one count for all.
    pub key: String,
    /// The estimate to reserve, in the measure's unit.
    pub amount: u64,
    /// For [`Measure::Cost`]: the prices to settle with.
    pub price: Option<Price>,
}

/// Prices of a model in nano-units of the currency per token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Price {
    /// Per input token.
    pub input: u64,
    /// Per output token.
    pub output: u64,
    /// Per token read from the cache.
    pub cache_read: u64,
    /// Per token written to the cache.
    pub cache_write: u64,
}

/// What a call used, as its answer says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Input tokens, without cache reads and writes.
    pub input_tokens: u64,
    /// Output tokens.
    pub output_tokens: u64,
    /// Tokens read from the prompt cache.
    pub cache_read_tokens: u64,
    /// Tokens written to the prompt cache.
    pub cache_write_tokens: u64,
    /// Tool calls proposed.
    pub tool_calls: u64,
}

impl LimitSpec {
    /// Over it a call is refused, or needs an approval.
    #[must_use]
    pub fn is_enforced(&self) -> bool {
        !self.shadow && self.action.decides()
    }
}

impl Measure {
    /// As bundles write it: `requests`, `tokens`, `input_tokens`, `output_tokens`, `cache_read_tokens`,
    /// `cache_write_tokens`, `cost`, `tool_calls`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requests => "requests",
            Self::Tokens => "tokens",
            Self::InputTokens => "input_tokens",
            Self::OutputTokens => "output_tokens",
            Self::CacheReadTokens => "cache_read_tokens",
            Self::CacheWriteTokens => "cache_write_tokens",
            Self::Cost => "cost",
            Self::ToolCalls => "tool_calls",
        }
    }

    /// How much of this a call used; `price` matters for [`Measure::Cost`] only. One request is 1.
    #[must_use]
    pub fn amount(self, usage: &Usage, price: Option<Price>) -> u64 {
        match self {
            Self::Requests => 1,
            Self::Tokens => usage
                .input_tokens
                .saturating_add(usage.output_tokens)
                .saturating_add(usage.cache_read_tokens)
                .saturating_add(usage.cache_write_tokens),
            Self::InputTokens => usage.input_tokens,
            Self::OutputTokens => usage.output_tokens,
            Self::CacheReadTokens => usage.cache_read_tokens,
            Self::CacheWriteTokens => usage.cache_write_tokens,
            Self::ToolCalls => usage.tool_calls,
            Self::Cost => {
                let price = price.unwrap_or_default();
                let part = |tokens: u64, each: u64| tokens.saturating_mul(each);
                part(usage.input_tokens, price.input)
                    .saturating_add(part(usage.output_tokens, price.output))
                    .saturating_add(part(usage.cache_read_tokens, price.cache_read))
                    .saturating_add(part(usage.cache_write_tokens, price.cache_write))
            }
        }
    }
}
