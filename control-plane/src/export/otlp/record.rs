//! One record as a log record of OpenTelemetry.
//!
//! Attributes have the names of the semantic conventions where there are some (<https://opentelemetry.io/docs/specs/semconv/gen-ai/>,
//! <https://opentelemetry.io/docs/specs/semconv/registry/attributes/aws/>), else they begin with `portcullis.`. The body is the record itself, in its
//! canonical form: its SHA-256 is the attribute `portcullis.record.sha256`.

use crate::storage::Logged;
use portcullis_audit::log::RecordKind;
use serde_json::{Value, json};

/// Text attributes: name, and where it is in a record. The first that is there counts.
const TEXTS: &[(&str, &str)] = &[
    ("user.name", "/principal/name"),
    ("portcullis.principal.assurance", "/principal/assurance"),
    ("portcullis.tenant", "/principal/tenant"),
    ("portcullis.verdict", "/verdict/kind"),
    ("portcullis.rule", "/policy/rule"),
    ("portcullis.bundle.name", "/policy/bundle"),
    ("portcullis.bundle.version", "/policy/version"),
    ("portcullis.bundle.digest", "/policy/digest"),
    ("portcullis.correlation_id", "/correlation_id"),
    ("portcullis.call_id", "/call_id"),
    ("portcullis.decision_id", "/decision_id"),
    ("portcullis.parent", "/parent"),
    ("portcullis.gate", "/gate"),
    ("portcullis.action", "/action"),
    ("portcullis.approval.id", "/approval/id"),
    ("portcullis.approval.id", "/verdict/approval_id"),
    ("portcullis.outcome", "/state"),
    ("portcullis.actor", "/actor"),
    ("portcullis.event", "/detail/what"),
    ("rpc.method", "/operation"),
    ("gen_ai.request.model", "/model/id"),
    ("gen_ai.agent.id", "/agent/id"),
    ("gen_ai.conversation.id", "/agent/session"),
    ("gen_ai.conversation.id", "/answer/session"),
    ("gen_ai.response.model", "/answer/models/0"),
    ("gen_ai.tool.name", "/tool/names/0"),
    ("gen_ai.tool.call.id", "/tool/id"),
    ("aws.bedrock.guardrail.id", "/request/guardrail"),
    ("aws.request_id", "/aws_request_id"),
    ("aws.extended_request_id", "/aws_extended_request_id"),
    ("cloud.account.id", "/credential/account_hint"),
    ("cloud.region", "/endpoint/region"),
    ("client.address", "/source/address"),
    ("server.address", "/request/host"),
    ("user_agent.original", "/sdk/user_agent"),
    ("error.type", "/error_type"),
    ("error.type", "/reason"),
    ("error.type", "/problem/code"),
];

/// Whole numbers, likewise.
const NUMBERS: &[(&str, &str)] = &[
    ("gen_ai.request.max_tokens", "/request/max_tokens"),
    ("gen_ai.usage.input_tokens", "/usage/input_tokens"),
    ("gen_ai.usage.output_tokens", "/usage/output_tokens"),
    ("gen_ai.usage.cache_read.input_tokens", "/usage/cache_read_tokens"),
    ("gen_ai.usage.cache_creation.input_tokens", "/usage/cache_write_tokens"),
    ("http.response.status_code", "/status"),
    ("http.request.body.size", "/request/bytes"),
    ("http.response.body.size", "/response_bytes"),
    ("portcullis.duration_ms", "/duration_ms"),
    ("portcullis.decision_ms", "/decision_ms"),
];

/// See the module's description. A pruned record has no body.
pub(in crate::export) fn log_record(logged: &Logged) -> Value {
    let record: Value =
        logged.record.as_deref().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
    let entry = &logged.entry;
    let nanos = (u128::from(entry.time_ms) * 1_000_000).to_string();
    let (number, text) = severity(entry.kind, &record);
    let mut out = json!({
        "timeUnixNano": nanos,
        "observedTimeUnixNano": nanos,
        "severityNumber": number,
        "severityText": text,
        "eventName": format!("portcullis.{}", entry.kind.as_str()),
        "attributes": attributes(logged, &record),
    });
    let trace = record.pointer("/request/metadata/traceparent").and_then(Value::as_str).and_then(trace);
    if let Some(members) = out.as_object_mut() {
        if let Some(body) = &logged.record {
            members.insert("body".to_owned(), json!({ "stringValue": &**body }));
        }
        if let Some((trace, span, flags)) = trace {
            members.insert("traceId".to_owned(), trace.into());
            members.insert("spanId".to_owned(), span.into());
            members.insert("flags".to_owned(), flags.into());
        }
    }
    out
}

/// The data model's numbers: 9 is INFO, 13 WARN, 17 ERROR.
fn severity(kind: RecordKind, record: &Value) -> (u8, &'static str) {
    let text = |pointer: &str| record.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let fine = match kind {
        RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => {
            matches!(text("/verdict/kind"), "allow" | "")
        }
        RecordKind::Outcome => matches!(text("/state"), "completed" | ""),
        RecordKind::Approval | RecordKind::Bundle | RecordKind::Admin => true,
        RecordKind::Gap => return (17, "ERROR"),
    };
    if fine { (9, "INFO") } else { (13, "WARN") }
}

fn attributes(logged: &Logged, record: &Value) -> Vec<Value> {
    let entry = &logged.entry;
    let text = |key: &str, value: &str| json!({ "key": key, "value": { "stringValue": value } });
    // A 64-bit number is a text in the JSON of protocol buffers.
    let number = |key: &str, value: u64| json!({ "key": key, "value": { "intValue": value.to_string() } });
    let mut all = vec![
        text("log.record.uid", &entry.id),
        text("portcullis.kind", entry.kind.as_str()),
        number("portcullis.index", logged.index),
        text("portcullis.record.sha256", &hex::encode(entry.sha256)),
    ];
    let mut last = "";
    for (key, pointer) in TEXTS {
        let value = record.pointer(pointer).and_then(Value::as_str).filter(|value| !value.is_empty());
        if let Some(value) = value.filter(|_| *key != last) {
            all.push(text(key, value));
            last = key;
        }
    }
    for (key, pointer) in NUMBERS {
        all.extend(record.pointer(pointer).and_then(Value::as_u64).map(|value| number(key, value)));
    }
    if record.pointer("/model/id").is_some() || record.get("usage").is_some() {
        let provider = record.pointer("/endpoint/provider").and_then(Value::as_str);
        all.push(text(
            "gen_ai.provider.name",
            provider.filter(|name| *name != "aws").unwrap_or("aws.bedrock"),
        ));
    }
    if let Some(operation) = operation(record) {
        all.push(text("gen_ai.operation.name", operation));
    }
    if let Some(reason) = record.pointer("/answer/stop_reason").and_then(Value::as_str) {
        let values = json!([{ "stringValue": reason }]);
        all.push(json!({ "key": "gen_ai.response.finish_reasons", "value": { "arrayValue": { "values": values } } }));
    }
    all
}

/// The well-known values of `gen_ai.operation.name`.
fn operation(record: &Value) -> Option<&'static str> {
    if record.get("tool").is_some() {
        return Some("execute_tool");
    }
    match record.get("operation")?.as_str()? {
        "Converse" | "ConverseStream" | "ChatCompletions" | "Messages" | "Responses" => Some("chat"),
        "InvokeModel" | "InvokeModelWithResponseStream" => Some("generate_content"),
        "InvokeAgent" | "InvokeInlineAgent" | "InvokeFlow" | "InvokeAgentRuntime" => Some("invoke_agent"),
        _ => None,
    }
}

/// The caller's own `traceparent` (<https://www.w3.org/TR/trace-context/>), where it gives one in the request's metadata: trace, span, flags.
fn trace(text: &str) -> Option<(&str, &str, u8)> {
    let mut parts = text.split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let hex = |text: &str, length: usize| {
        text.len() == length
            && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
            && text.bytes().any(|b| b != b'0')
    };
    let flags = u8::from_str_radix(flags, 16).ok()?;
    (version == "00" && hex(trace, 32) && hex(span, 16)).then_some((trace, span, flags))
}
