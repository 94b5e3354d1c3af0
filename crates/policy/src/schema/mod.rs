//! JSON Schemas (draft 2020-12) of a bundle's files, for editors. Keys, words, fields and operators come from the tables
//! that the loader reads by; a test holds that no key is missing. A schema cannot say everything that the loader checks.

mod manifest;
mod rules;
pub(crate) mod shape;
mod testcases;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

/// A file of a bundle that has a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// `bundle.yaml`
    Bundle,
    /// `rules/**`
    Rules,
    /// `tests/**`
    Tests,
}

impl SchemaKind {
    /// Every kind.
    pub const ALL: [Self; 3] = [Self::Bundle, Self::Rules, Self::Tests];

    /// Its file under `schemas/`.
    #[must_use]
    pub const fn file_name(self) -> &'static str {
        match self {
            Self::Bundle => "bundle.schema.json",
            Self::Rules => "rules.schema.json",
            Self::Tests => "tests.schema.json",
        }
    }
}

/// The schema of a kind of file.
#[must_use]
pub fn json_schema(kind: SchemaKind) -> Value {
    let (title, mut schema) = match kind {
        SchemaKind::Bundle => ("bundle.yaml of a Portcullis bundle", manifest::schema()),
        SchemaKind::Rules => ("A rule file of a Portcullis bundle", rules::schema()),
        SchemaKind::Tests => ("A file of test cases of a Portcullis bundle", testcases::schema()),
    };
    if let Some(map) = schema.as_object_mut() {
        map.insert("$schema".to_owned(), json!("https://json-schema.org/draft/2020-12/schema"));
        map.insert("title".to_owned(), json!(title));
    }
    schema
}

/// The first column of a table of words.
fn words<T>(table: &[(&'static str, T)]) -> Vec<&'static str> {
    table.iter().map(|(word, _)| *word).collect()
}
