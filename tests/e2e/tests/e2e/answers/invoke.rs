//! InvokeModel in every shape in which a model proposes tool calls, whole and streamed.

use super::{
    ALLOWED, FORBIDDEN, MESSAGE, SECRET, decision, ended, messages, of_answer, path, post, refused_on_record,
    stack,
};
use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, frames};
use serde_json::{Value, json};

/// A family of models: a model, and its request body for a text.
pub(super) type Shape = (&'static str, fn(&str) -> Value);

pub(super) const SHAPES: &[Shape] = &[
    (
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        |text| json!({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 64, "messages": [{"role": "user", "content": text}]}),
    ),
    ("amazon.nova-pro-v1:0", messages),
    ("mistral.mistral-large-2407-v1:0", chat),
    ("openai.gpt-oss-120b-1:0", chat),
    ("cohere.command-r-plus-v1:0", |text| json!({"message": text})),
    ("meta.llama3-1-70b-instruct-v1:0", |text| json!({"prompt": text})),
    // Nothing but the body tells the shape.
    ("arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdef123456", chat),
];

fn chat(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": text}]})
}

/// Everything that a client can read in an answer: its bytes, and what the chunks hold in base64, joined so that a string cut
/// over several is found.
fn all_of(answer: &Answer) -> String {
    let (frames, _) = frames(&answer.body);
    let inner: String = frames.iter().map(|frame| frame.inner.as_str()).collect();
    format!("{}\n{inner}", answer.text())
}

#[test]
fn every_shape_of_a_tool_call_is_decided() -> Result<()> {
    let stack = stack()?;
    for (model, body) in SHAPES {
        for operation in ["invoke", "invoke-with-response-stream"] {
            let streamed = operation != "invoke";
            let url = path(model, operation);
            for order in ["", "[[deltas:60]]", "[[slices:5]]"] {
                let text = format!("shape {order} {FORBIDDEN}");
                let (_, answer) = post(&stack, &url, &body(&text))?;
                let all = all_of(&answer);
                println!("{model} {operation} {order}: {} {} bytes", answer.status, answer.body.len());
                ensure!(
                    !all.contains(SECRET) && !all.contains("9000"),
                    "{model} {operation}: arrived: {all}"
                );
                if streamed {
                    let (got, read) = frames(&answer.body);
                    let last = got.last().context("no frames")?;
                    ensure!(
                        read == answer.body.len() && last.kind == "validationException",
                        "{model}: {all}"
                    );
                    ensure!(last.payload.to_string().contains(MESSAGE), "{model}: {}", last.payload);
                } else {
                    ensure!(
                        answer.status == 403 && answer.error_type() == Some("AccessDeniedException"),
                        "{all}"
                    );
                    ensure!(all.contains(MESSAGE), "{model}: {all}");
                }
                refused_on_record(&stack, &decision(&answer)?, "transfer-limit")?;
            }
            let (_, answer) = post(&stack, &url, &body(&format!("shape {ALLOWED}")))?;
            let record = ended(&stack, &decision(&answer)?)?;
            ensure!(answer.status == 200 && answer.complete, "{model}: {}", answer.text());
            ensure!(record["state"] == "completed", "{model}: {}", record["outcome"]);
            let calls = of_answer(&stack, &decision(&answer)?, "tool_call")?;
            ensure!(
                calls.len() == 1 && calls[0]["tool"]["names"][0] == "transfer_funds",
                "{model}: {calls:?}"
            );
        }
    }
    Ok(())
}

/// Anthropic's own tools run within the answer, at the provider: the record says whose they are.
#[test]
fn a_providers_own_tool_is_on_record_as_such() -> Result<()> {
    let stack = stack()?;
    let (model, body) = SHAPES[0];
    let text = r#"server tool [[server-tool:web_search {"query": "rates"}]]"#;
    for operation in ["invoke", "invoke-with-response-stream"] {
        let (_, answer) = post(&stack, &path(model, operation), &body(text))?;
        ensure!(answer.status == 200, "{}", answer.text());
        let id = decision(&answer)?;
        ended(&stack, &id)?;
        let calls = of_answer(&stack, &id, "tool_call")?;
        println!("{operation}: {calls:?}");
        ensure!(calls.len() == 1 && calls[0]["tool"]["origin"] == "server", "{calls:?}");
    }
    Ok(())
}
