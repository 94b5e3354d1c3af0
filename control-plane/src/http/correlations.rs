//! Tool-use loops and sessions as timelines: `GET /v1/correlations/{id}`.

use super::auth::Admin;
use super::decisions::MAX_LIMIT;
use super::json::{Json, Query};
use super::problem::Problem;
use super::time;
use super::view::{self, Cost};
use crate::app::App;
use crate::storage::{StoredDecision, Trace, TraceQuery};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use portcullis_approvals::Approval;
use portcullis_audit::{
    AnswerText, Assurance, DecisionKind, Guardrail, OutcomeRecord, OutcomeState, SeenCall, ToolCall,
    ToolResult, Usage, VerdictKind,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

const DEFAULT_LIMIT: u32 = 200;

/// Which loop.
#[derive(Debug, Default, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CorrelationQuery {
    /// Whose, exact; of several who use the same id, the one who used it last.
    principal: Option<String>,
    /// 1 to 1000 decisions, 200 when absent.
    limit: Option<u32>,
}

/// A tool-use loop or session of one principal, as a timeline.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CorrelationView {
    /// The correlation id of its oldest decision.
    pub id: String,
    /// Further ones: an answer that was reported after the next request has left the loop with two.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub more_ids: Vec<String>,
    /// Whose.
    pub principal: String,
    /// How sure that is, by the newest decision.
    pub assurance: Assurance,
    /// Others who use the id that was asked for; see `principal` in the query.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_principals: Vec<String>,
    /// RFC 3339, UTC: the first step.
    pub from: String,
    /// RFC 3339, UTC: the last step.
    pub to: String,
    /// Everything together.
    pub totals: TotalsView,
    /// What happened, in order.
    pub steps: Vec<StepView>,
    /// There are more decisions than asked for; these are the nearest.
    pub truncated: bool,
}

/// Everything of a loop together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct TotalsView {
    /// Calls to Bedrock.
    pub calls: u64,
    /// Tool calls that were decided.
    pub tool_calls: u64,
    /// Stretches of text that a rule concerned.
    pub answer_texts: u64,
    /// How many of all these were refused.
    pub refused: u64,
    /// Tokens.
    pub tokens: Usage,
    /// What it cost, as far as known, by currency.
    pub costs: Vec<Cost>,
}

/// What a step is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StepKind {
    /// A decision on a call.
    #[default]
    Call,
    /// A decision on a tool call.
    ToolCall,
    /// A decision on a stretch of an answer's text.
    AnswerText,
    /// How a call ended.
    Outcome,
    /// A change of an approval.
    Approval,
}

/// One step of a loop. What does not concern its kind is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(default)]
pub struct StepView {
    /// RFC 3339, UTC. That of an outcome is the gate's own, where that is possible.
    pub time: String,
    /// The same in Unix milliseconds.
    pub at_ms: u64,
    /// What it is.
    pub kind: StepKind,
    /// The operation, the tool, the state of the outcome or of the approval.
    pub what: String,
    /// Decision id; of an approval, its id.
    pub id: String,
    /// The exchange.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id: Option<String>,
    /// Id of the decision on the call in whose answer it was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// Correlation id of the decision.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// Who: the principal, the approver.
    pub who: String,
    /// On whose behalf, the nearest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<String>,
    /// The session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// The model, as called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// The tool call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolCall>,
    /// The stretch of text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<AnswerText>,
    /// Tool results that the request sends back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ToolResult>,
    /// The verdict.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<VerdictKind>,
    /// The rule that decided; absent when the default did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the caller was told; why an approver answered so.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// The approval that it asks for or rests on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
    /// State of the outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<OutcomeState>,
    /// Stable code of what went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// HTTP status that the client saw.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// From the request's headers to the end of the exchange, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration_ms: Option<u64>,
    /// From the request's headers to the first byte of the answer's body, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u64>,
    /// Tokens.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens: Option<Usage>,
    /// What it cost, where known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<Cost>,
    /// Why the model stopped.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_reason: Option<String>,
    /// What a guardrail did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<Guardrail>,
    /// Models that the answer names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// Tool calls that the answer proposes or tells of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub proposes: Vec<SeenCall>,
    /// What was wrong with the answer's form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flaw: Option<String>,
}

/// Shows a tool-use loop or session: what shares ids with what the id names, of one principal, oldest first.
#[utoipa::path(
    get, path = "/v1/correlations/{id}", tag = "audit", params(
        ("id" = String, Path, description = "A correlation id, or anything that names a part of it: a decision id, a call \
            id, the id of a tool call, a session, an approval, the SDK's invocation id of a recent call"),
        CorrelationQuery
    ),
    security(("admin" = [])),
    responses(
        (status = 200, description = "The timeline", body = CorrelationView),
        (status = 404, description = "`correlation_not_found`", body = Problem),
        (status = "default", description = "An error", body = Problem),
    )
)]
pub(super) async fn correlation(
    State(app): State<Arc<App>>,
    _: Admin,
    Path(id): Path<String>,
    Query(params): Query<CorrelationQuery>,
) -> Result<Json<CorrelationView>, Problem> {
    let limit = params.limit.unwrap_or(DEFAULT_LIMIT);
    if limit == 0 || limit > MAX_LIMIT {
        return Err(Problem::bad_request(format!("`limit` must be 1 to {MAX_LIMIT}")));
    }
    let principal = params.principal.map(|name| app.redactor.principal(&name));
    // As it is, and as records may have it.
    for id in app.redactor.ids(&id) {
        let query = TraceQuery { id, principal: principal.clone(), limit };
        if let Some(trace) = app.store.trace(query).await? {
            return Ok(Json(trace.into()));
        }
    }
    Err(Problem::new(StatusCode::NOT_FOUND, "correlation_not_found", "nothing on record has that id"))
}

impl From<Trace> for CorrelationView {
    fn from(trace: Trace) -> Self {
        let Trace { principal, others, decisions, approvals, truncated } = trace;
        let mut ids: Vec<String> = Vec::new();
        for id in decisions.iter().filter_map(|stored| stored.record.correlation_id.as_ref()) {
            if !ids.contains(id) {
                ids.push(id.clone());
            }
        }
        let assurance = decisions.last().map(StoredDecision::assurance).unwrap_or_default();
        let totals = totals(&decisions);
        let mut steps: Vec<StepView> = approvals.iter().flat_map(asked).collect();
        // An outcome comes after what was found in its answer, which may have been decided in the same millisecond.
        let mut last_of: BTreeMap<String, u64> = BTreeMap::new();
        for stored in &decisions {
            if let Some(parent) = &stored.record.parent {
                last_of.insert(parent.clone(), stored.record.decided_at_ms);
            }
        }
        for stored in decisions {
            let after = last_of.get(&stored.record.decision_id).copied().unwrap_or(0);
            let ended = stored.outcome.as_ref().map(|outcome| ended(&stored, outcome, after));
            steps.push(decided(stored));
            steps.extend(ended);
        }
        steps.sort_by_key(|step| (step.at_ms, step.kind == StepKind::Outcome));
        let edge = |step: Option<&StepView>| step.map(|step| step.time.clone()).unwrap_or_default();
        let (from, to) = (edge(steps.first()), edge(steps.last()));
        let mut ids = ids.into_iter();
        CorrelationView {
            id: ids.next().unwrap_or_default(),
            more_ids: ids.collect(),
            principal,
            assurance,
            other_principals: others,
            from,
            to,
            totals,
            steps,
            truncated,
        }
    }
}

fn totals(decisions: &[StoredDecision]) -> TotalsView {
    let mut totals = TotalsView::default();
    let mut costs: BTreeMap<String, u64> = BTreeMap::new();
    for stored in decisions {
        match stored.record.kind {
            DecisionKind::Call => totals.calls += 1,
            DecisionKind::ToolCall => totals.tool_calls += 1,
            DecisionKind::AnswerText => totals.answer_texts += 1,
        }
        totals.refused += u64::from(stored.record.verdict.kind != VerdictKind::Allow);
        let Some(outcome) = &stored.outcome else { continue };
        let used = outcome.usage.unwrap_or_default();
        let tokens = &mut totals.tokens;
        for (sum, more) in [
            (&mut tokens.input_tokens, used.input_tokens),
            (&mut tokens.output_tokens, used.output_tokens),
            (&mut tokens.cache_read_tokens, used.cache_read_tokens),
            (&mut tokens.cache_write_tokens, used.cache_write_tokens),
            (&mut tokens.tool_calls, used.tool_calls),
        ] {
            *sum = sum.saturating_add(more);
        }
        if let Some((currency, nanos)) = view::nanos(&stored.record, outcome) {
            let sum = costs.entry(currency).or_default();
            *sum = sum.saturating_add(nanos);
        }
    }
    totals.costs = costs.into_iter().map(|(currency, nanos)| Cost::new(currency, nanos)).collect();
    totals
}

fn decided(stored: StoredDecision) -> StepView {
    let StoredDecision { record, .. } = stored;
    let (kind, what) = match record.kind {
        DecisionKind::Call => (StepKind::Call, record.operation),
        DecisionKind::ToolCall => {
            let name = record.tool.as_ref().and_then(|tool| tool.names.first().cloned());
            (StepKind::ToolCall, name.unwrap_or_default())
        }
        DecisionKind::AnswerText => (StepKind::AnswerText, "text".to_owned()),
    };
    let approval = record.approval.map(|approval| approval.id);
    StepView {
        time: time::show(record.decided_at_ms),
        at_ms: record.decided_at_ms,
        kind,
        what,
        id: record.decision_id,
        call_id: Some(record.call_id),
        parent: record.parent,
        correlation_id: record.correlation_id,
        who: record.principal.name,
        delegation: record.delegation,
        session: record.agent.and_then(|agent| agent.session),
        model: record.model.map(|model| model.id),
        tool: record.tool,
        text: record.text,
        // What was found in an answer repeats its request; that is shown once.
        results: if kind == StepKind::Call { record.request.results } else { Vec::new() },
        verdict: Some(record.verdict.kind),
        rule: record.policy.rule,
        message: record.verdict.message,
        approval_id: record.verdict.approval_id.or(approval),
        ..StepView::default()
    }
}

fn ended(stored: &StoredDecision, outcome: &OutcomeRecord, after: u64) -> StepView {
    let record = &stored.record;
    let at_ms = match outcome.state {
        // When it was noticed that nobody reports.
        OutcomeState::Unknown => outcome.recorded_at_ms,
        // The gate's clock may be another machine's: no later than is possible by ours.
        _ => {
            let possible = record.decided_at_ms.saturating_add(outcome.duration_ms);
            outcome.ended_at_ms.min(outcome.recorded_at_ms).min(possible)
        }
    };
    let at_ms = at_ms.max(record.decided_at_ms).max(after);
    let answer = outcome.answer.as_deref().cloned().unwrap_or_default();
    StepView {
        time: time::show(at_ms),
        at_ms,
        kind: StepKind::Outcome,
        what: outcome.state.as_str().to_owned(),
        id: record.decision_id.clone(),
        call_id: Some(record.call_id.clone()),
        who: record.principal.name.clone(),
        session: answer.session,
        state: Some(outcome.state),
        reason: outcome.reason.clone(),
        status: outcome.status,
        duration_ms: Some(outcome.duration_ms),
        first_byte_ms: answer.first_byte_ms,
        tokens: outcome.usage,
        cost: view::cost(record, outcome),
        stop_reason: answer.stop_reason,
        guardrail: answer.guardrail,
        models: answer.models,
        proposes: answer.tool_calls,
        flaw: answer.flaw,
        ..StepView::default()
    }
}

/// The changes of an approval.
fn asked(approval: &Approval) -> impl Iterator<Item = StepView> {
    approval.history.iter().map(|change| StepView {
        time: time::show(change.at_ms),
        at_ms: change.at_ms,
        kind: StepKind::Approval,
        what: change.to.as_str().to_owned(),
        id: approval.id.clone(),
        who: change.by.clone(),
        rule: Some(approval.rule.clone()),
        message: change.why.clone(),
        ..StepView::default()
    })
}
