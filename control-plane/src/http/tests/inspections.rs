//! What is asked of an answer while it passes.

use super::*;

const TOOLS: &str = "rules:
- {id: no-nova, action: block, models: ['*nova*'], operations: [InvokeModel]}
- id: large-transfers
  action: block
  tools: [transfer_funds]
  conditions: [{field: arguments.amount, operator: greater_than, value: 5000}]
  message: At most 5,000
- {id: mails, action: redact, tools: ['mail/*']}
- {id: slowly, action: throttle, tools: [slow], retry_after: 7s}
- {id: noted, action: warn, tools: ['*']}
- {id: models, action: block, tools: [forbidden], models: ['*nova*'], principals: ['*'], message: not for Nova}
";
const ASKING: &str = "rules:
- {id: ask, action: require_approval, tools: [pay], message: somebody must say yes}
- {id: ask-and-hold, action: require_approval, tools: [pay_now], approval: {hold: 30s}}
";
const TEXTS: &str = "rules:
- {id: secret, action: block, conditions: [{field: response.text, operator: matches, value: 'secret-[0-9]+'}], message: No secrets}
- {id: word, action: warn, conditions: [{field: response.text, operator: contains, value: marked}]}
output_rules:
- {id: ssn, action: redact, output_conditions: [{field: output, operator: matches, value: '[0-9]{3}-[0-9]{2}-[0-9]{4}'}]}
- {id: of-one-tool, action: block, tools: [query], output_conditions: [{field: output, operator: contains, value: poison}]}
";

/// Lets a call out and gives its decision.
async fn let_out(plane: &Plane, call_id: &str) -> String {
    let answer = plane.decide(&question(json!({"call_id": call_id}))).await;
    assert_eq!(answer["verdict"], "allow", "{answer}");
    answer["decision_id"].as_str().unwrap().to_owned()
}

fn inspection(call_id: &str, decision: &str, number: u32, subject: Value) -> Value {
    json!({"version": 2, "call_id": call_id, "decision_id": decision, "gate": "g", "number": number,
        "subject": subject, "released_bytes": 120})
}

fn tool(name: &str, arguments: &str) -> Value {
    json!({"tool_call": {"origin": "model", "id": "t1", "name": name, "arguments": arguments}})
}

fn text(text: &str, fresh: usize) -> Value {
    json!({"text": {"text": text, "fresh": fresh, "before": 0}})
}

impl Plane {
    async fn inspect(&self, question: &Value) -> Value {
        let answer = self.post("/v1/inspections", question.to_string()).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.text);
        answer.json()
    }
}

#[tokio::test]
async fn answers_are_inspected_when_a_rule_is_about_them() {
    let cases = [
        ("rules: []\n", json!(null)),
        (RULES, json!(null)),
        (TOOLS, json!({"tool_calls": true, "text": false})),
        (TEXTS, json!({"tool_calls": true, "text": true})),
        (
            "rules:\n- {id: a, action: log, requires: [{tool: x}]}\n",
            json!({"tool_calls": true, "text": false}),
        ),
        ("rules:\n- {id: a, action: log, requires: [{operation: Converse}]}\n", json!(null)),
        (
            "rules:\n- {id: a, action: log, mode: shadow, tools: [x]}\n",
            json!({"tool_calls": true, "text": false}),
        ),
        ("rules:\n- {id: a, action: log, enabled: false, tools: [x]}\n", json!(null)),
    ];
    for (number, (rules, expected)) in cases.into_iter().enumerate() {
        let plane = plane_with(Settings::default(), Some(rules), defaults).await;
        let answer = plane.decide(&question(json!({"call_id": format!("c{number}")}))).await;
        println!("{rules:?} -> {}", answer["inspect"]);
        assert_eq!(answer["inspect"], expected, "{answer}");
    }
}

#[tokio::test]
async fn tool_calls_are_decided_and_recorded() {
    let plane = plane_with(Settings::default(), Some(TOOLS), defaults).await;
    let decision = let_out(&plane, "call").await;
    let parent = plane.get(&format!("/v1/decisions/{decision}")).await.json();
    let cases = [
        (tool("transfer_funds", r#"{"amount": 4000}"#), "allow", None, &["noted"][..]),
        (
            tool("transfer_funds", r#"{"amount": 6000}"#),
            "deny",
            Some("large-transfers"),
            &["large-transfers", "noted"],
        ),
        (
            tool("TRANSFER_funds", r#"{"amount": "6000"}"#),
            "deny",
            Some("large-transfers"),
            &["large-transfers", "noted"],
        ),
        (tool("transfer_funds", ""), "allow", None, &["noted"]),
        (tool("mail/send", "{}"), "deny", Some("mails"), &["mails", "noted"]),
        (tool("slow", "{}"), "throttle", Some("slowly"), &["slowly", "noted"]),
        (tool("forbidden", "{}"), "deny", Some("models"), &["noted", "models"]),
        (
            tool("transfer_funds", r#"{"amount": 1, "amount": 6000}"#),
            "deny",
            Some("portcullis/unreadable-tool-call"),
            &[],
        ),
        (tool("x", "[1]"), "deny", Some("portcullis/unreadable-tool-call"), &[]),
        (
            json!({"tool_call": {"origin": "return_control", "name": "x", "arguments": "{}", "problem": "arguments_too_long"}}),
            "deny",
            Some("portcullis/unreadable-tool-call"),
            &[],
        ),
    ];
    for (number, (subject, verdict, rule, matched)) in (1..).zip(cases) {
        let answer = plane.inspect(&inspection("call", &decision, number, subject.clone())).await;
        println!("{subject} -> {answer}");
        assert_eq!(answer["verdict"], verdict, "{subject}");
        assert_eq!((&answer["call_id"], &answer["number"]), (&json!("call"), &json!(number)));
        let shown =
            plane.get(&format!("/v1/decisions/{}", answer["decision_id"].as_str().unwrap())).await.json();
        assert_eq!(shown["kind"], "tool_call");
        assert_eq!(shown["call_id"], format!("call#{number}"));
        assert_eq!(shown["parent"], decision);
        assert_eq!(shown["policy"]["rule"].as_str(), rule, "{shown}");
        let held: Vec<_> = shown["policy"]["matched"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|one| one["rule"].clone())
            .collect();
        assert_eq!(json!(held), json!(matched));
        for same in [
            "principal",
            "model",
            "operation",
            "correlation_id",
            "source",
            "request",
            "credential",
            "endpoint",
            "sdk",
        ] {
            assert_eq!(shown[same], parent[same], "{same}");
        }
        assert_eq!(shown["tool"]["names"][0], subject["tool_call"]["name"]);
        assert_eq!(shown["tool"]["released_bytes"], 120);
        assert_eq!(shown["state"], if verdict == "allow" { "completed" } else { "blocked" });
        assert!(!shown.to_string().contains("6000"), "arguments stay out of the record: {shown}");
    }
    let listed = |page: Value| page["decisions"].as_array().unwrap().len();
    assert_eq!(listed(plane.get("/v1/decisions?kind=call").await.json()), 1);
    assert_eq!(listed(plane.get("/v1/decisions?kind=tool_call").await.json()), 10);
    assert_eq!(
        listed(plane.get("/v1/decisions?kind=tool_call&verdict=allow&outcome=completed").await.json()),
        2
    );
    assert_eq!(listed(plane.get("/v1/decisions?outcome=pending").await.json()), 1);
    assert_eq!(plane.get("/v1/decisions?kind=tool").await.status, StatusCode::BAD_REQUEST);
    let metrics = plane.get("/metrics").await.text;
    for line in [
        "portcullis_inspections_total{subject=\"tool_call\",verdict=\"deny\"} 7",
        "portcullis_inspection_seconds_count{phase=\"commit\"} 10",
        "portcullis_decisions_total{verdict=\"allow\"} 1",
    ] {
        assert!(metrics.contains(line), "{line} in\n{metrics}");
    }
}

#[tokio::test]
async fn the_same_question_gets_the_same_answer_whatever_policy_says_by_then() {
    let plane = plane_with(Settings::default(), Some(TOOLS), defaults).await;
    let decision = let_out(&plane, "call").await;
    let asked = inspection("call", &decision, 1, tool("transfer_funds", r#"{"amount": 6000}"#));
    let first = plane.inspect(&asked).await;
    install(&plane.app.bundle, "rules: []\n");
    assert_eq!(plane.inspect(&asked).await, first);
    for other in
        [tool("transfer_funds", r#"{"amount": 6001}"#), tool("other", r#"{"amount": 6000}"#), text("a", 1)]
    {
        install(
            &plane.app.bundle,
            "rules:\n- {id: a, action: log, conditions: [{field: response.text, operator: exists}]}\n",
        );
        let answer = plane.post("/v1/inspections", inspection("call", &decision, 1, other).to_string()).await;
        assert_eq!(
            (answer.status, answer.code().as_str()),
            (StatusCode::CONFLICT, "call_id_reused"),
            "{}",
            answer.text
        );
    }
}

#[tokio::test]
async fn only_the_answers_of_calls_that_were_let_out_are_asked_about() {
    let plane = plane_with(Settings::default(), Some(TOOLS), defaults).await;
    let decision = let_out(&plane, "call").await;
    let refused = plane.decide(&question(json!({"call_id": "refused", "operation": "InvokeModel"}))).await;
    let refused = refused["decision_id"].as_str().unwrap().to_owned();
    let tool_call = plane.inspect(&inspection("call", &decision, 1, tool("a", "{}"))).await;
    let tool_call = tool_call["decision_id"].as_str().unwrap().to_owned();
    let good = inspection("call", &decision, 2, tool("a", "{}"));
    let with = |key: &str, value: Value| {
        let mut changed = good.clone();
        changed[key] = value;
        changed
    };
    let cases = [
        (with("decision_id", json!("019aa000-0000-7000-8000-000000000000")), 404, "decision_not_found"),
        (with("decision_id", json!("nonsense")), 404, "decision_not_found"),
        (with("call_id", json!("another")), 400, "bad_question"),
        (inspection("refused", &refused, 1, tool("a", "{}")), 400, "bad_question"),
        (inspection("call#1", &tool_call, 1, tool("a", "{}")), 400, "bad_question"),
        (with("number", json!(0)), 400, "bad_question"),
        (with("version", json!(1)), 400, "bad_question"),
        (with("subject", json!({"image": {}})), 422, "bad_document"),
        (with("subject", json!({"text": {"text": "abc", "fresh": 4}})), 400, "bad_question"),
        (with("subject", json!({"text": {"text": "ä", "fresh": 1}})), 400, "bad_question"),
    ];
    for (question, status, code) in cases {
        let answer = plane.post("/v1/inspections", question.to_string()).await;
        println!("{question} -> {}", answer.text);
        assert_eq!((answer.status.as_u16(), answer.code().as_str()), (status, code), "{}", answer.text);
    }
    assert_eq!(plane.inspect(&good).await["verdict"], "allow");
}

#[tokio::test]
async fn an_approved_tool_call_is_found_when_it_is_proposed_again() {
    let plane = plane_with(Settings::default(), Some(ASKING), defaults).await;
    let first = let_out(&plane, "one").await;
    let asked =
        plane.inspect(&inspection("one", &first, 1, tool("pay", r#"{"to": "x", "amount": 1}"#))).await;
    assert_eq!(asked["verdict"], "pending_approval", "{asked}");
    let approval = asked["approval_id"].as_str().unwrap();
    let shown = plane.get(&format!("/v1/approvals/{approval}")).await.json();
    assert_eq!(
        shown["call"]["tool"],
        json!({"name": "pay", "arguments": {"to": "x", "amount": 1}}),
        "{shown}"
    );
    let said =
        plane.call("POST", &format!("/v1/approvals/{approval}/approve"), Some(json!({"why": "fine"}))).await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.text);
    // Another request, with another body: the model proposes the same, or nearly.
    let body = json!({"bytes": 999, "sha256": "f".repeat(64), "tool_results": 2, "max_tokens": 5});
    let again = plane.decide(&question(json!({"call_id": "two", "body": body}))).await;
    let again = again["decision_id"].as_str().unwrap().to_owned();
    let verdict = |answer: Value| answer["verdict"].as_str().unwrap().to_owned();
    let other =
        plane.inspect(&inspection("two", &again, 1, tool("pay", r#"{"to": "y", "amount": 1}"#))).await;
    assert_eq!(verdict(other), "pending_approval");
    let same = plane.inspect(&inspection("two", &again, 2, tool("pay", r#"{"amount": 1, "to": "x"}"#))).await;
    let record = plane.get(&format!("/v1/decisions/{}", same["decision_id"].as_str().unwrap())).await.json();
    assert_eq!(
        (verdict(same), &record["approval"]["id"]),
        ("allow".to_owned(), &json!(approval)),
        "{record}"
    );
    // Once.
    let third =
        plane.inspect(&inspection("two", &again, 3, tool("pay", r#"{"to": "x", "amount": 1}"#))).await;
    assert_eq!(verdict(third), "pending_approval");
}

#[tokio::test]
async fn a_held_tool_call_goes_on_when_somebody_says_yes() {
    let plane = Arc::new(plane_with(Settings::default(), Some(ASKING), defaults).await);
    let decision = let_out(&plane, "call").await;
    let mut asked = inspection("call", &decision, 1, tool("pay_now", "{}"));
    let first = plane.inspect(&asked).await;
    assert_eq!((&first["verdict"], &first["decision_id"]), (&json!("hold"), &json!("")), "{first}");
    asked["held"] = first["approval_id"].clone();
    asked["wait_ms"] = json!(20_000);
    let waiting = {
        let (plane, asked) = (Arc::clone(&plane), asked.clone());
        tokio::spawn(async move { plane.inspect(&asked).await })
    };
    let path = format!("/v1/approvals/{}/approve", first["approval_id"].as_str().unwrap());
    let said = plane.call("POST", &path, Some(json!({"why": "fine"}))).await;
    assert_eq!(said.status, StatusCode::OK, "{}", said.text);
    assert_eq!(waiting.await.unwrap()["verdict"], "allow");
    // Nobody answers: the time is up.
    let mut asked = inspection("call", &decision, 2, tool("pay_now", r#"{"n": 2}"#));
    let first = plane.inspect(&asked).await;
    asked["held"] = first["approval_id"].clone();
    asked["wait_ms"] = json!(400);
    assert_eq!(plane.inspect(&asked).await["verdict"], "pending_approval");
}

#[tokio::test]
async fn text_has_a_record_only_where_a_rule_has_something_new_to_say() {
    let plane = plane_with(Settings::default(), Some(TEXTS), defaults).await;
    let decision = let_out(&plane, "call").await;
    let cases = [
        ("harmless", 8, "allow", None),
        ("this is marked", 14, "allow", Some(json!(["word"]))),
        // The same word, in what was judged before.
        ("this is marked and goes on", 12, "allow", None),
        ("this is marked, and marked again, secret-1", 9, "deny", Some(json!(["secret", "word"]))),
        ("secret-", 7, "allow", None),
        ("123-45-6789", 11, "deny", Some(json!(["ssn"]))),
        ("poison", 6, "allow", None),
        ("", 0, "allow", None),
    ];
    for (number, (judged, fresh, verdict, matched)) in (1..).zip(cases) {
        let answer = plane.inspect(&inspection("call", &decision, number, text(judged, fresh))).await;
        println!("{judged:?} -> {answer}");
        assert_eq!(answer["verdict"], verdict, "{judged}");
        let id = answer["decision_id"].as_str().unwrap();
        assert_eq!(id.is_empty(), matched.is_none(), "{judged}: {answer}");
        let Some(matched) = matched else { continue };
        let shown = plane.get(&format!("/v1/decisions/{id}")).await.json();
        assert_eq!(shown["kind"], "answer_text");
        let held: Vec<_> =
            shown["policy"]["matched"].as_array().unwrap().iter().map(|one| one["rule"].clone()).collect();
        assert_eq!(json!(held), matched, "{judged}");
        assert_eq!(shown["text"]["bytes"], judged.len());
        assert!(!shown.to_string().contains("marked"), "text stays out of the record: {shown}");
    }
}

const SEQUENCES: &str = "rules:
- {id: look-first, action: block, tools: [pay], requires: [{tool: lookup, within: 1h}]}
- {id: not-after-web, action: block, tools: [mail], blocked_by: [{tool: web, conditions: [{field: arguments.host, operator: not_equals, value: intern}]}]}
- {id: thrice, action: throttle, tools: [often], conditions: [{field: context.hourly_count, operator: greater_than_or_equal, value: 2}]}
- {id: calls, action: block, conditions: [{field: context.hourly_count, operator: greater_than_or_equal, value: 3}]}
- {id: after-web, action: block, operations: [InvokeModel], blocked_by: [{tool: web}]}
";

/// The control plane, started again on what it has recorded.
async fn restarted(plane: Plane, rules: &str) -> Plane {
    let stopped = |plane: Plane| plane.dir;
    let bundle = ActiveBundle::empty();
    install(&bundle, rules);
    plane_of(Settings::default(), stopped(plane), bundle, defaults).await
}

#[tokio::test]
async fn sequences_and_counts_know_tool_calls_also_after_a_restart() {
    let mut plane = plane_with(Settings::default(), Some(SEQUENCES), defaults).await;
    let decision = let_out(&plane, "call").await;
    let mut number = 0;
    let mut steps = vec![
        ("pay", "{}", "deny", "nothing was looked up"),
        ("lookup", "{}", "allow", ""),
        ("pay", "{}", "allow", "looked up before"),
        ("mail", "{}", "allow", "nothing from the web"),
        ("web", r#"{"host": "intern"}"#, "allow", ""),
        ("mail", "{}", "allow", "only from inside"),
        ("often", "{}", "allow", "once"),
        ("often", "{}", "allow", "twice"),
        ("often", "{}", "throttle", "three times"),
        ("restart", "", "", ""),
        ("pay", "{}", "allow", "looked up before the restart"),
        ("often", "{}", "throttle", "counted before the restart"),
        ("mail", "{}", "deny", "nobody knows any more from where"),
    ];
    for (name, arguments, verdict, why) in steps.drain(..) {
        if name == "restart" {
            plane = restarted(plane, SEQUENCES).await;
            continue;
        }
        number += 1;
        let answer = plane.inspect(&inspection("call", &decision, number, tool(name, arguments))).await;
        println!("{name} {arguments}: {answer} ({why})");
        assert_eq!(answer["verdict"], verdict, "{name} {arguments}: {why}");
    }
    // Calls are counted without their tool calls, before the restart and after it: one so far.
    for (id, operation, verdict) in [
        ("b", "InvokeModel", "deny"),
        ("c", "Converse", "allow"),
        ("d", "Converse", "allow"),
        ("e", "Converse", "deny"),
    ] {
        let answer = plane.decide(&question(json!({"call_id": id, "operation": operation}))).await;
        assert_eq!(answer["verdict"], verdict, "{id}: {answer}");
    }
}

const LIMITED: &str = "version: \"1\"\nname: limited\ndefault: allow\nlimits:
- {id: payments, measure: tool_calls, max: 2, window: 1h, tools: ['pay*'], per: [principal.name], message: enough paid}
- {id: proposed, measure: tool_calls, max: 100, window: 1h}
- {id: calls, measure: requests, max: 100, window: 1h}
";

#[tokio::test]
async fn limits_by_tool_count_tool_calls_once() {
    let plane = plane_with(Settings::default(), None, defaults).await;
    let file = SourceFile { path: "bundle.yaml".to_owned(), bytes: LIMITED.as_bytes().to_vec() };
    plane.app.bundle.install(Arc::new(compile(&[file]).unwrap()), Path::new("/bundle"), 1);
    let answer = plane.decide(&question(json!({"call_id": "call"}))).await;
    assert_eq!(answer["inspect"], json!({"tool_calls": true, "text": false}));
    let decision = answer["decision_id"].as_str().unwrap().to_owned();
    let asked = |number: u32, name: &str| inspection("call", &decision, number, tool(name, "{}"));
    for (number, name, verdict) in [
        (1, "pay", "allow"),
        (1, "pay", "allow"),
        (2, "look", "allow"),
        (3, "pay_all", "allow"),
        (4, "pay", "throttle"),
    ] {
        let answer = plane.inspect(&asked(number, name)).await;
        assert_eq!(answer["verdict"], verdict, "{number} {name}: {answer}");
        if verdict == "throttle" {
            assert!(answer["message"].as_str().unwrap().contains("enough paid"), "{answer}");
        }
    }
    let uses = plane.get("/v1/limits").await.json()["limits"].clone();
    let used = |id: &str| {
        let one = uses.as_array().unwrap().iter().find(|one| one["limit"] == id).unwrap().clone();
        (one["used"].as_u64().unwrap(), one["reserved"].as_u64().unwrap())
    };
    println!("{uses}");
    assert_eq!(used("payments"), (2, 0), "settled at once");
    assert_eq!((used("proposed"), used("calls")), ((0, 0), (1, 1)));
    // The outcome of the call tells the three that it proposed to the limit that counts those, and to no other.
    let mut outcome = testdata("outcome.json");
    outcome["call_id"] = json!("call");
    outcome["usage"] = json!({"input_tokens": 1, "output_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0, "tool_calls": 3});
    assert_eq!(plane.report(json!([outcome]), 0).await.status, StatusCode::OK);
    let uses = plane.get("/v1/limits").await.json()["limits"].clone();
    let used =
        |id: &str| uses.as_array().unwrap().iter().find(|one| one["limit"] == id).unwrap()["used"].clone();
    assert_eq!((used("payments"), used("proposed"), used("calls")), (json!(2), json!(3), json!(1)));
}

#[tokio::test]
async fn nobody_waits_for_the_outcome_of_what_has_none() {
    let plane = plane_with(Settings::default(), Some(TOOLS), defaults).await;
    let decision = let_out(&plane, "call").await;
    plane.inspect(&inspection("call", &decision, 1, tool("a", "{}"))).await;
    let reaped = plane.app.store.reap(u64::MAX / 2, 100).await.unwrap();
    assert_eq!(reaped.marked, 1, "the call alone");
    let shown = plane.get("/v1/decisions?outcome=unknown").await.json();
    assert_eq!(shown["decisions"][0]["call_id"], "call");
}

#[tokio::test]
async fn recorded_tool_calls_are_explained_without_their_arguments() {
    let plane = plane_with(Settings::default(), Some(TOOLS), defaults).await;
    let decision = let_out(&plane, "call").await;
    let answer =
        plane.inspect(&inspection("call", &decision, 1, tool("transfer_funds", r#"{"amount": 6000}"#))).await;
    let path = format!("/v1/decisions/{}/explain", answer["decision_id"].as_str().unwrap());
    let shown = plane.get(&path).await.json();
    let rules = shown["parts"][0]["rules"].as_array().unwrap();
    let holds = |id: &str| rules.iter().find(|rule| rule["id"] == id).unwrap()["holds"].clone();
    println!("{shown}");
    assert_eq!(
        (holds("large-transfers"), holds("noted"), holds("no-nova")),
        (json!("needs text"), json!("yes"), json!("no"))
    );
    assert!(shown["not_recorded"].as_array().unwrap().contains(&json!("arguments")));
}

#[tokio::test]
async fn results_are_of_the_tools_that_were_proposed_under_their_ids() {
    let plane = plane_with(Settings::default(), Some(TEXTS), defaults).await;
    let decision = let_out(&plane, "call").await;
    // One is known because it was asked about, the other because the outcome tells.
    let asked =
        json!({"tool_call": {"origin": "model", "id": "t-query", "name": "query", "arguments": "{}"}});
    plane.inspect(&inspection("call", &decision, 1, asked)).await;
    let mut outcome = testdata("outcome.json");
    outcome["call_id"] = json!("call");
    outcome["answer"] = json!({"tool_calls": [
        {"id": "t-other", "name": "other", "origin": "model"}, {"id": "t-query", "name": "query", "origin": "model"}]});
    assert_eq!(plane.report(json!([outcome]), 0).await.status, StatusCode::OK);
    let cases = [
        (json!([{"id": "t-query", "bytes": 9}]), "deny"),
        (json!([{"id": "t-other", "bytes": 9}]), "allow"),
        (json!([{"id": "t-other", "bytes": 9}, {"id": "t-query", "bytes": 9}]), "deny"),
        (json!([{"id": "t-unknown", "bytes": 9}]), "deny"),
        (json!([{"name": "other", "bytes": 9}]), "allow"),
        (json!([{"id": "t-query", "name": "other", "bytes": 9}]), "deny"),
        (json!([{"bytes": 9}]), "deny"),
    ];
    for (number, (results, verdict)) in cases.into_iter().enumerate() {
        let count = results.as_array().unwrap().len();
        let body = json!({"bytes": 99, "tool_results": count, "results": results, "result_bytes": 9,
            "text": {"text": "", "tool_results": "poison"}});
        let answer = plane.decide(&question(json!({"call_id": format!("c{number}"), "body": body}))).await;
        println!("{results} -> {answer}");
        assert_eq!(answer["verdict"], verdict, "{results}");
        let shown = plane.get(&format!("/v1/decisions?call_id=c{number}")).await.json();
        assert_eq!(
            shown["decisions"][0]["request"]["results"][0]["name"], results[0]["name"],
            "as it was sent"
        );
    }
    // Ids are a caller's own words: those of another say nothing.
    let other = json!({"kind": "sigv4", "access_key_id": "AKIAOTHER"});
    let body = json!({"bytes": 99, "tool_results": 1, "results": [{"id": "t-other", "bytes": 9}],
        "text": {"text": "", "tool_results": "poison"}});
    let answer = plane.decide(&question(json!({"call_id": "x", "body": body, "credential": other}))).await;
    assert_eq!(answer["verdict"], "deny", "{answer}");
}

#[tokio::test]
async fn text_is_asked_about_where_a_rule_can_hold_for_the_call() {
    let rule = |more: &str| {
        format!(
            "rules:\n- {{id: a, action: warn, {more}, conditions: [{{field: response.text, operator: contains, value: x}}]}}\n"
        )
    };
    let cases = [
        (rule("models: ['*nova*']"), true),
        (rule("models: ['*claude*']"), false),
        (rule("principals: ['*'], operations: [Converse]"), true),
        (rule("operations: [InvokeModel]"), false),
        (rule("regions: [mars-1], mode: shadow"), false),
        (rule("mode: shadow"), true),
        // Whatever was counted or seen by then.
        (rule("blocked_by: [{operation: Retrieve}]"), true),
        ("output_rules:\n- {id: a, action: log, output_conditions: [{field: output, operator: contains, value: x}]}\n".to_owned(), true),
    ];
    for (rules, expected) in cases {
        let plane = plane_with(Settings::default(), Some(&rules), defaults).await;
        let body = json!({"bytes": 1, "text": {"text": ""}});
        let answer = plane.decide(&question(json!({"body": body}))).await;
        println!("{rules} -> {}", answer["inspect"]);
        assert_eq!(answer["inspect"]["text"].as_bool().unwrap_or(false), expected, "{rules}");
    }
}
