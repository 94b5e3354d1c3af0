//! A rule's message for the caller.

use crate::field::{self, FieldKind};
use crate::limits::MAX_MESSAGE_CHARS;
use crate::source::node::Node;
use crate::source::read::{Reader, did_you_mean};
use crate::template::Template;

/// Reads a message with placeholders.
pub(crate) fn read(reader: &mut Reader<'_>, node: &Node) -> Option<Template> {
    let text = reader.text(node, "`message`", MAX_MESSAGE_CHARS)?;
    match Template::parse(&text.text, resolve) {
        Ok(template) => Some(template),
        Err(problem) => {
            reader.error(text.at, format!("`message`: {problem}"));
            None
        }
    }
}

fn resolve(name: &str) -> Result<(&'static field::Field, String), String> {
    let content = ["response", "output"];
    let head = name.split('.').next().unwrap_or_default();
    match field::lookup(name) {
        Some((field, _)) if field.is_content() => {
            Err(format!("`{{{name}}}` may hold a prompt or data of a customer, which messages never tell"))
        }
        None if content.contains(&head) => {
            Err(format!("`{{{name}}}` may hold a prompt or data of a customer, which messages never tell"))
        }
        Some(found) => Ok(found),
        None => {
            let names =
                field::fields().iter().filter(|field| field.kind != FieldKind::Map).map(|field| field.name);
            let hint = did_you_mean(name, names);
            Err(format!("unknown field `{{{name}}}`{hint} (for the brace itself write `{{{{`)"))
        }
    }
}
