//! The native request and answer shapes behind InvokeModel ("Inference request parameters and response fields for
//! foundation models" in the Bedrock user guide).

use super::said::Said;
use super::{Ask, anthropic, converse, openai};
use serde_json::{Value, json};

/// A family of models that share a shape.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Family {
    Anthropic,
    Nova,
    Titan,
    TitanEmbed,
    Llama,
    Mistral,
    CohereChat,
    CohereText,
    CohereEmbed,
    OpenAi,
}

/// By a part of the model id (profiles and ARNs contain it), the more special first.
const BY_ID: &[(&str, Family)] = &[
    ("anthropic.", Family::Anthropic),
    ("amazon.nova", Family::Nova),
    ("amazon.titan-embed", Family::TitanEmbed),
    ("amazon.titan", Family::Titan),
    ("meta.llama", Family::Llama),
    ("cohere.embed", Family::CohereEmbed),
    ("cohere.command-r", Family::CohereChat),
    ("cohere.command", Family::CohereText),
    ("ai21.", Family::OpenAi),
    ("deepseek.", Family::OpenAi),
    ("openai.", Family::OpenAi),
    ("qwen.", Family::OpenAi),
];

impl Family {
    /// By model id, and by the body where the id does not tell (imported, provisioned, custom models; Mistral has two shapes).
    pub(super) fn of(model: &str, body: &Value) -> Self {
        if let Some((_, family)) = BY_ID.iter().find(|(part, _)| model.contains(part)) {
            return *family;
        }
        match (body.get("messages"), body.get("prompt")) {
            (Some(_), _) if body.get("anthropic_version").is_some() => Self::Anthropic,
            (Some(_), _) => Self::OpenAi,
            (None, Some(_)) if model.contains("mistral.") => Self::Mistral,
            (None, Some(_)) => Self::Llama,
            (None, None) => Self::Titan,
        }
    }

    pub(super) fn whole(self, ask: &Ask<'_>, said: &Said) -> Value {
        let (input, output, text) = (said.input_tokens, said.output_tokens, &said.text);
        match self {
            Self::Anthropic => anthropic::message(ask, said),
            Self::OpenAi => openai::completion(ask, said),
            Self::Nova => converse::message(said),
            Self::Titan => json!({
                "inputTextTokenCount": input,
                "results": [{"tokenCount": output, "outputText": text, "completionReason": "FINISH"}],
            }),
            Self::TitanEmbed => json!({"embedding": [0.1, 0.2, 0.3, 0.4], "inputTextTokenCount": input}),
            Self::Llama => json!({
                "generation": text, "prompt_token_count": input, "generation_token_count": output, "stop_reason": "stop",
            }),
            Self::Mistral => json!({"outputs": [{"text": text, "stop_reason": "stop"}]}),
            Self::CohereChat => json!({
                "response_id": "r-1", "generation_id": "g-1", "text": text, "finish_reason": "COMPLETE", "chat_history": [],
                "tool_calls": said.tools.iter().map(|t| json!({"name": t.name, "parameters": t.input})).collect::<Vec<_>>(),
            }),
            Self::CohereText => json!({
                "id": "c-1", "prompt": ask.text("/prompt"),
                "generations": [{"id": "g-1", "text": text, "finish_reason": "COMPLETE"}],
            }),
            Self::CohereEmbed => json!({
                "id": "e-1", "response_type": "embeddings_floats", "embeddings": [[0.1, 0.2, 0.3, 0.4]],
                "texts": ask.json.get("texts"),
            }),
        }
    }

    pub(super) fn chunks(self, ask: &Ask<'_>, said: &Said) -> Vec<Value> {
        let pieces = || said.pieces();
        match self {
            Self::Anthropic => anthropic::events(ask, said).into_iter().map(|(_, data)| data).collect(),
            Self::OpenAi => openai::chunks(ask, said),
            Self::Nova => {
                let mut chunks: Vec<Value> =
                    converse::events(said).into_iter().map(|(name, data)| json!({name: data})).collect();
                chunks.push(json!({"metadata": {"usage": said.usage(), "metrics": {}, "trace": {}}}));
                chunks
            }
            Self::Llama => ended(
                pieces().map(|piece| json!({"generation": piece, "stop_reason": null})),
                json!({
                    "generation": "", "prompt_token_count": said.input_tokens, "generation_token_count": said.output_tokens,
                    "stop_reason": "stop",
                }),
            ),
            Self::Mistral => ended(
                pieces().map(|piece| json!({"outputs": [{"text": piece, "stop_reason": null}]})),
                json!({"outputs": [{"text": "", "stop_reason": "stop"}]}),
            ),
            Self::CohereChat => ended(
                pieces().map(
                    |piece| json!({"event_type": "text-generation", "text": piece, "is_finished": false}),
                ),
                json!({"event_type": "stream-end", "finish_reason": "COMPLETE", "is_finished": true}),
            ),
            Self::CohereText => ended(
                pieces().map(|piece| json!({"text": piece, "is_finished": false})),
                json!({"is_finished": true, "finish_reason": "COMPLETE"}),
            ),
            Self::Titan => ended(
                pieces().map(|piece| json!({"outputText": piece, "index": 0, "completionReason": null})),
                json!({
                    "outputText": "", "index": 0, "completionReason": "FINISH",
                    "totalOutputTextTokenCount": said.output_tokens, "inputTextTokenCount": said.input_tokens,
                }),
            ),
            Self::TitanEmbed | Self::CohereEmbed => vec![self.whole(ask, said)],
        }
    }
}

fn ended(pieces: impl Iterator<Item = Value>, last: Value) -> Vec<Value> {
    pieces.chain([last]).collect()
}
