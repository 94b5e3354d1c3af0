//! Anthropic's Messages: native to InvokeModel, and `/anthropic/v1/messages`.

use super::Ask;
use super::said::{Said, ToolCall};
use super::stream;
use crate::reply::Reply;
use serde_json::{Value, json};

pub(super) fn messages(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    if ask.json.get("messages").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return ask.invalid("messages: Field required");
    }
    if ask.json.get("stream") != Some(&Value::Bool(true)) {
        return Reply::ok(&message(ask, &said));
    }
    let events = events(ask, &said);
    stream::server_sent(ask, events.into_iter().map(|(name, data)| (name, data.to_string())).collect())
}

pub(super) fn message(ask: &Ask<'_>, said: &Said) -> Value {
    let mut content = vec![json!({"type": "text", "text": said.text})];
    for tool in &said.tools {
        content.push(json!({"type": kind(tool), "id": tool.id, "name": tool.name, "input": tool.input}));
    }
    if !said.after.is_empty() {
        content.push(json!({"type": "text", "text": said.after}));
    }
    json!({
        "id": "msg_bdrk_01", "type": "message", "role": "assistant", "model": ask.model, "content": content,
        "stop_reason": said.stop("end_turn", "tool_use", "end_turn"), "stop_sequence": null, "usage": usage(said),
    })
}

fn kind(tool: &ToolCall) -> &'static str {
    if tool.server { "server_tool_use" } else { "tool_use" }
}

fn usage(said: &Said) -> Value {
    json!({
        "input_tokens": said.input_tokens, "output_tokens": said.output_tokens,
        "cache_read_input_tokens": said.cache_read_tokens,
        "cache_creation_input_tokens": said.cache_write_tokens,
    })
}

/// The stream's events: name and data.
pub(super) fn events(ask: &Ask<'_>, said: &Said) -> Vec<(&'static str, Value)> {
    let mut start = message(ask, said);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    let mut events = vec![named("message_start", json!({"message": start}))];
    events.extend(text(0, said.pieces()));
    let calls = said.tools.iter().enumerate().map(|(index, tool)| call(index + 1, tool, said)).collect();
    events.extend(said.woven(calls));
    if !said.after.is_empty() {
        events.extend(text(said.tools.len() + 1, said.pieces_after()));
    }
    let stop = said.stop("end_turn", "tool_use", "end_turn");
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    let usage = json!({"output_tokens": said.output_tokens});
    events.push(named("message_delta", json!({"delta": delta, "usage": usage})));
    events.push(named("message_stop", json!({})));
    events
}

fn named(name: &'static str, mut data: Value) -> (&'static str, Value) {
    data["type"] = json!(name);
    (name, data)
}

fn text<'a>(index: usize, pieces: impl Iterator<Item = &'a str>) -> Vec<(&'static str, Value)> {
    let block = json!({"type": "text", "text": ""});
    let mut events = vec![named("content_block_start", json!({"index": index, "content_block": block}))];
    for piece in pieces {
        let delta = json!({"type": "text_delta", "text": piece});
        events.push(named("content_block_delta", json!({"index": index, "delta": delta})));
    }
    events.push(named("content_block_stop", json!({"index": index})));
    events
}

fn call(index: usize, tool: &ToolCall, said: &Said) -> Vec<(&'static str, Value)> {
    let block = json!({"type": kind(tool), "id": tool.id, "name": tool.name, "input": {}});
    let mut events = vec![named("content_block_start", json!({"index": index, "content_block": block}))];
    for fragment in said.fragments(tool) {
        let delta = json!({"type": "input_json_delta", "partial_json": fragment});
        events.push(named("content_block_delta", json!({"index": index, "delta": delta})));
    }
    if said.stops {
        events.push(named("content_block_stop", json!({"index": index})));
    }
    events
}
