//! The columns: their names, types, meaning, and where their values come from. docs/audit.md shows the table; a test holds the two
//! together.

use super::super::Parsed;
use crate::storage::Logged;
use parquet::basic::{LogicalType, Repetition, TimeUnit, Type as Physical};
use parquet::errors::ParquetError;
use parquet::schema::types::Type;
use portcullis_audit::log::Hash;
use portcullis_audit::{
    Agent, Answer, DecisionRecord, Endpoint, EventRecord, Model, OutcomeRecord, Price, Usage,
};

/// The type of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// A string.
    Text,
    /// A string that is JSON.
    Json,
    /// A 64-bit integer.
    Int,
    /// Milliseconds since 1970, UTC.
    Time,
    /// A boolean.
    Bool,
    /// 32 bytes.
    Hash,
}

/// A column.
#[derive(Debug)]
pub struct Column {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub kind: ColumnKind,
    /// Every row has a value.
    pub required: bool,
    /// What it says.
    pub meaning: &'static str,
    pub(super) value: for<'a> fn(&'a Row<'a>) -> Option<Value<'a>>,
}

/// A value of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Value<'a> {
    Text(&'a str),
    Int(u64),
    Bool(bool),
    Hash(&'a Hash),
}

/// A record, by what it is.
#[derive(Debug)]
pub(super) struct Row<'a> {
    logged: &'a Logged,
    leaf: Hash,
    decision: Option<&'a DecisionRecord>,
    outcome: Option<&'a OutcomeRecord>,
    event: Option<&'a EventRecord>,
}

impl<'a> Row<'a> {
    pub(super) fn new(logged: &'a Logged, parsed: &'a Parsed) -> Self {
        let mut row = Row { logged, leaf: logged.entry.leaf(), decision: None, outcome: None, event: None };
        match parsed {
            Parsed::Decision(record) => row.decision = Some(record),
            Parsed::Outcome(record) => row.outcome = Some(record),
            Parsed::Event(record) => row.event = Some(record),
            Parsed::Pruned => {}
        }
        row
    }

    fn record_time(&self) -> Option<u64> {
        let decided = self.decision.map(|decision| decision.decided_at_ms);
        decided.or(self.outcome.map(|outcome| outcome.recorded_at_ms)).or(self.event.map(|event| event.at_ms))
    }

    fn assurance(&self) -> Option<Value<'a>> {
        let decided = self.decision.map(|decision| decision.principal.assurance);
        decided
            .or(self.outcome.and_then(|outcome| outcome.assurance))
            .and_then(|assurance| text(assurance.as_str()))
    }

    fn account(&self) -> Option<Value<'a>> {
        let decision = self.decision?;
        self.model().and_then(|model| opt(&model.account)).or_else(|| opt(&decision.credential.account_hint))
    }

    fn approval(&self) -> Option<Value<'a>> {
        let decision = self.decision?;
        decision
            .approval
            .as_ref()
            .and_then(|approval| text(&approval.id))
            .or_else(|| opt(&decision.verdict.approval_id))
    }

    fn endpoint(&self) -> Option<&'a Endpoint> {
        self.decision?.endpoint.as_ref()
    }

    fn model(&self) -> Option<&'a Model> {
        self.decision?.model.as_ref()
    }

    fn agent(&self) -> Option<&'a Agent> {
        self.decision?.agent.as_ref()
    }

    fn price(&self) -> Option<&'a Price> {
        self.decision?.charges.iter().find_map(|charge| charge.price.as_ref())
    }

    /// Of the first limit on cost: others reserve the same.
    fn reserved(&self) -> Option<u64> {
        self.decision?.charges.iter().find(|charge| charge.price.is_some()).map(|charge| charge.amount)
    }

    fn answer(&self) -> Option<&'a Answer> {
        self.outcome?.answer.as_deref()
    }

    fn usage(&self) -> Option<&'a Usage> {
        self.outcome?.usage.as_ref()
    }
}

impl Column {
    pub(super) fn parquet_type(&self) -> Result<Type, ParquetError> {
        let (physical, logical) = match self.kind {
            ColumnKind::Text => (Physical::BYTE_ARRAY, Some(LogicalType::String)),
            ColumnKind::Json => (Physical::BYTE_ARRAY, Some(LogicalType::Json)),
            ColumnKind::Int => (Physical::INT64, None),
            ColumnKind::Time => {
                let unit = TimeUnit::MILLIS(Default::default());
                (Physical::INT64, Some(LogicalType::Timestamp { is_adjusted_to_u_t_c: true, unit }))
            }
            ColumnKind::Bool => (Physical::BOOLEAN, None),
            ColumnKind::Hash => (Physical::FIXED_LEN_BYTE_ARRAY, None),
        };
        let repetition = if self.required { Repetition::REQUIRED } else { Repetition::OPTIONAL };
        let builder = Type::primitive_type_builder(self.name, physical).with_repetition(repetition);
        let length = if self.kind == ColumnKind::Hash { 32 } else { -1 };
        builder.with_logical_type(logical).with_length(length).build()
    }
}

/// What is empty is null.
fn text(text: &str) -> Option<Value<'_>> {
    Some(Value::Text(text)).filter(|_| !text.is_empty())
}

fn opt(text: &Option<String>) -> Option<Value<'_>> {
    text.as_deref().and_then(self::text)
}

/// Every column, in order.
#[must_use]
pub fn columns() -> &'static [Column] {
    COLUMNS
}

macro_rules! column {
    ($name:literal, $kind:ident, $required:literal, $meaning:literal, $value:expr) => {
        Column { name: $name, kind: ColumnKind::$kind, required: $required, meaning: $meaning, value: $value }
    };
}

#[rustfmt::skip]
const COLUMNS: &[Column] = &[
    column!("index", Int, true, "Place in the log, from 0", |row| Some(Value::Int(row.logged.index))),
    column!("kind", Text, true, "`decision`, `tool_call`, `answer_text`, `outcome`, `approval`, `bundle`, `admin`, `gap`", |row| Some(Value::Text(row.logged.entry.kind.as_str()))),
    column!("id", Text, true, "Decision id, of an outcome its call's id, of an event its id", |row| Some(Value::Text(&row.logged.entry.id))),
    column!("time", Time, true, "When it was written to the log", |row| Some(Value::Int(row.logged.entry.time_ms))),
    column!("record_time", Time, false, "When it was decided, reported, or happened", |row| row.record_time().map(Value::Int)),
    column!("leaf", Hash, true, "Leaf hash in the Merkle tree", |row| Some(Value::Hash(&row.leaf))),
    column!("record_sha256", Hash, true, "SHA-256 of the canonical record", |row| Some(Value::Hash(&row.logged.entry.sha256))),
    column!("call_id", Text, false, "The gate's name for the exchange; a decision and its outcome share it", |row| row.decision.map(|d| &d.call_id).or(row.outcome.map(|o| &o.call_id)).and_then(|id| text(id))),
    column!("decision_id", Text, false, "The decision; of an outcome that of its call, where the gate learned it", |row| row.decision.map(|d| &d.decision_id).or(row.outcome.and_then(|o| o.decision_id.as_ref())).and_then(|id| text(id))),
    column!("parent", Text, false, "The decision that let the call out in whose answer this was found", |row| row.decision.and_then(|d| opt(&d.parent))),
    column!("correlation_id", Text, false, "What the calls of a tool-use loop or session share", |row| row.decision.and_then(|d| opt(&d.correlation_id))),
    column!("gate", Text, false, "The gate that asked or reported", |row| row.decision.map(|d| &d.gate).or(row.outcome.map(|o| &o.gate)).and_then(|gate| text(gate))),
    column!("entrance", Text, false, "`pass_through` or `resign`", |row| row.decision.and_then(|d| text(&d.entrance))),
    column!("principal", Text, false, "Who called", |row| row.decision.and_then(|d| text(&d.principal.name))),
    column!("assurance", Text, false, "How sure that is: `claimed`, `confirmed`, `rejected`, `verified`; of an outcome what AWS's answer says", |row| row.assurance()),
    column!("tenant", Text, false, "Tenant", |row| row.decision.and_then(|d| opt(&d.principal.tenant))),
    column!("access_key_id", Text, false, "AWS access key id", |row| row.decision.and_then(|d| opt(&d.credential.access_key_id))),
    column!("account", Text, false, "AWS account: of the model's ARN, else decoded from the key (a hint)", |row| row.account()),
    column!("source_address", Text, false, "Peer address", |row| row.decision.and_then(|d| opt(&d.source.address))),
    column!("cloud", Text, false, "Whose endpoint: `aws`, or the name of another provider", |row| row.endpoint().and_then(|e| text(&e.provider))),
    column!("service", Text, false, "Endpoint prefix, such as `bedrock-runtime`", |row| row.endpoint().and_then(|e| text(&e.service))),
    column!("region", Text, false, "Region", |row| row.endpoint().and_then(|e| text(&e.region))),
    column!("operation", Text, false, "Operation", |row| row.decision.and_then(|d| text(&d.operation))),
    column!("action", Text, false, "IAM action", |row| row.decision.and_then(|d| text(&d.action))),
    column!("model", Text, false, "Model, as the caller named it", |row| row.model().and_then(|m| text(&m.id))),
    column!("model_base", Text, false, "Its base model", |row| row.model().and_then(|m| opt(&m.base))),
    column!("model_provider", Text, false, "Its provider", |row| row.model().and_then(|m| opt(&m.provider))),
    column!("agent", Text, false, "Agent id or runtime ARN", |row| row.agent().and_then(|a| opt(&a.id))),
    column!("agent_alias", Text, false, "Its alias", |row| row.agent().and_then(|a| opt(&a.alias))),
    column!("session", Text, false, "Agent session", |row| row.agent().and_then(|a| opt(&a.session))),
    column!("tool", Text, false, "The tool of a tool call, by its first name", |row| row.decision.and_then(|d| d.tool.as_ref()?.names.first()).and_then(|name| text(name))),
    column!("route", Text, false, "Route of the bundle", |row| row.decision.and_then(|d| opt(&d.route))),
    column!("verdict", Text, false, "`allow`, `deny`, `throttle`, `pending_approval`", |row| row.decision.and_then(|d| text(d.verdict.kind.as_str()))),
    column!("rule", Text, false, "The rule that decided; null where the default did", |row| row.decision.and_then(|d| opt(&d.policy.rule))),
    column!("shadow_verdict", Text, false, "What the verdict would have been without shadow mode, where that differs", |row| row.decision.and_then(|d| opt(&d.policy.shadow))),
    column!("bundle", Text, false, "Name of the bundle", |row| row.decision.and_then(|d| text(&d.policy.bundle))),
    column!("bundle_version", Text, false, "Its version", |row| row.decision.and_then(|d| text(&d.policy.version))),
    column!("bundle_digest", Text, false, "Its digest, hex SHA-256", |row| row.decision.and_then(|d| text(&d.policy.digest))),
    column!("approval_id", Text, false, "The approval that lets the call out, or that it waits for", |row| row.approval()),
    column!("problem", Text, false, "Why the gate refused on its own, a code", |row| row.decision.and_then(|d| text(&d.problem.as_ref()?.code))),
    column!("request_sha256", Text, false, "Hex SHA-256 of the request's body", |row| row.decision.and_then(|d| opt(&d.request.sha256))),
    column!("request_bytes", Int, false, "Bytes of the request's body", |row| row.decision.map(|d| Value::Int(d.request.bytes))),
    column!("stream", Bool, false, "A streamed answer was asked for", |row| row.decision.map(|d| Value::Bool(d.request.stream))),
    column!("currency", Text, false, "Currency of the prices", |row| row.price().and_then(|p| text(&p.currency))),
    column!("reserved_nanos", Int, false, "Cost reserved for the call, billionths of the currency", |row| row.reserved().map(Value::Int)),
    column!("price_input", Int, false, "Price of an input token, billionths of the currency", |row| row.price().map(|p| Value::Int(p.input))),
    column!("price_output", Int, false, "Price of an output token, likewise", |row| row.price().map(|p| Value::Int(p.output))),
    column!("price_cache_read", Int, false, "Price of a token read from the prompt cache, likewise", |row| row.price().map(|p| Value::Int(p.cache_read))),
    column!("price_cache_write", Int, false, "Price of a token written to it, likewise", |row| row.price().map(|p| Value::Int(p.cache_write))),
    column!("outcome", Text, false, "`completed`, `failed`, `aborted`, `blocked`, `unknown`", |row| row.outcome.and_then(|o| text(o.state.as_str()))),
    column!("outcome_reason", Text, false, "Code of what went wrong", |row| row.outcome.and_then(|o| opt(&o.reason))),
    column!("status", Int, false, "HTTP status that the client saw", |row| row.outcome.and_then(|o| o.status.map(|s| Value::Int(s.into())))),
    column!("aws_request_id", Text, false, "AWS's request id, as in CloudTrail", |row| row.outcome.and_then(|o| opt(&o.aws_request_id))),
    column!("error_type", Text, false, "AWS's error type", |row| row.outcome.and_then(|o| opt(&o.error_type))),
    column!("forwarded", Bool, false, "The call left the gate towards AWS", |row| row.outcome.map(|o| Value::Bool(o.forwarded))),
    column!("response_bytes", Int, false, "Bytes of the answer's body that were let out", |row| row.outcome.map(|o| Value::Int(o.response_bytes))),
    column!("response_sha256", Text, false, "Their hex SHA-256", |row| row.answer().and_then(|a| opt(&a.sha256))),
    column!("duration_ms", Int, false, "From the request's headers to the end", |row| row.outcome.map(|o| Value::Int(o.duration_ms))),
    column!("first_byte_ms", Int, false, "To the first byte of the answer's body", |row| row.answer().and_then(|a| a.first_byte_ms.map(Value::Int))),
    column!("decision_ms", Int, false, "How long the gate waited for the decision", |row| row.outcome.map(|o| Value::Int(o.decision_ms))),
    column!("stop_reason", Text, false, "Why the model stopped", |row| row.answer().and_then(|a| opt(&a.stop_reason))),
    column!("guardrail_action", Text, false, "What a guardrail did", |row| row.answer().and_then(|a| text(&a.guardrail.as_ref()?.action))),
    column!("input_tokens", Int, false, "Input tokens, without those of the prompt cache", |row| row.usage().map(|u| Value::Int(u.input_tokens))),
    column!("output_tokens", Int, false, "Output tokens", |row| row.usage().map(|u| Value::Int(u.output_tokens))),
    column!("cache_read_tokens", Int, false, "Tokens read from the prompt cache", |row| row.usage().map(|u| Value::Int(u.cache_read_tokens))),
    column!("cache_write_tokens", Int, false, "Tokens written to it", |row| row.usage().map(|u| Value::Int(u.cache_write_tokens))),
    column!("tool_calls", Int, false, "Tool calls that the model proposed", |row| row.usage().map(|u| Value::Int(u.tool_calls))),
    column!("actor", Text, false, "Who caused an event", |row| row.event.and_then(|e| text(&e.actor))),
    column!("event", Text, false, "What happened: `what` of an event's particulars", |row| row.event.and_then(|e| text(e.detail.get("what")?.as_str()?))),
    column!("record", Json, false, "The canonical record; null where it was pruned", |row| row.logged.record.as_deref().map(Value::Text)),
];
