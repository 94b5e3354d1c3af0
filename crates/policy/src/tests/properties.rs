//! Whatever bytes come, no panic; whatever rules come, the index agrees with a plain walk over them.

use super::{bundle, file};
use crate::{Call, Model, Principal, Request, Text, compile};
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

fn one_rule() -> impl Strategy<Value = String> {
    let pick = |words: &'static [&'static str]| prop::sample::select(words);
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
    let condition = pick(&[
        "{field: operation, operator: equals, value: a}",
        "{field: operation, operator: not_equals, value: a}",
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
    ]);
    let conditions = prop::collection::vec(condition, 0..3);
    (
        pick(&["allow", "block", "log"]),
        pick(&["enforce", "shadow"]),
        operations,
        list(),
        list(),
        list(),
        conditions.clone(),
        conditions,
    )
        .prop_map(|(action, mode, operations, models, principals, regions, conditions, groups)| {
            let mut text = format!(", action: {action}, mode: {mode}");
            let selectors = [
                ("operations", operations),
                ("models", models),
                ("principals", principals),
                ("regions", regions),
            ];
            for (key, globs) in selectors {
                if let Some(globs) = globs {
                    text.push_str(&format!(", {key}: ['{}']", globs.join("', '")));
                }
            }
            if !conditions.is_empty() {
                text.push_str(&format!(", conditions: [{}]", conditions.join(", ")));
            }
            if !groups.is_empty() {
                let groups: Vec<_> = groups.iter().map(|condition| format!("[{condition}]")).collect();
                text.push_str(&format!(", condition_groups: [{}]", groups.join(", ")));
            }
            text
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
    )
        .prop_map(
            |(
                (operation, region, principal, service),
                model,
                tools,
                max_tokens,
                text,
                session_attributes,
            )| Call {
                principal: Principal { name: principal, ..Principal::default() },
                operation,
                region,
                service,
                action: "bedrock:InvokeModel".to_owned(),
                model: model.map(|(id, base, geography)| Model { id, base, geography, ..Model::default() }),
                request: Request {
                    tools,
                    max_tokens,
                    text: text.map(|text| Text { text, truncated: false }),
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

    #[test]
    fn the_index_agrees_with_a_plain_walk(
        default in prop::sample::select(vec!["allow", "deny"]),
        rules in prop::collection::vec(one_rule(), 0..90),
        calls in prop::collection::vec(some_call(), 1..8),
    ) {
        let rules: String = rules.iter().enumerate().map(|(n, rule)| format!("- {{id: r{n}{rule}}}\n")).collect();
        let rules = if rules.is_empty() { "rules: []".to_owned() } else { format!("rules:\n{rules}") };
        let bundle = bundle(default, &rules);
        for call in calls {
            prop_assert_eq!(bundle.decide(&call), bundle.decide_naively(&call), "{}\n{:?}", rules, call);
        }
    }
}
