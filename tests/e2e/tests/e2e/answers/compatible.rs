//! Tool calls on the OpenAI- and Anthropic-compatible paths: documents and server-sent events, raw and through the SDKs.

use super::{
    ALLOWED, FORBIDDEN, MESSAGE, SECRET, decision, ended, of_answer, post, refused_on_record, stack,
};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

const PATHS: &[(&str, &str, &str)] = &[
    ("/openai/v1/chat/completions", "openai.gpt-oss-120b-1:0", "messages"),
    ("/openai/v1/responses", "openai.gpt-oss-120b-1:0", "input"),
    ("/anthropic/v1/messages", "anthropic.claude-3-5-sonnet-20241022-v2:0", "messages"),
];

fn body(model: &str, list: &str, stream: bool, text: &str) -> Value {
    json!({"model": model, "stream": stream, "max_tokens": 64, list: [{"role": "user", "content": text}]})
}

/// The events of a stream: name (may be empty) and data.
fn events(text: &str) -> Vec<(String, String)> {
    let field = |block: &str, name: &str| {
        let lines = block.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        lines.collect::<Vec<_>>().join("\n")
    };
    text.split("\n\n").filter(|b| !b.is_empty()).map(|b| (field(b, "event"), field(b, "data"))).collect()
}

#[test]
fn a_refused_call_ends_in_the_apis_own_error() -> Result<()> {
    let stack = stack()?;
    for (path, model, list) in PATHS {
        for order in ["", "[[slices:1]]", "[[deltas:90]]"] {
            let text = format!("events {order} [[words:6]] {FORBIDDEN}");
            let (_, answer) = post(&stack, path, &body(model, list, true, &text))?;
            let got = events(&answer.text());
            // OpenAI's SDK expects its own end after the error.
            let (name, data) = got.iter().rfind(|(_, data)| data != "[DONE]").context("no events")?;
            println!("{path} {order}: {} events, the last {name} {data}", got.len());
            ensure!(answer.status == 200 && answer.complete, "{path}: {}", answer.text());
            ensure!(answer.text().ends_with("\n\n"), "the end is no whole event: {}", answer.text());
            ensure!(answer.text().contains("word6"), "the text before is missing: {}", answer.text());
            ensure!(!answer.text().contains(SECRET) && !answer.text().contains("9000"), "{}", answer.text());
            ensure!(data.contains(MESSAGE), "{path}: {data}");
            let error: Value = serde_json::from_str(data)?;
            ensure!(error["error"]["message"].is_string() || error["message"].is_string(), "{error}");
            refused_on_record(&stack, &decision(&answer)?, "transfer-limit")?;
        }
        let (_, answer) = post(&stack, path, &body(model, list, false, &format!("document {FORBIDDEN}")))?;
        println!("{path}: {} {}", answer.status, answer.text());
        ensure!(answer.status == 403 && !answer.text().contains(SECRET), "{path}: {}", answer.text());
        ensure!(
            answer.json()["error"]["message"].as_str().is_some_and(|m| m.contains(MESSAGE)),
            "{answer:?}"
        );
        refused_on_record(&stack, &decision(&answer)?, "transfer-limit")?;
        for stream in [false, true] {
            let (_, answer) =
                post(&stack, path, &body(model, list, stream, &format!("passes {stream} {ALLOWED}")))?;
            let id = decision(&answer)?;
            ensure!(answer.status == 200 && answer.text().contains("ACCT-4000"), "{path}: {}", answer.text());
            let record = ended(&stack, &id)?;
            let calls = of_answer(&stack, &id, "tool_call")?;
            ensure!(
                record["state"] == "completed" && calls.len() == 1,
                "{path}: {} {calls:?}",
                record["outcome"]
            );
        }
    }
    Ok(())
}

/// Anthropic's and OpenAI's own SDKs raise, and say what the rule says.
#[test]
fn the_sdks_of_others_raise() -> Result<()> {
    let stack = stack()?;
    let rest = "
for name, (c, calls, model) in clients().items():
    for call in calls: case(name + ': ' + call.__name__, call(c, model))";
    let seen = crate::compatible::run(&stack, FORBIDDEN, &[], rest)?;
    ensure!(seen.len() == 19, "{} cases", seen.len());
    for one in seen {
        let (name, result) = (&one["case"], &one["result"]);
        println!("{name}: {} {} {}", result["status"], result["class"], result["message"]);
        ensure!(result["text"].is_null(), "{name} raised nothing: {one}");
        ensure!(result["message"].as_str().is_some_and(|m| m.contains(MESSAGE)), "{name}: {one}");
        ensure!(one["sent"].as_array().is_some_and(|sent| sent.len() == 1), "{name}: retried: {one}");
    }
    Ok(())
}
