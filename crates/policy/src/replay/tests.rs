use super::*;
use crate::testcase::read_call;
use crate::tests::file;
use crate::{SourceFile, compile};

fn bundle(rules: &str) -> Bundle {
    bundle_with("allow", rules)
}

fn bundle_with(default: &str, rules: &str) -> Bundle {
    let files: [SourceFile; 2] = [
        file("bundle.yaml", format!("version: '1'\nname: candidate\ndefault: {default}\n")),
        file("rules/a.yaml", format!("rules:\n{rules}")),
    ];
    compile(&files).unwrap_or_else(|error| panic!("{error}"))
}

/// A call as a record has it: without its text.
fn call(bundle: &Bundle, text: &str) -> Call {
    let mut call = read_call("-", text.as_bytes()).unwrap().complete(bundle);
    call.request.text = None;
    call
}

fn recorded(effect: Effect, rule: Option<&str>) -> Recorded {
    Recorded { effect, rule: rule.map(str::to_owned), by_limit: false }
}

#[test]
fn tool_calls_are_decided_by_what_records_keep_of_them() {
    let allowed = recorded(Effect::Allow, None);
    let by_name = "- {id: no-pay, action: block, tools: [pay]}";
    let by_argument = "- {id: big, action: block, tools: [pay], conditions: [{field: arguments.amount, operator: gt, value: 5}]}";
    let by_model = "- {id: no-opus, action: block, models: ['*opus*']}";
    for (name, rules, expected) in [
        ("a name", by_name, Judgement::Changed { effect: Effect::Deny, rule: Some("no-pay".to_owned()) }),
        ("an argument", by_argument, Judgement::Unknown(Unknown::Arguments)),
        ("a model, which is about calls", by_model, Judgement::Same { other_rule: false }),
        (
            "an argument of another tool",
            &by_argument.replace("[pay]", "[send]"),
            Judgement::Same { other_rule: false },
        ),
        (
            "an argument, whatever it was",
            &format!("{by_argument}\n{by_name}"),
            Judgement::Changed { effect: Effect::Deny, rule: Some("no-pay".to_owned()) },
        ),
    ] {
        let bundle = bundle(rules);
        let mut call = call(&bundle, "{tool: pay, model: anthropic.claude-opus-4-20250514-v1:0}");
        call.tool.as_mut().unwrap().arguments = serde_json::Value::Null;
        let got = judge(&bundle, &call, &allowed, false);
        println!("{name}: {got:?}");
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn a_verdict_is_the_same_changed_or_not_known() {
    let allowed = recorded(Effect::Allow, None);
    let opus = "{model: anthropic.claude-opus-4-20250514-v1:0}";
    let block = "- {id: no-opus, action: block, models: ['anthropic.claude-opus-*']}";
    let text = "- {id: secret, action: block, conditions: [{field: request.text, operator: contains, value: secret}]}";
    let shadow = "- {id: no-opus, action: block, mode: shadow, models: ['anthropic.claude-opus-*']}";
    let changed = Judgement::Changed { effect: Effect::Deny, rule: Some("no-opus".to_owned()) };
    let same = Judgement::Same { other_rule: false };
    let by_limit = Recorded { by_limit: true, ..allowed.clone() };
    let busy = "- {id: busy, action: throttle, conditions: [{field: context.hourly_count, operator: gt, value: 10}]}";
    let agent = "{model: anthropic.claude-opus-4-20250514-v1:0, agent: {session: s}}";
    let after = "- {id: after, action: block, operations: Converse, blocked_by: [{operation: InvokeModel, within: 1h}]}";
    let mixed = "- {id: after, action: block, operations: InvokeAgent, requires: [{operation: Retrieve}]}";
    for (name, rules, expected) in [
        ("counts", busy, Judgement::Unknown(Unknown::Counts)),
        ("history", after, Judgement::Unknown(Unknown::History)),
        ("history of another operation", mixed, Judgement::Same { other_rule: false }),
    ] {
        let bundle = bundle(rules);
        let got = judge(&bundle, &call(&bundle, agent), &allowed, false);
        println!("{name}: {got:?}");
        assert_eq!(got, expected, "{name}");
    }
    let log =
        "- {id: note, action: log, conditions: [{field: request.text, operator: contains, value: secret}]}";
    let let_out =
        "- {id: out, action: allow, conditions: [{field: request.text, operator: contains, value: ok}]}";
    let softer = format!("- {{id: b, action: block, operations: Converse}}\n{let_out}");
    for (name, default, rules, expected) in [
        ("a note on text", "allow", log, Some(Effect::Allow)),
        ("only the text could let it out", "deny", let_out, None),
        ("the text could let it out, but a rule blocks it", "deny", softer.as_str(), Some(Effect::Deny)),
        ("the text could let it out, and so does the default", "allow", let_out, Some(Effect::Allow)),
    ] {
        let bundle = bundle_with(default, rules);
        let got = judge(&bundle, &call(&bundle, opus), &recorded(Effect::Throttle, None), false);
        println!("{name}: {got:?}");
        match (got, expected) {
            (Judgement::Unknown(Unknown::Text), None) => {}
            (Judgement::Changed { effect, .. }, Some(expected)) => assert_eq!(effect, expected, "{name}"),
            other => panic!("{name}: {other:?}"),
        }
    }
    let table = [
        ("nothing", " []", &allowed, same.clone()),
        ("blocked now", block, &allowed, changed.clone()),
        ("text", text, &allowed, Judgement::Unknown(Unknown::Text)),
        ("text, but refused anyway", &format!("{block}\n{text}"), &allowed, changed),
        ("shadow", shadow, &allowed, same),
        ("by a limit", block, &by_limit, Judgement::Unknown(Unknown::Limit)),
        ("another rule", block, &recorded(Effect::Deny, Some("old")), Judgement::Same { other_rule: true }),
    ];
    for (name, rules, recorded, expected) in table {
        let bundle = bundle(rules);
        let got = judge(&bundle, &call(&bundle, opus), recorded, false);
        println!("{name}: {got:?}");
        assert_eq!(got, expected, "{name}");
    }
}

#[test]
fn a_table_does_not_depend_on_how_the_work_was_cut() {
    let bundle = bundle("- {id: no-opus, action: block, models: ['anthropic.claude-opus-*']}");
    let opus = call(&bundle, "{model: us.anthropic.claude-opus-4-20250514-v1:0}");
    let nova = call(&bundle, "{model: amazon.nova-lite-v1:0}");
    let old = recorded(Effect::Allow, None);
    let mut whole = Table::default();
    let mut parts = [Table::default(), Table::default(), Table::default()];
    for number in 0..30_usize {
        let one = if number % 2 == 0 { &opus } else { &nova };
        let id = format!("d{number:03}");
        for table in [&mut whole, &mut parts[number % 3]] {
            table.add(one, "billing", &id, &old, judge(&bundle, one, &old, false));
        }
    }
    let mut merged = Table::default();
    for part in parts.into_iter().rev() {
        merged.merge(part);
    }
    assert_eq!(merged, whole);
    assert_eq!((whole.total, whole.same, whole.changes()), (30, 15, 15));
    let (group, row) = whole.rows()[0];
    assert_eq!(group.model, "anthropic.claude-opus-4-20250514-v1:0");
    assert_eq!(row.examples, ["d028", "d026", "d024"], "the newest");
    assert_eq!(whole.transitions(), [(Effect::Allow, Effect::Deny, 15)]);
}
