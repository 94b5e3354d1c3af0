//! Converse and ConverseStream.

use super::Ask;
use super::said::{BLOCKED, Said, assessment, fragments};
use super::stream;
use crate::reply::Reply;
use serde_json::{Value, json};

pub(super) fn whole(ask: &Ask<'_>) -> Reply {
    if let Some(refusal) = refusal(ask) {
        return refusal;
    }
    let said = Said::new(ask, guardrail(ask).is_some());
    let mut body = message(&said);
    body["metrics"] = json!({"latencyMs": 42});
    if let Some(trace) = trace(ask, &said) {
        body["trace"] = trace;
    }
    Reply::ok(&body)
}

pub(super) fn stream(ask: &Ask<'_>) -> Reply {
    if let Some(refusal) = refusal(ask) {
        return refusal;
    }
    let said = Said::new(ask, guardrail(ask).is_some());
    let mut events = events(&said);
    let mut metadata = json!({"metrics": {"latencyMs": 42}, "p": "abcdefgh"});
    if said.counted {
        metadata["usage"] = said.usage();
    }
    if let Some(trace) = trace(ask, &said) {
        metadata["trace"] = trace;
    }
    events.push(("metadata", metadata));
    stream::events(ask, events)
}

/// `messages` may be absent only when the model is a prompt resource.
fn refusal(ask: &Ask<'_>) -> Option<Reply> {
    let prompt = ask.model.as_deref().is_some_and(|model| model.contains(":prompt/"));
    let messages = ask.json.get("messages").and_then(Value::as_array).is_some_and(|m| !m.is_empty());
    let message = "1 validation error detected: Value at 'messages' failed to satisfy constraint: Member must not be null";
    (!prompt && !messages).then(|| ask.invalid(message))
}

/// The answer as one message; Nova's InvokeModel shape too.
pub(super) fn message(said: &Said) -> Value {
    let mut content = vec![json!({"text": said.text})];
    for tool in &said.tools {
        content.push(json!({"toolUse": {"toolUseId": tool.id, "name": tool.name, "input": tool.input}}));
    }
    let mut body = json!({
        "output": {"message": {"role": "assistant", "content": content}},
        "stopReason": said.stop("guardrail_intervened", "tool_use", "end_turn"),
    });
    if said.counted {
        body["usage"] = said.usage();
    }
    body
}

/// The answer as events, up to and with `messageStop`.
pub(super) fn events(said: &Said) -> Vec<(&'static str, Value)> {
    let mut events = vec![("messageStart", json!({"role": "assistant", "p": "abcd"}))];
    for piece in said.pieces() {
        events.push((
            "contentBlockDelta",
            json!({"contentBlockIndex": 0, "delta": {"text": piece}, "p": "abcdefghij"}),
        ));
    }
    events.push(("contentBlockStop", json!({"contentBlockIndex": 0, "p": "abc"})));
    for (index, tool) in said.tools.iter().enumerate() {
        let index = index + 1;
        let start = json!({"toolUse": {"toolUseId": tool.id, "name": tool.name}});
        events.push(("contentBlockStart", json!({"contentBlockIndex": index, "start": start})));
        for fragment in fragments(&tool.input) {
            let delta = json!({"toolUse": {"input": fragment}});
            events.push(("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta})));
        }
        events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    let stop = said.stop("guardrail_intervened", "tool_use", "end_turn");
    events.push(("messageStop", json!({"stopReason": stop, "p": "abcdef"})));
    events
}

fn guardrail<'a>(ask: &'a Ask<'_>) -> Option<&'a str> {
    ask.text("/guardrailConfig/guardrailIdentifier")
}

fn trace(ask: &Ask<'_>, said: &Said) -> Option<Value> {
    let id = guardrail(ask)?;
    let wanted = matches!(ask.text("/guardrailConfig/trace"), Some("enabled" | "enabled_full"));
    wanted.then(|| {
        let assessed = assessment(said.blocked, ask.directives.rest.chars().count());
        let mut trace = json!({"inputAssessment": {id: assessed}, "actionReason": "No action."});
        if said.blocked {
            trace["modelOutput"] = json!([BLOCKED]);
            trace["actionReason"] = json!("Guardrail blocked.");
        }
        json!({"guardrail": trace})
    })
}
