//! What decisions are found by.

use crate::storage::StoredDecision;
use portcullis_audit::{DecisionRecord, OutcomeRecord};

/// A property of decisions with values that many share. Its code is stored: it never changes its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Facet {
    /// What was decided.
    Kind,
    /// Who called.
    Principal,
    /// The principal's tenant.
    Tenant,
    /// The model as called, and its base model.
    Model,
    /// Whose endpoint: `aws`, or another provider's name.
    Provider,
    /// The tool of a tool call by every form of its name; of a call, the tools that its answer proposed.
    Tool,
    /// Agent id or runtime ARN.
    Agent,
    /// The verdict.
    Verdict,
    /// The rule that decided.
    Rule,
    /// The route of the bundle.
    Route,
    /// The operation.
    Operation,
    /// Region of the endpoint, else of the credential.
    Region,
    /// Account in the credential or in the model's ARN.
    Account,
    /// State of the outcome.
    Outcome,
    /// Digest of the bundle that decided.
    Bundle,
    /// What the caller was told. Searched by text, not by value.
    Message,
}

impl Facet {
    /// Every facet.
    pub const ALL: [Facet; 16] = [
        Facet::Kind,
        Facet::Principal,
        Facet::Tenant,
        Facet::Model,
        Facet::Provider,
        Facet::Tool,
        Facet::Agent,
        Facet::Verdict,
        Facet::Rule,
        Facet::Route,
        Facet::Operation,
        Facet::Region,
        Facet::Account,
        Facet::Outcome,
        Facet::Bundle,
        Facet::Message,
    ];

    /// Its name: that of the query's parameter and of the command line's flag.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Facet::Kind => "kind",
            Facet::Principal => "principal",
            Facet::Tenant => "tenant",
            Facet::Model => "model",
            Facet::Provider => "provider",
            Facet::Tool => "tool",
            Facet::Agent => "agent",
            Facet::Verdict => "verdict",
            Facet::Rule => "rule",
            Facet::Route => "route",
            Facet::Operation => "operation",
            Facet::Region => "region",
            Facet::Account => "account",
            Facet::Outcome => "outcome",
            Facet::Bundle => "bundle",
            Facet::Message => "message",
        }
    }

    /// The facet of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Facet> {
        Facet::ALL.into_iter().find(|facet| facet.as_str() == name)
    }

    /// Its stored number: 1 to 63.
    pub(super) const fn code(self) -> u8 {
        match self {
            Facet::Kind => 1,
            Facet::Principal => 2,
            Facet::Tenant => 3,
            Facet::Model => 4,
            Facet::Provider => 5,
            Facet::Tool => 6,
            Facet::Agent => 7,
            Facet::Verdict => 8,
            Facet::Rule => 9,
            Facet::Route => 10,
            Facet::Operation => 11,
            Facet::Region => 12,
            Facet::Account => 13,
            Facet::Outcome => 14,
            Facet::Bundle => 15,
            Facet::Message => 16,
        }
    }

    pub(super) fn from_code(code: u8) -> Option<Facet> {
        Facet::ALL.into_iter().find(|facet| facet.code() == code)
    }
}

/// A property that few decisions share: found by its exact value only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Key {
    /// The agent session: of the request, or named by the answer.
    Session,
    /// What the calls of one tool-use loop share.
    Correlation,
    /// The gate's name for the call.
    Call,
    /// AWS's request id, as the answer brought it.
    AwsRequest,
}

impl Key {
    /// Every key.
    pub const ALL: [Key; 4] = [Key::Session, Key::Correlation, Key::Call, Key::AwsRequest];

    /// Its name: that of the query's parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Key::Session => "session",
            Key::Correlation => "correlation",
            Key::Call => "call_id",
            Key::AwsRequest => "aws_request_id",
        }
    }

    /// Its stored number.
    pub(super) const fn code(self) -> u8 {
        match self {
            Key::Session => 1,
            Key::Correlation => 2,
            Key::Call => 3,
            Key::AwsRequest => 4,
        }
    }
}

/// Hears of properties one by one. Empty values are told, too: they are nobody's.
pub(super) trait Facts {
    fn facet(&mut self, facet: Facet, value: &str);
    fn key(&mut self, key: Key, value: &str);
}

/// What a decision is found by from the beginning; the state of its outcome is [`StoredDecision::state`].
pub(super) fn of_decision(record: &DecisionRecord, facts: &mut impl Facts) {
    let mut facet = |facet, value: Option<&String>| facts.facet(facet, value.map_or("", String::as_str));
    let (model, endpoint) = (record.model.as_ref(), record.endpoint.as_ref());
    facet(Facet::Principal, Some(&record.principal.name));
    facet(Facet::Tenant, record.principal.tenant.as_ref());
    facet(Facet::Model, model.map(|model| &model.id));
    facet(Facet::Model, model.and_then(|model| model.base.as_ref()));
    facet(Facet::Provider, endpoint.map(|endpoint| &endpoint.provider));
    for name in record.tool.iter().flat_map(|tool| &tool.names) {
        facet(Facet::Tool, Some(name));
    }
    facet(Facet::Agent, record.agent.as_ref().and_then(|agent| agent.id.as_ref()));
    facet(Facet::Rule, record.policy.rule.as_ref());
    facet(Facet::Route, record.route.as_ref());
    facet(Facet::Operation, Some(&record.operation));
    let region = endpoint.map(|endpoint| &endpoint.region).filter(|region| !region.is_empty());
    facet(Facet::Region, region.or(record.credential.region.as_ref()));
    facet(Facet::Account, record.credential.account_hint.as_ref());
    facet(Facet::Account, model.and_then(|model| model.account.as_ref()));
    facet(Facet::Bundle, Some(&record.policy.digest));
    facet(Facet::Message, Some(&record.verdict.message));
    facts.facet(Facet::Kind, record.kind.as_str());
    facts.facet(Facet::Verdict, record.verdict.kind.as_str());
    let session = record.agent.as_ref().and_then(|agent| agent.session.as_deref());
    facts.key(Key::Session, session.unwrap_or_default());
    facts.key(Key::Correlation, record.correlation_id.as_deref().unwrap_or_default());
    facts.key(Key::Call, &record.call_id);
}

/// What an outcome adds to its decision.
pub(super) fn of_outcome(outcome: &OutcomeRecord, facts: &mut impl Facts) {
    for call in outcome.answer.iter().flat_map(|answer| &answer.tool_calls) {
        facts.facet(Facet::Tool, &call.name);
    }
    let session = outcome.answer.as_ref().and_then(|answer| answer.session.as_deref());
    facts.key(Key::Session, session.unwrap_or_default());
    facts.key(Key::AwsRequest, outcome.aws_request_id.as_deref().unwrap_or_default());
}

/// Everything that a decision is found by now.
pub(super) fn of_stored(found: &StoredDecision, facts: &mut impl Facts) {
    of_decision(&found.record, facts);
    if let Some(outcome) = &found.outcome {
        of_outcome(outcome, facts);
    }
    facts.facet(Facet::Outcome, found.state().as_str());
}
