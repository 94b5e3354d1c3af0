//! AgentCore: what runs in a customer's container, in a sandbox or in a shell.

use super::Ask;
use super::said::Said;
use super::stream;
use crate::reply::Reply;
use serde_json::{Value, json};

/// InvokeAgentRuntime: whatever the container says. This one streams when it is asked for `text/event-stream`.
pub(super) fn runtime(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    let accept = ask.header("accept").unwrap_or_default();
    if accept.contains("text/event-stream") {
        return stream::server_sent(ask, said.pieces().map(|piece| ("", json!(piece).to_string())).collect());
    }
    Reply::ok(&json!({"result": said.text}))
}

/// InvokeAgentRuntimeCommand.
pub(super) fn command(ask: &Ask<'_>) -> Reply {
    let said = Said::new(ask, false);
    let mut events = vec![("chunk", json!({"contentStart": {}}))];
    events.extend(said.pieces().map(|piece| ("chunk", json!({"contentDelta": {"stdout": piece}}))));
    events.push(("chunk", json!({"contentStop": {"exitCode": 0, "status": "COMPLETED"}})));
    stream::events(ask, events)
}

/// InvokeCodeInterpreter.
pub(super) fn code_interpreter(ask: &Ask<'_>) -> Reply {
    let Some(Value::String(_)) = ask.json.get("name") else {
        return ask.invalid("1 validation error detected: 'name' is required");
    };
    let said = Said::new(ask, false);
    let result = json!({"content": [{"type": "text", "text": said.text}], "isError": false});
    stream::events(ask, vec![("result", result)])
}
