//! Cedar beside rules: the schema names what the operation table has, and equal policies decide equally.

use super::{file, render, repository};
use crate::{Call, Effect, Model, Principal, Request, Tool, compile};
use portcullis_bedrock::OPERATIONS;
use proptest::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

const BEGIN: &str = "// generated from the operation table: UPDATE_EXPECTED=1 cargo test -p portcullis-policy cedar::schema\n";

fn action_section() -> String {
    let mut by_service: BTreeMap<&str, BTreeMap<usize, BTreeSet<&str>>> = BTreeMap::new();
    let groups = ["ModelCall", "AgentCall", "OtherCall"];
    for operation in OPERATIONS {
        let (service, name) = operation.iam_action.split_once(':').unwrap();
        let kinds = ["model_invoked", "agent_invoked", "other"];
        let group = kinds.iter().position(|kind| *kind == operation.action_type()).unwrap();
        by_service.entry(service).or_default().entry(group).or_default().insert(name);
    }
    let applies = "appliesTo { principal: Principal, resource: [Model, Agent, KnowledgeBase, Guardrail, Other], context: Call };";
    let mut out = String::new();
    for (service, by_group) in by_service {
        let _ = writeln!(out, "namespace {} {{", service.replace('-', "_"));
        if service == "bedrock" {
            out.push_str("  /// Groups: text or media goes to a model; an agent, flow or harness is run; a tool is run; anything else.\n");
            out.push_str("  action \"ModelCall\", \"AgentCall\", \"ToolCall\", \"OtherCall\";\n");
            out.push_str("  /// A tool call.\n");
            out.push_str("  action \"CallTool\" in [\"ToolCall\"] appliesTo { principal: Principal, resource: Tool, context: Call };\n");
            out.push_str(
                "  /// A host or path that the gate does not know. Let out only by a permit that names it.\n",
            );
            let _ = writeln!(out, "  action \"Unknown\" {applies}");
        }
        for (group, names) in by_group {
            let parent = match service {
                "bedrock" => format!("\"{}\"", groups[group]),
                _ => format!("bedrock::Action::\"{}\"", groups[group]),
            };
            let names: Vec<_> = names.iter().map(|name| format!("    \"{name}\"")).collect();
            let _ = writeln!(out, "  action\n{}\n  in [{parent}] {applies}", names.join(",\n"));
        }
        out.push_str("}\n");
    }
    out
}

#[test]
fn schema_names_every_iam_action() {
    let path = repository().join("crates/cedar/data/schema.cedarschema");
    let text = std::fs::read_to_string(&path).unwrap();
    let (head, actions) = text.split_once(BEGIN).expect("the schema lacks the marker of its actions");
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, format!("{head}{BEGIN}{}", action_section())).unwrap();
        return;
    }
    assert_eq!(actions, action_section());
    let table: BTreeSet<_> = OPERATIONS.iter().map(|operation| operation.iam_action.to_owned()).collect();
    assert_eq!(portcullis_cedar::actions().collect::<BTreeSet<_>>(), table);
    println!("{} actions", table.len());
}

#[test]
fn the_schema_itself_may_be_in_the_bundle() {
    let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n");
    let policy = file("cedar/a.cedar", "@id(\"a\") permit (principal, action, resource);\n");
    let same = file("cedar/schema.cedarschema", format!("\n{}\n\n", crate::CEDAR_SCHEMA));
    let bundle = compile(&[manifest, policy, same]).unwrap();
    assert_eq!(render(bundle.warnings()), "");
    assert_eq!(bundle.rule_count(), 1);
}

#[test]
fn counts_are_wanted_only_when_read() {
    let wants = |condition: &str| {
        let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n");
        let policy = format!("@id(\"a\") permit (principal, action, resource) when {{ {condition} }};\n");
        compile(&[manifest, file("cedar/a.cedar", policy)]).unwrap().wants_counts()
    };
    assert!(wants("context.hourly_count < 10"));
    assert!(!wants("context.request.bytes < 10"));
}

#[test]
fn arguments_are_found_by_path() {
    let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: allow\n");
    let policy = r#"
        @id("large") forbid (principal, action == bedrock::Action::"CallTool", resource in Tool::"transfer_funds") when {
          context.arguments.hasTag("to.amount") && context.arguments.getTag("to.amount") has long
          && context.arguments.getTag("to.amount").long > 5000 };
        @id("listed") forbid (principal, action in bedrock::Action::"ToolCall", resource) when {
          context.arguments.hasTag("tags") && context.arguments.getTag("tags") has texts
          && context.arguments.getTag("tags").texts.contains("x") };"#;
    let bundle = compile(&[manifest, file("cedar/a.cedar", policy)]).unwrap();
    for (arguments, rule) in [
        (serde_json::json!({"to": {"amount": 5001}}), Some("cedar/large")),
        (serde_json::json!({"to": {"amount": 5000}}), None),
        (serde_json::json!({"to": {"amount": 5000.5}}), Some("cedar/large")),
        // A key with a dot cannot hide what is there.
        (serde_json::json!({"to": {"amount": 5001}, "to.amount": 1}), Some("cedar/large")),
        (serde_json::json!({"to.amount": 1, "to": {"amount": 5001}}), Some("cedar/large")),
        (serde_json::json!({"to.amount": 5001}), Some("cedar/large")),
        (serde_json::json!({"tags": ["y", "x", null]}), Some("cedar/listed")),
        (serde_json::json!({"tags": []}), None),
        (serde_json::json!(null), None),
    ] {
        let names = vec!["bank/transfer_funds".to_owned(), "transfer_funds".to_owned()];
        let call = Call {
            tool: Some(Tool { names, arguments: arguments.clone(), ..Tool::default() }),
            operation: "InvokeAgent".to_owned(),
            ..Call::default()
        };
        let got = bundle.decide(&call);
        println!("{arguments}: {:?}", got.rule);
        assert_eq!(got.rule.as_deref(), rule);
    }
}

/// One policy, as a rule and as Cedar.
#[derive(Debug, Clone)]
struct Pair {
    allow: bool,
    shadow: bool,
    model: Option<usize>,
    principal: Option<usize>,
    action: Option<usize>,
    max_tokens: Option<u64>,
    department: Option<usize>,
    unless_stream: bool,
}

/// Base models; calls name them in several forms.
const MODELS: &[&str] = &["anthropic.claude-x-v1:0", "meta.llama-y-v1:0"];
const PRINCIPALS: &[&str] = &["billing", "research"];
const ACTIONS: &[&str] = &["InvokeModel", "InvokeModelWithResponseStream", "Unknown"];
const DEPARTMENTS: &[&str] = &["finance", "legal"];

impl Pair {
    fn rule(&self, number: usize) -> String {
        let mut out = format!("- id: r{number}\n  action: {}\n", if self.allow { "allow" } else { "block" });
        if self.shadow {
            out.push_str("  mode: shadow\n");
        }
        if let Some(model) = self.model {
            let _ = writeln!(out, "  models: [\"{}\"]", MODELS[model]);
        }
        if let Some(principal) = self.principal {
            let _ = writeln!(out, "  principals: [{}]", PRINCIPALS[principal]);
        }
        if let Some(action) = self.action {
            let prefix = if ACTIONS[action] == "Unknown" { "" } else { "bedrock:" };
            let _ = writeln!(out, "  operations: [\"{prefix}{}\"]", ACTIONS[action]);
        }
        let mut conditions = String::new();
        if let Some(tokens) = self.max_tokens {
            let _ = writeln!(
                conditions,
                "  - {{field: request.max_tokens, operator: greater_than, value: {tokens}}}"
            );
        }
        if let Some(department) = self.department {
            let _ = writeln!(
                conditions,
                "  - {{field: session_attributes.department, operator: equals, value: {}}}",
                DEPARTMENTS[department]
            );
        }
        if self.unless_stream {
            conditions.push_str("  - {field: request.stream, operator: equals, value: false}\n");
        }
        if !conditions.is_empty() {
            let _ = write!(out, "  conditions:\n{conditions}");
        }
        out
    }

    fn cedar(&self, number: usize) -> String {
        let scope = |word: &str, name: Option<String>| {
            name.map_or_else(|| word.to_owned(), |name| format!("{word} {name}"))
        };
        let mut out = format!(
            "@id(\"r{number}\"){} {} ({}, {}, {})\n",
            if self.shadow { " @shadow" } else { "" },
            if self.allow { "permit" } else { "forbid" },
            scope("principal", self.principal.map(|n| format!("== Principal::\"{}\"", PRINCIPALS[n]))),
            scope("action", self.action.map(|n| format!("== bedrock::Action::\"{}\"", ACTIONS[n]))),
            scope("resource", self.model.map(|n| format!("in Model::\"{}\"", MODELS[n]))),
        );
        if let Some(tokens) = self.max_tokens {
            let _ = writeln!(
                out,
                "when {{ context.request has max_tokens && context.request.max_tokens > {tokens} }}"
            );
        }
        if let Some(department) = self.department {
            let attributes = "context.session_attributes";
            let _ = writeln!(
                out,
                "when {{ {attributes}.hasTag(\"department\") && {attributes}.getTag(\"department\") == \"{}\" }}",
                DEPARTMENTS[department]
            );
        }
        if self.unless_stream {
            out.push_str("unless { context.request.stream }\n");
        }
        out.push_str(";\n");
        out
    }
}

fn pair() -> impl Strategy<Value = Pair> {
    let option = |count: usize| proptest::option::weighted(0.4, 0..count);
    (
        (any::<bool>(), proptest::bool::weighted(0.2)),
        option(MODELS.len()),
        option(PRINCIPALS.len()),
        option(ACTIONS.len()),
        proptest::option::weighted(0.3, 0..3_u64),
        option(DEPARTMENTS.len()),
        proptest::bool::weighted(0.2),
    )
        .prop_map(
            |((allow, shadow), model, principal, action, max_tokens, department, unless_stream)| Pair {
                allow,
                shadow,
                model,
                principal,
                action,
                max_tokens,
                department,
                unless_stream,
            },
        )
}

fn model() -> impl Strategy<Value = Model> {
    (0..MODELS.len(), 0..3).prop_map(|(model, form)| {
        let base = MODELS[model];
        let id = match form {
            0 => base.to_owned(),
            1 => format!("EU.{base}"),
            _ => format!("arn:aws:bedrock:eu-west-1:123456789012:inference-profile/eu.{base}"),
        };
        let geography = (form > 0).then(|| "eu".to_owned());
        Model { id, base: Some(base.to_owned()), geography, ..Model::default() }
    })
}

fn call() -> impl Strategy<Value = Call> {
    (
        proptest::sample::select(&["billing", "research", "anonymous"]),
        0..ACTIONS.len(),
        proptest::option::of(model()),
        proptest::collection::vec(model(), 0..2),
        proptest::option::of(0..4_u64),
        proptest::option::of(0..DEPARTMENTS.len()),
        any::<bool>(),
    )
        .prop_map(|(principal, action, model, other_models, max_tokens, department, stream)| {
            let unknown = ACTIONS[action] == "Unknown";
            let attributes = department.map(|n| ("department".to_owned(), DEPARTMENTS[n].to_owned()));
            Call {
                principal: Principal { name: principal.to_owned(), ..Principal::default() },
                operation: if unknown { "Unknown" } else { "Converse" }.to_owned(),
                action: if unknown { "Unknown".to_owned() } else { format!("bedrock:{}", ACTIONS[action]) },
                region: "eu-west-1".to_owned(),
                model,
                other_models,
                request: Request {
                    max_tokens,
                    stream,
                    session_attributes: attributes.into_iter().collect(),
                    ..Request::default()
                },
                ..Call::default()
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn equal_policies_decide_equally(
        pairs in proptest::collection::vec(pair(), 1..6),
        allow in any::<bool>(),
        calls in proptest::collection::vec(call(), 40),
    ) {
        let manifest = format!("version: '1'\nname: x\ndefault: {}\n", if allow { "allow" } else { "deny" });
        let rules: String = pairs.iter().enumerate().map(|(number, pair)| pair.rule(number)).collect();
        let policies: String = pairs.iter().enumerate().map(|(number, pair)| pair.cedar(number)).collect();
        let as_rules = compile(&[file("bundle.yaml", &manifest), file("rules/a.yaml", format!("rules:\n{rules}"))]).unwrap();
        let as_cedar = compile(&[file("bundle.yaml", &manifest), file("cedar/a.cedar", &policies)]).unwrap_or_else(|error| panic!("{error}\n{policies}"));
        for call in calls {
            let (one, other) = (as_rules.decide(&call), as_cedar.decide(&call));
            prop_assert_eq!(one.effect, other.effect, "{}\n{:?}\n{:?}\n{:?}", policies, call, one, other);
            prop_assert_eq!(one.shadow_effect, other.shadow_effect, "{}\n{:?}", policies, call);
            let rule = other.rule.map(|rule| rule.trim_start_matches("cedar/").to_owned());
            prop_assert_eq!(one.rule, rule);
            let matched: Vec<_> = other.matched.iter().map(|rule| rule.id.trim_start_matches("cedar/").to_owned()).collect();
            let expected: Vec<_> = one.matched.iter().map(|rule| rule.id.clone()).collect();
            prop_assert_eq!(matched, expected, "{}\n{:?}", policies, call);
        }
    }
}

#[test]
fn a_forbid_that_cannot_be_evaluated_denies() {
    let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: allow\n");
    let policy = "@id(\"a\") forbid (principal, action, resource) when { context.request.bytes + 9223372036854775807 < 0 };\n";
    let bundle = compile(&[manifest, file("cedar/a.cedar", policy)]).unwrap();
    let call = |bytes| Call {
        operation: "Converse".to_owned(),
        request: Request { bytes, ..Request::default() },
        ..Call::default()
    };
    assert_eq!(bundle.decide(&call(0)).effect, Effect::Allow);
    let got = bundle.decide(&call(1));
    println!("{got:?}");
    assert_eq!((got.effect, got.rule.as_deref()), (Effect::Deny, Some("cedar/a")));
    assert!(got.message.contains("cannot be evaluated"));
}

#[test]
fn the_example_in_the_documentation_loads() {
    let text = std::fs::read_to_string(repository().join("docs/policy.md")).unwrap();
    let (_, section) = text.split_once("\n## Cedar\n").expect("docs/policy.md has no section on Cedar");
    let mut blocks = section.split("\n```").skip(1);
    let policies = blocks.find(|block| block.starts_with("\n// cedar/")).expect("no example");
    let entities = blocks.find_map(|block| block.strip_prefix("json\n")).expect("no groups");
    let manifest = file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n");
    let files = [manifest, file("cedar/models.cedar", policies), file("cedar/entities.json", entities)];
    let bundle = compile(&files).unwrap_or_else(|error| panic!("{error}\n{policies}"));
    assert_eq!(bundle.rule_count(), 3);
    let warnings = render(bundle.warnings());
    assert_eq!(warnings, "");
    assert!(bundle.inspects().tool_calls, "one of them is about tool calls");
}
