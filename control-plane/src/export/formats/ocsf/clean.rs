//! What callers wrote does no harm to who reads events: no control characters, no text without end, nothing that is empty.

use crate::cli::output::printable;
use serde_json::Value;

/// Longest string, in characters.
pub(super) const LONGEST: usize = 512;
/// Longest list.
pub(super) const MOST: usize = 64;

/// Cleans a value, and removes from objects what says nothing.
pub(super) fn clean(value: &mut Value) {
    match value {
        Value::String(text) => {
            let printed = printable(text);
            *text = match printed.char_indices().nth(LONGEST) {
                Some(_) => printed.chars().take(LONGEST - 1).chain(['…']).collect(),
                None => printed,
            };
        }
        Value::Array(items) => {
            items.truncate(MOST);
            items.iter_mut().for_each(clean);
        }
        Value::Object(map) => {
            map.values_mut().for_each(clean);
            map.retain(|_, value| !says_nothing(value));
        }
        _ => {}
    }
}

fn says_nothing(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::String(text) => text.is_empty(),
        Value::Array(items) => items.is_empty(),
        Value::Object(map) => map.is_empty(),
        _ => false,
    }
}
