//! Tokens: for every operation and shape, however the answer is cut on its way, the record has what the fake said; guarded or
//! not, and also when the answer was refused.

use super::invoke::SHAPES;
use super::{FORBIDDEN, at_the_fake, decision, ended, messages, path, post, stack};
use crate::raw::MODEL;
use anyhow::{Result, ensure};
use e2e::Stack;
use serde_json::{Value, json};

/// A call whose answer says tokens: a name, a path and a body for a text.
type Call = (String, String, Box<dyn Fn(&str) -> Value>);

fn calls() -> Vec<Call> {
    let mut all: Vec<Call> = Vec::new();
    for operation in ["converse", "converse-stream"] {
        all.push((operation.to_owned(), path(MODEL, operation), Box::new(messages)));
    }
    for (model, body) in SHAPES {
        for operation in ["invoke", "invoke-with-response-stream"] {
            all.push((format!("{operation} {model}"), path(model, operation), Box::new(*body)));
        }
    }
    for (path, model, list) in [
        ("/openai/v1/chat/completions", "openai.gpt-oss-120b-1:0", "messages"),
        ("/openai/v1/responses", "openai.gpt-oss-120b-1:0", "input"),
        ("/anthropic/v1/messages", "anthropic.claude-3-5-sonnet-20241022-v2:0", "messages"),
    ] {
        for stream in [false, true] {
            let body = move |text: &str| json!({"model": model, "stream": stream, "max_tokens": 64, list: [{"role": "user", "content": text}]});
            all.push((format!("{path} {stream}"), path.to_owned(), Box::new(body)));
        }
    }
    all
}

fn same(stack: &Stack, name: &str, path: &str, body: &Value) -> Result<()> {
    let (_, answer) = post(stack, path, body)?;
    let record = ended(stack, &decision(&answer)?)?;
    let (usage, fake) = (&record["outcome"]["usage"], at_the_fake(stack, &record)?);
    for key in ["input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens"] {
        ensure!(usage[key] == fake["said"][key], "{name}: {key}: {usage}, sent {}", fake["said"]);
    }
    Ok(())
}

#[test]
fn tokens_on_record_are_those_that_were_sent_however_they_came() -> Result<()> {
    let (open, guarded) = (Stack::shared()?, stack()?);
    let mut compared = 0;
    for (name, path, body) in calls() {
        for (number, order) in ["", "[[slices:1]]", "[[slices:13]]", FORBIDDEN].iter().enumerate() {
            for (way, stack) in [("open", &open), ("guarded", &guarded)] {
                // What OpenAI's shapes call cached is read from the cache; they do not tell what was written to it.
                let text =
                    format!("{way} {number} [[words:9]][[tokens:{},{number}7,33]] {order}", 1_000 + number);
                same(stack, &format!("{name} {way} {order}"), &path, &body(&text))?;
                compared += 1;
            }
        }
    }
    println!("{compared} answers");
    Ok(())
}
