//! Which answers are read, and in which form they come.

use super::AnswerForm;
use crate::answer::AnswerHead;
use crate::call::ApiShape;
use crate::operation::{ActionKind, Operation};

/// Whether answers of this operation can hold tool calls or text of a model.
pub(super) fn speaks(operation: &Operation) -> bool {
    match operation.name {
        // A response that was made before; what a flow did in the background.
        "GetResponse" | "ListFlowExecutionEvents" => true,
        // An agent's own container answers what it likes. A command's output is no model's.
        "InvokeAgentRuntime" | "InvokeAgentRuntimeCommand" => false,
        // Numbers, scores and receipts.
        "CountTokens"
        | "CountMessageTokens"
        | "CreateBatch"
        | "CreateEmbedding"
        | "CreateMessageBatch"
        | "CreateModelInvocationJob"
        | "Rerank"
        | "StartAsyncInvoke"
        | "StartFlowExecution" => false,
        _ => operation.kind != ActionKind::Other,
    }
}

/// Whether the answer has a `content-encoding` that is not read.
pub(super) fn is_encoded(head: &AnswerHead<'_>) -> bool {
    head.content_encoding.is_some_and(|coding| !coding.trim_ascii().eq_ignore_ascii_case(b"identity"))
}

impl AnswerForm {
    /// By what the answer says that it is. What says nothing is a document, and read as one.
    pub(super) fn of(operation: &Operation, head: &AnswerHead<'_>) -> Self {
        let kind = head.content_type.unwrap_or_default();
        let kind = kind.split(|&byte| byte == b';').next().unwrap_or_default().trim_ascii();
        if kind.eq_ignore_ascii_case(b"application/vnd.amazon.eventstream") {
            match operation.service {
                "bedrock-agent-runtime" => Self::AgentEvents,
                "bedrock-agentcore" => Self::HarnessEvents,
                _ => Self::ModelEvents,
            }
        } else if kind.eq_ignore_ascii_case(b"text/event-stream") {
            match operation.shape {
                ApiShape::Anthropic => Self::AnthropicEvents,
                _ => Self::OpenAiEvents,
            }
        } else {
            Self::Document
        }
    }
}
