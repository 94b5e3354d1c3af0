//! What a request body says, whatever its shape: last user text, length, model.

use serde_json::Value;

/// Where the user's text stands when there are no `messages`, in the order of trial.
const TEXTS: &[&str] = &[
    "/inputText",
    "/prompt",
    "/message",
    "/retrievalQuery/text",
    "/input/text",
    "/input",
    "/inputs/0/content/document",
    "/queries/0/textQuery/text",
    "/content/0/text/text",
    "/queryGenerationInput/text",
    "/input/textPrompt/promptTemplate",
    "/modelInput/textToVideoParams/text",
    "/modelInput/inputText",
];

const MODELS: &[&str] = &[
    "/modelId",
    "/model",
    "/foundationModel",
    "/retrieveAndGenerateConfiguration/knowledgeBaseConfiguration/modelArn",
    "/retrieveAndGenerateConfiguration/externalSourcesConfiguration/modelArn",
    "/rerankingConfiguration/bedrockRerankingConfiguration/modelConfiguration/modelArn",
    "/targetModelId",
];

/// The text of the last user turn; empty when that turn holds none (tool results only). A body of another shape
/// counts with all its strings.
pub(super) fn last_user_text(body: &Value) -> String {
    for list in ["/messages", "/input", "/modelInput/messages"] {
        if let Some(messages) = body.pointer(list).and_then(Value::as_array) {
            let is_user = |m: &&Value| m.get("role").is_none_or(|role| role == "user" || role == "tool");
            return messages.iter().rfind(is_user).map(|m| texts_of(&m["content"])).unwrap_or_default();
        }
    }
    if let Some(text) = TEXTS.iter().find_map(|pointer| body.pointer(pointer)?.as_str()) {
        return text.to_owned();
    }
    let mut all = String::new();
    every_string(body, &mut |_, text| {
        all.push_str(text);
        all.push('\n');
    });
    all
}

fn texts_of(content: &Value) -> String {
    match content {
        Value::String(text) => text.clone(),
        Value::Array(blocks) => {
            let text = |block: &Value| {
                let guarded = block.pointer("/guardContent/text/text");
                block.get("text").or(guarded).and_then(Value::as_str).map(str::to_owned)
            };
            blocks.iter().filter_map(text).collect::<Vec<_>>().join("\n")
        }
        _ => String::new(),
    }
}

/// One token for every four characters of text, at least one. Base64 and names do not count.
pub(super) fn tokens(body: &Value) -> u64 {
    const TEXT_KEYS: &[&str] =
        &["text", "content", "prompt", "inputText", "message", "system", "input", "document"];
    let mut characters = 0;
    every_string(body, &mut |key, text| {
        if TEXT_KEYS.contains(&key) {
            characters += text.chars().count();
        }
    });
    (characters as u64).div_ceil(4).max(1)
}

/// Tokens of an answer, by the same measure.
pub(super) fn tokens_of(text: &str) -> u64 {
    (text.chars().count() as u64).div_ceil(4).max(1)
}

/// The model that a body names.
pub(super) fn model(body: &Value) -> Option<String> {
    MODELS.iter().find_map(|pointer| body.pointer(pointer)?.as_str()).map(str::to_owned)
}

/// Every string with the nearest key above it.
fn every_string(value: &Value, visit: &mut dyn FnMut(&str, &str)) {
    fn walk(key: &str, value: &Value, visit: &mut dyn FnMut(&str, &str)) {
        match value {
            Value::String(text) => visit(key, text),
            Value::Array(items) => items.iter().for_each(|item| walk(key, item, visit)),
            Value::Object(members) => members.iter().for_each(|(key, member)| walk(key, member, visit)),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    walk("", value, visit);
}
