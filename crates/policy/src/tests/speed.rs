//! How long compiling and deciding take. The limits of the project are checked by the benchmark, not here (a debug build
//! on a busy machine says nothing); run `cargo test --release -p portcullis-policy speed -- --ignored --nocapture`.

use super::{bundle, file};
use crate::{Call, Model, Principal, Request, compile};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Rules as a large organisation has them: literal and globbed models, operations, principals, and conditions.
pub(crate) fn many_rules(count: usize) -> String {
    let mut text = String::from("version: \"1.0\"\nrules:\n");
    for n in 0..count {
        let team = n % 500;
        text.push_str(&format!("- id: rule-{n}\n  action: {}\n", ["allow", "block", "log"][n % 3]));
        text.push_str(&match n % 5 {
            0 => format!(
                "  models: [\"vendor{team}.model-{n}-v1:0\"]\n  operations: [Converse, ConverseStream]\n"
            ),
            1 => format!("  models: [\"vendor{team}.*\", \"*family-{n}*\"]\n"),
            2 => format!("  principals: [\"team-{team}-*\"]\n  operations: [\"bedrock:InvokeModel*\"]\n"),
            3 => format!("  principals: [team-{team}-app]\n  regions: [eu-*]\n"),
            _ => format!("  models: [\"*:{n}\"]\n"),
        });
        text.push_str(&match n % 4 {
            0 => "  conditions:\n  - {field: request.max_tokens, operator: greater_than, value: 4096}\n".to_owned(),
            1 => format!("  conditions:\n  - {{field: session_attributes.department, operator: equals, value: d{team}}}\n"),
            2 => "  conditions:\n  - {field: request.tools, operator: contains, value: transfer_funds}\n".to_owned(),
            _ => String::new(),
        });
        text.push_str("  message: Ask the platform team\n");
    }
    text
}

fn call() -> Call {
    Call {
        principal: Principal { name: "team-7-app".to_owned(), ..Principal::default() },
        operation: "Converse".to_owned(),
        action: "bedrock:InvokeModel".to_owned(),
        service: "bedrock-runtime".to_owned(),
        region: "eu-central-1".to_owned(),
        partition: "aws".to_owned(),
        model: Some(Model {
            id: "eu.anthropic.claude-sonnet-4-20250514-v1:0".to_owned(),
            base: Some("anthropic.claude-sonnet-4-20250514-v1:0".to_owned()),
            geography: Some("eu".to_owned()),
            ..Model::default()
        }),
        request: Request {
            max_tokens: Some(8192),
            tools: vec!["lookup".to_owned(), "transfer_funds".to_owned()],
            ..Request::default()
        },
        ..Call::default()
    }
}

#[test]
fn a_large_bundle_compiles_and_agrees_with_a_plain_walk() {
    let bundle = bundle("deny", &many_rules(2000));
    let got = bundle.decide(&call());
    println!("{:?} matched", got.matched.len());
    assert_eq!(got, bundle.decide_naively(&call()));
}

/// Time that this thread has run: what a machine with other work on it can still measure.
fn on_cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(stat.split(' ').next().and_then(|nanos| nanos.parse().ok()).unwrap_or(0))
}

#[test]
#[ignore = "a measurement"]
fn measure_tool_calls() {
    let mut rules = many_rules(60);
    for n in 0..40 {
        rules.push_str(&format!(
            "- id: tool-{n}\n  action: block\n  tools: [\"tool_{n}\", \"group-{n}/*\"]\n  conditions:\n  - {{field: arguments.amount, \
             operator: greater_than, value: {n}}}\n"
        ));
    }
    let bundle = bundle("deny", &rules);
    let arguments = serde_json::json!({"amount": 6000, "to": "DE02", "items": [1, 2, 3]});
    let names = ["tool_7", "bank/tool_7", "bank::tool_7"].map(str::to_owned).to_vec();
    let tool = Some(crate::Tool { names, arguments, ..crate::Tool::default() });
    let call = Call { tool, ..call() };
    assert_eq!(bundle.decide(&call).rule.as_deref(), Some("tool-7"));
    let (rounds, began) = (20_000, on_cpu());
    for _ in 0..rounds {
        black_box(bundle.decide(black_box(&call)));
    }
    let each = (on_cpu() - began) / rounds;
    println!("a tool call against {} rules: {each:?} of processor time", bundle.rule_count());
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    for count in [100, 1_000, 10_000] {
        let text = many_rules(count);
        let files =
            [file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n"), file("rules/a.yaml", &text)];
        let mut compiles: Vec<_> = (0..7)
            .map(|_| {
                let start = on_cpu();
                black_box(compile(black_box(&files)).unwrap());
                on_cpu() - start
            })
            .collect();
        compiles.sort_unstable();
        let bundle = compile(&files).unwrap();
        let call = call();
        let mut samples: Vec<_> = (0..2000)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..10 {
                    black_box(bundle.decide(black_box(&call)));
                }
                start.elapsed() / 10
            })
            .collect();
        samples.sort_unstable();
        println!(
            "{count} rules ({} KB): compile {:?} (best {:?}); decide p50 {:?}, p99 {:?}; {} matched",
            text.len() / 1024,
            compiles[3],
            compiles[0],
            samples[1000],
            samples[1980],
            bundle.decide(&call).matched.len()
        );
    }
}

/// A hundred texts (and expressions) that a megabyte of ordinary text does not have, nor almost.
fn text_rules(operator: &str, count: usize) -> String {
    let words = [
        "password",
        "confidential",
        "secret key",
        "ssn",
        "iban",
        "api_key",
        "private",
        "salary",
        "merger",
        "patient",
    ];
    let rule = |n: usize| {
        let word = words[n % words.len()];
        let value =
            if operator == "matches" { format!("{word} ?{n}[:=]\\s*\\S+") } else { format!("{word} {n}:") };
        format!(
            "- {{id: t{n}, action: block, conditions: [{{field: request.text, operator: {operator}, value: \"{}\"}}]}}\n",
            value.replace('\\', "\\\\")
        )
    };
    format!("rules:\n{}", (0..count).map(rule).collect::<String>())
}

/// Prose, with the words that rules look for, but not followed by what makes a match.
fn prose(bytes: usize, extra: &str) -> String {
    let sentence = "The quarterly report says that the passwords of our Customers were rotated, and private matters stay so. ";
    format!("{sentence}{extra}").repeat(bytes / (sentence.len() + extra.len()) + 1)
}

#[test]
#[ignore = "a measurement"]
fn text() {
    for (operator, count) in
        [("contains", 100), ("contains", 1_000), ("contains", 10_000), ("matches", 100), ("matches", 1_000)]
    {
        let bundle = bundle("deny", &text_rules(operator, count));
        for (name, extra) in [("ASCII", ""), ("not ASCII", "Größe und Maß. ")] {
            let text = prose(4 << 20, extra);
            let bytes = text.len() as f64;
            let call = Call {
                request: Request {
                    text: Some(crate::Text { text, ..crate::Text::default() }),
                    ..Request::default()
                },
                ..call()
            };
            let mut samples: Vec<_> = (0..7)
                .map(|_| {
                    let start = on_cpu();
                    black_box(bundle.decide(black_box(&call)));
                    (on_cpu() - start).as_secs_f64()
                })
                .collect();
            samples.sort_by(f64::total_cmp);
            println!("{count} `{operator}`, {name}: {:.0} MB/s", bytes / samples[3] / 1e6);
        }
    }
}

/// Five megabytes of what a scanner may choke on: no stack overflow, no quadratic time.
#[test]
#[ignore = "a measurement"]
fn hostile_files() {
    let limit = usize::try_from(crate::MAX_FILE_BYTES).unwrap();
    let pieces = [
        "[",
        "{",
        "- ",
        "? ",
        "a: ",
        "a: b\n",
        "- a\n",
        "\"",
        "'",
        "&a ",
        "*a ",
        "!",
        "!!",
        "%",
        "#",
        "\t",
        " ",
        "\n",
        "|\n",
        ">",
        "---\n",
        "...\n",
        ",",
        ":",
        "[a, ",
        "{a: ",
        "x",
        "\\",
        "\"\\x",
        "- - ",
        "\u{feff}",
        "\r",
        "a\n  b\n",
        "&a a: *a\n",
        "[&a x, *a],",
        "é",
        "]",
        "}",
        "? [",
        "- |\n a\n",
        "a\n",
        "{? ",
        "[? ",
        "&a [",
        "!a [",
        "\" \" ",
        "[[],",
    ];
    for piece in pieces {
        let text = piece.repeat(limit / piece.len());
        for prefix in ["", "[", "{", "a: ", "\"", "- "] {
            let text =
                format!("{prefix}{}", text.get(..text.floor_char_boundary(limit - prefix.len())).unwrap());
            let files =
                [file("bundle.yaml", "version: '1'\nname: x\ndefault: deny\n"), file("rules/a.yaml", &text)];
            let start = Instant::now();
            let error = compile(&files).map(|_| ()).unwrap_err();
            let took = start.elapsed();
            if took.as_millis() > 300 {
                println!("{took:?} for {prefix:?} + {piece:?}: {}", error.diagnostics[0].message);
            }
        }
    }
}

/// Limits as a large organisation has them, with prices for every family.
fn many_limits() -> String {
    let mut text = String::from("version: '1'\nname: x\ndefault: deny\n");
    text.push_str("routes:\n- {id: finance, principals: [\"billing-*\"]}\n- {id: all, max_tokens: 100000}\n");
    text.push_str("limits:\n");
    for (id, measure, per) in [
        ("calls", "requests", "[principal.name]"),
        ("tokens", "tokens", "[principal.name, model.base]"),
        ("team", "tokens", "[principal.tenant]"),
        ("money", "cost", "[principal.name]"),
        ("all-money", "cost", "[operation]"),
    ] {
        text.push_str(&format!("- {{id: {id}, measure: {measure}, max: 1000000, window: 1d, per: {per}, models: [\"*claude*\"]}}\n"));
    }
    text.push_str("prices:\n  currency: USD\n  unpriced: deny\n  models:\n");
    for n in 0..60 {
        text.push_str(&format!("  - {{models: [\"vendor{n}.model-*\"], input: 3.00, output: 15.00}}\n"));
    }
    text.push_str("  - {models: [\"anthropic.claude-*\"], input: 3.00, output: 15.00, cache_read: 0.3, cache_write: 3.75}\n");
    text
}

#[test]
#[ignore = "a measurement"]
fn measure_limits() {
    let rules = many_rules(100);
    let call = Call { action_type: "model_invoked".to_owned(), ..call() };
    for (what, manifest) in [
        ("no limits", "version: '1'\nname: x\ndefault: deny\n".to_owned()),
        ("5 limits, 2 routes, 61 prices", many_limits()),
    ] {
        let bundle = compile(&[file("bundle.yaml", manifest), file("rules/a.yaml", &rules)]).unwrap();
        let mut samples: Vec<_> = (0..2000)
            .map(|_| {
                let start = Instant::now();
                for _ in 0..10 {
                    let decision = bundle.decide(black_box(&call));
                    black_box(bundle.charges(black_box(&call), &decision));
                }
                start.elapsed() / 10
            })
            .collect();
        samples.sort_unstable();
        println!("{what}: decide and charges p50 {:?}, p99 {:?}", samples[1000], samples[1980]);
        println!(
            "{:?}",
            bundle.charges(&call, &bundle.decide(&call)).iter().map(|c| &c.key).collect::<Vec<_>>()
        );
    }
}
