//! A record becomes the call that was decided, as far as it was recorded: the inverse of [`super::record`], for deciding
//! recorded calls again with another bundle.

use super::call::{self, Rest, ip_of};
use portcullis_audit::{
    self as audit, DecisionKind, DecisionRecord, REFUSED_RULE, TOKEN_SCOPE_RULE, UNREADABLE_TOOL_RULE,
    UNVERIFIED_RULE, VerdictKind,
};
use portcullis_policy::replay::Recorded;
use portcullis_policy::{
    Agent, Assurance, Bundle, Call, Claim, Counts, Credential, Effect, Model, Network, Principal, Request,
    Tool, ToolResult,
};
use portcullis_protocol::{CredentialFacts, EndpointFacts, SdkFacts, SourceFacts};

/// What policy reads and records do not keep: fields of conditions, those of maps by the map's name.
pub const LOST: &[&str] =
    &["request.text", "request.text_truncated", "tool_result.text", "tool_result.text_truncated"];

/// The same of tool calls: their digest is kept.
pub(super) const LOST_OF_TOOLS: &str = "arguments";

/// What policy reads beside the call, and what was true of it at the time is not kept.
pub(super) const COUNTED: &[&str] = &["context", "history"];

/// What a record says of a decision, for deciding it again.
#[derive(Debug, Clone, PartialEq)]
pub enum Recalled {
    /// Policy decided it.
    Decided {
        /// The call, but for what is [`LOST`], counts and history.
        call: Box<Call>,
        /// What came of it.
        recorded: Recorded,
    },
    /// The gate or the control plane refused it before policy was asked.
    Refused,
    /// It is about text of an answer, and records keep none.
    Text,
}

/// Recalls a decision. The caller is looked up in the directory of `bundle` anew: who it is belongs to the policy.
#[must_use]
pub fn recall(record: DecisionRecord, bundle: &Bundle) -> Recalled {
    let rule = record.policy.rule.as_deref();
    let unasked = [REFUSED_RULE, UNVERIFIED_RULE, UNREADABLE_TOOL_RULE, TOKEN_SCOPE_RULE];
    if record.problem.is_some() || rule.is_some_and(|rule| unasked.contains(&rule)) {
        return Recalled::Refused;
    }
    if record.kind == DecisionKind::AnswerText {
        return Recalled::Text;
    }
    let recorded = recorded(&record);
    let principal = identify(&record, bundle);
    Recalled::Decided { call: Box::new(Call { principal, ..call(record) }), recorded }
}

/// What policy said: of a call that an approval let out, that it needs one.
fn recorded(record: &DecisionRecord) -> Recorded {
    let rule = record.policy.rule.clone();
    let effect_of = |rule: &str| {
        let matched = record.policy.matched.iter().find(|matched| matched.rule == rule && !matched.shadow)?;
        Effect::ALL.into_iter().find(|effect| effect.as_str() == matched.effect)
    };
    let verdict = match record.verdict.kind {
        VerdictKind::Allow if record.approval.is_some() => Effect::RequireApproval,
        VerdictKind::Allow => Effect::Allow,
        VerdictKind::Deny => Effect::Deny,
        VerdictKind::Throttle => Effect::Throttle,
        VerdictKind::PendingApproval => Effect::RequireApproval,
    };
    // A call is refused for want of an approval, or because it would have to be redacted: the rule says which.
    let effect = rule.as_deref().and_then(effect_of).filter(|effect| effect.decides());
    let by_limit = rule.as_deref().is_some_and(|rule| rule.starts_with("limit/"));
    Recorded { effect: effect.unwrap_or(verdict), rule, by_limit }
}

fn identify(record: &DecisionRecord, bundle: &Bundle) -> Principal {
    let verified = record.principal.assurance == audit::Assurance::Verified;
    let source_ip = record.source.address.as_deref().map(ip_of);
    let mut principal = bundle.identify(&Claim {
        access_key_id: record.credential.access_key_id.as_deref(),
        account_hint: record.credential.account_hint.as_deref(),
        secret_sha256: record.credential.secret_sha256.as_deref(),
        kind: &record.credential.kind,
        verified: Some(record.principal.name.as_str()).filter(|_| verified),
        source_ip: source_ip.as_deref(),
    });
    if verified {
        // What the key says of its tenant stands where the directory is silent.
        principal.assurance = Assurance::Verified;
        principal.tenant = principal.tenant.or_else(|| record.principal.tenant.clone());
    }
    principal
}

/// The call in whose answer something was found, and what only the record of that needs.
pub(super) fn parts(record: DecisionRecord) -> (Call, Rest) {
    let credential = record.credential.clone();
    let endpoint = record.endpoint.clone().map(|endpoint| EndpointFacts {
        provider: endpoint.provider,
        service: endpoint.service,
        region: endpoint.region,
        partition: endpoint.partition,
        fips: endpoint.fips,
        dual_stack: endpoint.dual_stack,
        vpc_endpoint: endpoint.vpc_endpoint,
    });
    let rest = Rest {
        call_id: record.call_id.clone(),
        gate: record.gate.clone(),
        credential: CredentialFacts {
            kind: call::credential_form(&credential.kind),
            access_key_id: credential.access_key_id,
            account_hint: credential.account_hint,
            user_hint: credential.user_hint,
            region: credential.region,
            service: credential.service,
            secret_sha256: credential.secret_sha256,
            session_token: credential.session_token,
        },
        endpoint,
        source: SourceFacts {
            address: record.source.address.clone(),
            server_name: record.source.server_name.clone(),
        },
        sdk: SdkFacts {
            user_agent: record.sdk.user_agent.clone(),
            invocation_id: record.sdk.invocation_id.clone(),
            attempt: record.sdk.attempt.clone(),
        },
        sha256: record.request.sha256.clone(),
        problem: None,
        found: None,
    };
    (self::call(record), rest)
}

/// The call as it was decided, the caller as it was known then.
fn call(record: DecisionRecord) -> Call {
    let endpoint = record.endpoint.unwrap_or_default();
    let request = record.request;
    let agent = record.agent.unwrap_or_default();
    let some = |text: String| if text.is_empty() { None } else { Some(text) };
    Call {
        principal: principal(record.principal),
        credential: Credential {
            kind: record.credential.kind,
            access_key_id: record.credential.access_key_id,
            account: record.credential.account_hint,
        },
        operation: record.operation,
        action: record.action,
        action_type: record.action_type,
        provider: endpoint.provider,
        service: endpoint.service,
        region: endpoint.region,
        partition: endpoint.partition,
        host: request.host,
        method: request.method,
        path: request.path,
        entrance: record.entrance,
        model: record.model.map(model),
        other_models: record.other_models.into_iter().map(model).collect(),
        agent: Agent { id: agent.id, alias: agent.alias, session: agent.session },
        labels: record.labels,
        request: Request {
            bytes: request.bytes,
            knowledge_bases: request.knowledge_bases,
            max_tokens: request.max_tokens,
            stream: request.stream,
            tools: request.tools,
            tool_results: u64::from(request.tool_results),
            results: request
                .results
                .into_iter()
                .map(|result| ToolResult {
                    id: result.id,
                    name: result.name,
                    proposed: None,
                    bytes: result.bytes,
                    error: result.error,
                })
                .collect(),
            result_bytes: request.result_bytes,
            facts: request.facts,
            text: None,
            guardrail: request.guardrail,
            guardrail_version: request.guardrail_version,
            metadata: request.metadata,
            session_attributes: request.session_attributes,
            s3_uris: request.s3_uris,
            truncated: request.truncated,
        },
        network: Network {
            source_ip: record.source.address.as_deref().map(ip_of),
            vpc_endpoint: endpoint.vpc_endpoint,
            server_name: record.source.server_name.and_then(some),
        },
        tool: record.tool.map(tool),
        response: None,
        counts: Counts::default(),
        history: Vec::new(),
        time: record.decided_at_ms,
    }
}

/// Without its arguments, which are not kept.
fn tool(tool: audit::ToolCall) -> Tool {
    let audit::ToolCall { id, names, origin, .. } = tool;
    Tool { names, arguments: serde_json::Value::Null, id, origin }
}

fn model(model: audit::Model) -> Model {
    let audit::Model { id, kind, base, provider, version, geography, region, account } = model;
    Model { id, kind, base, provider, version, geography, region, account }
}

fn principal(principal: audit::Principal) -> Principal {
    Principal {
        name: principal.name,
        assurance: match principal.assurance {
            audit::Assurance::Claimed => Assurance::Claimed,
            audit::Assurance::Confirmed => Assurance::Confirmed,
            audit::Assurance::Rejected => Assurance::Rejected,
            audit::Assurance::Verified => Assurance::Verified,
        },
        tenant: principal.tenant,
        roles: principal.roles,
        known: principal.known,
    }
}

#[cfg(test)]
mod tests {
    use super::super::call::split;
    use super::super::record::{Decided, record};
    use super::*;
    use portcullis_policy::{FieldKind, SourceFile, compile, fields};
    use portcullis_protocol::DecisionRequest;

    const NOW: u64 = 1_763_719_200_000;

    /// A question that says everything that one can say.
    fn question() -> DecisionRequest {
        serde_json::from_str(include_str!("../../../testdata/api/question-full.json")).unwrap()
    }

    fn principal() -> Principal {
        Principal {
            name: "billing".to_owned(),
            assurance: Assurance::Claimed,
            tenant: Some("finance".to_owned()),
            roles: vec!["batch".to_owned()],
            known: true,
        }
    }

    fn recalled(question: DecisionRequest) -> (Call, Call) {
        let (original, rest) = split(question, principal(), NOW);
        let mut recorded = record(original.clone(), rest, Decided::default());
        recorded.decided_at_ms = NOW;
        let json = serde_json::to_string(&recorded).unwrap();
        (original, call(serde_json::from_str(&json).unwrap()))
    }

    #[test]
    fn a_call_survives_its_record_but_for_the_text() {
        let (original, recalled) = recalled(question());
        assert!(original.request.text.is_some());
        let mut expected = original;
        expected.request.text = None;
        assert_eq!(recalled, expected);
    }

    #[test]
    fn every_field_that_policy_reads_survives_or_is_listed() {
        // What no question of a gate has: tool calls, what the control plane counts, the route that a bundle finds.
        let not_of_a_question = |name: &str| {
            ["arguments", "tool", "response", "context", "route"]
                .iter()
                .any(|head| name == *head || name.starts_with(&format!("{head}.")))
        };
        let keys = [
            ("labels", "modelId"),
            ("request_metadata", "team"),
            ("session_attributes", "department"),
            ("facts", "role_arn"),
        ];
        let mut rules = String::from("rules:\n");
        let mut names = Vec::new();
        for field in fields() {
            let name = match (field.kind, keys.iter().find(|(map, _)| *map == field.name)) {
                (_, Some((map, key))) => format!("{map}.{key}"),
                (FieldKind::Map, None) => format!("{}.key", field.name),
                _ => field.name.to_owned(),
            };
            rules.push_str(&format!(
                "- {{id: {name}, action: log, conditions: [{{field: {name}, operator: exists}}]}}\n"
            ));
            names.push(name);
        }
        let file =
            |path: &str, text: &str| SourceFile { path: path.to_owned(), bytes: text.as_bytes().to_vec() };
        let manifest = "version: '1'\nname: all\ndefault: allow\nroutes:\n- id: every-call\n";
        let bundle = compile(&[file("bundle.yaml", manifest), file("rules/all.yaml", &rules)])
            .unwrap_or_else(|error| panic!("{error}"));
        let (original, recalled) = recalled(question());
        let held = |call: &Call| -> Vec<String> {
            bundle.decide(call).matched.into_iter().map(|rule| rule.id).collect()
        };
        let (before, after) = (held(&original), held(&recalled));
        for name in names {
            let (had, has) = (before.contains(&name), after.contains(&name));
            println!("{name}: {had} {has}");
            assert!(had || not_of_a_question(&name), "`{name}`: the full question does not say it");
            assert_eq!(has, had && !LOST.contains(&name.as_str()), "`{name}`");
        }
    }

    #[test]
    fn what_policy_said_is_read_from_the_verdict() {
        let base = || DecisionRecord { operation: "Converse".to_owned(), ..DecisionRecord::default() };
        let with = |kind, rule: Option<&str>, effect: &str| {
            let mut record = base();
            record.verdict.kind = kind;
            record.policy.rule = rule.map(str::to_owned);
            let rule = rule.unwrap_or("other").to_owned();
            record.policy.matched = vec![audit::Matched { rule, effect: effect.to_owned(), shadow: false }];
            record
        };
        let mut approved = with(VerdictKind::Allow, Some("ask"), "require_approval");
        approved.approval = Some(audit::Approval::default());
        let cases = [
            (with(VerdictKind::Allow, None, "log"), Effect::Allow, false),
            (with(VerdictKind::Deny, Some("r"), "redact"), Effect::Redact, false),
            (with(VerdictKind::Deny, Some("limit/team"), "deny"), Effect::Deny, true),
            (
                with(VerdictKind::PendingApproval, Some("ask"), "require_approval"),
                Effect::RequireApproval,
                false,
            ),
            (approved, Effect::RequireApproval, false),
            (with(VerdictKind::Deny, Some("portcullis/unknown-operation"), ""), Effect::Deny, false),
        ];
        for (record, effect, by_limit) in cases {
            let got = recorded(&record);
            println!("{:?} {:?}", record.verdict.kind, got);
            assert_eq!((got.effect, got.by_limit), (effect, by_limit));
        }
    }

    #[test]
    fn the_gate_s_own_refusals_are_not_policy_s() {
        let file = SourceFile {
            path: "bundle.yaml".to_owned(),
            bytes: b"version: '1'\nname: a\ndefault: allow\n".to_vec(),
        };
        let bundle = compile(&[file]).unwrap();
        let mut record = DecisionRecord::default();
        assert!(matches!(recall(record.clone(), &bundle), Recalled::Decided { .. }));
        record.policy.rule = Some(UNVERIFIED_RULE.to_owned());
        assert_eq!(recall(record, &bundle), Recalled::Refused);
    }
}
