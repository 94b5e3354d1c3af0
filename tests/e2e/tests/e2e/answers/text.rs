//! Rules on what a model says: block ends the stream properly, warn and log mark it, and the record says how much had left.

use super::{boto3, decision, ended, messages, of_answer, path, post};
use crate::raw::MODEL;
use anyhow::{Context, Result, ensure};
use e2e::client::frames;
use e2e::{Builder, Shared, Stack};
use serde_json::json;
use std::sync::Arc;

const RULES: &str = r#"
version: "1.0"
name: Text
rules:
- id: no-project-name
  action: block
  conditions:
  - {field: response.text, operator: matches, value: "project blue [a-z]+"}
  message: The project is not to be named
- id: warn-promise
  action: warn
  conditions:
  - {field: response.text, operator: contains, value: "we guarantee"}
  message: A promise was made
- id: log-greeting
  action: log
  conditions:
  - {field: response.text, operator: contains, value: "good morning"}
"#;

fn stack() -> Result<Arc<Stack>> {
    static SHARED: Shared = Shared::new();
    SHARED.stack(|| Builder::default().bundle(&[("rules/text.yaml", RULES)]))
}

const FORBIDDEN: &str = "all of you know that project blue heron begins in May and nobody else";

#[test]
fn a_forbidden_sentence_ends_the_stream_and_the_record_says_what_had_left() -> Result<()> {
    let stack = stack()?;
    // A word a frame, slowly and quickly, and in slices of a byte: the pattern is always in several frames.
    for order in ["", "[[pace:4]]", "[[slices:1]]"] {
        let text = format!("text {order} [[say:{FORBIDDEN}]]");
        let (_, answer) = post(&stack, &path(MODEL, "converse-stream"), &messages(&text))?;
        let (got, read) = frames(&answer.body);
        let last = got.last().context("no frames")?;
        let said: String = got.iter().filter_map(|frame| frame.payload["delta"]["text"].as_str()).collect();
        let record = ended(&stack, &decision(&answer)?)?;
        println!("{order:12} `{said}` then {} {}; {}", last.kind, last.payload, record["outcome"]["reason"]);
        ensure!(read == answer.body.len() && last.message_type == "exception", "{last:?}");
        ensure!(
            last.payload["message"].as_str().is_some_and(|m| m.contains("The project is not to be named")),
            "{last:?}"
        );
        ensure!(!said.contains("heron") && !said.contains("May"), "it arrived: {said}");
        ensure!(
            record["state"] == "blocked" && record["outcome"]["reason"] == "text_denied",
            "{}",
            record["outcome"]
        );
        ensure!(record["outcome"]["response_bytes"] == answer.body.len(), "{}", record["outcome"]);
        let judged = of_answer(&stack, &decision(&answer)?, "answer_text")?;
        ensure!(judged.len() == 1 && judged[0].to_string().contains("no-project-name"), "{judged:?}");
        ensure!(!judged[0].to_string().contains("heron"), "the text is on record: {}", judged[0]);
    }
    Ok(())
}

#[test]
fn every_api_ends_in_its_own_way() -> Result<()> {
    let stack = stack()?;
    let script = format!("for name in APIS: out(run(name, '[[say:{FORBIDDEN}]]'))");
    for one in boto3(&stack, "text", &script)? {
        let api = one["api"].as_str().context("api")?;
        println!("{api:30} {} {}", one["class"], one["error"]);
        let message =
            one["error"]["Message"].as_str().with_context(|| format!("{api} raised nothing: {one}"))?;
        ensure!(message.contains("The project is not to be named"), "{api}: {message}");
        ensure!(!one.to_string().contains("heron"), "{api}: it arrived: {one}");
        let streamed = !["Converse", "InvokeModel"].contains(&api);
        let class = if streamed { "EventStreamError" } else { "AccessDeniedException" };
        ensure!(one["class"] == class, "{api}: {one}");
    }
    for (path, model, list) in [
        ("/openai/v1/chat/completions", "openai.gpt-oss-120b-1:0", "messages"),
        ("/openai/v1/responses", "openai.gpt-oss-120b-1:0", "input"),
        ("/anthropic/v1/messages", "anthropic.claude-3-5-sonnet-20241022-v2:0", "messages"),
    ] {
        for stream in [false, true] {
            let text = format!("{path} {stream} [[say:{FORBIDDEN}]]");
            let body = json!({"model": model, "stream": stream, "max_tokens": 64, list: [{"role": "user", "content": text}]});
            let (_, answer) = post(&stack, path, &body)?;
            println!(
                "{path} {stream}: {} {}",
                answer.status,
                answer.text().lines().last().unwrap_or_default()
            );
            ensure!(!answer.text().contains("heron"), "{path}: it arrived: {}", answer.text());
            ensure!(answer.text().contains("The project is not to be named"), "{path}: {}", answer.text());
        }
    }
    Ok(())
}

#[test]
fn warn_and_log_mark_the_text_and_let_it_pass() -> Result<()> {
    let stack = stack()?;
    for (said, rule) in
        [("surely we guarantee it", "warn-promise"), ("well good morning to you", "log-greeting")]
    {
        for operation in ["converse", "converse-stream"] {
            let text = format!("{operation} {rule} [[say:{said}]]");
            let (_, answer) = post(&stack, &path(MODEL, operation), &messages(&text))?;
            let record = ended(&stack, &decision(&answer)?)?;
            let judged = of_answer(&stack, &decision(&answer)?, "answer_text")?;
            println!("{operation} {rule}: {} {} records", record["state"], judged.len());
            ensure!(answer.status == 200 && record["state"] == "completed", "{}", record["outcome"]);
            ensure!(
                !judged.is_empty() && judged.iter().all(|one| one.to_string().contains(rule)),
                "{judged:?}"
            );
        }
    }
    // Text that no rule concerns leaves no record.
    let (_, answer) = post(&stack, &path(MODEL, "converse-stream"), &messages("nothing [[words:40]]"))?;
    ended(&stack, &decision(&answer)?)?;
    ensure!(of_answer(&stack, &decision(&answer)?, "answer_text")?.is_empty(), "a record for nothing");
    ensure!(answer.text().contains("word40"), "{}", answer.text());
    Ok(())
}

/// Long texts: judged in stretches, in order, whole.
#[test]
fn a_long_text_passes_whole_and_a_pattern_at_its_end_is_found() -> Result<()> {
    let stack = stack()?;
    let (_, answer) = post(&stack, &path(MODEL, "converse-stream"), &messages("long [[words:6000]]"))?;
    ensure!(answer.text().contains("word6000") && answer.text().contains("messageStop"), "not whole");
    let mut text = "lorem ipsum ".repeat(8_000);
    text.push_str(FORBIDDEN);
    let (_, answer) =
        post(&stack, &path(MODEL, "converse-stream"), &messages(&format!("long [[say:{text}]]")))?;
    println!("{} bytes", answer.body.len());
    ensure!(!answer.text().contains("heron") && answer.text().contains("exception"), "not found");
    Ok(())
}
