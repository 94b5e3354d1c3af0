//! What a key may hold, and the JSON Schema that says so.

use serde_json::{Map, Value, json};

/// One key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it means, for people; Markdown.
    pub(crate) doc: &'static str,
}

pub(crate) const fn key(name: &'static str, shape: Shape, doc: &'static str) -> Key {
    Key { name, shape, doc }
}

/// The shape of a value.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Shape {
    /// Text; numbers that stand for themselves (account ids) are taken as written.
    Text,
    /// Text or nothing (`null`).
    TextOrNull,
    /// One text or a list of them.
    Texts,
    /// A whole number, 0 or more.
    Integer,
    /// A number, 0 or more.
    Number,
    Boolean,
    /// `30s`, `15m`, `24h`, `30d`, or a number of seconds.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// One of the words that the loader's table has.
    Words(fn() -> Vec<&'static str>),
    /// A mapping of these keys and no others.
    Object(&'static [Key]),
    /// Text, short for a mapping of these keys; or the mapping.
    TextOr(&'static [Key]),
    /// Texts by keys of the author's choice.
    TextMap,
    /// Anything by keys of the author's choice.
    AnyMap,
    /// A list of mappings of these keys.
    Objects(&'static [Key]),
    /// What stands in the schema's `$defs` under this name.
    Def(&'static str),
    /// A list of them.
    Defs(&'static str),
}

/// The names of the keys.
pub(crate) fn names(keys: &'static [Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}

/// The schema of a mapping of these keys and no others.
pub(crate) fn object(keys: &[Key], required: &[&str]) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| {
            let mut schema = key.shape.schema();
            if let Some(map) = schema.as_object_mut() {
                map.insert("description".to_owned(), json!(key.doc));
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    let mut schema = json!({"type": "object", "additionalProperties": false, "properties": properties});
    if !required.is_empty()
        && let Some(map) = schema.as_object_mut()
    {
        map.insert("required".to_owned(), json!(required));
    }
    schema
}

impl Shape {
    pub(crate) fn schema(self) -> Value {
        // YAML reads what has no quotes and looks like a number as one.
        let text = || json!({"type": ["string", "number"]});
        match self {
            Self::Text => text(),
            Self::TextOrNull => json!({"type": ["string", "number", "null"]}),
            Self::Texts => json!({"anyOf": [text(), {"type": "array", "items": text()}]}),
            Self::Integer => json!({"type": "integer", "minimum": 0}),
            Self::Number => json!({"type": "number", "minimum": 0}),
            Self::Boolean => json!({"type": "boolean"}),
            Self::Duration => {
                json!({"anyOf": [{"type": "string", "pattern": "^[0-9]+[smhd]?$"}, {"type": "integer", "minimum": 0}]})
            }
            Self::Choice(words) => json!({"enum": words}),
            Self::Words(words) => json!({"enum": words()}),
            Self::Object(keys) => object(keys, &[]),
            Self::TextOr(keys) => json!({"anyOf": [text(), object(keys, &[])]}),
            Self::TextMap => json!({"type": "object", "additionalProperties": text()}),
            Self::AnyMap => json!({"type": "object"}),
            Self::Objects(keys) => json!({"type": "array", "items": object(keys, &[])}),
            Self::Def(name) => json!({"$ref": format!("#/$defs/{name}")}),
            Self::Defs(name) => json!({"type": "array", "items": {"$ref": format!("#/$defs/{name}")}}),
        }
    }
}
