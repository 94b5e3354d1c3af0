//! A decided call becomes its record.

use super::call::{Rest, credential_kind};
use portcullis_audit as audit;
use portcullis_policy::{Assurance, Call, Model, Principal};

/// What decided, and how.
#[derive(Debug, Default)]
pub(super) struct Decided {
    pub(super) policy: audit::PolicyTrace,
    pub(super) verdict: audit::Verdict,
    pub(super) route: Option<String>,
    pub(super) charges: Vec<audit::Charge>,
    pub(super) approval: Option<audit::Approval>,
}

/// The record, but for id and time, which the store gives. The text is dropped here.
pub(super) fn record(call: Call, rest: Rest, decided: Decided) -> audit::DecisionRecord {
    let Rest { call_id, gate, credential, endpoint, source, sdk, sha256, problem, found } = rest;
    let found = found.map(|found| *found);
    let (kind, correlation) = found
        .as_ref()
        .map_or((audit::DecisionKind::Call, None), |found| (found.kind, found.correlation.clone()));
    let (parent, tool, text, delegation) = match found {
        Some(found) => (found.parent, found.tool, found.text, found.delegation),
        None => (None, None, None, Vec::new()),
    };
    let request = call.request;
    audit::DecisionRecord {
        schema: audit::SCHEMA,
        decision_id: String::new(),
        kind,
        parent,
        tool,
        text,
        delegation,
        call_id,
        decided_at_ms: 0,
        correlation_id: correlation.or_else(|| call.agent.session.clone()),
        gate,
        entrance: call.entrance,
        principal: principal(call.principal),
        credential: audit::Credential {
            kind: credential_kind(credential.kind).to_owned(),
            access_key_id: credential.access_key_id,
            account_hint: credential.account_hint,
            user_hint: credential.user_hint,
            region: credential.region,
            service: credential.service,
            secret_sha256: credential.secret_sha256,
            session_token: credential.session_token,
        },
        endpoint: endpoint.map(|e| audit::Endpoint {
            provider: e.provider,
            service: e.service,
            region: e.region,
            partition: e.partition,
            fips: e.fips,
            dual_stack: e.dual_stack,
            vpc_endpoint: e.vpc_endpoint,
        }),
        operation: call.operation,
        action: call.action,
        action_type: call.action_type,
        model: call.model.map(model),
        other_models: call.other_models.into_iter().map(model).collect(),
        agent: Some(audit::Agent { id: call.agent.id, alias: call.agent.alias, session: call.agent.session })
            .filter(|agent| *agent != audit::Agent::default()),
        labels: call.labels,
        request: audit::Request {
            method: call.method,
            host: call.host,
            path: call.path,
            bytes: request.bytes,
            knowledge_bases: request.knowledge_bases,
            sha256,
            max_tokens: request.max_tokens,
            stream: request.stream,
            tools: request.tools,
            tool_results: u32::try_from(request.tool_results).unwrap_or(u32::MAX),
            results: request
                .results
                .into_iter()
                .map(|result| audit::ToolResult {
                    id: result.id,
                    name: result.name,
                    bytes: result.bytes,
                    error: result.error,
                })
                .collect(),
            result_bytes: request.result_bytes,
            facts: request.facts,
            guardrail: request.guardrail,
            guardrail_version: request.guardrail_version,
            metadata: request.metadata,
            session_attributes: request.session_attributes,
            s3_uris: request.s3_uris,
            truncated: request.truncated,
        },
        source: audit::Source { address: source.address, server_name: source.server_name },
        sdk: audit::Sdk {
            user_agent: sdk.user_agent,
            invocation_id: sdk.invocation_id,
            attempt: sdk.attempt,
        },
        route: decided.route,
        charges: decided.charges,
        approval: decided.approval,
        policy: decided.policy,
        problem: problem.map(|p| audit::Problem { code: p.code, detail: p.detail }),
        verdict: decided.verdict,
        redaction: None,
        captured: Vec::new(),
        spilled: false,
    }
}

fn model(model: Model) -> audit::Model {
    let Model { id, kind, base, provider, version, geography, region, account } = model;
    audit::Model { id, kind, base, provider, version, geography, region, account }
}

fn principal(principal: Principal) -> audit::Principal {
    audit::Principal {
        name: principal.name,
        assurance: match principal.assurance {
            Assurance::Claimed => audit::Assurance::Claimed,
            Assurance::Confirmed => audit::Assurance::Confirmed,
            Assurance::Rejected => audit::Assurance::Rejected,
            Assurance::Verified => audit::Assurance::Verified,
        },
        tenant: principal.tenant,
        roles: principal.roles,
        known: principal.known,
    }
}
