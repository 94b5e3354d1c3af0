//! Anthropic's Messages: native to InvokeModel, and `/anthropic/v1/messages`.

use super::Ask;
use super::said::{Said, fragments};
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
        content.push(json!({"type": "tool_use", "id": tool.id, "name": tool.name, "input": tool.input}));
    }
    json!({
        "id": "msg_bdrk_01", "type": "message", "role": "assistant", "model": ask.model, "content": content,
        "stop_reason": said.stop("end_turn", "tool_use", "end_turn"), "stop_sequence": null, "usage": usage(said),
    })
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
    let mut events = Vec::new();
    let mut push = |name: &'static str, mut data: Value| {
        data["type"] = json!(name);
        events.push((name, data));
    };
    let mut start = message(ask, said);
    start["content"] = json!([]);
    start["stop_reason"] = Value::Null;
    start["usage"]["output_tokens"] = json!(1);
    push("message_start", json!({"message": start}));
    push("content_block_start", json!({"index": 0, "content_block": {"type": "text", "text": ""}}));
    for piece in said.pieces() {
        push("content_block_delta", json!({"index": 0, "delta": {"type": "text_delta", "text": piece}}));
    }
    push("content_block_stop", json!({"index": 0}));
    for (index, tool) in said.tools.iter().enumerate() {
        let index = index + 1;
        let block = json!({"type": "tool_use", "id": tool.id, "name": tool.name, "input": {}});
        push("content_block_start", json!({"index": index, "content_block": block}));
        for fragment in fragments(&tool.input) {
            let delta = json!({"type": "input_json_delta", "partial_json": fragment});
            push("content_block_delta", json!({"index": index, "delta": delta}));
        }
        push("content_block_stop", json!({"index": index}));
    }
    let stop = said.stop("end_turn", "tool_use", "end_turn");
    let delta = json!({"stop_reason": stop, "stop_sequence": null});
    push("message_delta", json!({"delta": delta, "usage": {"output_tokens": said.output_tokens}}));
    push("message_stop", json!({}));
    events
}
