//! The native request and answer shapes behind InvokeModel ("Inference request parameters and response fields for
//! foundation models" in the Bedrock user guide).

use super::said::{Said, ToolCall};
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
    MistralChat,
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
            (Some(_), _) if model.contains("mistral.") => Self::MistralChat,
            (Some(_), _) => Self::OpenAi,
            (None, Some(_)) if model.contains("mistral.") => Self::Mistral,
            (None, Some(_)) => Self::Llama,
            (None, None) => Self::Titan,
        }
    }

    pub(super) fn whole(self, ask: &Ask<'_>, said: &Said) -> Value {
        let (input, output, text) = (said.input_tokens, said.output_tokens, &said.all_text());
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
                "generation": llama(said), "prompt_token_count": input, "generation_token_count": output, "stop_reason": "stop",
            }),
            Self::Mistral => json!({"outputs": [{"text": text, "stop_reason": "stop"}]}),
            Self::MistralChat => {
                let stop = said.stop("stop", "tool_calls", "stop");
                json!({"choices": [{"index": 0, "message": openai::chat_message(said), "stop_reason": stop}]})
            }
            Self::CohereChat => cohere(said),
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
                llama(said)
                    .split_inclusive(' ')
                    .map(|piece| json!({"generation": piece, "stop_reason": null})),
                json!({
                    "generation": "", "prompt_token_count": said.input_tokens, "generation_token_count": said.output_tokens,
                    "stop_reason": "stop",
                }),
            ),
            Self::Mistral => ended(
                pieces().map(|piece| json!({"outputs": [{"text": piece, "stop_reason": null}]})),
                json!({"outputs": [{"text": "", "stop_reason": "stop"}]}),
            ),
            Self::MistralChat => {
                let chunk = |message: Value, stop: Value| json!({"choices": [{"index": 0, "message": message, "stop_reason": stop}]});
                let mut chunks: Vec<Value> = pieces()
                    .map(|piece| chunk(json!({"role": "assistant", "content": piece}), Value::Null))
                    .collect();
                // Mistral does not stream the arguments of a tool call: they come at once.
                let calls: Vec<Value> =
                    said.tools.iter().map(|tool| openai::tool_call(tool, &tool.text)).collect();
                let mut last = json!({"role": "assistant", "content": said.after});
                if !calls.is_empty() {
                    last["tool_calls"] = json!(calls);
                }
                chunks.push(chunk(last, json!(said.stop("stop", "tool_calls", "stop"))));
                chunks
            }
            Self::CohereChat => cohere_stream(said),
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

/// Llama has no place for tool calls: they are the text, after a mark, in the way that Meta's prompt format documents
/// ("Model Cards and Prompt formats: Llama 3.1", JSON based tool calling). Who reads them looks at the text's beginning.
fn llama(said: &Said) -> String {
    let call = |tool: &ToolCall| {
        let (name, arguments) = (json!(tool.name), &tool.text);
        format!(r#"<|python_tag|>{{"type": "function", "name": {name}, "parameters": {arguments}}}"#)
    };
    let calls: Vec<String> = said.tools.iter().map(call).collect();
    if calls.is_empty() { said.all_text() } else { calls.join("; ") }
}

fn cohere(said: &Said) -> Value {
    json!({
        "response_id": "r-1", "generation_id": "g-1", "text": said.all_text(),
        "finish_reason": said.stop("COMPLETE", "COMPLETE", "COMPLETE"), "chat_history": [],
        "tool_calls": said.tools.iter().map(|t| json!({"name": t.name, "parameters": t.input})).collect::<Vec<_>>(),
    })
}

/// Cohere's events: text, the pieces of each tool call, all calls at once, and all of it once more.
fn cohere_stream(said: &Said) -> Vec<Value> {
    let event = |kind: &str, mut value: Value| {
        value["event_type"] = json!(kind);
        value["is_finished"] = json!(kind == "stream-end");
        value
    };
    let text = |piece: &str| event("text-generation", json!({"text": piece}));
    let mut events: Vec<Value> = said.pieces().map(text).collect();
    let call = |(index, tool): (usize, &ToolCall)| {
        let delta = |delta: Value| event("tool-calls-chunk", json!({"tool_call_delta": delta}));
        let pieces = said.fragments(tool).into_iter();
        let pieces = pieces.map(|piece| delta(json!({"index": index, "parameters": piece})));
        [delta(json!({"index": index, "name": tool.name}))].into_iter().chain(pieces).collect()
    };
    events.extend(said.woven(said.tools.iter().enumerate().map(call).collect()));
    let whole = cohere(said);
    if said.stops && !said.tools.is_empty() {
        events.push(event("tool-calls-generation", json!({"tool_calls": whole["tool_calls"]})));
    }
    events.extend(said.pieces_after().map(text));
    events.push(event("stream-end", json!({"finish_reason": whole["finish_reason"], "response": whole})));
    events
}
