//! OpenAI's chat completions (also the native shape of several families) and responses.

use super::Ask;
use super::said::{Said, ToolCall};
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
    let mut output = vec![message(1, &said.text)];
    output.extend(said.tools.iter().map(|tool| function_call(tool, &tool.text)));
    if !said.after.is_empty() {
        output.push(message(2, &said.after));
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
    let mut events = vec![named("response.created", json!({"response": {"id": "resp_1"}}))];
    events.extend(text(0, "msg_1", said.pieces()));
    let calls = said.tools.iter().enumerate().map(|(index, tool)| call(index + 1, tool, &said)).collect();
    events.extend(said.woven(calls));
    if !said.after.is_empty() {
        events.extend(text(said.tools.len() + 1, "msg_2", said.pieces_after()));
    }
    events.push(named("response.completed", json!({"response": body})));
    stream::server_sent(ask, events)
}

fn message(number: usize, text: &str) -> Value {
    let content = json!([{"type": "output_text", "text": text, "annotations": []}]);
    let id = format!("msg_{number}");
    json!({"type": "message", "id": id, "role": "assistant", "status": "completed", "content": content})
}

fn function_call(tool: &ToolCall, arguments: &str) -> Value {
    json!({
        "type": "function_call", "id": format!("fc_{}", tool.id), "call_id": tool.id, "name": tool.name,
        "arguments": arguments, "status": "completed",
    })
}

fn named(name: &'static str, mut data: Value) -> (&'static str, String) {
    data["type"] = json!(name);
    (name, data.to_string())
}

fn text<'a>(index: usize, id: &str, pieces: impl Iterator<Item = &'a str>) -> Vec<(&'static str, String)> {
    let delta = |piece| json!({"item_id": id, "output_index": index, "content_index": 0, "delta": piece});
    pieces.map(|piece| named("response.output_text.delta", delta(piece))).collect()
}

fn call(index: usize, tool: &ToolCall, said: &Said) -> Vec<(&'static str, String)> {
    let item = format!("fc_{}", tool.id);
    let added = json!({"output_index": index, "item": function_call(tool, "")});
    let mut events = vec![named("response.output_item.added", added)];
    for fragment in said.fragments(tool) {
        let delta = json!({"item_id": item, "output_index": index, "delta": fragment});
        events.push(named("response.function_call_arguments.delta", delta));
    }
    if said.stops {
        let done = json!({"item_id": item, "output_index": index, "arguments": tool.text});
        events.push(named("response.function_call_arguments.done", done));
        let done = json!({"output_index": index, "item": function_call(tool, &tool.text)});
        events.push(named("response.output_item.done", done));
    }
    events
}

pub(super) fn completion(ask: &Ask<'_>, said: &Said) -> Value {
    let message = chat_message(said);
    let stop = said.stop("content_filter", "tool_calls", "stop");
    json!({
        "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": ask.model,
        "choices": [{"index": 0, "message": message, "finish_reason": stop}], "usage": usage(said),
    })
}

/// The message of a chat completion; Mistral's too.
pub(super) fn chat_message(said: &Said) -> Value {
    let mut message = json!({"role": "assistant", "content": said.all_text()});
    if !said.tools.is_empty() {
        message["tool_calls"] = said.tools.iter().map(|tool| tool_call(tool, &tool.text)).collect();
    }
    message
}

fn usage(said: &Said) -> Value {
    json!({
        "prompt_tokens": said.prompt_tokens(), "completion_tokens": said.output_tokens,
        "total_tokens": said.total(), "prompt_tokens_details": {"cached_tokens": said.cache_read_tokens},
    })
}

pub(super) fn tool_call(tool: &ToolCall, arguments: &str) -> Value {
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
    let call = |(index, tool): (usize, &ToolCall)| {
        let mut first = tool_call(tool, "");
        first["index"] = json!(index);
        let more = |fragment: String| json!({"index": index, "function": {"arguments": fragment}});
        let pieces = [first].into_iter().chain(said.fragments(tool).into_iter().map(more));
        pieces.map(|piece| chunk(json!({"tool_calls": [piece]}), Value::Null)).collect()
    };
    chunks.extend(said.woven(said.tools.iter().enumerate().map(call).collect()));
    chunks.extend(said.pieces_after().map(|piece| chunk(json!({"content": piece}), Value::Null)));
    let stop = said.stop("content_filter", "tool_calls", "stop");
    let mut last = chunk(json!({}), if said.stops { json!(stop) } else { Value::Null });
    if said.counted {
        last["usage"] = usage(said);
    }
    chunks.push(last);
    chunks
}
