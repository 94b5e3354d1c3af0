//! What the policy says of a call.

use std::fmt;

/// What a rule does with a call; the order is that of strictness. More will come (approval, throttling, redaction), so
/// whoever matches on it must refuse what it does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Effect {
    /// Note it in the record; never decides.
    Log,
    /// Let it out.
    Allow,
    /// Reject it.
    Deny,
}

impl Effect {
    /// `log`, `allow` or `deny`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Allow => "allow",
            Self::Deny => "deny",
        }
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
    /// [`Effect::Allow`] or [`Effect::Deny`], never [`Effect::Log`].
    pub effect: Effect,
    /// The rule that decided, the first of the strictest in load order; `None` for the bundle's default.
    pub rule: Option<String>,
    /// For the caller: names the rule and its message, no more. Empty when the call is allowed.
    pub message: String,
    /// Every rule that holds, in load order; `log` rules and shadowed ones included.
    pub matched: Vec<MatchedRule>,
    /// What the verdict would have been had no rule been in shadow mode; `None` when the same.
    pub shadow_effect: Option<Effect>,
    /// A rule needed the call's text, which was not given: this is not a decision, ask again with the text.
    pub needs_text: bool,
}

impl Decision {
    /// The stricter of two decisions on one call; its matches are those of both, each rule once.
    #[must_use]
    pub(crate) fn stricter(self, other: Self) -> Self {
        let (mut winner, loser) = if other.effect > self.effect { (other, self) } else { (self, other) };
        for matched in loser.matched {
            if !winner.matched.contains(&matched) {
                winner.matched.push(matched);
            }
        }
        winner.needs_text |= loser.needs_text;
        let without_shadow = |effect: Option<Effect>, enforced: Effect| effect.unwrap_or(enforced);
        let strictest = without_shadow(winner.shadow_effect, winner.effect)
            .max(without_shadow(loser.shadow_effect, loser.effect));
        winner.shadow_effect = Some(strictest).filter(|effect| *effect != winner.effect);
        winner
    }
}
