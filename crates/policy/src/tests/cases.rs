//! `testdata/policy/*.yaml`: bundles, calls, and the verdicts that they must get.

use super::{file, read_directory, render, repository};
use crate::{
    Agent, Assurance, Call, Claim, Counts, Credential, Model, Network, Request, Seen, Text, Tool, compile,
};
use serde::Deserialize;
use std::collections::BTreeMap;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    bundle: BTreeMap<String, String>,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    wants_text: bool,
    #[serde(default)]
    wants_counts: bool,
    /// In seconds.
    wants_history: Option<u64>,
    /// `tool_calls`, `text`; not looked at where it is absent.
    inspects: Option<Vec<String>>,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    call: CallSpec,
    expect: Expect,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expect {
    effect: String,
    rule: Option<String>,
    message: Option<String>,
    /// `id`, or `id (shadow)`.
    #[serde(default)]
    matched: Option<Vec<String>>,
    shadow_effect: Option<String>,
    shadow_rule: Option<String>,
    route: Option<String>,
    /// `limit[key] amount`, in order.
    #[serde(default)]
    charges: Option<Vec<String>>,
    /// What becomes of it when these limits are exceeded, in this order, with room again in 30 s.
    #[serde(default)]
    exceeded: Vec<Exceeded>,
    #[serde(default)]
    needs_text: bool,
    principal: Option<String>,
    retry_after: Option<u32>,
    /// `expires valid hold self approvers`.
    approval: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Exceeded {
    limits: Vec<String>,
    effect: String,
    rule: Option<String>,
    message: Option<String>,
    shadow_effect: Option<String>,
    shadow_rule: Option<String>,
    retry_after: Option<u32>,
    approval: Option<String>,
}

/// A call as tables write it. Unsaid: `Converse` on bedrock-runtime in us-east-1 by an unknown key.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct CallSpec {
    operation: Option<String>,
    action: Option<String>,
    action_type: String,
    service: Option<String>,
    region: Option<String>,
    access_key_id: Option<String>,
    account: Option<String>,
    api_key_sha256: Option<String>,
    verified: Option<String>,
    model: Option<ModelSpec>,
    other_models: Vec<ModelSpec>,
    agent_id: Option<String>,
    labels: BTreeMap<String, String>,
    bytes: u64,
    max_tokens: Option<u64>,
    stream: bool,
    tools: Vec<String>,
    knowledge_bases: Vec<String>,
    text: Option<String>,
    text_truncated: bool,
    /// What the tools answered; `results` are its tools, `null` for one that is not named.
    result_text: Option<String>,
    results: Vec<Option<String>>,
    tool_results: Option<u64>,
    facts: BTreeMap<String, String>,
    response: Option<String>,
    metadata: BTreeMap<String, String>,
    session_attributes: BTreeMap<String, String>,
    guardrail: Option<String>,
    guardrail_version: Option<String>,
    host: String,
    session: Option<String>,
    source_ip: Option<String>,
    tool: Option<ToolSpec>,
    counts: [u64; 3],
    history: Vec<SeenSpec>,
    agent_alias: Option<String>,
    time: u64,
}

/// A tool call: it has no operation unless the table says one.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ToolSpec {
    names: Vec<String>,
    arguments: serde_json::Value,
    id: Option<String>,
    origin: String,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SeenSpec {
    tools: Vec<String>,
    operation: String,
    arguments: serde_json::Value,
    /// Seconds before the call.
    ago: i64,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ModelSpec {
    id: String,
    kind: String,
    base: Option<String>,
    provider: Option<String>,
    geography: Option<String>,
    region: Option<String>,
    account: Option<String>,
}

impl CallSpec {
    fn call(&self) -> Call {
        let spec = self;
        let model = |spec: &ModelSpec| Model {
            id: spec.id.clone(),
            kind: spec.kind.clone(),
            base: spec.base.clone(),
            provider: spec.provider.clone(),
            version: None,
            geography: spec.geography.clone(),
            region: spec.region.clone(),
            account: spec.account.clone(),
        };
        let or = |value: &Option<String>, default: &str| value.clone().unwrap_or_else(|| default.to_owned());
        Call {
            credential: Credential {
                kind: "sigv4".to_owned(),
                access_key_id: spec.access_key_id.clone(),
                account: spec.account.clone(),
            },
            operation: or(&spec.operation, if spec.tool.is_some() { "" } else { "Converse" }),
            action: or(&spec.action, if spec.tool.is_some() { "" } else { "bedrock:InvokeModel" }),
            action_type: spec.action_type.clone(),
            service: or(&spec.service, "bedrock-runtime"),
            region: or(&spec.region, "us-east-1"),
            provider: "aws".to_owned(),
            partition: "aws".to_owned(),
            model: spec.model.as_ref().map(model),
            other_models: spec.other_models.iter().map(model).collect(),
            host: spec.host.clone(),
            agent: Agent {
                id: spec.agent_id.clone(),
                alias: spec.agent_alias.clone(),
                session: spec.session.clone(),
            },
            labels: spec.labels.clone(),
            request: Request {
                bytes: spec.bytes,
                max_tokens: spec.max_tokens,
                stream: spec.stream,
                tools: spec.tools.clone(),
                knowledge_bases: spec.knowledge_bases.clone(),
                text: spec.text.clone().or(spec.result_text.as_ref().map(|_| String::new())).map(|text| {
                    Text {
                        text,
                        truncated: spec.text_truncated,
                        tool_results: spec.result_text.clone().unwrap_or_default(),
                        ..Text::default()
                    }
                }),
                tool_results: spec.tool_results.unwrap_or(spec.results.len() as u64),
                results: spec
                    .results
                    .iter()
                    .map(|name| crate::ToolResult { name: name.clone(), ..crate::ToolResult::default() })
                    .collect(),
                facts: spec.facts.clone(),
                metadata: spec.metadata.clone(),
                session_attributes: spec.session_attributes.clone(),
                guardrail: spec.guardrail.clone(),
                guardrail_version: spec.guardrail_version.clone(),
                ..Request::default()
            },
            network: Network { source_ip: spec.source_ip.clone(), ..Network::default() },
            tool: spec.tool.as_ref().map(|tool| Tool {
                names: tool.names.clone(),
                // Null stands for arguments that are not known.
                arguments: if tool.arguments.is_null() {
                    serde_json::json!({})
                } else {
                    tool.arguments.clone()
                },
                id: tool.id.clone(),
                origin: tool.origin.clone(),
            }),
            response: spec.response.clone().map(|text| crate::Response { text }),
            counts: Counts { minute: spec.counts[0], hourly: spec.counts[1], daily: spec.counts[2] },
            history: spec
                .history
                .iter()
                .map(|seen| Seen {
                    tools: seen.tools.clone(),
                    operation: seen.operation.clone(),
                    arguments: seen.arguments.clone(),
                    time: spec.time.saturating_add_signed(-1000 * seen.ago),
                })
                .collect(),
            time: spec.time,
            ..Call::default()
        }
    }
}

#[test]
fn every_table() {
    let mut tables = read_directory(&repository().join("testdata/policy"));
    tables.sort_by(|a, b| a.path.cmp(&b.path));
    assert!(!tables.is_empty());
    let mut cases = 0;
    for source in tables {
        let table: Table = serde_yaml_ng::from_slice(&source.bytes)
            .unwrap_or_else(|error| panic!("{}: {error}", source.path));
        let files: Vec<_> = table.bundle.iter().map(|(path, text)| file(path, text)).collect();
        let bundle = compile(&files).unwrap_or_else(|error| panic!("{}:\n{error}", source.path));
        assert_eq!(render(bundle.warnings()).lines().collect::<Vec<_>>(), table.warnings, "{}", source.path);
        assert_eq!(bundle.wants_text(), table.wants_text, "{}: wants_text", source.path);
        assert_eq!(bundle.wants_counts(), table.wants_counts, "{}: wants_counts", source.path);
        let history = bundle.wants_history().map(|millis| millis / 1000);
        assert_eq!(history, table.wants_history, "{}: wants_history", source.path);
        if let Some(expected) = table.inspects {
            let crate::Inspects { tool_calls, text } = bundle.inspects();
            let got: Vec<_> =
                [("tool_calls", tool_calls), ("text", text)].into_iter().filter(|one| one.1).collect();
            assert_eq!(
                got.iter().map(|one| one.0).collect::<Vec<_>>(),
                expected,
                "{}: inspects",
                source.path
            );
        }
        for case in table.cases {
            let mut call = case.call.call();
            call.principal = bundle.identify(&Claim {
                access_key_id: case.call.access_key_id.as_deref(),
                account_hint: case.call.account.as_deref(),
                secret_sha256: case.call.api_key_sha256.as_deref(),
                kind: "sigv4",
                verified: case.call.verified.as_deref(),
                source_ip: None,
            });
            let expected_assurance =
                if case.call.verified.is_some() { Assurance::Verified } else { Assurance::Claimed };
            assert_eq!(call.principal.assurance, expected_assurance);
            let got = bundle.decide(&call);
            let place = format!("{}: {}", source.path, case.name);
            println!("{place}: {} by {:?}", got.effect, got.rule);
            assert_eq!(got.needs_text, case.expect.needs_text, "{place}: needs_text");
            assert_eq!(got.effect.as_str(), case.expect.effect, "{place}: effect ({got:?})");
            assert_eq!(got.rule, case.expect.rule, "{place}: rule");
            assert_eq!(
                got.shadow_effect.map(|effect| effect.as_str().to_owned()),
                case.expect.shadow_effect,
                "{place}: shadow_effect"
            );
            if let Some(rule) = case.expect.shadow_rule {
                assert_eq!(got.shadow_rule, Some(rule), "{place}: shadow_rule");
            }
            assert!(got.shadow_rule.is_none() || got.shadow_effect.is_some(), "{place}: {got:?}");
            if let Some(route) = case.expect.route {
                assert_eq!(got.route, Some(route), "{place}: route");
            }
            if let Some(charges) = case.expect.charges {
                let shown = |charge: &crate::Charge| match charge.key.as_str() {
                    "" => format!("{} {}", charge.limit.id, charge.amount),
                    key => format!("{}[{key}] {}", charge.limit.id, charge.amount),
                };
                let got = bundle.charges(&call, &got);
                assert_eq!(got.iter().map(shown).collect::<Vec<_>>(), charges, "{place}: charges");
            }
            for expected in case.expect.exceeded {
                let after = expected.limits.iter().fold(got.clone(), |decision, id| {
                    bundle.exceeded(&decision, bundle.limit(id).unwrap(), Some(30), &call)
                });
                let place = format!("{place}: exceeded {:?}", expected.limits);
                println!("{place}: {} by {:?}: {}", after.effect, after.rule, after.message);
                assert_eq!(after.effect.as_str(), expected.effect, "{place}");
                assert_eq!(after.rule, expected.rule, "{place}: rule");
                let shadow = after.shadow_effect.map(|effect| effect.as_str().to_owned());
                assert_eq!(
                    (shadow, &after.shadow_rule),
                    (expected.shadow_effect, &expected.shadow_rule),
                    "{place}"
                );
                assert_eq!(after.retry_after_seconds, expected.retry_after, "{place}: retry_after");
                assert_eq!(after.approval.map(|terms| terms.rule), expected.approval, "{place}: approval");
                if let Some(message) = expected.message {
                    assert_eq!(after.message, message, "{place}: message");
                }
                for id in &expected.limits {
                    assert!(
                        after.matched.iter().any(|rule| rule.id == format!("limit/{id}")),
                        "{place}: {id}"
                    );
                }
            }
            if let Some(message) = case.expect.message {
                assert_eq!(got.message, message, "{place}: message");
            }
            if let Some(principal) = case.expect.principal {
                assert_eq!(call.principal.name, principal, "{place}: principal");
            }
            if let Some(matched) = case.expect.matched {
                let shown = |rule: &crate::MatchedRule| {
                    if rule.shadow { format!("{} (shadow)", rule.id) } else { rule.id.clone() }
                };
                assert_eq!(got.matched.iter().map(shown).collect::<Vec<_>>(), matched, "{place}: matched");
            }
            if let Some(seconds) = case.expect.retry_after {
                assert_eq!(got.retry_after_seconds, Some(seconds), "{place}: retry_after");
            }
            if let Some(approval) = case.expect.approval {
                let terms = got.approval.as_ref().unwrap_or_else(|| panic!("{place}: no approval"));
                let crate::ApprovalTerms { expires, valid, hold, allow_self, approvers, .. } = terms;
                let shown = format!("{expires:?} {valid:?} {hold:?} {allow_self} {approvers:?}");
                assert_eq!(shown, approval, "{place}: approval");
            }
            assert_eq!(
                got.approval.is_some(),
                got.effect == crate::Effect::RequireApproval,
                "{place}: approval"
            );
            assert_eq!(got, bundle.decide_naively(&call), "{place}: index and naive evaluation");
            explained(&bundle, &call, &got);
            cases += 1;
        }
    }
    println!("{cases} cases");
}

/// What is explained is what was decided.
fn explained(bundle: &crate::Bundle, call: &Call, decision: &crate::Decision) {
    let explanation = bundle.explain(call);
    assert_eq!(explanation.decision, *decision);
    for part in &explanation.parts {
        assert_eq!(part.rules.len(), bundle.rule_count());
        for rule in part.rules.iter().filter(|rule| !rule.id.starts_with("cedar/")) {
            let worst = rule.conditions.iter().map(|one| one.truth).min();
            assert_eq!(worst.unwrap_or(crate::Verity::True), rule.truth, "{rule:?}");
            let held = rule.truth == crate::Verity::True;
            let noted = decision.matched.iter().any(|matched| matched.id == rule.id);
            assert!(!held || noted, "{} holds, but was not noted", rule.id);
        }
    }
}
