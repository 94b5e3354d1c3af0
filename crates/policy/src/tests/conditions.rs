//! `testdata/conditions.yaml`: one condition a row, and the values for which it holds or does not.

use super::{bundle, repository};
use crate::{Call, Network, Principal, Request, Tool};
use serde::Deserialize;
use serde_json::{Value, json};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    /// As in a rule. `field` is `arguments.x` when it says none.
    condition: serde_json::Map<String, Value>,
    /// Values of the field; `null` stands for a missing one.
    holds: Vec<Value>,
    fails: Vec<Value>,
}

/// A call whose field has this value.
fn call(field: &str, value: &Value) -> Call {
    let text = || value.as_str().unwrap_or_default().to_owned();
    let texts =
        || value.as_array().into_iter().flatten().map(|one| one.as_str().unwrap().to_owned()).collect();
    let mut call = Call {
        operation: "Converse".to_owned(),
        service: "bedrock-runtime".to_owned(),
        request: Request { text: Some(crate::Text::default()), ..Request::default() },
        ..Call::default()
    };
    match field {
        "principal.name" => call.principal = Principal { name: text(), ..Principal::default() },
        "principal.roles" | "role" => call.principal = Principal { roles: texts(), ..Principal::default() },
        "network.source_ip" => call.network = Network { source_ip: Some(text()), ..Network::default() },
        "request.max_tokens" => call.request.max_tokens = value.as_u64(),
        "request.stream" => call.request.stream = value.as_bool().unwrap(),
        "request.text" => call.request.text = Some(crate::Text { text: text(), ..crate::Text::default() }),
        "request.tools" => call.request.tools = texts(),
        "session_attributes.k" => {
            call.request.session_attributes = [("k".to_owned(), text())].into();
        }
        "time"
        | "time.unix"
        | "time.hour"
        | "time.minute"
        | "time.weekday"
        | "time.iso"
        | "context.time"
        | "context.day_of_week" => {
            let time: jiff::Timestamp = text().parse().unwrap();
            call.time = time.as_millisecond().unsigned_abs();
        }
        path => {
            let arguments = match path.strip_prefix("arguments.") {
                Some(_) if value == &json!("ABSENT") => json!({}),
                Some(path) => {
                    path.rsplit('.').fold(value.clone(), |inner, part| match part.parse::<usize>() {
                        Ok(index) => std::iter::repeat_n(json!("filler"), index).chain([inner]).collect(),
                        Err(_) => json!({ part: inner }),
                    })
                }
                None => value.clone(),
            };
            call.tool = Some(Tool { names: vec!["t".to_owned()], arguments, ..Tool::default() });
        }
    }
    call
}

#[test]
fn every_row() {
    let text = std::fs::read_to_string(repository().join("testdata/conditions.yaml")).unwrap();
    let rows: Vec<Row> = serde_yaml_ng::from_str(&text).unwrap();
    let mut cases = 0;
    for row in rows {
        let mut condition = row.condition.clone();
        let field =
            condition.entry("field").or_insert_with(|| "arguments.x".into()).as_str().unwrap().to_owned();
        let condition = Value::Object(condition).to_string();
        // The rule, its negation, and the same again behind a group.
        let rules = format!(
            "rules:\n- {{id: plain, action: log, conditions: [{condition}]}}\n\
             - {{id: not, action: log, conditions: [{{\"not\": {condition}}}]}}\n\
             - {{id: any, action: log, condition_groups: [[{condition}]], tags: [a]}}\n\
             - {{id: nested, action: log, conditions: {{\"any\": [{{\"not\": [{{\"not\": {condition}}}]}}]}}}}\n"
        );
        let bundle = bundle("allow", &rules);
        for (value, holds) in
            row.holds.iter().map(|value| (value, true)).chain(row.fails.iter().map(|value| (value, false)))
        {
            let decision = bundle.decide(&call(&field, value));
            let ids: Vec<_> = decision.matched.iter().map(|rule| rule.id.as_str()).collect();
            println!("{condition} on {value}: {holds}");
            let expected = if holds { vec!["plain", "any", "nested"] } else { vec!["not"] };
            assert_eq!(ids, expected, "{condition} on {value}");
            cases += 1;
        }
    }
    println!("{cases} cases");
    assert!(cases > 300, "{cases}");
}
