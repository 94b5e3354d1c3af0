//! InvokeAgent, InvokeInlineAgent, InvokeFlow, OptimizePrompt.

use super::Ask;
use super::said::{Said, ToolCall};
use super::stream;
use crate::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const TIME: &str = "2026-01-01T00:00:00Z";

/// A tool call becomes `returnControl`, or with `[[traced]]` something that the agent did by itself. With `enableTrace`
/// usage and tool calls are in trace events, as AWS does it.
pub(super) fn agent(ask: &Ask<'_>) -> Reply {
    let inline = ask.found.operation == "InvokeInlineAgent";
    if inline && (ask.text("/foundationModel").is_none() || ask.text("/instruction").is_none()) {
        return ask.invalid("1 validation error detected: 'foundationModel' and 'instruction' are required");
    }
    let guarded = !inline || ask.json.get("guardrailConfiguration").is_some();
    let said = Said::new(ask, guarded);
    let session = ask.found.label("sessionId").unwrap_or_default();
    let mut events = Vec::new();
    if ask.json.get("enableTrace") == Some(&Value::Bool(true)) {
        let agent = ask.found.label("agentId").unwrap_or("INLINE_AGENT");
        let part = |trace| json!({"sessionId": session, "agentId": agent, "eventTime": TIME, "trace": trace});
        events.extend(traces(ask, &said, guarded).into_iter().map(|trace| ("trace", part(trace))));
    }
    let chunk = |piece: &str| ("chunk", json!({"bytes": STANDARD.encode(piece)}));
    if said.tools.is_empty() || ask.directives.traced {
        events.extend(said.pieces().map(chunk));
    } else {
        let inputs: Vec<Value> = said.tools.iter().map(|tool| returned(ask, tool)).collect();
        let id = said.tools.first().map(|tool| &tool.id);
        events.push(("returnControl", json!({"invocationId": id, "invocationInputs": inputs})));
        events.extend(said.pieces_after().map(chunk));
    }
    stream::events(ask, events)
        .header("x-amzn-bedrock-agent-content-type", "application/json")
        .header("x-amz-bedrock-agent-session-id", session)
}

fn traces(ask: &Ask<'_>, said: &Said, guarded: bool) -> Vec<Value> {
    let mut traces = Vec::new();
    if guarded {
        let action = if said.blocked { "INTERVENED" } else { "NONE" };
        traces.push(json!({"guardrailTrace": {"action": action, "traceId": "t-0"}}));
    }
    let model = ask.model.as_deref().unwrap_or("anthropic.claude-3-5-sonnet-20241022-v2:0");
    let input = json!({"traceId": "t-1", "type": "ORCHESTRATION", "foundationModel": model, "text": ask.directives.rest});
    traces.push(json!({"orchestrationTrace": {"modelInvocationInput": input}}));
    let usage = json!({"inputTokens": said.input_tokens, "outputTokens": said.output_tokens});
    let metadata = if said.counted { json!({"usage": usage}) } else { json!({}) };
    let output = json!({"traceId": "t-1", "metadata": metadata});
    traces.push(json!({"orchestrationTrace": {"modelInvocationOutput": output}}));
    for tool in &said.tools {
        let input = json!({
            "traceId": "t-1", "invocationType": "ACTION_GROUP", "actionGroupInvocationInput": invoked(ask, tool),
        });
        traces.push(json!({"orchestrationTrace": {"invocationInput": input}}));
        if ask.directives.traced {
            let output = json!({"text": "done"});
            let observation =
                json!({"traceId": "t-1", "type": "ACTION_GROUP", "actionGroupInvocationOutput": output});
            traces.push(json!({"orchestrationTrace": {"observation": observation}}));
        }
    }
    traces
}

/// One of `invocationInputs`.
fn returned(ask: &Ask<'_>, tool: &ToolCall) -> Value {
    let mut input = json!({
        "actionGroup": group(ask), "actionInvocationType": "RESULT", "agentId": ask.found.label("agentId"),
    });
    if !tool.name.starts_with('/') {
        input["function"] = json!(tool.name);
        input["parameters"] = parameters(tool);
        return json!({"functionInvocationInput": input});
    }
    input["apiPath"] = json!(tool.name);
    input["httpMethod"] = json!(method(ask));
    if ask.directives.request_body {
        input["requestBody"] = json!({"content": {"application/json": {"properties": parameters(tool)}}});
    } else {
        input["parameters"] = parameters(tool);
    }
    json!({"apiInvocationInput": input})
}

/// `actionGroupInvocationInput` of a trace.
fn invoked(ask: &Ask<'_>, tool: &ToolCall) -> Value {
    let kind = if ask.directives.traced { "LAMBDA" } else { "RETURN_CONTROL" };
    let mut input = json!({"actionGroupName": group(ask), "executionType": kind});
    if !ask.directives.traced {
        input["invocationId"] = json!(tool.id);
    }
    if !tool.name.starts_with('/') {
        input["function"] = json!(tool.name);
        input["parameters"] = parameters(tool);
        return input;
    }
    input["apiPath"] = json!(tool.name);
    input["verb"] = json!(method(ask).to_lowercase());
    if ask.directives.request_body {
        input["requestBody"] = json!({"content": {"application/json": parameters(tool)}});
    } else {
        input["parameters"] = parameters(tool);
    }
    input
}

fn group<'a>(ask: &'a Ask<'_>) -> &'a str {
    ask.directives.group.as_deref().unwrap_or("actions")
}

fn method<'a>(ask: &'a Ask<'_>) -> &'a str {
    ask.directives.method.as_deref().unwrap_or("POST")
}

fn parameters(tool: &ToolCall) -> Value {
    tool.input.as_object().into_iter().flatten().map(parameter).collect()
}

fn parameter((name, value): (&String, &Value)) -> Value {
    let (kind, text) = match value {
        Value::String(text) => ("string", text.clone()),
        Value::Number(number) => ("number", number.to_string()),
        Value::Bool(value) => ("boolean", value.to_string()),
        Value::Array(_) => ("array", value.to_string()),
        other => ("object", other.to_string()),
    };
    json!({"name": name, "type": kind, "value": text})
}

pub(super) fn flow(ask: &Ask<'_>) -> Reply {
    if ask.json.get("inputs").and_then(Value::as_array).is_none_or(Vec::is_empty) {
        return ask.invalid("1 validation error detected: 'inputs' is required");
    }
    let said = Said::new(ask, true);
    let output = json!({"nodeName": "FlowOutputNode", "nodeType": "FlowOutputNode", "content": {"document": said.text}});
    let events =
        vec![("flowOutputEvent", output), ("flowCompletionEvent", json!({"completionReason": "SUCCESS"}))];
    stream::events(ask, events).header("x-amz-bedrock-flow-execution-id", "exec-1")
}

pub(super) fn optimize_prompt(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    let optimized = json!({"optimizedPrompt": {"textPrompt": {"text": said.text}}});
    stream::events(
        ask,
        vec![("analyzePromptEvent", json!({"message": "analysed"})), ("optimizedPromptEvent", optimized)],
    )
}
