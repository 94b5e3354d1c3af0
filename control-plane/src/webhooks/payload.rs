//! What a delivery says.

use super::Format;
use crate::cli::output::printable;
use crate::storage::Delivery;
use serde_json::{Value, json};

/// Longest text of a section and of a field that Slack takes, with room for the mark of a cut.
const MAX_TEXT: usize = 2_900;
const MAX_FIELD: usize = 1_900;

/// The body of a delivery, the same at every attempt.
pub(super) fn body(format: Format, delivery: &Delivery, link: Option<&str>) -> Vec<u8> {
    let value = match format {
        Format::Json => full(delivery, link),
        Format::Slack => slack(&delivery.event, link),
    };
    // A value with text keys: there is nothing that serde_json cannot write.
    serde_json::to_vec(&value).unwrap_or_default()
}

/// `id`, `type`, `time`, `by`, `why`, `link`, and `approval` or `grant` as the API shows them.
fn full(delivery: &Delivery, link: Option<&str>) -> Value {
    let mut value = delivery.event.clone();
    if let Some(members) = value.as_object_mut() {
        let at_ms = members.remove("at_ms").and_then(|at| at.as_u64()).unwrap_or(0);
        members.insert("id".to_owned(), delivery.id.clone().into());
        members.insert("time".to_owned(), crate::http::show_time(at_ms).into());
        if let Some(link) = link {
            members.insert("link".to_owned(), link.into());
        }
    }
    value
}

fn slack(event: &Value, link: Option<&str>) -> Value {
    let text = |pointer: &str| event.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let kind = text("/type");
    let (subject, state) = kind.split_once('.').unwrap_or((&kind, ""));
    let id = text(&format!("/{subject}/id"));
    let rule = text(&format!("/{subject}/rule"));
    let message = text("/approval/message");
    let by = text("/by");
    let (principal, summary) = if subject == "grant" {
        let grant =
            |name: &str| event.pointer(&format!("/grant/{name}")).and_then(Value::as_u64).unwrap_or(0);
        let uses = format!("{} of {} uses left", grant("left"), grant("uses"));
        (text("/grant/principal"), format!("Grant {state}: `{}`, {uses}", escape(&rule)))
    } else if state == "pending" {
        (text("/approval/call/principal"), format!("Approval needed: `{}`", escape(&rule)))
    } else {
        let summary = format!("Approval {state} by {}: `{}`", escape(&by), escape(&rule));
        (text("/approval/call/principal"), summary)
    };
    let said: Vec<String> =
        [message, text("/why")].iter().filter(|line| !line.is_empty()).map(|line| escape(line)).collect();
    let models = event.pointer("/approval/call/models").and_then(Value::as_array);
    let models: Vec<&str> = models.into_iter().flatten().filter_map(Value::as_str).collect();
    let fields = [
        ("Principal", principal),
        ("Operation", text("/approval/call/operation")),
        ("Model", models.join(", ")),
        ("Agent", text("/approval/call/agent")),
        ("Source", text("/approval/context/source")),
        ("Id", id.clone()),
    ];
    let fields: Vec<Value> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| plain(&format!("{name}\n{}", escape(value)), MAX_FIELD))
        .collect();
    let mut blocks = vec![json!({ "type": "section", "text": mrkdwn(&format!("*{summary}*"), MAX_TEXT) })];
    if !said.is_empty() {
        blocks.push(json!({ "type": "section", "text": plain(&said.join("\n"), MAX_TEXT) }));
    }
    blocks.push(json!({ "type": "section", "fields": fields }));
    if state == "pending" && subject == "approval" {
        let link = link.map(|link| format!("<{}|Answer>, or ", escape(link))).unwrap_or_default();
        let how = format!("{link}`portcullis approvals approve {id}` · `portcullis approvals deny {id}`");
        blocks.push(json!({ "type": "section", "text": mrkdwn(&how, MAX_TEXT) }));
    }
    json!({ "text": cut(&summary, MAX_TEXT), "blocks": blocks })
}

fn mrkdwn(text: &str, longest: usize) -> Value {
    json!({ "type": "mrkdwn", "text": cut(text, longest) })
}

/// Text that callers had a hand in: Slack makes no formatting and no links of it.
fn plain(text: &str, longest: usize) -> Value {
    json!({ "type": "plain_text", "text": cut(text, longest), "emoji": false })
}

/// What callers wrote must not become a link or a mention (Slack's three control characters are escaped), nor a line of its
/// own or another text than it is.
fn escape(text: &str) -> String {
    printable(text).replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

fn cut(text: &str, longest: usize) -> String {
    if text.chars().count() <= longest {
        return text.to_owned();
    }
    text.chars().take(longest).chain(['…']).collect()
}
