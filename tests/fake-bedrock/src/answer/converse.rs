//! Converse and ConverseStream.

use super::Ask;
use super::said::{BLOCKED, Said, ToolCall, assessment};
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

/// InvokeHarness of AgentCore: the same events.
pub(super) fn harness(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    let mut events = events(&said);
    events.push(("metadata", json!({"usage": said.usage(), "metrics": {"latencyMs": 42}})));
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
        let mut block = json!({"toolUseId": tool.id, "name": tool.name, "input": tool.input});
        if tool.server {
            block["type"] = json!("server_tool_use");
        }
        content.push(json!({"toolUse": block}));
    }
    if !said.after.is_empty() {
        content.push(json!({"text": said.after}));
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
    events.extend(text(0, said.pieces()));
    let calls = said.tools.iter().enumerate().map(|(index, tool)| call(index + 1, tool, said)).collect();
    events.extend(said.woven(calls));
    if !said.after.is_empty() {
        events.extend(text(said.tools.len() + 1, said.pieces_after()));
    }
    let stop = said.stop("guardrail_intervened", "tool_use", "end_turn");
    events.push(("messageStop", json!({"stopReason": stop, "p": "abcdef"})));
    events
}

fn text<'a>(index: usize, pieces: impl Iterator<Item = &'a str>) -> Vec<(&'static str, Value)> {
    let delta = |piece| json!({"contentBlockIndex": index, "delta": {"text": piece}, "p": "abcdefghij"});
    let mut events: Vec<_> = pieces.map(|piece| ("contentBlockDelta", delta(piece))).collect();
    events.push(("contentBlockStop", json!({"contentBlockIndex": index, "p": "abc"})));
    events
}

fn call(index: usize, tool: &ToolCall, said: &Said) -> Vec<(&'static str, Value)> {
    let mut start = json!({"toolUseId": tool.id, "name": tool.name});
    if tool.server {
        start["type"] = json!("server_tool_use");
    }
    let mut events =
        vec![("contentBlockStart", json!({"contentBlockIndex": index, "start": {"toolUse": start}}))];
    for fragment in said.fragments(tool) {
        let delta = json!({"toolUse": {"input": fragment}});
        events.push(("contentBlockDelta", json!({"contentBlockIndex": index, "delta": delta})));
    }
    if said.stops {
        events.push(("contentBlockStop", json!({"contentBlockIndex": index})));
    }
    events
}

fn guardrail<'a>(ask: &'a Ask<'_>) -> Option<&'a str> {
    ask.text("/guardrailConfig/guardrailIdentifier")
}

fn trace(ask: &Ask<'_>, said: &Said) -> Option<Value> {
    let mut trace = serde_json::Map::new();
    if let Some(model) = &ask.directives.router {
        trace.insert("promptRouter".to_owned(), json!({"invokedModelId": model}));
    }
    let wanted = matches!(ask.text("/guardrailConfig/trace"), Some("enabled" | "enabled_full"));
    if let Some(id) = guardrail(ask).filter(|_| wanted) {
        let assessed = assessment(said.blocked, ask.directives.rest.chars().count());
        let mut guardrail = json!({"inputAssessment": {id: assessed}, "actionReason": "No action."});
        if said.blocked {
            guardrail["modelOutput"] = json!([BLOCKED]);
            guardrail["actionReason"] = json!("Guardrail blocked.");
        }
        trace.insert("guardrail".to_owned(), guardrail);
    }
    (!trace.is_empty()).then_some(Value::Object(trace))
}
