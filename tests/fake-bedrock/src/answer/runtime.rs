//! The remaining operations of bedrock-runtime: guardrails and asynchronous invocations.

use super::Ask;
use super::said::{BLOCKED, assessment};
use crate::reply::Reply;
use serde_json::{Value, json};
use uuid::Uuid;

pub(super) fn apply_guardrail(ask: &Ask<'_>) -> Reply {
    let (Some("INPUT" | "OUTPUT"), Some(content)) = (ask.text("/source"), ask.json["content"].as_array())
    else {
        return ask.invalid("1 validation error detected: 'source' and 'content' are required");
    };
    let texts = content.iter().filter_map(|block| block.pointer("/text/text")?.as_str());
    let characters = texts.map(|text| text.chars().count()).sum();
    let blocked = ask.directives.guardrail;
    let assessed = assessment(blocked, characters);
    Reply::ok(&json!({
        "action": if blocked { "GUARDRAIL_INTERVENED" } else { "NONE" },
        "actionReason": if blocked { "Guardrail blocked." } else { "No action." },
        "outputs": if blocked { json!([{"text": BLOCKED}]) } else { json!([]) },
        "usage": assessed["invocationMetrics"]["usage"],
        "guardrailCoverage": assessed["invocationMetrics"]["guardrailCoverage"],
        "assessments": [assessed],
    }))
}

/// Every asked category gets a score: 1.0 with `[[guardrail]]` in the last user text, else 0.
pub(super) fn guardrail_checks(ask: &Ask<'_>) -> Reply {
    let (Some(_), Some(checks)) = (ask.json["messages"].as_array(), ask.json["checks"].as_object()) else {
        return ask.invalid("1 validation error detected: 'messages' and 'checks' are required");
    };
    let score = if ask.directives.guardrail { 1.0 } else { 0.0 };
    let mut results = json!({});
    let mut usage = json!({});
    for (name, check) in checks {
        let categories = check["categories"].as_array().map(Vec::as_slice).unwrap_or_default();
        let scored = |c: &Value| json!({"category": c["category"], "severityScore": score});
        results[name] = if name == "sensitiveInformation" {
            json!({"results": [], "truncated": false})
        } else {
            json!({"results": categories.iter().map(scored).collect::<Vec<_>>()})
        };
        usage[name] = json!({"textUnits": 1});
    }
    Reply::ok(&json!({"results": results, "usage": usage}))
}

pub(super) fn start_async_invoke(ask: &Ask<'_>) -> Reply {
    if ask.model.is_none()
        || ask.json.get("modelInput").is_none()
        || ask.json.get("outputDataConfig").is_none()
    {
        return ask.invalid(
            "1 validation error detected: 'modelId', 'modelInput' and 'outputDataConfig' are required",
        );
    }
    let id = Uuid::now_v7().simple().to_string();
    let id: String = id.chars().rev().take(12).collect();
    Reply::ok(&json!({"invocationArn": format!("arn:aws:bedrock:us-east-1:123456789012:async-invoke/{id}")}))
}

pub(super) fn get_async_invoke(ask: &Ask<'_>) -> Reply {
    Reply::ok(&json!({
        "invocationArn": ask.found.label("invocationArn"),
        "modelArn": "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-reel-v1:0",
        "status": "InProgress", "submitTime": "2026-01-01T00:00:00Z",
        "outputDataConfig": {"s3OutputDataConfig": {"s3Uri": "s3://bucket/prefix"}},
    }))
}
