//! Reading, completing and running cases.

use super::{Case, read_call, read_cases, run};
use crate::tests::file;
use crate::{Bundle, SourceFile, compile};

const MANIFEST: &str = "version: '1'\nname: cases\ndefault: deny\nprincipals:\n- {name: billing, access_keys: \
                        [AKIAIOSFODNN7EXAMPLE], tenant: finance, roles: [batch]}\n";
const RULES: &str = "rules:\n- {id: sonnet, action: allow, models: ['anthropic.claude-*']}\n- {id: eu, action: block, \
                     conditions: [{field: region, operator: not_equals, value: eu-central-1}]}\n";

fn bundle() -> Bundle {
    compile(&[file("bundle.yaml", MANIFEST), file("rules/a.yaml", RULES)]).unwrap()
}

fn cases(text: &str) -> Vec<Case> {
    let files = [file("tests/a.yaml", text)];
    read_cases(&files).unwrap_or_else(|error| panic!("{error}")).remove(0).cases
}

fn errors(text: &str) -> String {
    read_cases(&[file("tests/a.yaml", text)]).unwrap_err().to_string()
}

#[test]
fn a_call_is_completed_as_the_gate_would() {
    let spec = read_call(
        "-",
        b"{access_key: AKIAIOSFODNN7EXAMPLE, model: 'eu.amazon.nova-lite-v1:0', region: eu-central-1, operation: conversestream}",
    )
    .unwrap();
    let call = spec.complete(&bundle());
    assert_eq!(call.principal.name, "billing");
    assert_eq!(call.principal.tenant.as_deref(), Some("finance"));
    assert_eq!(call.principal.assurance, crate::Assurance::Claimed);
    assert_eq!(call.operation, "ConverseStream");
    assert_eq!(call.action, "bedrock:InvokeModelWithResponseStream");
    assert_eq!(call.action_type, "model_invoked");
    assert_eq!(call.service, "bedrock-runtime");
    assert_eq!(call.host, "bedrock-runtime.eu-central-1.amazonaws.com");
    assert_eq!(call.path, "/model/eu.amazon.nova-lite-v1%3A0/converse-stream");
    assert!(call.request.stream);
    let model = call.model.unwrap();
    assert_eq!((model.kind.as_str(), model.geography.as_deref()), ("inference_profile", Some("eu")));
    assert_eq!(model.base.as_deref(), Some("amazon.nova-lite-v1:0"));

    let agent = read_call("-", b"agent: {id: A1, alias: B1, session: s}").unwrap().complete(&bundle());
    assert_eq!((agent.operation.as_str(), agent.action_type.as_str()), ("InvokeAgent", "agent_invoked"));
    assert_eq!(agent.path, "/agents/A1/agentAliases/B1/sessions/s/text");
    assert_eq!(agent.labels.len(), 3);

    let text = b"{request: {results: [{id: t1, tool: query, text: abc}, {text: d, error: true, bytes: 9}], facts: {role_arn: r}}}";
    let call = read_call("-", text).unwrap().complete(&bundle());
    assert_eq!((call.request.tool_results, call.request.result_bytes), (2, 12));
    assert_eq!(call.request.text.unwrap().tool_results, "abc\nd");
    assert_eq!(call.request.results[0].name.as_deref(), Some("query"));
    assert!(call.request.results[1].error);
    assert_eq!(call.request.facts["role_arn"], "r");
    let answer = read_call("-", b"{response: 'some text'}").unwrap().complete(&bundle());
    assert_eq!(answer.response.unwrap().text, "some text");

    let unknown = read_call("-", b"operation: Nothing").unwrap().complete(&bundle());
    assert_eq!((unknown.operation.as_str(), unknown.action.as_str()), ("Nothing", "Unknown"));
    let tool = read_call("-", b"{tool: pay, arguments: {amount: 6000, to: [a, 1.5, true, ~]}, time: '2026-11-21T10:00:00Z', history: [{tool: b, ago: 1m}, {operation: Converse, ago: 1h}]}").unwrap();
    let tool = tool.complete(&bundle());
    assert_eq!(tool.tool.as_ref().unwrap().origin, "model");
    assert_eq!(
        tool.tool.unwrap().arguments,
        serde_json::json!({"amount": 6000, "to": ["a", 1.5, true, null]})
    );
    assert_eq!(tool.time, 1_795_255_200_000);
    let seen: Vec<_> = tool.history.iter().map(|seen| tool.time - seen.time).collect();
    assert_eq!(seen, [3_600_000, 60_000], "oldest first");
}

#[test]
fn tables_lay_their_cases_over_their_defaults() {
    let text = "
call: {region: eu-central-1}
tests:
- name: alone
  call: {model: anthropic.claude-3-haiku-20240307-v1:0}
  expect: {verdict: allow, rule: sonnet, matched: [sonnet], shadow: none}
- name: table
  call: {model: amazon.nova-lite-v1:0, request: {max_tokens: 5, text: a}}
  expect: {verdict: deny}
  cases:
  - {expect: {rule: null}}
  - {name: elsewhere, call: {region: us-east-1, request: {text: \"two\\nlines\"}}, expect: {rule: eu, message: 'rule `eu`'}}
";
    let cases = cases(text);
    let names: Vec<_> = cases.iter().map(|case| (case.name.as_str(), case.line)).collect();
    assert_eq!(names, [("alone", 4), ("table #1", 11), ("table: elsewhere", 12)]);
    let bundle = bundle();
    let report = run(&bundle, &cases);
    for result in &report.results {
        println!("{}: {:?}", result.case.name, result.mismatches);
        assert!(result.passed());
    }
    let request = &report.results[2].call.request;
    assert_eq!((request.max_tokens, request.text.as_ref().unwrap().text.as_str()), (Some(5), "two\nlines"));
    let coverage: Vec<_> = report.coverage.iter().map(|one| (one.id.as_str(), one.line, one.cases)).collect();
    assert_eq!(coverage, [("sonnet", 2, 1), ("eu", 3, 1)]);
}

#[test]
fn what_is_not_as_expected_is_told() {
    let text = "tests: [{name: a, call: {region: eu-central-1}, expect: {verdict: allow, rule: sonnet, matched: [sonnet], principal: billing}}]";
    let cases = cases(text);
    let report = run(&bundle(), &cases);
    let told: Vec<_> = report.results[0]
        .mismatches
        .iter()
        .map(|one| format!("{}: {} / {}", one.what, one.expected, one.got))
        .collect();
    assert_eq!(
        told,
        [
            "verdict: allow / deny",
            "rule: sonnet / (none)",
            "matched: [sonnet] / []",
            "principal: billing / anonymous"
        ]
    );
    assert_eq!((report.passed(), report.failed(), report.covered()), (0, 1, 0));
}

#[test]
fn the_other_form_is_read() {
    let text = "suite: s\ntests:\n- {id: t1, description: d, tool: pay, arguments: {amount: 5}, context: {hourly_count: 3, session_id: s}, expect: {decision: block, rule_id: null}}\n- {id: t2, tool: pay, expect: {decision: warn, rule_id: r}}\n";
    let cases = cases(text);
    assert_eq!(cases[0].call.counts.hourly, 3);
    assert_eq!(cases[0].expect.verdict, Some(crate::Effect::Deny));
    assert_eq!(cases[0].expect.rule, None);
    assert_eq!(cases[1].expect.verdict, Some(crate::Effect::Allow));
    assert_eq!(cases[1].expect.rule, Some(Some("r".to_owned())));
    let told =
        errors("suite: s\ntests: [{id: t, tool: x, context: {weather: wet}, expect: {decision: maybe}}]");
    assert!(told.contains("unknown key `weather` in `context`"), "{told}");
    assert!(told.contains("unknown decision `maybe`"), "{told}");
}

#[test]
fn every_mistake_has_its_place() {
    let text = "
call: {regoin: x}
tests:
- name: a
  call: {reqest: {}, request: {max_tokns: 1, bytes: -1}, arguments: {}, time: never, history: [{ago: 5m}]}
  expect: {verdict: alow}
- {name: b, call: {}}
- {name: c, cases: [], expect: {}}
- {expect: {}}
";
    let told = errors(text);
    println!("{told}");
    for part in [
        "tests/a.yaml:2:8: unknown key `regoin` in a call, did you mean `region`?",
        "tests/a.yaml:5:10: unknown key `reqest` in a call, did you mean `request`?",
        "unknown key `max_tokns` in `request`, did you mean `max_tokens`?",
        "`bytes` must not be negative",
        "`arguments` are those of a tool call",
        "`time` must be a time",
        "an entry of `history` is a `tool` or an `operation`",
        "unknown verdict `alow`, did you mean `allow`?",
        "tests/a.yaml:7:3: the test has no `expect`",
        "`cases` is empty",
        "the test has no `name`",
        "`expect` says nothing",
    ] {
        assert!(told.contains(part), "{part}");
    }
    assert_eq!(told.matches("regoin").count(), 1, "once, not once a case");
    assert!(read_call("-", b"- a").unwrap_err().to_string().contains("a call must be a mapping"));
}

#[test]
fn only_files_of_tests_are_read() {
    let files: Vec<SourceFile> = vec![
        file("tests/readme.md", "x"),
        file("rules/a.yaml", "rules: []"),
        file("tests/sub/b.yml", "tests: []"),
    ];
    let read = read_cases(&files).unwrap();
    assert_eq!(read.iter().map(|file| file.path.as_str()).collect::<Vec<_>>(), ["tests/sub/b.yml"]);
}

#[test]
fn the_words_of_the_schema_are_those_of_the_table() {
    for word in super::DECISION_WORDS {
        let text = format!("suite: s\ntests: [{{id: t, tool: x, expect: {{decision: {word}}}}}]");
        assert!(cases(&text)[0].expect.verdict.is_some(), "{word}");
    }
}
