//! OpenAI's chat completions (also the native shape of several families) and responses.

use super::Ask;
use super::said::{Said, ToolCall, fragments};
use super::stream;
use crate::reply::Reply;
use serde_json::{Value, json};

pub(super) fn chat(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, ask.header("x-amzn-bedrock-guardrailidentifier").is_some());
    if ask.json.get("messages").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return ask.invalid("Missing required parameter: 'messages'.");
    }
    if ask.json.get("stream") != Some(&Value::Bool(true)) {
        return Reply::ok(&completion(ask, &said));
    }
    let mut events: Vec<(&str, String)> =
        chunks(ask, &said).iter().map(|chunk| ("", chunk.to_string())).collect();
    events.push(("", "[DONE]".to_owned()));
    stream::server_sent(ask, events)
}

pub(super) fn responses(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    let content = json!([{"type": "output_text", "text": said.text, "annotations": []}]);
    let mut output = vec![
        json!({"type": "message", "id": "msg_1", "role": "assistant", "status": "completed", "content": content}),
    ];
    for tool in &said.tools {
        output.push(json!({
            "type": "function_call", "id": tool.id, "call_id": tool.id, "name": tool.name,
            "arguments": tool.input.to_string(), "status": "completed",
        }));
    }
    let body = json!({
        "id": "resp_1", "object": "response", "created_at": 1, "status": "completed", "model": ask.model, "output": output,
        "usage": {
            "input_tokens": said.prompt_tokens(), "output_tokens": said.output_tokens, "total_tokens": said.total(),
            "input_tokens_details": {"cached_tokens": said.cache_read_tokens},
        },
    });
    if ask.json.get("stream") != Some(&Value::Bool(true)) {
        return Reply::ok(&body);
    }
    let mut events = vec![(
        "response.created",
        json!({"type": "response.created", "response": {"id": "resp_1"}}).to_string(),
    )];
    for piece in said.pieces() {
        let data = json!({"type": "response.output_text.delta", "item_id": "msg_1", "output_index": 0, "delta": piece});
        events.push(("response.output_text.delta", data.to_string()));
    }
    for item in body["output"].as_array().into_iter().flatten().skip(1) {
        for name in ["response.output_item.added", "response.output_item.done"] {
            events.push((name, json!({"type": name, "item": item}).to_string()));
        }
    }
    events.push(("response.completed", json!({"type": "response.completed", "response": body}).to_string()));
    stream::server_sent(ask, events)
}

pub(super) fn completion(ask: &Ask<'_>, said: &Said) -> Value {
    let mut message = json!({"role": "assistant", "content": said.text});
    if !said.tools.is_empty() {
        message["tool_calls"] =
            said.tools.iter().map(|tool| tool_call(tool, &tool.input.to_string())).collect();
    }
    let stop = said.stop("content_filter", "tool_calls", "stop");
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ask.model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop}], "usage": usage(said),
    })
}

fn usage(said: &Said) -> Value {
    json!({
        "prompt_tokens": said.prompt_tokens(), "completion_tokens": said.output_tokens,
        "total_tokens": said.total(), "prompt_tokens_details": {"cached_tokens": said.cache_read_tokens},
    })
}

fn tool_call(tool: &ToolCall, arguments: &str) -> Value {
    json!({"id": tool.id, "type": "function", "function": {"name": tool.name, "arguments": arguments}})
}

/// The stream's chunks, usage in the last.
pub(super) fn chunks(ask: &Ask<'_>, said: &Said) -> Vec<Value> {
    let chunk = |delta: Value, stop: Value| {
        json!({
            "id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": ask.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": stop}],
        })
    };
    let mut chunks = vec![chunk(json!({"role": "assistant", "content": ""}), Value::Null)];
    for piece in said.pieces() {
        chunks.push(chunk(json!({"content": piece}), Value::Null));
    }
    for (index, tool) in said.tools.iter().enumerate() {
        let mut first = tool_call(tool, "");
        first["index"] = json!(index);
        chunks.push(chunk(json!({"tool_calls": [first]}), Value::Null));
        for fragment in fragments(&tool.input) {
            let more = json!({"index": index, "function": {"arguments": fragment}});
            chunks.push(chunk(json!({"tool_calls": [more]}), Value::Null));
        }
    }
    let mut last = chunk(json!({}), json!(said.stop("content_filter", "tool_calls", "stop")));
    if said.counted {
        last["usage"] = usage(said);
    }
    chunks.push(last);
    chunks
}
