//! A question becomes a call that policy understands. Strings move, none is copied.

use portcullis_audit::{self as audit, DecisionKind};
use portcullis_bedrock::OPERATIONS;
use portcullis_policy::{Agent, Call, Credential, Model, Network, Principal, Request, Text, ToolResult};
use portcullis_protocol::{CredentialKind, DecisionRequest, Entrance, ModelFacts, ToolResultFacts};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::LazyLock;

/// What policy does not need and the record does.
#[derive(Debug, Clone, Default)]
pub(super) struct Rest {
    pub(super) call_id: String,
    pub(super) gate: String,
    pub(super) credential: portcullis_protocol::CredentialFacts,
    pub(super) endpoint: Option<portcullis_protocol::EndpointFacts>,
    pub(super) source: portcullis_protocol::SourceFacts,
    pub(super) sdk: portcullis_protocol::SdkFacts,
    pub(super) sha256: Option<String>,
    pub(super) problem: Option<portcullis_protocol::Problem>,
    /// What of an answer is decided, where it is that; `None` for the call itself.
    pub(super) found: Option<Box<Found>>,
}

/// What was found in an answer, or is asked about by whoever runs a tool: for the record.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) kind: DecisionKind,
    /// The decision that let the call out.
    pub(super) parent: Option<String>,
    /// What it belongs to; `None` to find that out.
    pub(super) correlation: Option<String>,
    /// On whose behalf, the nearest first.
    pub(super) delegation: Vec<String>,
    pub(super) tool: Option<audit::ToolCall>,
    pub(super) text: Option<audit::AnswerText>,
    /// A built-in rule that refuses it whatever policy says, and why.
    pub(super) refused: Option<(&'static str, String)>,
}

/// Takes a question apart.
pub(super) fn split(question: DecisionRequest, principal: Principal, now_ms: u64) -> (Call, Rest) {
    let body = question.body;
    let endpoint = question.endpoint;
    let call = Call {
        principal,
        credential: Credential {
            kind: credential_kind(question.credential.kind).to_owned(),
            access_key_id: question.credential.access_key_id.clone(),
            account: question.credential.account_hint.clone(),
        },
        action_type: action_type(&question.operation, endpoint.as_ref().map(|e| e.service.as_str()))
            .to_owned(),
        operation: question.operation,
        action: question.action,
        provider: endpoint.as_ref().map(|e| e.provider.clone()).unwrap_or_default(),
        service: endpoint.as_ref().map(|e| e.service.clone()).unwrap_or_default(),
        region: endpoint.as_ref().map(|e| e.region.clone()).unwrap_or_default(),
        partition: endpoint.as_ref().map(|e| e.partition.clone()).unwrap_or_default(),
        host: question.host,
        method: question.method,
        path: question.path,
        entrance: entrance(question.entrance).to_owned(),
        model: question.model.map(model),
        other_models: body.other_models.into_iter().map(model).collect(),
        agent: question
            .agent
            .map(|a| Agent { id: a.id, alias: a.alias, session: a.session })
            .unwrap_or_default(),
        labels: question.labels,
        request: Request {
            bytes: body.bytes,
            knowledge_bases: body.knowledge_bases,
            max_tokens: body.max_tokens,
            stream: body.stream,
            tools: body.tools,
            tool_results: u64::from(body.tool_results),
            results: body.results.into_iter().map(result).collect(),
            result_bytes: body.result_bytes,
            facts: body.facts,
            text: body.text.map(|t| Text {
                text: t.text,
                truncated: t.truncated,
                tool_results: t.tool_results,
                tool_results_truncated: t.tool_results_truncated,
            }),
            guardrail: body.guardrail,
            guardrail_version: body.guardrail_version,
            metadata: body.request_metadata,
            session_attributes: body.session_attributes,
            s3_uris: body.s3_uris,
            truncated: body.truncated,
        },
        network: Network {
            source_ip: question.source.address.as_deref().map(ip_of),
            vpc_endpoint: endpoint.as_ref().and_then(|e| e.vpc_endpoint.clone()),
            server_name: question.source.server_name.clone(),
        },
        tool: None,
        response: None,
        counts: portcullis_policy::Counts::default(),
        history: Vec::new(),
        time: now_ms,
    };
    let rest = Rest {
        call_id: question.call_id,
        gate: question.gate,
        credential: question.credential,
        endpoint,
        source: question.source,
        sdk: question.sdk,
        sha256: body.sha256,
        problem: question.problem,
        found: None,
    };
    (call, rest)
}

fn model(model: ModelFacts) -> Model {
    let ModelFacts { id, kind, base, provider, version, geography, region, account } = model;
    Model { id, kind, base, provider, version, geography, region, account }
}

fn result(result: ToolResultFacts) -> ToolResult {
    let ToolResultFacts { id, name, bytes, error } = result;
    ToolResult { id, name, proposed: None, bytes, error }
}

/// The credential's form of a wire name; none for what is no such name.
pub(super) fn credential_form(name: &str) -> CredentialKind {
    use CredentialKind::{
        ApiKey, BearerLongTerm, BearerOther, BearerShortTerm, None, Presigned, Sigv4, Sigv4a,
    };
    let all = [Sigv4, Sigv4a, Presigned, BearerShortTerm, BearerLongTerm, BearerOther, ApiKey];
    all.into_iter().find(|kind| credential_kind(*kind) == name).unwrap_or(None)
}

/// The wire name of a credential's form.
pub(super) const fn credential_kind(kind: CredentialKind) -> &'static str {
    match kind {
        CredentialKind::None => "none",
        CredentialKind::Sigv4 => "sigv4",
        CredentialKind::Sigv4a => "sigv4a",
        CredentialKind::Presigned => "presigned",
        CredentialKind::BearerShortTerm => "bearer_short_term",
        CredentialKind::BearerLongTerm => "bearer_long_term",
        CredentialKind::BearerOther => "bearer_other",
        CredentialKind::ApiKey => "api_key",
    }
}

const fn entrance(entrance: Entrance) -> &'static str {
    match entrance {
        Entrance::PassThrough => "pass_through",
        Entrance::Resign => "resign",
    }
}

/// The address without its port; what is no socket address stays as it is.
pub(crate) fn ip_of(address: &str) -> String {
    address.parse::<SocketAddr>().map_or_else(|_| address.to_owned(), |address| address.ip().to_string())
}

/// Kind of call; empty where not known.
fn action_type(operation: &str, service: Option<&str>) -> &'static str {
    service.and_then(|service| KINDS.get(&(service, operation)).copied()).unwrap_or_default()
}

static KINDS: LazyLock<HashMap<(&str, &str), &'static str>> = LazyLock::new(|| {
    OPERATIONS
        .iter()
        .map(|operation| ((operation.service, operation.name), operation.action_type()))
        .collect()
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_names_are_those_of_serde() {
        use CredentialKind::{
            ApiKey, BearerLongTerm, BearerOther, BearerShortTerm, None, Presigned, Sigv4, Sigv4a,
        };
        for kind in [None, Sigv4, Sigv4a, Presigned, BearerShortTerm, BearerLongTerm, BearerOther, ApiKey] {
            assert_eq!(serde_json::to_value(kind).unwrap(), credential_kind(kind));
            assert_eq!(credential_form(credential_kind(kind)), kind);
        }
        for value in [Entrance::PassThrough, Entrance::Resign] {
            assert_eq!(serde_json::to_value(value).unwrap(), entrance(value));
        }
    }

    #[test]
    fn kinds_come_from_the_operations() {
        assert_eq!(action_type("Converse", Some("bedrock-runtime")), "model_invoked");
        assert_eq!(action_type("InvokeAgent", Some("bedrock-agent-runtime")), "agent_invoked");
        assert_eq!(action_type("Converse", None), "");
        assert_eq!(action_type("Unknown", Some("bedrock-runtime")), "");
    }

    #[test]
    fn ports_come_off() {
        for (address, ip) in
            [("10.0.0.1:4711", "10.0.0.1"), ("[::1]:80", "::1"), ("10.0.0.1", "10.0.0.1"), ("@pipe", "@pipe")]
        {
            assert_eq!(ip_of(address), ip);
        }
    }
}
