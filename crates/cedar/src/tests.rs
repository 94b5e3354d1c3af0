//! What is evaluated conforms to the schema that policies are validated with; hostile texts do not exhaust the stack.

use crate::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn compile_one(text: &str) -> Result<(Policies, Vec<Finding>), Vec<Finding>> {
    compile(&[Source { path: "cedar/a.cedar", text }], Hierarchy::default())
}

fn ids(text: &str, request: &Request) -> Vec<String> {
    let (policies, _) = compile_one(text).unwrap_or_else(|findings| panic!("{findings:#?}"));
    let hits = policies.evaluate(request);
    println!("{hits:?}");
    let hits = hits.iter().filter(|hit| hit.holds(policies.infos()[hit.policy].effect));
    hits.map(|hit| policies.infos()[hit.policy].id.clone()).collect()
}

fn model(id: &str, base: &str) -> Resource {
    let model = Model { base: base.to_owned(), provider: "anthropic".to_owned(), ..Model::default() };
    Resource {
        kind: Kind::Model,
        id: id.to_owned(),
        names: vec![base.to_owned()],
        model,
        ..Resource::default()
    }
}

fn resource(kind: Kind, id: &str) -> Resource {
    Resource { kind, id: id.to_owned(), ..Resource::default() }
}

fn invoke(resources: Vec<Resource>) -> Request {
    Request {
        principal: "billing".to_owned(),
        roles: vec!["batch".to_owned()],
        operation: "Converse".to_owned(),
        action: "bedrock:InvokeModel".to_owned(),
        resources,
        ..Request::default()
    }
}

#[test]
fn a_model_is_in_every_form_of_its_name() {
    let text = r#"
        @id("in") forbid (principal in Role::"batch", action, resource in Model::"anthropic.x");
        @id("base") permit (principal, action in bedrock::Action::"ModelCall", resource is Model)
          when { resource has base && resource.base like "anthropic.*" };
        @id("other") permit (principal == Principal::"alice", action, resource);"#;
    assert_eq!(ids(text, &invoke(vec![model("eu.anthropic.x", "anthropic.x")])), ["in", "base"]);
    assert_eq!(ids(text, &invoke(vec![model("meta.y", "meta.y")])), Vec::<String>::new());
}

#[test]
fn permits_must_cover_every_resource() {
    let text = r#"
        @id("model") permit (principal, action, resource is Model);
        @id("kb") @shadow permit (principal, action, resource == KnowledgeBase::"KB1");
        @id("no") forbid (principal, action, resource == KnowledgeBase::"KB2");"#;
    let (policies, _) = compile_one(text).unwrap();
    let ask = |kbs: &[&str]| {
        let mut resources = vec![model("a", "a")];
        resources.extend(kbs.iter().map(|id| resource(Kind::KnowledgeBase, id)));
        let hits = policies.evaluate(&invoke(resources));
        let shown = |hit: &Hit| {
            format!("{} shadow={} uncovered={}", policies.infos()[hit.policy].id, hit.shadow, hit.uncovered)
        };
        hits.iter().map(shown).collect::<Vec<_>>()
    };
    assert_eq!(ask(&[]), ["model shadow=false uncovered=false"]);
    assert_eq!(ask(&["KB1"]), ["model shadow=true uncovered=false", "kb shadow=true uncovered=false"]);
    assert_eq!(
        ask(&["KB1", "KB2"]),
        [
            "model shadow=false uncovered=true",
            "kb shadow=true uncovered=true",
            "no shadow=false uncovered=false"
        ]
    );
}

#[test]
fn a_forbid_that_fails_holds_and_a_permit_that_fails_does_not() {
    let text = r#"
        @id("f") forbid (principal, action, resource) when { context.request.bytes + 9223372036854775807 > 9 };
        @id("p") permit (principal, action, resource) when { context.request.bytes + 9223372036854775807 > 9 };"#;
    let (policies, _) = compile_one(text).unwrap();
    let hits = policies.evaluate(&Request { bytes: 5, ..invoke(vec![]) });
    println!("{hits:?}");
    assert!(hits.iter().all(|hit| hit.error.as_deref().is_some_and(|error| error.contains("overflow"))));
    assert_eq!(ids(text, &Request { bytes: 5, ..invoke(vec![]) }), ["f"]);
    assert_eq!(ids(text, &invoke(vec![])), ["f", "p"]);
}

#[test]
fn arguments_are_never_less_than_they_are() {
    let text = r#"
        @id("long") forbid (principal, action == bedrock::Action::"CallTool", resource in Tool::"pay") when {
          context.arguments.hasTag("to.amount") && context.arguments.getTag("to.amount") has long && context.arguments.getTag("to.amount").long > 5000 };
        @id("decimal") forbid (principal, action == bedrock::Action::"CallTool", resource) when {
          context.arguments.hasTag("to.amount") && context.arguments.getTag("to.amount") has decimal
          && context.arguments.getTag("to.amount").decimal.greaterThan(decimal("5000.0")) };"#;
    let all: &[&str] = &["long", "decimal"];
    for (value, expected) in [
        (Argument::Whole(5000), &[] as &[&str]),
        (Argument::Whole(5001), all),
        (Argument::Whole(i64::MAX), all),
        (Argument::Whole(i64::MIN), &[]),
        (Argument::Number(5000.0), &[]),
        (Argument::Number(5_000.000_001), all),
        (Argument::Number(1e300), all),
        (Argument::Number(-1e300), &[]),
        (Argument::Text("9000".to_owned()), &[]),
    ] {
        let request = Request {
            arguments: BTreeMap::from([("to.amount".to_owned(), value.clone())]),
            ..invoke(vec![resource(Kind::Tool, "pay")])
        };
        println!("{value:?}");
        assert_eq!(ids(text, &request), expected);
    }
}

/// The schema is cut to the actions that policies name; what is found must not depend on it.
#[test]
fn a_narrowed_schema_finds_the_same() {
    let scopes = [
        "principal, action, resource",
        "principal, action == bedrock::Action::\"InvokeModel\", resource is Model",
        "principal, action in [bedrock::Action::\"Rerank\", bedrock_agentcore::Action::\"InvokeAgentRuntime\"], resource",
        "principal, action in bedrock::Action::\"AgentCall\", resource",
        "principal, action in bedrock::Action::\"ToolCall\", resource",
        "principal, action == bedrock::Action::\"CallTool\", resource is Model",
        "principal, action == bedrock::Action::\"InvokModel\", resource",
        "principal is Role, action, resource",
        "principal, action, resource == Tool::\"x\"",
    ];
    let conditions = [
        "true",
        "false",
        "resource is Tool && action in bedrock::Action::\"ModelCall\"",
        "action == bedrock_mantle::Action::\"CreateInference\" && context.request.max_tokens > 1",
        "resource has base && resource.base == 1",
        "context.arguments.getTag(\"a\") == context.arguments.getTag(\"b\")",
        "action in [bedrock::Action::\"OtherCall\"] && resource.name == \"x\"",
        "context.hourly_count > 3 && context.tiem.hour < 3",
    ];
    let mut found = 0;
    for scope in scopes {
        for condition in conditions {
            let text = format!("@id(\"a\") forbid ({scope}) when {{ {condition} }};");
            let (whole, narrowed) = crate::load::both_ways(&text);
            // How often the same is found differs with the number of actions.
            let said = |findings: &[Finding]| {
                let short = |finding: &Finding| {
                    let message = finding.message.split(" (and ").next().unwrap_or_default().to_owned();
                    (finding.line, finding.column, finding.error, message)
                };
                findings.iter().map(short).collect::<Vec<_>>()
            };
            assert_eq!(said(&whole), said(&narrowed), "{text}");
            found += whole.len();
        }
    }
    println!("{found} findings");
    assert!(found > 40);
}

#[test]
fn time_is_utc() {
    let text = r#"@id("a") permit (principal, action, resource) when {
        context.time.weekday == "fri" && context.time.hour == 23 && context.time.minute == 31 && context.time.unix == 1234567890
        && context.time.now.toDate() == datetime("2009-02-13") };"#;
    assert_eq!(ids(text, &Request { time: 1_234_567_890_123, ..invoke(vec![]) }), ["a"]);
}

#[test]
fn an_action_that_the_schema_lacks_is_unknown() {
    let text = r#"
        @id("all") permit (principal, action, resource);
        @id("named") permit (principal, action in [bedrock::Action::"InvokeModel", bedrock::Action::"Unknown"], resource);
        @id("invoke") permit (principal, action == bedrock::Action::"InvokeModel", resource);"#;
    let (policies, _) = compile_one(text).unwrap();
    assert_eq!(
        policies.infos().iter().map(|info| info.names_unknown).collect::<Vec<_>>(),
        [false, true, false]
    );
    for (operation, action) in
        [("Unknown", "bedrock:InvokeModel"), ("Converse", "bedrock:Nope"), ("Converse", "")]
    {
        let request =
            Request { operation: operation.to_owned(), action: action.to_owned(), ..invoke(vec![]) };
        assert_eq!(ids(text, &request), ["all", "named"]);
    }
}

#[test]
fn hostile_texts_are_refused_without_exhausting_the_stack() {
    let head = r#"@id("a") permit (principal, action, resource) when { "#;
    for (piece, end) in [
        ("(", ""),
        ("[", ""),
        ("{a:", ""),
        ("!", ""),
        ("-", ""),
        ("1 + ", "1"),
        ("true && ", "true"),
        ("true||", "true"),
        ("if true then ", ""),
        ("if true then true else ", "true"),
        ("context.", "a"),
        ("a.contains(", ""),
        ("context has ", "a"),
        ("1 in ", "1"),
        ("1 is A in ", "1"),
        ("\n1\tlike ", "1"),
        ("a::", "b"),
        ("\"", ""),
        ("@a ", ""),
        ("1*", "1"),
        ("1==", "1"),
        ("?", ""),
    ] {
        let text = format!("{head}{}{end} }};", piece.repeat(900_000 / piece.len()));
        let start = std::time::Instant::now();
        let findings = compile_one(&text).map(|_| ()).unwrap_err();
        println!(
            "{piece:?}: {:?} {}",
            start.elapsed(),
            findings[0].message.chars().take(100).collect::<String>()
        );
    }
    let many = r#"@id("a") permit (principal, action, resource);"#.repeat(MAX_POLICIES + 100);
    let findings = compile_one(&many).map(|_| ()).unwrap_err();
    assert!(findings.len() <= 201);
}

/// Pieces of policies, in any order.
fn cedarish() -> impl Strategy<Value = String> {
    let pieces = [
        "@id(\"a\")",
        "@shadow",
        "@",
        "permit",
        "forbid",
        "(principal, action, resource)",
        "when",
        "unless",
        "{",
        "}",
        "(",
        ")",
        "[",
        "]",
        "context",
        ".request",
        ".bytes",
        "resource",
        " has ",
        "base",
        " like ",
        "\"*\"",
        "\"\\u{0}\"",
        "==",
        "<",
        "&&",
        "||",
        "!",
        "-",
        "+",
        "*",
        "9223372036854775807",
        "1",
        "Model::\"x\"",
        "bedrock::Action::\"InvokeModel\"",
        " in ",
        " is ",
        "if ",
        " then ",
        " else ",
        "decimal(\"1.0\")",
        "ip(\"x\")",
        ".contains(",
        ".hasTag(\"a\")",
        ";",
        "//",
        "\n",
        "é",
        "?principal",
        "\u{feff}",
        "\"",
    ];
    proptest::collection::vec(proptest::sample::select(pieces.to_vec()), 0..60)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    #[test]
    fn reading_never_panics(text in prop_oneof![cedarish(), any::<String>(), cedarish().prop_map(|text| format!("@id(\"a\") permit (principal, action, resource) when {{ {text} }};"))]) {
        let (whole, narrowed) = crate::load::both_ways(&text);
        prop_assert_eq!(whole.iter().any(|finding| finding.error), narrowed.iter().any(|finding| finding.error));
    }
}

fn words() -> impl Strategy<Value = String> {
    prop_oneof![Just(String::new()), "[a-z.:\"\\\\/]{1,12}", any::<String>()]
}

fn map() -> impl Strategy<Value = BTreeMap<String, String>> {
    proptest::collection::btree_map(words(), words(), 0..4)
}

fn argument() -> impl Strategy<Value = Argument> {
    prop_oneof![
        words().prop_map(Argument::Text),
        any::<f64>().prop_filter("JSON has none", |number| number.is_finite()).prop_map(Argument::Number),
        any::<i64>().prop_map(Argument::Whole),
        any::<bool>().prop_map(Argument::Bool),
        proptest::collection::vec(words(), 0..3).prop_map(Argument::List),
    ]
}

fn any_resource() -> impl Strategy<Value = Resource> {
    let kind = proptest::sample::select(vec![Kind::Model, Kind::Agent, Kind::KnowledgeBase, Kind::Guardrail]);
    (kind, words(), proptest::collection::vec(words(), 0..3), words(), words()).prop_map(
        |(kind, id, names, base, alias)| Resource {
            kind,
            id,
            names,
            model: Model { base: base.clone(), kind: alias.clone(), region: base, ..Model::default() },
            session: alias.clone(),
            alias,
        },
    )
}

static EVERY_ATTRIBUTE: std::sync::LazyLock<(Policies, cedar_policy::Schema)> =
    std::sync::LazyLock::new(|| {
        (compile_one(&every_attribute()).unwrap().0, crate::schema::parse().unwrap())
    });

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Every request that is built conforms to the schema, so that strict validation promises what it says.
    #[test]
    fn requests_conform_to_the_schema(
        (principal, ip, method) in (words(), words(), words()),
        resources in proptest::collection::vec(any_resource(), 0..3),
        (labels, attributes) in (map(), map()),
        arguments in proptest::collection::btree_map(words(), argument(), 0..4),
        tool in any::<bool>(),
        (bytes, max_tokens, time) in (any::<u64>(), any::<Option<u64>>(), 0..253_402_300_000_000_u64),
        action in proptest::sample::select(actions().chain(["nope".to_owned()]).collect::<Vec<_>>()),
    ) {
        // One policy that reads every attribute.
        let (policies, schema) = &*EVERY_ATTRIBUTE;
        let resources = if tool { vec![resource(Kind::Tool, &principal)] } else { resources };
        let request = Request {
            principal, source_ip: ip, method, resources, labels, session_attributes: attributes, arguments, bytes, max_tokens, time, action,
            operation: "x".to_owned(), ..Request::default()
        };
        let checked = policies.conforms(schema, &request);
        prop_assert!(checked.is_ok(), "{:?}", checked);
    }
}

fn every_attribute() -> String {
    let names = ["known", "assurance", "tenant", "credential", "access_key_id", "account"];
    let read = |of: &str, name: &&str| format!("({of} has {name} && {of}.{name} == {of}.{name})");
    let principal: Vec<_> = names.iter().map(|name| read("principal", name)).collect();
    let context: Vec<_> = crate::evaluate::facts::CONTEXT.iter().map(|name| read("context", name)).collect();
    let models: Vec<_> = ["id", "kind", "base", "provider", "version", "geography", "region", "account"]
        .iter()
        .map(|name| read("resource", name))
        .collect();
    let agents: Vec<_> = ["id", "alias", "session"].iter().map(|name| read("resource", name)).collect();
    format!(
        "@id(\"a\") permit (principal, action in [bedrock::Action::\"ModelCall\", bedrock::Action::\"OtherCall\"], resource is Model) when {{ {} || {} || {} }};\n\
         @id(\"b\") permit (principal, action in bedrock::Action::\"AgentCall\", resource is Agent) when {{ {} }};\n\
         @id(\"c\") forbid (principal, action == bedrock::Action::\"CallTool\", resource is Tool) when {{ resource.name == \"x\" }};",
        principal.join(" || "),
        context.join(" || "),
        models.join(" || "),
        agents.join(" || ")
    )
}

#[test]
#[ignore = "a measurement"]
fn measure() {
    for count in [1, 10, 100, 1000] {
        let text: String = (0..count)
            .map(|n| match n % 4 {
                0 => format!("@id(\"p{n}\") permit (principal == Principal::\"team-{n}\", action in bedrock::Action::\"ModelCall\", resource is Model) when {{ resource has base && resource.base like \"vendor{n}.*\" }};\n"),
                1 => format!("@id(\"p{n}\") forbid (principal, action == bedrock::Action::\"InvokeModel\", resource in Model::\"vendor.model-{n}\");\n"),
                2 => format!("@id(\"p{n}\") permit (principal in Role::\"role-{n}\", action, resource) when {{ context.session_attributes.hasTag(\"department\") && context.session_attributes.getTag(\"department\") == \"d{n}\" }};\n"),
                _ => format!("@id(\"p{n}\") forbid (principal, action, resource) when {{ context.request has max_tokens && context.request.max_tokens > {} }};\n", n + 10_000),
            })
            .collect();
        let start = std::time::Instant::now();
        let (policies, _) = compile_one(&text).unwrap();
        let compiled = start.elapsed();
        let request = Request {
            max_tokens: Some(8192),
            session_attributes: BTreeMap::from([("department".to_owned(), "d7".to_owned())]),
            ..invoke(vec![model("eu.anthropic.x", "anthropic.x")])
        };
        let mut samples: Vec<_> = (0..2000)
            .map(|_| {
                let start = std::time::Instant::now();
                std::hint::black_box(policies.evaluate(std::hint::black_box(&request)));
                start.elapsed()
            })
            .collect();
        samples.sort_unstable();
        println!(
            "{count} policies: compile {compiled:?}; evaluate p50 {:?}, p99 {:?}",
            samples[1000], samples[1980]
        );
    }
}
