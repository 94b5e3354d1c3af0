//! Everything else: a few operations by name, the others with the modelled status and an empty document, which every
//! SDK parses (all output members are optional to a client).

use super::Ask;
use crate::reply::{Reply, Shape};
use serde_json::{Value, json};
use uuid::Uuid;

const TIME: &str = "2026-01-01T00:00:00Z";
const ACCOUNT: &str = "arn:aws:bedrock:us-east-1:123456789012";

pub(super) fn answer(ask: &Ask<'_>) -> Reply {
    let status = ask.found.status;
    if status == 204 {
        let mut reply = Reply::ok(&Value::Null);
        reply.status = 204;
        reply.steps.clear();
        return reply;
    }
    match body(ask) {
        Some(body) => Reply::json(status, &body),
        None => Reply::json(status, &json!({})),
    }
}

fn body(ask: &Ask<'_>) -> Option<Value> {
    let session = || {
        let id =
            ask.found.label("sessionIdentifier").map_or_else(|| Uuid::now_v7().to_string(), str::to_owned);
        json!({
            "sessionId": id, "sessionArn": format!("{ACCOUNT}:session/{id}"), "sessionStatus": "ACTIVE",
            "createdAt": TIME, "lastUpdatedAt": TIME,
        })
    };
    Some(match (ask.found.operation.as_str(), ask.found.shape) {
        ("ListModels", Shape::OpenAi) => json!({
            "object": "list",
            "data": [{"id": "openai.gpt-oss-120b", "object": "model", "created": 1, "owned_by": "openai"}],
        }),
        ("CreateSession" | "GetSession" | "UpdateSession", _) => session(),
        ("EndSession", _) => {
            let mut session = session();
            session["sessionStatus"] = json!("ENDED");
            session
        }
        ("ListSessions", _) => json!({"sessionSummaries": []}),
        ("GenerateQuery", _) => json!({"queries": [{"type": "REDSHIFT_SQL", "sql": "SELECT 1"}]}),
        ("ListFoundationModels", _) => json!({"modelSummaries": [
            model("anthropic.claude-3-5-sonnet-20241022-v2:0", "Anthropic"),
            model("amazon.nova-pro-v1:0", "Amazon"),
            model("meta.llama3-1-70b-instruct-v1:0", "Meta"),
        ]}),
        ("GetFoundationModel", _) => {
            let id = ask.found.label("modelIdentifier").unwrap_or_default();
            json!({"modelDetails": model(id, "Anthropic")})
        }
        ("CreateModelInvocationJob", _) => {
            let id: String = Uuid::now_v7().simple().to_string().chars().rev().take(12).collect();
            json!({"jobArn": format!("{ACCOUNT}:model-invocation-job/{id}")})
        }
        _ => return None,
    })
}

fn model(id: &str, provider: &str) -> Value {
    json!({
        "modelArn": format!("arn:aws:bedrock:us-east-1::foundation-model/{id}"), "modelId": id, "modelName": id,
        "providerName": provider, "inputModalities": ["TEXT"], "outputModalities": ["TEXT"],
        "responseStreamingSupported": true, "inferenceTypesSupported": ["ON_DEMAND"],
        "modelLifecycle": {"status": "ACTIVE"},
    })
}
