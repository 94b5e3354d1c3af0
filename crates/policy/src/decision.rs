//! What the policy says of a call.

use crate::approval::ApprovalTerms;
use crate::decide::UNKNOWN_OPERATION_RULE;
use std::fmt;

/// What a rule does with a call; the order is that of strictness.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Effect {
    /// Note it in the record; never decides.
    Log,
    /// Note it in the record, the log and the metrics; never decides.
    Warn,
    /// Let it out.
    Allow,
    /// Let it out without what must not leave. Where the gate cannot change a call, that is a refusal.
    Redact,
    /// Reject it for now.
    Throttle,
    /// Reject it, or hold it, until a person has approved it.
    RequireApproval,
    /// Reject it.
    Deny,
}

impl Effect {
    /// Every effect, the mildest first.
    pub const ALL: [Self; 7] =
        [Self::Log, Self::Warn, Self::Allow, Self::Redact, Self::Throttle, Self::RequireApproval, Self::Deny];

    /// The stable name, as records and reports have it: `log`, `warn`, `allow`, `redact`, `throttle`,
    /// `require_approval`, `deny`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Warn => "warn",
            Self::Allow => "allow",
            Self::Redact => "redact",
            Self::Throttle => "throttle",
            Self::RequireApproval => "require_approval",
            Self::Deny => "deny",
        }
    }

    /// It makes a verdict; `log` and `warn` only note.
    #[must_use]
    pub const fn decides(self) -> bool {
        !matches!(self, Self::Log | Self::Warn)
    }
}

impl fmt::Display for Effect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A rule that holds for a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRule {
    /// Its id.
    pub id: String,
    /// What it does.
    pub effect: Effect,
    /// It is in shadow mode: it would have done it.
    pub shadow: bool,
}

/// The verdict on a call, with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// One that [`Effect::decides`].
    pub effect: Effect,
    /// The rule that decided, the first of the strictest in load order; `None` for the bundle's default.
    pub rule: Option<String>,
    /// The route that the call is on, by `routes` of the bundle; `None` when it has none that fits.
    pub route: Option<String>,
    /// For the caller: names the rule and its message, no more. Empty when the call is allowed.
    pub message: String,
    /// Every rule that holds, in load order; `log` rules and shadowed ones included.
    pub matched: Vec<MatchedRule>,
    /// What the verdict would have been had no rule been in shadow mode (for a bundle in shadow mode: had the bundle not
    /// been); `None` when the same.
    pub shadow_effect: Option<Effect>,
    /// The rule that would have decided had none been in shadow mode; set together with `shadow_effect`.
    pub shadow_rule: Option<String>,
    /// With [`Effect::Throttle`]: seconds after which the call may come again.
    pub retry_after_seconds: Option<u32>,
    /// With [`Effect::RequireApproval`]: what an approval must be like. Always there then.
    pub approval: Option<ApprovalTerms>,
    /// A rule needed the call's text, which was not given: this is not a decision, ask again with the text.
    pub needs_text: bool,
    /// With `needs_text`: what the rules that need it do, and whether shadow mode holds that back; each once.
    pub(crate) open: Vec<(Effect, bool)>,
}

impl Decision {
    /// Whatever the missing text says, the verdict is the same; with `unshadowed` the verdict without shadow mode.
    pub(crate) fn is_settled(&self, unshadowed: bool) -> bool {
        let (effect, rule) = if unshadowed { self.unshadowed() } else { (self.effect, self.rule.clone()) };
        // What no rule has decided any rule may.
        let fallback = rule.is_none_or(|rule| rule == UNKNOWN_OPERATION_RULE);
        self.open.iter().filter(|(open, shadow)| open.decides() && (unshadowed || !shadow)).all(
            |(open, _)| {
                if fallback { *open == effect } else { *open <= effect }
            },
        )
    }

    /// The stricter of two decisions on one call; its matches are those of both, each rule once.
    #[must_use]
    pub(crate) fn stricter(self, other: Self) -> Self {
        let other_is_stricter = other.effect > self.effect;
        let (first, second) = (self.unshadowed(), other.unshadowed());
        let unshadowed = if second.0 > first.0 { second } else { first };
        let (mut winner, loser) = if other_is_stricter { (other, self) } else { (self, other) };
        for matched in loser.matched {
            if !winner.matched.contains(&matched) {
                winner.matched.push(matched);
            }
        }
        winner.needs_text |= loser.needs_text;
        for open in loser.open {
            if !winner.open.contains(&open) {
                winner.open.push(open);
            }
        }
        (winner.shadow_effect, winner.shadow_rule) = match unshadowed {
            (effect, rule) if effect != winner.effect => (Some(effect), rule),
            _ => (None, None),
        };
        winner
    }

    /// What would have been without shadow mode, and by which rule.
    fn unshadowed(&self) -> (Effect, Option<String>) {
        match self.shadow_effect {
            Some(effect) => (effect, self.shadow_rule.clone()),
            None => (self.effect, self.rule.clone()),
        }
    }
}
