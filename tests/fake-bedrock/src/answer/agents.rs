//! InvokeAgent, InvokeInlineAgent, InvokeFlow, OptimizePrompt.

use super::Ask;
use super::said::Said;
use super::stream;
use crate::reply::Reply;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

const TIME: &str = "2026-01-01T00:00:00Z";

/// A tool call becomes `returnControl`; with `enableTrace` usage is in a trace event, as AWS does it.
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
        let part = |trace: Value| json!({"sessionId": session, "agentId": ask.found.label("agentId").unwrap_or("INLINE_AGENT"), "eventTime": TIME, "trace": trace});
        if guarded {
            let action = if said.blocked { "INTERVENED" } else { "NONE" };
            events.push(("trace", part(json!({"guardrailTrace": {"action": action, "traceId": "t-0"}}))));
        }
        let model = ask.model.as_deref().unwrap_or("anthropic.claude-3-5-sonnet-20241022-v2:0");
        let input = json!({"traceId": "t-1", "type": "ORCHESTRATION", "foundationModel": model, "text": ask.directives.rest});
        events.push(("trace", part(json!({"orchestrationTrace": {"modelInvocationInput": input}}))));
        let usage = json!({"inputTokens": said.input_tokens, "outputTokens": said.output_tokens});
        let metadata = if said.counted { json!({"usage": usage}) } else { json!({}) };
        let output = json!({"traceId": "t-1", "metadata": metadata});
        events.push(("trace", part(json!({"orchestrationTrace": {"modelInvocationOutput": output}}))));
    }
    if said.tools.is_empty() {
        for piece in said.pieces() {
            events.push(("chunk", json!({"bytes": STANDARD.encode(piece)})));
        }
    } else {
        let inputs: Vec<Value> = said
            .tools
            .iter()
            .map(|tool| {
                let parameters =
                    tool.input.as_object().into_iter().flatten().map(parameter).collect::<Vec<_>>();
                json!({"functionInvocationInput": {
                    "actionGroup": "actions", "function": tool.name, "parameters": parameters,
                    "actionInvocationType": "RESULT", "agentId": ask.found.label("agentId"),
                }})
            })
            .collect();
        events.push((
            "returnControl",
            json!({"invocationId": said.tools.first().map(|t| &t.id), "invocationInputs": inputs}),
        ));
    }
    stream::events(ask, events)
        .header("x-amzn-bedrock-agent-content-type", "application/json")
        .header("x-amz-bedrock-agent-session-id", session)
}

fn parameter((name, value): (&String, &Value)) -> Value {
    let (kind, text) = match value {
        Value::String(text) => ("string", text.clone()),
        Value::Number(number) => ("number", number.to_string()),
        Value::Bool(value) => ("boolean", value.to_string()),
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
