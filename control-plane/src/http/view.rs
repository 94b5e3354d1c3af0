//! Decisions as the admin API shows them.

use super::time;
use crate::storage::{Cursor, Order, StoredDecision, StoredEvent};
use portcullis_audit::{Assurance, DecisionRecord, OutcomeRecord, OutcomeState};
use serde::{Deserialize, Serialize};

/// A decision: its record as committed, and what has become of it since.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DecisionView {
    /// RFC 3339, UTC.
    pub time: String,
    /// State of the outcome: `pending`, `completed`, `failed`, `aborted`, `blocked` or `unknown`.
    pub state: OutcomeState,
    /// Assurance of the principal after AWS's answer; `principal.assurance` is that at the time of the decision.
    pub assurance: Assurance,
    /// The outcome, once it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outcome: Option<OutcomeRecord>,
    /// What the call cost, where a limit on cost applies and the answer said what was used: at the prices of the bundle
    /// that decided it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// The record as committed.
    #[serde(flatten)]
    pub record: DecisionRecord,
}

impl From<StoredDecision> for DecisionView {
    fn from(stored: StoredDecision) -> Self {
        DecisionView {
            time: time::show(stored.record.decided_at_ms),
            state: stored.state(),
            assurance: stored.assurance(),
            cost: stored.outcome.as_ref().and_then(|outcome| cost(&stored.record, outcome)),
            outcome: stored.outcome,
            record: stored.record,
        }
    }
}

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Cost {
    /// Such as `USD`.
    pub currency: String,
    /// Decimal.
    pub amount: String,
}

impl Cost {
    /// An amount in billionths of the currency.
    pub(super) fn new(currency: String, nanos: u64) -> Self {
        Cost { currency, amount: crate::app::decimal(nanos) }
    }
}

/// What a call cost.
pub(super) fn cost(record: &DecisionRecord, outcome: &OutcomeRecord) -> Option<Cost> {
    nanos(record, outcome).map(|(currency, nanos)| Cost::new(currency, nanos))
}

/// The same in billionths of the currency.
pub(super) fn nanos(record: &DecisionRecord, outcome: &OutcomeRecord) -> Option<(String, u64)> {
    let price = record.charges.iter().find_map(|charge| charge.price.as_ref())?;
    let used = outcome.usage.filter(|_| outcome.status.is_none_or(|status| status < 400))?;
    let usage = portcullis_policy::Usage {
        input_tokens: used.input_tokens,
        output_tokens: used.output_tokens,
        cache_read_tokens: used.cache_read_tokens,
        cache_write_tokens: used.cache_write_tokens,
        tool_calls: used.tool_calls,
    };
    let per_token = portcullis_policy::Price {
        input: price.input,
        output: price.output,
        cache_read: price.cache_read,
        cache_write: price.cache_write,
    };
    let nanos = portcullis_policy::Measure::Cost.amount(&usage, Some(per_token));
    Some((price.currency.clone(), nanos))
}

/// A page of decisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct DecisionsPage {
    /// The decisions, newest first unless asked otherwise.
    pub decisions: Vec<DecisionView>,
    /// `cursor` of the next page; absent on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
    /// `cursor` for following what comes after all this, with `order=asc` and `wait`.
    pub follow: String,
    /// How many decisions there are on all pages together, those that were pruned included: when it was asked for, and the
    /// search index is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// There may be fewer than `count`: some have values that the index does not keep apart.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub count_at_most: bool,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(super) struct EventView {
    /// Grows with every event; `before` continues from it.
    seq: u64,
    /// RFC 3339, UTC.
    time: String,
    /// `admin`, `bundle`, `gap` or `approval`.
    kind: String,
    /// Who did it: a token's name, a gate's node id, `cli`, `portcullis`.
    actor: String,
    /// The particulars.
    detail: serde_json::Value,
}

impl From<StoredEvent> for EventView {
    fn from(event: StoredEvent) -> Self {
        let StoredEvent { seq, at_ms, kind, actor, detail } = event;
        EventView { seq, time: time::show(at_ms), kind, actor, detail }
    }
}

/// Builds a page. `newest` is the store's newest decision from before the page was read.
pub(super) fn page(
    page: crate::storage::Page,
    order: Order,
    asked_after: Option<i64>,
    newest: i64,
) -> DecisionsPage {
    let last = page.decisions.last().map(|stored| stored.seq);
    let first = page.decisions.first().map(|stored| stored.seq);
    let next = last.filter(|_| page.more).map(|seq| Cursor { seq, order }.encode());
    let follow = match order {
        Order::Descending => first.unwrap_or(0).max(newest),
        // Nothing more: what was looked through without a match need not be looked through again.
        Order::Ascending if !page.more => last.unwrap_or(0).max(newest).max(asked_after.unwrap_or(0)),
        Order::Ascending => last.or(asked_after).unwrap_or(0),
    };
    DecisionsPage {
        decisions: page.decisions.into_iter().map(DecisionView::from).collect(),
        next,
        follow: Cursor { seq: follow, order: Order::Ascending }.encode(),
        count: None,
        count_at_most: false,
    }
}
