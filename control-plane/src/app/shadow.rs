//! What shadow mode would have changed: a report over recorded decisions.

use super::{App, Fault};
use crate::storage::{RecordQuery, StoreError};
use portcullis_audit::DecisionRecord;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Example decisions of a line.
const EXAMPLES: usize = 3;
/// Lines of each list; the rest is one more line, so that the sums stay right.
const MAX_LINES: usize = 100;
/// What stands for the rest.
const REST: &str = "(others)";

/// What would have happened had nothing been in shadow mode.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowReport {
    /// From when, Unix milliseconds; absent: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since_ms: Option<u64>,
    /// Until when, Unix milliseconds; absent: until now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until_ms: Option<u64>,
    /// Decisions in that time.
    pub decisions: u64,
    /// Those that would have got another verdict.
    pub changed: u64,
    /// These by verdict, the most frequent first.
    pub by_verdict: Vec<ShadowVerdict>,
    /// These by the rule that would have decided.
    pub by_rule: Vec<ShadowRule>,
    /// These by caller.
    pub by_principal: Vec<ShadowCount>,
    /// These by base model, else as the caller named it; `(none)` for calls without one.
    pub by_model: Vec<ShadowCount>,
    /// These by operation.
    pub by_operation: Vec<ShadowCount>,
}

/// From one verdict to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowVerdict {
    /// As it was: `allow`, `deny`, `throttle`, `pending_approval`.
    pub from: String,
    /// As it would have been: `allow`, `deny`, `redact`, `throttle`, `require_approval`.
    pub to: String,
    /// Decisions.
    pub count: u64,
}

/// One rule that would have decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowRule {
    /// Its id; absent where the record does not say (the default, or a record of an older version).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What it would have made of them.
    pub to: String,
    /// Decisions.
    pub count: u64,
    /// Ids of the newest of them.
    pub examples: Vec<String>,
}

/// One name and how often.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ShadowCount {
    /// The name.
    pub name: String,
    /// Decisions.
    pub count: u64,
}

/// Counts while records pass.
#[derive(Debug, Default)]
struct Tally {
    changed: u64,
    verdicts: BTreeMap<(String, String), u64>,
    rules: BTreeMap<(Option<String>, String), (u64, Vec<String>)>,
    principals: BTreeMap<String, u64>,
    models: BTreeMap<String, u64>,
    operations: BTreeMap<String, u64>,
}

impl Tally {
    /// Records come oldest first.
    fn add(&mut self, record: DecisionRecord) {
        let Some(to) = record.policy.shadow else { return };
        self.changed += 1;
        let from = record.verdict.kind.as_str().to_owned();
        *self.verdicts.entry((from, to.clone())).or_default() += 1;
        let rule = self.rules.entry((record.policy.shadow_rule, to)).or_default();
        rule.0 += 1;
        rule.1.insert(0, record.decision_id);
        rule.1.truncate(EXAMPLES);
        let model = record.model.map_or_else(|| "(none)".to_owned(), |model| model.base.unwrap_or(model.id));
        *self.principals.entry(record.principal.name).or_default() += 1;
        *self.models.entry(model).or_default() += 1;
        *self.operations.entry(record.operation).or_default() += 1;
    }

    fn report(self, query: &RecordQuery, decisions: u64) -> ShadowReport {
        let mut by_verdict: Vec<_> =
            self.verdicts.into_iter().map(|((from, to), count)| ShadowVerdict { from, to, count }).collect();
        by_verdict.sort_by_key(|line| std::cmp::Reverse(line.count));
        let mut by_rule: Vec<_> = self
            .rules
            .into_iter()
            .map(|((rule, to), (count, examples))| ShadowRule { rule, to, count, examples })
            .collect();
        by_rule.sort_by_key(|line| std::cmp::Reverse(line.count));
        ShadowReport {
            since_ms: query.since_ms,
            until_ms: query.until_ms,
            decisions,
            changed: self.changed,
            by_verdict,
            by_rule,
            by_principal: lines(self.principals),
            by_model: lines(self.models),
            by_operation: lines(self.operations),
        }
    }
}

/// The most frequent first; what is too much becomes one line.
fn lines(counts: BTreeMap<String, u64>) -> Vec<ShadowCount> {
    let mut lines: Vec<_> = counts.into_iter().map(|(name, count)| ShadowCount { name, count }).collect();
    lines.sort_by_key(|line| std::cmp::Reverse(line.count));
    if lines.len() > MAX_LINES {
        let rest = lines.split_off(MAX_LINES - 1);
        let count = rest.iter().map(|line| line.count).sum();
        lines.push(ShadowCount { name: REST.to_owned(), count });
    }
    lines
}

impl App {
    /// Reports what shadow mode would have changed, over the decisions of `query`.
    ///
    /// # Errors
    /// When the records cannot be read.
    pub async fn shadow_report(&self, query: RecordQuery) -> Result<ShadowReport, Fault> {
        let decisions = self.store.count_records(query.clone()).await?;
        let mut tally = Tally::default();
        let mut next = RecordQuery { shadowed: true, ..query.clone() };
        loop {
            let page = self.store.records(next.clone()).await?;
            for json in &page.records {
                let record = serde_json::from_str(json)
                    .map_err(|error| StoreError::Unavailable(format!("a record cannot be read: {error}")))?;
                tally.add(record);
            }
            next.after = page.last.or(next.after);
            if !page.more {
                return Ok(tally.report(&query, decisions));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_long_list_is_one_line() {
        let counts: BTreeMap<String, u64> = (0..250_u64).map(|n| (format!("p{n:03}"), n + 1)).collect();
        let total: u64 = counts.values().sum();
        let lines = lines(counts);
        assert_eq!((lines.len(), lines[0].name.as_str(), lines[99].name.as_str()), (100, "p249", REST));
        assert_eq!(lines.iter().map(|line| line.count).sum::<u64>(), total);
    }
}
