//! What was decided on one call, and why.

use crate::kind::DecisionKind;
use crate::principal::Principal;
use crate::tool::{AnswerText, ToolCall, ToolResult};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The record of one decision. It is on disk before the gate hears the verdict.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct DecisionRecord {
    /// [`crate::SCHEMA`].
    pub schema: u16,
    /// UUIDv7; its time is `decided_at_ms`. Given by the store.
    pub decision_id: String,
    /// What was decided.
    #[serde(default, skip_serializing_if = "DecisionKind::is_call")]
    pub kind: DecisionKind,
    /// The decision that let the call out in whose answer this was found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parent: Option<String>,
    /// The exchange, named by the gate; of what was found in its answer, with `#` and a number behind it.
    pub call_id: String,
    /// Unix time in milliseconds. Given by the store.
    pub decided_at_ms: u64,
    /// What the calls of one tool-use loop or agent session share: the session; else what a tool result leads to that the
    /// request sends back; else that of the attempt before; else its own decision id. Given by the store. An answer that
    /// is reported late may leave a loop with two of them: whoever reads a loop follows the ids of its tool calls.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<String>,
    /// The gate that asked.
    pub gate: String,
    /// `pass_through` or `resign`.
    pub entrance: String,
    /// Who called.
    pub principal: Principal,
    /// With which credential.
    pub credential: Credential,
    /// Which endpoint; absent for a host that is not Bedrock's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Operation name, `Unknown` when no route matched.
    pub operation: String,
    /// IAM action, `Unknown` when no route matched.
    pub action: String,
    /// Kind of call, such as `model_invoked`; empty where not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub action_type: String,
    /// The model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<Model>,
    /// Further models that the body names: rerankers, collaborators, prompt overrides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub other_models: Vec<Model>,
    /// The agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// URI labels of the operation by modelled name: knowledge base, batch job, guardrail …
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The request, without its text.
    pub request: Request,
    /// The tool call, of such a record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tool: Option<ToolCall>,
    /// The stretch of an answer's text, of such a record: never the text itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<AnswerText>,
    /// On whose behalf an agent acts, the nearest first: `agent A`, then who told it to. Claims, unless the principal is
    /// verified.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub delegation: Vec<String>,
    /// Where it came from.
    pub source: Source,
    /// What the SDK says of itself.
    #[serde(default)]
    pub sdk: Sdk,
    /// The route of the bundle that the call is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub route: Option<String>,
    /// What was reserved from limits.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub charges: Vec<Charge>,
    /// The approval that lets it out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,
    /// What decided.
    pub policy: PolicyTrace,
    /// Why the gate refuses the call on its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<Problem>,
    /// The verdict.
    pub verdict: Verdict,
    /// What of it was blinded or left out before it was recorded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub redaction: Option<Redaction>,
    /// The store did not take it when it was decided: it was durable in the second sink first, and came into the log when the
    /// store was back. Its entry may be much later than its time.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spilled: bool,
    /// Texts of the call that are kept beside the log, encrypted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub captured: Vec<CapturedText>,
}

/// The kinds of verdict.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum VerdictKind {
    /// Let out.
    Allow,
    /// Rejected.
    #[default]
    Deny,
    /// Rejected for now: a rate limit.
    Throttle,
    /// Rejected until a person has approved it.
    PendingApproval,
}

impl VerdictKind {
    /// Every kind, for tests and documentation.
    pub const ALL: [VerdictKind; 4] =
        [VerdictKind::Allow, VerdictKind::Deny, VerdictKind::Throttle, VerdictKind::PendingApproval];

    /// The stable name, as stored.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            VerdictKind::Allow => "allow",
            VerdictKind::Deny => "deny",
            VerdictKind::Throttle => "throttle",
            VerdictKind::PendingApproval => "pending_approval",
        }
    }

    /// The kind of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<VerdictKind> {
        VerdictKind::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// A verdict as recorded: enough to give the same answer to the same question again.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Verdict {
    /// Its kind. The default is `deny`: a record that says nothing lets nothing out.
    pub kind: VerdictKind,
    /// What the caller is told.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub message: String,
    /// Seconds after which a throttled call may come again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// The approval that a pending call waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub approval_id: Option<String>,
}

/// What decided.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct PolicyTrace {
    /// Name of the bundle; empty when none was loaded.
    pub bundle: String,
    /// Its version.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub version: String,
    /// Its digest, hex SHA-256.
    pub digest: String,
    /// The rule that decided; absent when the default did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
    /// What the gate found that the caller is not told, such as `mismatch` for a signature that does not verify.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Every rule that matched, the deciding one included, in load order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub matched: Vec<Matched>,
    /// What the verdict would have been without shadow mode (`allow`, `deny` …); absent when the same.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<String>,
    /// The rule that would have decided then; absent when the same, or the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow_rule: Option<String>,
}

/// A rule that matched.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Matched {
    /// Its id.
    pub rule: String,
    /// What it does.
    pub effect: String,
    /// It is in shadow mode: it would have done it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub shadow: bool,
}

/// What one call reserved from one limit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Charge {
    /// The limit.
    pub limit: String,
    /// Whose count: the values of the limit's fields; empty for one count for all.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub key: String,
    /// Reserved, in the limit's unit: requests, tokens, billionths of the currency, tool calls.
    pub amount: u64,
    /// For a limit on cost: the prices of the day, with which the outcome is settled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price: Option<Price>,
}

/// What a model costs, in billionths of the currency per token.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Price {
    /// Such as `USD`.
    pub currency: String,
    /// Per input token.
    pub input: u64,
    /// Per output token.
    pub output: u64,
    /// Per token read from the cache.
    pub cache_read: u64,
    /// Per token written to the cache.
    pub cache_write: u64,
}

/// The approval that lets a call out.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Approval {
    /// Its id.
    pub id: String,
    /// Who approved.
    pub by: String,
    /// The rule that asked for it.
    pub rule: String,
}

/// The credential of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Credential {
    /// Its form, such as `sigv4`.
    pub kind: String,
    /// AWS access key id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// Account decoded from the key: a hint, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_hint: Option<String>,
    /// User name in a long-term API key: a hint, not proof.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_hint: Option<String>,
    /// Region of the credential scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Service of the credential scope.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<String>,
    /// Fingerprint of a bearer secret.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_sha256: Option<String>,
    /// Temporary credentials.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub session_token: bool,
}

/// The endpoint of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Endpoint {
    /// Whose it is: `aws`, or the name that the operator gives another provider.
    #[serde(default = "aws", skip_serializing_if = "is_aws")]
    pub provider: String,
    /// Endpoint prefix, such as `bedrock-runtime`; of another provider the API that it speaks.
    pub service: String,
    /// Region; empty where there is none.
    pub region: String,
    /// Partition; empty where there is none.
    pub partition: String,
    /// A FIPS endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fips: bool,
    /// A dual-stack endpoint.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dual_stack: bool,
    /// VPC endpoint id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vpc_endpoint: Option<String>,
}

/// The model of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Model {
    /// As the caller named it.
    pub id: String,
    /// What the identifier names, such as `inference_profile`.
    pub kind: String,
    /// The base model, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<String>,
    /// Provider, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Version, where known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Cross-region prefix.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geography: Option<String>,
    /// Region in the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// Account in the ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
}

/// The agent of a call.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Agent {
    /// Agent id or runtime ARN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Alias id or qualifier.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// Session id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
}

/// The request, without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Request {
    /// HTTP method.
    pub method: String,
    /// Authority.
    pub host: String,
    /// Raw path without the query.
    pub path: String,
    /// Bytes of the body.
    pub bytes: u64,
    /// Hex SHA-256 of the body; absent where the call is decided at its headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// Knowledge bases that the body names.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub knowledge_bases: Vec<String>,
    /// Tokens asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<u64>,
    /// A streamed answer is asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub stream: bool,
    /// Tools offered to the model.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tools: Vec<String>,
    /// Tool results sent back.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub tool_results: u32,
    /// The newest of them, capped.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ToolResult>,
    /// Bytes of all of them together.
    #[serde(default, skip_serializing_if = "is_zero64")]
    pub result_bytes: u64,
    /// What else the operation's body says, by name; see docs/coverage.md.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Guardrail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail: Option<String>,
    /// Its version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guardrail_version: Option<String>,
    /// `requestMetadata`: the caller's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metadata: BTreeMap<String, String>,
    /// `sessionState.sessionAttributes`: the caller's word.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub session_attributes: BTreeMap<String, String>,
    /// S3 URIs named in the body.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub s3_uris: Vec<String>,
    /// A list above was cut.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Where a call came from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Source {
    /// Peer address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// TLS server name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
}

/// What the SDK says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Sdk {
    /// `user-agent`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user_agent: Option<String>,
    /// The same over the retries of one call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// Such as `attempt=1; max=3`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<String>,
}

/// Why the gate refuses a call on its own.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Problem {
    /// Stable code.
    pub code: String,
    /// What and where.
    pub detail: String,
}

/// What of a record was blinded or left out before it was recorded.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Redaction {
    /// The fields in which something stood, by their documented names.
    pub fields: Vec<String>,
    /// HMAC of what was asked, as it was before: two questions that differ in nothing but what was left out are told apart.
    pub question: String,
}

/// A text that is kept beside the log, encrypted. Its retention is its own: the record stays when the text is gone.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct CapturedText {
    /// `prompt`, `tool_results` or `answer`.
    pub kind: String,
    /// Bytes of what is kept.
    pub bytes: u64,
    /// HMAC of what is kept. Not a plain hash: a short text could be guessed.
    pub hmac: String,
    /// The gate sent a part of it only.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
    /// What the detectors know was taken out of it first.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub redacted: bool,
}

impl DecisionRecord {
    /// Both records were made from the same question, whatever was decided on it: all that the caller sent is equal.
    /// The answer to a repeated `call_id` may be repeated only then.
    #[must_use]
    pub fn same_question(&self, other: &DecisionRecord) -> bool {
        self.question() == other.question()
    }

    /// The record without what was decided. By leaving out rather than by picking, so that a field added later counts.
    #[must_use]
    pub fn question(&self) -> DecisionRecord {
        DecisionRecord {
            decision_id: String::new(),
            decided_at_ms: 0,
            correlation_id: None,
            principal: Principal::default(),
            policy: PolicyTrace::default(),
            route: None,
            charges: Vec::new(),
            approval: None,
            verdict: Verdict::default(),
            // A question may come with its text or without.
            captured: Vec::new(),
            spilled: false,
            ..self.clone()
        }
    }
}

fn aws() -> String {
    "aws".to_owned()
}

fn is_aws(provider: &str) -> bool {
    provider == "aws"
}

const fn is_zero64(n: &u64) -> bool {
    *n == 0
}

const fn is_zero(n: &u32) -> bool {
    *n == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_question_is_what_the_caller_sent() {
        let asked = DecisionRecord {
            call_id: "c".to_owned(),
            operation: "Converse".to_owned(),
            ..Default::default()
        };
        let mut decided = asked.clone();
        decided.decision_id = "1".to_owned();
        decided.verdict.kind = VerdictKind::Allow;
        decided.policy.rule = Some("r".to_owned());
        decided.principal.name = "renamed".to_owned();
        assert!(asked.same_question(&decided));
        let other = DecisionRecord { operation: "InvokeModel".to_owned(), ..asked.clone() };
        assert!(!asked.same_question(&other));
        let other = DecisionRecord {
            source: Source { address: Some("a".to_owned()), server_name: None },
            ..asked.clone()
        };
        assert!(!asked.same_question(&other));
    }
}
