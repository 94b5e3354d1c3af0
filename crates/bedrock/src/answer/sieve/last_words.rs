//! What ends a stream in its author's stead.
//!
//! On bedrock-runtime `accessDeniedException` is not modelled and boto3 shows nothing of it, so a denial is a
//! `validationException` there. A stream that is merely cut looks complete to every SDK.

use super::compact::Compact;
use super::{AnswerForm, StreamEnding};

impl AnswerForm {
    /// What ends a stream of this form with an error, whole: a frame, or events. For [`AnswerForm::Document`] nothing.
    #[must_use]
    pub fn last_words(self, end: StreamEnding, message: &str) -> Vec<u8> {
        match (self, end) {
            (Self::ModelEvents | Self::HarnessEvents, StreamEnding::Denied) => {
                exception("validationException", message)
            }
            (Self::ModelEvents, StreamEnding::Undecided) => exception("serviceUnavailableException", message),
            (Self::ModelEvents, StreamEnding::Unreadable) => exception("modelStreamErrorException", message),
            (Self::HarnessEvents, _) => exception("internalServerException", message),
            (Self::AgentEvents, StreamEnding::Denied) => exception("accessDeniedException", message),
            (Self::AgentEvents, StreamEnding::Undecided) => exception("dependencyFailedException", message),
            (Self::AgentEvents, StreamEnding::Unreadable) => exception("badGatewayException", message),
            (Self::OpenAiEvents, end) => {
                let (kind, code) = match end {
                    StreamEnding::Denied => ("invalid_request_error", "access_denied"),
                    StreamEnding::Undecided => ("server_error", "service_unavailable"),
                    StreamEnding::Unreadable => ("server_error", "stream_error"),
                };
                let message = quoted(message);
                format!(
                    "data: {{\"error\":{{\"message\":{message},\"type\":\"{kind}\",\"code\":\"{code}\"}}}}\n\ndata: [DONE]\n\n"
                )
                .into_bytes()
            }
            (Self::AnthropicEvents, end) => {
                let kind = match end {
                    StreamEnding::Denied => "permission_error",
                    StreamEnding::Undecided => "overloaded_error",
                    StreamEnding::Unreadable => "api_error",
                };
                let message = quoted(message);
                format!(
                    "event: error\ndata: {{\"type\":\"error\",\"error\":{{\"type\":\"{kind}\",\"message\":{message}}}}}\n\n"
                )
                .into_bytes()
            }
            (Self::Document, _) => Vec::new(),
        }
    }
}

/// A JSON string.
fn quoted(text: &str) -> String {
    let mut writer = Compact::new(usize::MAX);
    writer.quote();
    writer.text(text.as_bytes());
    writer.string_close();
    String::from_utf8(writer.bytes).unwrap_or_default()
}

/// An exception frame, see [`crate::answer::frames`].
fn exception(name: &str, message: &str) -> Vec<u8> {
    let mut headers = Vec::new();
    for (header, value) in
        [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")]
    {
        headers.push(u8::try_from(header.len()).unwrap_or_default());
        headers.extend_from_slice(header.as_bytes());
        headers.push(7);
        headers.extend_from_slice(&u16::try_from(value.len()).unwrap_or_default().to_be_bytes());
        headers.extend_from_slice(value.as_bytes());
    }
    let payload = format!("{{\"message\":{}}}", quoted(message));
    let length = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = Vec::with_capacity(16 + headers.len() + payload.len());
    frame.extend_from_slice(&length(16 + headers.len() + payload.len()));
    frame.extend_from_slice(&length(headers.len()));
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame.extend_from_slice(&headers);
    frame.extend_from_slice(payload.as_bytes());
    frame.extend_from_slice(&crc32fast::hash(&frame).to_be_bytes());
    frame
}
