//! What AWS would answer, by operation.
#![expect(
    clippy::indexing_slicing,
    reason = "only `serde_json::Value` is indexed: a missing member reads as null, and only objects made here are written"
)]

mod agentcore;
mod agents;
mod anthropic;
mod bidirectional;
mod converse;
mod damage;
mod delivery;
mod families;
mod invoke;
mod knowledge;
mod openai;
mod prompt;
mod rest;
mod runtime;
mod said;
mod stream;

pub(crate) use bidirectional::bidirectional;

use crate::calls::SaidRecord;
use crate::directives::{Directives, ErrorBody};
use crate::operation::Match;
use crate::reply::{Reply, Shape};
use http::HeaderMap;
use serde_json::{Value, json};
use std::sync::OnceLock;
use std::time::Duration;

/// A recognised request whose caller was believed.
pub(crate) struct Ask<'a> {
    pub(crate) found: &'a Match,
    pub(crate) headers: &'a HeaderMap,
    pub(crate) empty: bool,
    /// `Null` when the body is not JSON.
    pub(crate) json: Value,
    pub(crate) model: Option<String>,
    pub(crate) directives: Directives,
    pub(crate) input_tokens: u64,
    pub(crate) pace: Duration,
    /// What the answer says, once that is known.
    pub(crate) said: OnceLock<SaidRecord>,
}

impl<'a> Ask<'a> {
    pub(crate) fn new(found: &'a Match, body: &[u8], headers: &'a HeaderMap, pace_ms: u64) -> Self {
        let json = serde_json::from_slice(body).unwrap_or(Value::Null);
        let directives = Directives::read(&prompt::last_user_text(&json));
        Self {
            found,
            headers,
            empty: body.is_empty(),
            model: found.label("modelId").map(str::to_owned).or_else(|| prompt::model(&json)),
            input_tokens: prompt::tokens(&json),
            pace: Duration::from_millis(directives.pace_ms.unwrap_or(pace_ms)),
            directives,
            json,
            said: OnceLock::new(),
        }
    }

    /// A string anywhere in the body, by JSON pointer.
    pub(crate) fn text(&self, pointer: &str) -> Option<&str> {
        self.json.pointer(pointer)?.as_str()
    }

    /// The answer comes from an agent of Bedrock.
    pub(crate) fn is_agent(&self) -> bool {
        matches!(self.found.operation.as_str(), "InvokeAgent" | "InvokeInlineAgent")
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    pub(crate) fn invalid(&self, message: &str) -> Reply {
        Reply::error(self.found.shape, 400, "ValidationException", message)
    }
}

/// The answer, with the orders in the prompt obeyed.
pub(crate) fn answer(ask: &Ask<'_>) -> Reply {
    if ask.found.operation == "Unknown" {
        return Reply::error(Shape::Aws, 404, "UnknownOperationException", "Unknown operation.");
    }
    match ask.directives.error {
        Some((status, ErrorBody::Modelled)) => return ordered_error(ask, status),
        Some((status, ErrorBody::Empty)) => return Reply::bytes(status, "application/json", ""),
        Some((status, ErrorBody::Html)) => {
            let page =
                format!("<html><head><title>{status}</title></head><body><h1>{status}</h1></body></html>\n");
            return Reply::bytes(status, "text/html", page);
        }
        None => {}
    }
    if ask.json.is_null() && !ask.empty {
        return ask.invalid("Malformed input request, please reformat your input and try again.");
    }
    let reply = dispatch(ask);
    let streamed = reply.steps.len() != 1;
    if reply.status >= 300 { reply } else { delivery::finish(ask, reply, streamed) }
}

fn dispatch(ask: &Ask<'_>) -> Reply {
    match ask.found.operation.as_str() {
        "Converse" => converse::whole(ask),
        "ConverseStream" => converse::stream(ask),
        "InvokeModel" => invoke::whole(ask),
        "InvokeModelWithResponseStream" => invoke::stream(ask),
        "InvokeModelWithBidirectionalStream" => stream::open(),
        "ApplyGuardrail" => runtime::apply_guardrail(ask),
        "InvokeGuardrailChecks" => runtime::guardrail_checks(ask),
        "CountTokens" => Reply::ok(&json!({"inputTokens": ask.input_tokens})),
        "StartAsyncInvoke" => runtime::start_async_invoke(ask),
        "GetAsyncInvoke" => runtime::get_async_invoke(ask),
        "ListAsyncInvokes" => Reply::ok(&json!({"asyncInvokeSummaries": []})),
        "InvokeAgent" | "InvokeInlineAgent" => agents::agent(ask),
        "InvokeFlow" => agents::flow(ask),
        "OptimizePrompt" => agents::optimize_prompt(ask),
        "InvokeHarness" => converse::harness(ask),
        "InvokeAgentRuntime" => agentcore::runtime(ask),
        "InvokeAgentRuntimeCommand" => agentcore::command(ask),
        "InvokeCodeInterpreter" => agentcore::code_interpreter(ask),
        "AgenticRetrieveStream" => knowledge::agentic(ask),
        "Retrieve" => knowledge::retrieve(ask),
        "RetrieveAndGenerate" => knowledge::generate(ask),
        "RetrieveAndGenerateStream" => knowledge::generate_stream(ask),
        "Rerank" => knowledge::rerank(ask),
        "CreateChatCompletion" => openai::chat(ask),
        "CreateResponse" => openai::responses(ask),
        "CreateMessage" => anthropic::messages(ask),
        "CountMessageTokens" => Reply::ok(&json!({"input_tokens": ask.input_tokens})),
        _ => rest::answer(ask),
    }
}

/// `[[error:STATUS]]`.
fn ordered_error(ask: &Ask<'_>, status: u16) -> Reply {
    let agents = ask.found.service == "bedrock-agent-runtime";
    let (type_name, message) = match status {
        400 => ("ValidationException", "The input is not valid."),
        403 => ("AccessDeniedException", "You don't have access to the model with the specified model ID."),
        404 => (
            "ResourceNotFoundException",
            "Could not resolve the foundation model from the provided model identifier.",
        ),
        408 => (
            "ModelTimeoutException",
            "Model has timed out in processing the request. Try your request again.",
        ),
        409 => ("ConflictException", "A conflict occurred."),
        424 if agents => ("DependencyFailedException", "A dependency failed."),
        424 => (
            "ModelErrorException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
        429 => ("ThrottlingException", "Too many requests, please wait before trying again."),
        502 => ("BadGatewayException", "Bad gateway."),
        503 => ("ServiceUnavailableException", "Bedrock is unable to process your request."),
        _ => (
            "InternalServerException",
            "The system encountered an unexpected error during processing. Try your request again.",
        ),
    };
    if (status, agents, ask.found.shape) == (424, false, Shape::Aws) {
        let body = json!({"message": message, "originalStatusCode": 500, "resourceName": ask.model});
        return Reply::json(424, &body).header("x-amzn-errortype", type_name);
    }
    Reply::error(ask.found.shape, status, type_name, message)
}
