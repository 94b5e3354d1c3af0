//! The operations of the Bedrock services.

/// One operation, as AWS models it.
#[derive(Debug, PartialEq, Eq)]
pub struct Operation {
    /// Endpoint prefix of its service.
    pub service: &'static str,
    /// Name, such as `ConverseStream`.
    pub name: &'static str,
    /// HTTP method.
    pub method: &'static str,
    /// URI template.
    pub uri: &'static str,
    /// IAM action, such as `bedrock:InvokeModelWithResponseStream`.
    pub iam_action: &'static str,
    /// The request is an event stream.
    pub input_stream: bool,
    /// The answer is an event stream.
    pub output_stream: bool,
}

/// What a call does, for rules that speak of kinds of calls.
impl Operation {
    /// `model_invoked`, `agent_invoked` or `other`.
    #[must_use]
    pub fn action_type(&self) -> &'static str {
        "other"
    }
}
