//! Recorded decisions against another bundle: which would get another verdict, and what cannot be known.

use crate::cedar::Cedar;
use crate::view::NotAtHand;
use crate::{Bundle, Call, Counts, Decision, Effect};
use std::collections::BTreeMap;

/// Example decisions that a row keeps: the newest.
pub const EXAMPLES: usize = 3;

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recorded {
    /// What policy said.
    pub effect: Effect,
    /// The rule that decided; `None` for the default.
    pub rule: Option<String>,
    /// A limit decided, not a rule.
    pub by_limit: bool,
}

/// How a candidate decides a recorded call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The same verdict, by the same rule or not.
    Same {
        /// Another rule decides it.
        other_rule: bool,
    },
    /// Another verdict.
    Changed {
        /// What the candidate says.
        effect: Effect,
        /// Its rule; `None` for its default.
        rule: Option<String>,
    },
    /// The record does not have what the candidate needs.
    Unknown(Unknown),
}

/// What a record does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Unknown {
    /// A rule reads the request's text, and records keep none.
    Text,
    /// A rule reads what was counted, and the counts of that moment are not kept.
    Counts,
    /// A rule looks at what was seen before in the session, and that is not replayed.
    History,
    /// A rule reads the arguments of a tool call, and records keep their digest only.
    Arguments,
    /// A limit decided, and limits are not replayed.
    Limit,
    /// Rules may read something that was blinded or left out of the record.
    Redacted,
}

impl Unknown {
    /// Every one, in the order of reports.
    pub const ALL: [Self; 6] =
        [Self::Text, Self::Counts, Self::History, Self::Arguments, Self::Limit, Self::Redacted];

    /// The stable name: `text`, `counts`, `history`, `arguments`, `limit`, `redacted`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Counts => "counts",
            Self::History => "history",
            Self::Arguments => "arguments",
            Self::Limit => "limit",
            Self::Redacted => "redacted",
        }
    }

    /// For people: why it cannot be known.
    #[must_use]
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Text => "a rule reads the text of the request, and records keep no text",
            Self::Counts => "a rule reads counts of earlier calls, and records do not keep them",
            Self::History => "a rule looks at what was seen before in the session, and that is not replayed",
            Self::Arguments => {
                "a rule reads the arguments of a tool call, and records keep only their digest"
            }
            Self::Limit => "a limit decided the recorded call, and limits are not replayed",
            Self::Redacted => "what rules may read was blinded or left out of the record",
        }
    }
}

/// Decides a recorded call with a candidate. With `enforce_shadow` the candidate's shadow mode is taken as lifted.
#[must_use]
pub fn judge(candidate: &Bundle, call: &Call, recorded: &Recorded, enforce_shadow: bool) -> Judgement {
    if recorded.by_limit {
        return Judgement::Unknown(Unknown::Limit);
    }
    let verdict = |decision: Decision| match (decision.shadow_effect, enforce_shadow) {
        (Some(effect), true) => (effect, decision.shadow_rule),
        _ => (decision.effect, decision.rule),
    };
    if call.tool.is_some() && candidate.cedar.as_ref().is_some_and(Cedar::reads_arguments) {
        return Judgement::Unknown(Unknown::Arguments);
    }
    let decision = candidate.decide(call);
    if !decision.is_settled(enforce_shadow) {
        let what = if call.tool.is_some() { Unknown::Arguments } else { Unknown::Text };
        return Judgement::Unknown(what);
    }
    let (effect, rule) = verdict(decision);
    if let Some(unknown) = hangs_on(candidate, call, enforce_shadow) {
        return Judgement::Unknown(unknown);
    }
    if candidate.wants_counts() {
        // Cedar has no third value: its policies are asked with no calls before and with very many.
        let counts = Counts { minute: u64::MAX, hourly: u64::MAX, daily: u64::MAX };
        let busy = candidate.decide(&Call { counts, ..call.clone() });
        if !busy.is_settled(enforce_shadow) || verdict(busy).0 != effect {
            return Judgement::Unknown(Unknown::Counts);
        }
    }
    if effect == recorded.effect {
        Judgement::Same { other_rule: rule != recorded.rule }
    } else {
        Judgement::Changed { effect, rule }
    }
}

/// What the verdict on a call hangs on, of what records do not have beside the text.
fn hangs_on(candidate: &Bundle, call: &Call, enforce_shadow: bool) -> Option<Unknown> {
    let wants = NotAtHand {
        counts: candidate.wants_counts(),
        history: candidate.wants_history().is_some(),
        ..NotAtHand::default()
    };
    let open = |not_at_hand: NotAtHand| {
        if not_at_hand == NotAtHand::default() {
            return false;
        }
        !candidate.decide_without(call, not_at_hand).is_settled(enforce_shadow)
    };
    if open(NotAtHand { counts: false, ..wants }) {
        return Some(Unknown::History);
    }
    open(NotAtHand { history: false, ..wants }).then_some(Unknown::Counts)
}

/// What the rows of a table are grouped by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Group {
    /// The rule that decides now; `None` for the candidate's default.
    pub rule: Option<String>,
    /// The rule that decided then; `None` for the default.
    pub old_rule: Option<String>,
    /// The caller, as recorded.
    pub principal: String,
    /// The base model, else as the caller named it; empty for a call without one.
    pub model: String,
    /// The verdict then.
    pub from: Effect,
    /// The verdict now.
    pub to: Effect,
}

/// How often, and where.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Row {
    /// Decisions.
    pub count: u64,
    /// Ids of the newest of them, newest first, at most [`EXAMPLES`].
    pub examples: Vec<String>,
}

/// What came of a replay. Parts of one can be counted apart and merged: the result does not depend on how it was cut.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Decisions looked at.
    pub total: u64,
    /// Those that policy did not decide: refused by the gate, or unverified.
    pub refused: u64,
    /// Those with the same verdict.
    pub same: u64,
    /// Of these, those by another rule.
    pub other_rule: u64,
    /// Those that the candidate's limits would count; whether they are within is not known.
    pub limited: u64,
    /// Those that cannot be known, by what is missing.
    pub unknown: BTreeMap<Unknown, u64>,
    /// Those with another verdict.
    pub changed: BTreeMap<Group, Row>,
}

impl Table {
    /// Notes one decision. `id` sorts by time, as decision ids do.
    pub fn add(&mut self, call: &Call, principal: &str, id: &str, recorded: &Recorded, judgement: Judgement) {
        self.total += 1;
        match judgement {
            Judgement::Same { other_rule } => {
                self.same += 1;
                self.other_rule += u64::from(other_rule);
            }
            Judgement::Unknown(what) => *self.unknown.entry(what).or_default() += 1,
            Judgement::Changed { effect, rule } => {
                let model = call.model.as_ref().map(|model| model.base.as_ref().unwrap_or(&model.id));
                let group = Group {
                    rule,
                    old_rule: recorded.rule.clone(),
                    principal: principal.to_owned(),
                    model: model.cloned().unwrap_or_default(),
                    from: recorded.effect,
                    to: effect,
                };
                let row = Row { count: 1, examples: vec![id.to_owned()] };
                self.changed.entry(group).or_default().merge(row);
            }
        }
    }

    /// Notes one decision that was not policy's.
    pub fn add_refused(&mut self) {
        self.total += 1;
        self.refused += 1;
    }

    /// Notes one decision that cannot be known, whatever the candidate says.
    pub fn add_unknown(&mut self, what: Unknown) {
        self.total += 1;
        *self.unknown.entry(what).or_default() += 1;
    }

    /// Takes another table's counts in.
    pub fn merge(&mut self, other: Self) {
        self.total += other.total;
        self.refused += other.refused;
        self.same += other.same;
        self.other_rule += other.other_rule;
        self.limited += other.limited;
        for (what, count) in other.unknown {
            *self.unknown.entry(what).or_default() += count;
        }
        for (group, row) in other.changed {
            self.changed.entry(group).or_default().merge(row);
        }
    }

    /// Decisions with another verdict.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.changed.values().map(|row| row.count).sum()
    }

    /// Decisions that cannot be known.
    #[must_use]
    pub fn unknowns(&self) -> u64 {
        self.unknown.values().sum()
    }

    /// Another verdict, by verdict then and now, the most frequent first.
    #[must_use]
    pub fn transitions(&self) -> Vec<(Effect, Effect, u64)> {
        let mut sums: BTreeMap<(Effect, Effect), u64> = BTreeMap::new();
        for (group, row) in &self.changed {
            *sums.entry((group.from, group.to)).or_default() += row.count;
        }
        let mut sums: Vec<_> = sums.into_iter().map(|((from, to), count)| (from, to, count)).collect();
        sums.sort_by(|a, b| b.2.cmp(&a.2).then((a.0, a.1).cmp(&(b.0, b.1))));
        sums
    }

    /// The rows, the most frequent first.
    #[must_use]
    pub fn rows(&self) -> Vec<(&Group, &Row)> {
        let mut rows: Vec<_> = self.changed.iter().collect();
        rows.sort_by(|a, b| b.1.count.cmp(&a.1.count).then_with(|| a.0.cmp(b.0)));
        rows
    }
}

impl Row {
    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.examples.extend(other.examples);
        self.examples.sort_unstable_by(|a, b| b.cmp(a));
        self.examples.truncate(EXAMPLES);
    }
}

#[cfg(test)]
mod tests;
