//! Kinds of operations, as far as AWS's logs tell them apart.

use serde::Serialize;
use std::fmt;

/// What has to be turned on for an operation to be seen. Management events are on in every trail unless somebody turned them
/// off; each kind of data events is off unless somebody turned it on.
///
/// Source: "Monitor Amazon Bedrock API calls using CloudTrail"
/// (<https://docs.aws.amazon.com/bedrock/latest/userguide/logging-using-cloudtrail.html>), for Mantle
/// <https://docs.aws.amazon.com/bedrock/latest/userguide/logging-cloudtrail-mantle.html>, for AgentCore "Amazon Bedrock AgentCore
/// Gateway event types" (<https://docs.aws.amazon.com/bedrock-agentcore/latest/devguide/gateway-event-types.html>).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Model calls: InvokeModel, Converse and their streams. Management events; the only ones in invocation logs.
    Model,
    /// Everything that changes or lists something. Management events.
    Control,
    /// Bidirectional streams and asynchronous invocations. Data events.
    AsyncModel,
    /// Agents. Data events.
    Agent,
    /// Inline agents. Data events.
    InlineAgent,
    /// Flows. Data events.
    Flow,
    /// Knowledge bases. Data events.
    KnowledgeBase,
    /// Guardrails on their own. Data events.
    Guardrail,
    /// Prompts. Data events.
    Prompt,
    /// Sessions. Data events.
    Session,
    /// Runtimes, gateways, memory and tools of AgentCore. Data events.
    AgentCore,
    /// Inference on the OpenAI- and Anthropic-compatible endpoint. Data events.
    Mantle,
}

impl Class {
    /// The class of an operation. `service` is an endpoint prefix or CloudTrail's event source, `data` what CloudTrail says.
    #[must_use]
    pub fn of(service: &str, operation: &str, data: Option<bool>) -> Self {
        match operation {
            "InvokeModel" | "InvokeModelWithResponseStream" | "Converse" | "ConverseStream" => Self::Model,
            "InvokeModelWithBidirectionalStream" | "StartAsyncInvoke" | "GetAsyncInvoke" => Self::AsyncModel,
            "InvokeAgent" => Self::Agent,
            "InvokeInlineAgent" => Self::InlineAgent,
            "Retrieve" | "RetrieveAndGenerate" | "RetrieveAndGenerateStream" => Self::KnowledgeBase,
            "ApplyGuardrail" => Self::Guardrail,
            "RenderPrompt" => Self::Prompt,
            "CreateInference" => Self::Mantle,
            _ if operation == "InvokeFlow" || operation.contains("FlowExecution") => Self::Flow,
            _ if operation.contains("Session") && service.starts_with("bedrock-agent-runtime") => {
                Self::Session
            }
            _ if data == Some(false) => Self::Control,
            _ if service.starts_with("bedrock-mantle") => Self::Mantle,
            // The control plane of AgentCore has an endpoint of its own, and the same event source.
            _ if service.starts_with("bedrock-agentcore-control") => Self::Control,
            _ if service.starts_with("bedrock-agentcore") => Self::AgentCore,
            _ => Self::Control,
        }
    }

    /// What makes CloudTrail show it.
    #[must_use]
    pub const fn turned_on_by(self) -> &'static str {
        match self {
            Self::Model | Self::Control => "management events, read and write",
            Self::AsyncModel => "data events of AWS::Bedrock::Model and AWS::Bedrock::AsyncInvoke",
            Self::Agent => "data events of AWS::Bedrock::AgentAlias",
            Self::InlineAgent => "data events of AWS::Bedrock::InlineAgent",
            Self::Flow => "data events of AWS::Bedrock::FlowAlias",
            Self::KnowledgeBase => "data events of AWS::Bedrock::KnowledgeBase",
            Self::Guardrail => "data events of AWS::Bedrock::Guardrail",
            Self::Prompt => "data events of AWS::Bedrock::PromptVersion",
            Self::Session => "data events of AWS::Bedrock::Session",
            Self::AgentCore => "data events of AWS::BedrockAgentCore::Runtime, ::Gateway and the like",
            Self::Mantle => "data events of AWS::BedrockMantle::Project and the like",
        }
    }

    /// The stable name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Model => "model",
            Self::Control => "control",
            Self::AsyncModel => "async_model",
            Self::Agent => "agent",
            Self::InlineAgent => "inline_agent",
            Self::Flow => "flow",
            Self::KnowledgeBase => "knowledge_base",
            Self::Guardrail => "guardrail",
            Self::Prompt => "prompt",
            Self::Session => "session",
            Self::AgentCore => "agent_core",
            Self::Mantle => "mantle",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
