//! What a key may hold: read by people in an editor, through the JSON Schema made from it.

/// One key of a mapping.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// What it means, for people; Markdown.
    pub(crate) doc: &'static str,
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
    Boolean,
    /// `30s`, `15m`, `24h`, `30d`, or a number of seconds.
    Duration,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// A mapping of these keys and no others.
    Object(&'static [Key]),
    /// Text, short for this key of the mapping; or the mapping.
    TextOr(&'static [Key]),
    /// Texts by keys of the author's choice.
    TextMap,
    /// Anything by keys of the author's choice.
    AnyMap,
    /// A list of mappings of these keys.
    Objects(&'static [Key]),
}

/// The names of the keys.
pub(crate) fn names(keys: &'static [Key]) -> Vec<&'static str> {
    keys.iter().map(|key| key.name).collect()
}
