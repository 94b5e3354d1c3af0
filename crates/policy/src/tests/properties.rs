//! Whatever bytes come, no panic; whatever rules come, the index agrees with a plain walk over them.

use super::file;
use crate::{Call, Model, Principal, Request, Seen, Text, Tool, compile};
use proptest::prelude::*;

/// Text that is YAML now and then.
fn yamlish() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "rules:",
        "- ",
        "id",
        ": ",
        "a",
        "action",
        "block",
        "\n",
        "\n  ",
        "\n- ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "&x ",
        "*x",
        "!!str ",
        "\"",
        "'",
        "|",
        ">",
        "#",
        "---\n",
        "...\n",
        "?",
        "\t",
        "conditions:",
        "field: operation",
        "value: ",
        "<<: ",
        "%YAML 1.1\n",
        "\\u12",
        "models",
        "\u{feff}",
        "é",
        "\r\n",
        "10",
        "true",
        "~",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

fn list_of(words: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    prop::collection::vec(prop::sample::select(words), 1..3)
}

/// A rule without its id.
#[derive(Debug, Clone)]
struct Written {
    head: String,
    conditions: Vec<String>,
    groups: Vec<String>,
}

impl Written {
    fn plain(&self, id: &str) -> String {
        let mut text = format!("- {{id: {id}{}", self.head);
        if !self.conditions.is_empty() {
            text.push_str(&format!(", conditions: [{}]", self.conditions.join(", ")));
        }
        if !self.groups.is_empty() {
            let groups: Vec<_> = self.groups.iter().map(|one| format!("[{one}]")).collect();
            text.push_str(&format!(", condition_groups: [{}]", groups.join(", ")));
        }
        text + "}\n"
    }

    /// The same behind two negations, where conditions are not compared with each other.
    fn hidden(&self, id: &str) -> String {
        let mut all = self.conditions.clone();
        if !self.groups.is_empty() {
            all.push(format!("{{any: [{}]}}", self.groups.join(", ")));
        }
        format!(
            "- {{id: {id}{}, conditions: [{{not: {{not: {{all: [{}]}}}}}}]}}\n",
            self.head,
            all.join(", ")
        )
    }
}

fn one_rule() -> impl Strategy<Value = Written> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words);
    let pick_text = |words: &'static [&'static str]| prop::sample::select(words).prop_map(str::to_owned);
    let globs = pick(&[
        "a",
        "b",
        "*",
        "a*",
        "*b",
        "*a*",
        "?",
        "[ab]",
        "a*b",
        "Unknown",
        "us.a",
        "bedrock:*",
        "svc:a",
    ]);
    let list = || prop::option::of(prop::collection::vec(globs.clone(), 1..3));
    let operations =
        pick(&["Converse", "conv*", "*Model", "bedrock:*", "bedrock-runtime:Conv*", "*", "Unknown"]);
    let operations = prop::option::of(prop::collection::vec(operations, 1..3));
    let condition = pick_text(&[
        "{field: operation, operator: glob, value: a}",
        "{not: {field: operation, operator: starts_with, value: a}}",
        "{field: region, operator: in, value: [a, b]}",
        "{field: region, operator: not_in, value: [a, b]}",
        "{field: model.base, operator: starts_with, value: a}",
        "{field: model.id, operator: contains, value: b}",
        "{field: model.id, operator: exists, value: false}",
        "{field: request.tools, operator: contains, value: a}",
        "{field: request.tools, operator: not_contains, value: a}",
        "{field: request.max_tokens, operator: greater_than, value: 3}",
        "{field: request.max_tokens, operator: lte, value: 3}",
        "{field: request.text, operator: contains, value: a}",
        "{field: request.text, operator: matches, value: '^a.*b$'}",
        "{field: principal.name, operator: glob, value: 'a*'}",
        "{field: session_attributes.k, operator: equals, value: a}",
        "{field: session_attributes.j, operator: ends_with, value: b}",
        "{field: principal.name, operator: equals, value: A, case_sensitive: true}",
        "{field: request.text, operator: contains, value: 'AX'}",
        "{field: request.text, operator: starts_with, value: a}",
        "{field: request.text, operator: contains, value: X, case_sensitive: true}",
        "{field: response.text, operator: contains, value: 'AX'}",
        "{field: response.text, operator: matches, value: '^a'}",
        "{field: tool_result.names, operator: contains, value: a}",
        "{field: tool_result.text, operator: contains, value: ax}",
        "{field: tool_result.count, operator: greater_than, value: 1}",
        "{field: tool.origin, operator: equals, value: model}",
        "{field: arguments.n, operator: greater_than, value: 3}",
        "{field: arguments.n, operator: in, value: [3, a]}",
        "{field: arguments.t, operator: not_equals, value: a}",
        "{field: arguments.t, operator: contains, value: a}",
        "{field: arguments.t, operator: length_greater_than, value: 1}",
        "{field: tool.name, operator: glob, value: 'a*'}",
        "{field: details, operator: starts_with, value: bedrock converse}",
        "{field: time.hour, operator: less_than, value: 12}",
    ])
    .boxed();
    // Groups in groups.
    let nested = condition.prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|all| format!("{{all: [{}]}}", all.join(", "))),
            prop::collection::vec(inner.clone(), 1..3)
                .prop_map(|any| format!("{{any: [{}]}}", any.join(", "))),
            inner.prop_map(|one| format!("{{not: {one}}}")),
        ]
    });
    let conditions = prop::collection::vec(nested.prop_map(|condition| condition.to_string()), 0..3);
    (
        (
            pick(&["allow", "block", "log", "ask", "throttle", "redact", "warn"]),
            pick(&["enforce", "shadow"]),
            prop::option::weighted(0.2, list_of(&["a", "*b", "*"])),
            prop::option::weighted(0.2, list_of(&["a", "x/*"])),
            prop::option::weighted(
                0.2,
                pick(&[
                    "blocked_by: [{tool: 'a*', within: 10}]",
                    "requires: [{tool: a, conditions: [{field: arguments.n, operator: gt, value: 3}]}]",
                    "requires: [{operation: Converse}]",
                ]),
            ),
        ),
        operations,
        list(),
        list(),
        list(),
        conditions.clone(),
        conditions,
    )
        .prop_map(|(first, operations, models, principals, regions, conditions, groups)| {
            let (action, mode, tools, agents, sequence) = first;
            let mut text = format!(", action: {action}, mode: {mode}");
            let selectors = [
                ("operations", operations),
                ("models", models),
                ("principals", principals),
                ("regions", regions),
                ("tools", tools),
                ("agents", agents),
            ];
            for (key, globs) in selectors {
                if let Some(globs) = globs {
                    text.push_str(&format!(", {key}: ['{}']", globs.join("', '")));
                }
            }
            if let Some(sequence) = sequence {
                text.push_str(&format!(", {sequence}"));
            }
            Written { head: text, conditions, groups }
        })
}

fn arguments() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::json;
    let values = prop::sample::select(vec![
        json!(null),
        json!(3),
        json!(4.5),
        json!("4"),
        json!("a"),
        json!("A,b"),
        json!(["a", "B"]),
        json!([]),
        json!({"a": 1}),
        json!(true),
    ]);
    (values.clone(), values).prop_map(|(n, t)| json!({"n": n, "t": t}))
}

fn tool() -> impl Strategy<Value = Tool> {
    let name = prop::sample::select(vec!["a", "A", "xb", "c"]).prop_map(str::to_owned);
    (prop::collection::vec(name, 0..3), arguments()).prop_map(|(names, arguments)| Tool {
        names,
        arguments,
        ..Tool::default()
    })
}

fn seen() -> impl Strategy<Value = Seen> {
    (prop::option::of(tool()), 0_u64..25_000).prop_map(|(tool, time)| match tool {
        Some(tool) => Seen { tools: tool.names, arguments: tool.arguments, time, ..Seen::default() },
        None => Seen { operation: "Converse".to_owned(), time, ..Seen::default() },
    })
}

fn some_call() -> impl Strategy<Value = Call> {
    let word = || prop::sample::select(vec!["", "a", "b", "ab", "aXb", "Unknown"]).prop_map(str::to_owned);
    let some = move || prop::option::of(word());
    let operation =
        prop::sample::select(vec!["", "a", "Converse", "ConverseStream", "Unknown"]).prop_map(str::to_owned);
    let service = prop::sample::select(vec!["", "bedrock-runtime", "x"]).prop_map(str::to_owned);
    (
        (operation, word(), word(), service),
        prop::option::of((word(), some(), some())),
        prop::collection::vec(word(), 0..3),
        prop::option::of(0_u64..6),
        prop::option::of(word()),
        prop::collection::btree_map(prop::sample::select(vec!["k".to_owned(), "j".to_owned()]), word(), 0..2),
        (
            prop::option::of(tool()),
            prop::collection::vec(seen(), 0..4),
            some(),
            prop::option::weighted(0.3, word()),
            prop::collection::vec(some(), 0..3),
        ),
    )
        .prop_map(
            |(
                (operation, region, principal, service),
                model,
                tools,
                max_tokens,
                text,
                session_attributes,
                (tool, history, agent, response, results),
            )| Call {
                tool,
                response: response.map(|text| crate::Response { text }),
                history,
                agent: crate::Agent { id: agent, ..crate::Agent::default() },
                time: 20_000,
                principal: Principal { name: principal, ..Principal::default() },
                operation,
                region,
                service,
                action: "bedrock:InvokeModel".to_owned(),
                model: model.map(|(id, base, geography)| Model { id, base, geography, ..Model::default() }),
                request: Request {
                    tools,
                    max_tokens,
                    text: text.map(|text| Text { tool_results: text.clone(), text, ..Text::default() }),
                    tool_results: results.len() as u64,
                    results: results
                        .into_iter()
                        .map(|name| crate::ToolResult { name, ..crate::ToolResult::default() })
                        .collect(),
                    session_attributes,
                    ..Request::default()
                },
                ..Call::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn compile_never_panics_on_bytes(manifest in prop::collection::vec(any::<u8>(), 0..200), rules in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", &rules), file("rules/a.json", &rules)]);
    }

    #[test]
    fn compile_never_panics_on_yaml(manifest in yamlish(), rules in yamlish()) {
        let _ = compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", &rules), file("rules/a.json", &rules)]);
    }

}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn the_index_agrees_with_a_plain_walk(
        default in prop::sample::select(vec!["allow", "deny"]),
        rules in prop::collection::vec(one_rule(), 0..60),
        calls in prop::collection::vec(some_call(), 1..8),
    ) {
        // What is reported as never matching is loaded where no contradiction is looked for, and must not match.
        let written = |rules: Vec<String>| format!("rules:\n{}", rules.concat());
        let plain = rules.iter().enumerate().map(|(n, rule)| rule.plain(&format!("r{n}"))).collect();
        // What mixes calls, tool calls and answers is left out.
        let mixed = |message: &str| MIXED.iter().any(|part| message.contains(part));
        let (mut lines, mut left_out) = (Vec::new(), Vec::new());
        if let Err(error) = try_bundle(default, &written(plain)) {
            for error in error.diagnostics.iter().filter(|one| one.severity == crate::Severity::Error) {
                if mixed(&error.message) {
                    left_out.push(error.line as usize);
                } else if error.message.contains("can never match") {
                    lines.push(error.line as usize);
                } else {
                    prop_assert!(rules.is_empty(), "{}", error);
                }
            }
        }
        // One rule a line, behind the first.
        let kept = rules.iter().enumerate().filter(|(n, _)| !left_out.contains(&(n + 2)));
        let rules = written(kept.map(|(n, rule)| {
            if lines.contains(&(n + 2)) { rule.hidden(&format!("never-{n}")) } else { rule.plain(&format!("r{n}")) }
        }).collect());
        let rules = if rules == "rules:\n" { "rules: []".to_owned() } else { rules };
        let bundle = try_bundle(default, &rules).unwrap();
        for call in calls {
            let decision = bundle.decide(&call);
            prop_assert_eq!(&decision, &bundle.decide_naively(&call), "{}\n{:?}", rules, call);
            let explanation = bundle.explain(&call);
            for rule in explanation.parts.iter().flat_map(|part| &part.rules) {
                let noted = decision.matched.iter().any(|matched| matched.id == rule.id);
                prop_assert_eq!(rule.truth == crate::Verity::True, noted, "{:?}\n{:?}", rule, call);
            }
            for rule in decision.matched.iter().filter(|rule| rule.id.starts_with("never")) {
                prop_assert!(false, "{} held\n{}\n{:?}", rule.id, rules, call);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    /// Whichever form of a tool's name a rule writes, and whichever case, the verdict is the same.
    #[test]
    fn the_form_of_a_tool_s_name_changes_no_verdict(
        name in "[a-zA-Z0-9_ /-]{1,8}([{][a-z]{1,4}[}])?",
        group in prop::option::of("[a-zA-Z0-9_-]{1,8}"),
        amount in 0_u64..10,
        upper in any::<bool>(),
    ) {
        let name = name.trim().to_owned();
        prop_assume!(!name.is_empty());
        let mut names = vec![name.clone()];
        if let Some(group) = &group {
            names.extend(["/", "::"].map(|between| format!("{group}{between}{name}")));
        }
        let tool = Tool { names: names.clone(), arguments: serde_json::json!({"amount": amount}), ..Tool::default() };
        let call = Call { tool: Some(tool), operation: "Converse".to_owned(), ..Call::default() };
        let decide = |written: &str| {
            let written = if upper { written.to_uppercase() } else { written.to_owned() };
            let rules = format!(
                "rules:\n- {{id: r, action: block, tools: [{}], conditions: [{{field: arguments.amount, operator: gt, value: 4}}]}}\n",
                serde_json::Value::from(written)
            );
            try_bundle("deny", &rules).unwrap().decide(&call)
        };
        let expected = if amount > 4 { crate::Effect::Deny } else { crate::Effect::Allow };
        for written in &names {
            prop_assert_eq!(decide(written).effect, expected, "{}", written);
        }
        prop_assert_eq!(decide(&format!("{name}x")).effect, crate::Effect::Allow);
    }
}

const MIXED: &[&str] = &["reads the text of the request", "a rule on the text of answers", "write two rules"];

fn try_bundle(default: &str, rules: &str) -> Result<crate::Bundle, crate::LoadError> {
    let manifest = format!("version: \"1\"\nname: test\ndefault: {default}\n");
    compile(&[file("bundle.yaml", manifest), file("rules/rules.yaml", rules)])
}
