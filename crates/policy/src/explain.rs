//! Why a call got its verdict: every rule that was considered, condition by condition.

use crate::{Bundle, Call, Decision, Effect};

/// A verdict and how it came about.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// What [`Bundle::decide`] says.
    pub decision: Decision,
    /// One entry for each model that the call names (it is decided for each); one entry for a call without a model.
    pub parts: Vec<ExplainedPart>,
}

/// The rules, evaluated on the call as if it named one model only.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedPart {
    /// The model's identifier as the caller gave it; `None` for a call without one.
    pub model: Option<String>,
    /// Every enabled rule, in load order.
    pub rules: Vec<ExplainedRule>,
}

/// One rule and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedRule {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// It is in shadow mode.
    pub shadow: bool,
    /// Whether all its conditions hold.
    pub truth: Verity,
    /// Selectors first, then the written conditions; all of them must hold. None: the rule holds for every call.
    pub conditions: Vec<ExplainedCondition>,
    /// File, relative to the bundle.
    pub path: String,
    /// Line of its id, from 1.
    pub line: u32,
    /// Column of its id, in characters, from 1.
    pub column: u32,
}

/// One condition (a selector, a test of a field, a group, a look at what was seen before) and whether it holds.
#[derive(Debug, Clone, PartialEq)]
pub struct ExplainedCondition {
    /// As a person reads it: `request.max_tokens greater_than 4096`, `models: anthropic.*`, `any`.
    pub text: String,
    /// The field or selector that is tested; empty for groups.
    pub field: String,
    /// What the call says there, shortened: text that may be a prompt or an argument as its length only. Empty for
    /// groups.
    pub value: String,
    /// Whether it holds.
    pub truth: Verity,
    /// The members of a group (`all`, `any`, `not`, `blocked_by`, `requires`).
    pub parts: Vec<ExplainedCondition>,
    /// Line in the rule's file, from 1.
    pub line: u32,
    /// Column, in characters, from 1.
    pub column: u32,
}

/// Whether something holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Verity {
    /// It does not hold.
    False,
    /// It depends on the request's text, which was not given.
    NeedsText,
    /// It holds.
    True,
}

impl Verity {
    /// `no`, `needs text` or `yes`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::False => "no",
            Self::NeedsText => "needs text",
            Self::True => "yes",
        }
    }
}

impl Bundle {
    /// Decides a call and says why. Slow beside [`Bundle::decide`]: it evaluates every condition of every rule.
    #[must_use]
    pub fn explain(&self, call: &Call) -> Explanation {
        Explanation { decision: self.decide(call), parts: Vec::new() }
    }
}
