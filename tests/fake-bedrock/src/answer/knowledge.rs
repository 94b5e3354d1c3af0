//! Knowledge bases: Retrieve, RetrieveAndGenerate(Stream), Rerank.

use super::Ask;
use super::said::Said;
use super::stream;
use crate::reply::Reply;
use serde_json::{Value, json};

pub(super) fn retrieve(ask: &Ask<'_>) -> Reply {
    if ask.json.get("retrievalQuery").is_none() {
        return ask.invalid("1 validation error detected: 'retrievalQuery' is required");
    }
    let guarded = ask.json.get("guardrailConfiguration").is_some();
    let said = Said::new(ask, guarded);
    let mut body = json!({"retrievalResults": if said.blocked { json!([]) } else { json!([reference()]) }});
    if guarded {
        body["guardrailAction"] = action(&said);
    }
    Reply::ok(&body)
}

pub(super) fn generate(ask: &Ask<'_>) -> Reply {
    if ask.text("/input/text").is_none() {
        return ask.invalid("1 validation error detected: 'input' is required");
    }
    let said = Said::new(ask, guarded(ask));
    let mut body =
        json!({"sessionId": session(ask), "output": {"text": said.text}, "citations": [citation(&said)]});
    if guarded(ask) {
        body["guardrailAction"] = action(&said);
    }
    Reply::ok(&body)
}

pub(super) fn generate_stream(ask: &Ask<'_>) -> Reply {
    if ask.text("/input/text").is_none() {
        return ask.invalid("1 validation error detected: 'input' is required");
    }
    let said = Said::new(ask, guarded(ask));
    let mut events: Vec<(&str, Value)> =
        said.pieces().map(|piece| ("output", json!({"text": piece}))).collect();
    events.push(("citation", json!({"citation": citation(&said), "retrievedReferences": [reference()]})));
    if guarded(ask) {
        events.push(("guardrail", json!({"action": action(&said)})));
    }
    stream::events(ask, events).header("x-amzn-bedrock-knowledge-base-session-id", session(ask))
}

pub(super) fn agentic(ask: &Ask<'_>) -> Reply {
    if ask.json.get("messages").is_none() || ask.json.get("retrievers").is_none() {
        return ask.invalid("1 validation error detected: 'messages' and 'retrievers' are required");
    }
    let said = Said::new(ask, false);
    let mut events: Vec<(&str, Value)> =
        said.pieces().map(|piece| ("responseEvent", json!({"text": piece}))).collect();
    events.push(("result", json!({"results": [reference()]})));
    stream::events(ask, events)
}

pub(super) fn rerank(ask: &Ask<'_>) -> Reply {
    let Some(sources) = ask.json["sources"].as_array() else {
        return ask.invalid("1 validation error detected: 'sources' is required");
    };
    let ranked =
        |(index, _): (usize, &Value)| json!({"index": index, "relevanceScore": 1.0 / (1.0 + index as f64)});
    Reply::ok(&json!({"results": sources.iter().enumerate().map(ranked).collect::<Vec<_>>()}))
}

fn guarded(ask: &Ask<'_>) -> bool {
    ["knowledgeBaseConfiguration", "externalSourcesConfiguration"].iter().any(|kind| {
        let path = format!(
            "/retrieveAndGenerateConfiguration/{kind}/generationConfiguration/guardrailConfiguration"
        );
        ask.json.pointer(&path).is_some()
    })
}

fn action(said: &Said) -> Value {
    json!(if said.blocked { "INTERVENED" } else { "NONE" })
}

fn session(ask: &Ask<'_>) -> String {
    ask.text("/sessionId").unwrap_or("0198c0de-0000-7000-8000-000000000001").to_owned()
}

fn reference() -> Value {
    json!({
        "content": {"text": "A passage.", "type": "TEXT"},
        "location": {"type": "S3", "s3Location": {"uri": "s3://bucket/document.txt"}},
        "score": 0.9,
    })
}

fn citation(said: &Said) -> Value {
    let part = json!({"text": said.text, "span": {"start": 0, "end": said.text.chars().count()}});
    json!({"generatedResponsePart": {"textResponsePart": part}, "retrievedReferences": [reference()]})
}
