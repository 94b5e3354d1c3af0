//! A decision on a call, a tool call or an answer's text.

use super::{Severity, Status, activity, at, merge, outcome};
use portcullis_audit::{
    DecisionKind, DecisionRecord, Model, OutcomeRecord, REFUSED_RULE, UNVERIFIED_RULE, VerdictKind,
};
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

/// The methods that OCSF knows.
const METHODS: [&str; 9] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE"];

/// The event of a decision, with its outcome where it is known.
pub(super) fn event(record: &DecisionRecord, outcome: Option<&OutcomeRecord>) -> Value {
    let mut event = activity(&record.operation);
    if record.kind != DecisionKind::Call {
        // What a model asks for is no call to Bedrock, though it is part of one.
        event = json!({"activity_id": 99, "activity_name": record.kind.as_str()});
    }
    let (action, disposition) = control(record);
    merge(&mut event, severity(record).members());
    merge(&mut event, outcome.map_or_else(|| status(record), outcome::status).members());
    merge(
        &mut event,
        json!({
            "time": record.decided_at_ms,
            "message": message(record),
            "status_detail": record.verdict.message,
            "actor": actor(record),
            "api": api(record),
            "src_endpoint": source(record),
            "dst_endpoint": {"hostname": record.request.host, "svc_name": service(record)},
            "http_request": {
                "http_method": Some(&record.request.method).filter(|method| METHODS.contains(&method.as_str())),
                "url": {"scheme": "https", "hostname": record.request.host, "path": record.request.path},
                "user_agent": record.sdk.user_agent,
                "body_length": record.request.bytes,
            },
            "resources": resources(record),
            "action_id": action.0,
            "action": action.1,
            "disposition_id": disposition.0,
            "disposition": disposition.1,
            "policy": policy(record),
            "firewall_rule": record.policy.rule.as_ref().map(|rule| json!({"uid": rule, "name": rule})),
            "authorizations": [{"decision": record.verdict.kind.as_str(), "policy": policy(record)}],
            "metadata": {
                "correlation_uid": record.correlation_id,
                "tenant_uid": record.principal.tenant,
                "original_event_uid": record.parent,
            },
            "unmapped": unmapped(record),
        }),
    );
    let mut profiles = vec!["security_control"];
    if let Some(cloud) = cloud(record) {
        *at(&mut event, "cloud") = cloud;
        profiles.push("cloud");
    }
    *at(at(&mut event, "metadata"), "profiles") = json!(profiles);
    if let Some(outcome) = outcome {
        outcome::add(&mut event, outcome);
    }
    event
}

fn message(record: &DecisionRecord) -> String {
    let rule = record.policy.rule.as_deref().unwrap_or("the default");
    let what = match record.kind {
        DecisionKind::Call => record.operation.clone(),
        DecisionKind::ToolCall => {
            let name = record.tool.as_ref().and_then(|tool| tool.names.first());
            format!("tool call {}", name.map_or("without a name", String::as_str))
        }
        DecisionKind::AnswerText => "text of an answer".to_owned(),
    };
    format!("{what} by {}: {} ({rule})", record.principal.name, record.verdict.kind.as_str())
}

fn severity(record: &DecisionRecord) -> Severity {
    match record.verdict.kind {
        VerdictKind::Allow => Severity::Informational,
        VerdictKind::Throttle | VerdictKind::PendingApproval => Severity::Low,
        VerdictKind::Deny if by_itself(record) => Severity::High,
        VerdictKind::Deny => Severity::Medium,
    }
}

/// The gate refused it before any policy: malformed, or from nobody that it knows.
fn by_itself(record: &DecisionRecord) -> bool {
    record.policy.rule.as_deref().is_some_and(|rule| [REFUSED_RULE, UNVERIFIED_RULE].contains(&rule))
}

fn status(record: &DecisionRecord) -> Status {
    match (record.verdict.kind, record.kind) {
        // What becomes of it is not known yet.
        (VerdictKind::Allow, DecisionKind::Call) => Status::Pending,
        (VerdictKind::Allow, _) => Status::Success,
        (VerdictKind::PendingApproval, _) => Status::Pending,
        _ => Status::Failure,
    }
}

type Caption = (u8, &'static str);

/// `action_id` and `disposition_id` of the profile `security_control`.
fn control(record: &DecisionRecord) -> (Caption, Caption) {
    let denied = (2, "Denied");
    match record.verdict.kind {
        VerdictKind::Allow if record.approval.is_some() => ((1, "Allowed"), (8, "Approved")),
        VerdictKind::Allow => ((1, "Allowed"), (1, "Allowed")),
        VerdictKind::Deny if record.policy.rule.as_deref() == Some(UNVERIFIED_RULE) => {
            (denied, (26, "Unauthorized"))
        }
        VerdictKind::Deny if by_itself(record) => (denied, (25, "Rejected")),
        VerdictKind::Deny => (denied, (2, "Blocked")),
        VerdictKind::Throttle | VerdictKind::PendingApproval => (denied, (25, "Rejected")),
    }
}

fn policy(record: &DecisionRecord) -> Value {
    let name = if record.policy.bundle.is_empty() { "none" } else { &record.policy.bundle };
    json!({
        "name": name, "uid": record.policy.digest, "version": record.policy.version,
        "is_applied": !record.policy.bundle.is_empty(),
    })
}

fn actor(record: &DecisionRecord) -> Value {
    let principal = &record.principal;
    // Without a name it is still somebody: an actor must be one.
    let name = if principal.name.is_empty() { "unknown" } else { &principal.name };
    let idp = match record.entrance.as_str() {
        "resign" => "Portcullis",
        _ if record.credential.kind.starts_with("sigv4") => "AWS IAM",
        _ => "",
    };
    let session = record.agent.as_ref().and_then(|agent| agent.session.as_ref());
    json!({
        "user": {
            "name": name,
            "uid": name,
            "credential_uid": record.credential.access_key_id,
            "account": record.credential.account_hint.as_ref().map(|id| json!({"uid": id, "type_id": 10, "type": "AWS Account"})),
            "groups": principal.roles.iter().filter(|role| !role.is_empty()).map(|role| json!({"name": role})).collect::<Vec<_>>(),
        },
        "session": session.map(|session| json!({"uid": session})),
        "idp": if idp.is_empty() { Value::Null } else { json!({"name": idp}) },
        "invoked_by": record.delegation.first(),
    })
}

fn service(record: &DecisionRecord) -> &str {
    record.endpoint.as_ref().map_or("bedrock", |endpoint| endpoint.service.as_str())
}

fn api(record: &DecisionRecord) -> Value {
    let operation = match record.kind {
        _ if record.operation.is_empty() => record.kind.as_str(),
        _ => &record.operation,
    };
    json!({
        "operation": operation,
        "service": {"name": service(record)},
        "group": {"name": if record.action.is_empty() { "Unknown" } else { &record.action }},
        "request": {"uid": record.call_id},
    })
}

fn cloud(record: &DecisionRecord) -> Option<Value> {
    let endpoint = record.endpoint.as_ref()?;
    let provider = if endpoint.provider == "aws" { "AWS" } else { &endpoint.provider };
    let account = record.model.as_ref().and_then(|model| model.account.clone());
    let account = account.or_else(|| record.credential.account_hint.clone());
    Some(json!({
        "provider": provider,
        "region": endpoint.region,
        "cloud_partition": endpoint.partition,
        "account": account.map(|id| json!({"uid": id, "type_id": 10, "type": "AWS Account"})),
    }))
}

/// An address with or without a port; what is neither is the name of a peer.
fn source(record: &DecisionRecord) -> Value {
    let mut endpoint =
        json!({"uid": record.endpoint.as_ref().and_then(|endpoint| endpoint.vpc_endpoint.clone())});
    let text = record.source.address.as_deref().unwrap_or_default();
    let more = if let Ok(ip) = text.parse::<IpAddr>() {
        json!({"ip": ip})
    } else if let Ok(address) = text.parse::<SocketAddr>() {
        json!({"ip": address.ip(), "port": address.port()})
    } else {
        json!({"name": if text.is_empty() { "unknown" } else { text }})
    };
    merge(&mut endpoint, more);
    endpoint
}

fn resources(record: &DecisionRecord) -> Vec<Value> {
    let region = record.endpoint.as_ref().map(|endpoint| endpoint.region.clone());
    let models =
        record.model.iter().chain(&record.other_models).map(|model| self::model(model, region.as_deref()));
    let plain = |kind: &str, uid: &str| json!({"type": kind, "uid": uid, "region": region});
    let agent =
        record.agent.iter().filter_map(|agent| agent.id.as_ref()).map(|id| plain("AWS::Bedrock::Agent", id));
    let bases = record.request.knowledge_bases.iter().map(|id| plain("AWS::Bedrock::KnowledgeBase", id));
    let labelled =
        record.labels.get("knowledgeBaseId").filter(|id| !record.request.knowledge_bases.contains(id));
    let labelled = labelled.map(|id| plain("AWS::Bedrock::KnowledgeBase", id));
    let guardrail = record.request.guardrail.iter().map(|id| plain("AWS::Bedrock::Guardrail", id));
    let tool = record
        .tool
        .iter()
        .flat_map(|tool| tool.names.first())
        .map(|name| json!({"type": "tool", "name": name}));
    let all = models.chain(agent).chain(bases).chain(labelled).chain(guardrail).chain(tool);
    // One without a name is no resource.
    let named = |one: &Value| {
        ["uid", "name"]
            .iter()
            .any(|key| one.get(*key).and_then(Value::as_str).is_some_and(|name| !name.is_empty()))
    };
    all.filter(named).collect()
}

fn model(model: &Model, region: Option<&str>) -> Value {
    json!({
        "type": "AWS::Bedrock::Model",
        "uid": model.id,
        "name": model.base,
        "version": model.version,
        "namespace": model.provider,
        "region": model.region.as_deref().or(region),
        "owner": model.account.as_ref().map(|id| json!({"account": {"uid": id, "type_id": 10, "type": "AWS Account"}})),
    })
}

fn unmapped(record: &DecisionRecord) -> Value {
    let approval = record
        .approval
        .as_ref()
        .map(|approval| json!({"id": approval.id, "by": approval.by, "rule": approval.rule}));
    let tool = record.tool.as_ref().map(|tool| {
        json!({
            "id": tool.id, "names": tool.names, "origin": tool.origin, "arguments_sha256": tool.arguments_sha256,
            "arguments_bytes": tool.arguments_bytes, "problem": tool.problem,
        })
    });
    let text = record
        .text
        .as_ref()
        .map(|text| json!({"sha256": text.sha256, "bytes": text.bytes, "fresh": text.fresh}));
    json!({
        "call_id": record.call_id,
        "decision_kind": record.kind.as_str(),
        "parent": record.parent,
        "verdict": record.verdict.kind.as_str(),
        "retry_after_seconds": record.verdict.retry_after_seconds,
        "approval_id": record.verdict.approval_id,
        "approval": approval,
        "assurance": record.principal.assurance.as_str(),
        "gate": record.gate,
        "entrance": record.entrance,
        "route": record.route,
        "action_type": record.action_type,
        "request_sha256": record.request.sha256,
        "stream": record.request.stream,
        "shadow_verdict": record.policy.shadow,
        "shadow_rule": record.policy.shadow_rule,
        "problem": record.problem.as_ref().map(|problem| problem.code.clone()),
        "agent_alias": record.agent.as_ref().and_then(|agent| agent.alias.clone()),
        "delegation": record.delegation,
        "tool": tool,
        "text": text,
    })
}
