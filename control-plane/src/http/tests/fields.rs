//! docs/audit-fields.md says of every field of every record what it is for.

use portcullis_audit::log::Entry;
use portcullis_audit::{DecisionRecord, EventRecord, OutcomeRecord};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use utoipa::ToSchema;

type Schemas = BTreeMap<String, Value>;

fn schemas<T: ToSchema>() -> (Value, Schemas) {
    let mut parts = Vec::new();
    T::schemas(&mut parts);
    let parts = parts.into_iter().map(|(name, schema)| (name, serde_json::to_value(schema).unwrap()));
    (serde_json::to_value(T::schema()).unwrap(), parts.collect())
}

/// The object that a field holds, and whether it holds a list of them.
fn inner<'a>(field: &'a Value, list: bool, schemas: &'a Schemas) -> Option<(&'a Value, bool)> {
    if let Some(name) = field["$ref"].as_str() {
        let schema = &schemas[name.rsplit('/').next().unwrap()];
        return schema.get("properties").map(|_| (schema, list));
    }
    let parts = ["oneOf", "anyOf", "allOf"].iter().filter_map(|key| field[*key].as_array()).flatten();
    parts
        .map(|part| inner(part, list, schemas))
        .find(Option::is_some)
        .flatten()
        .or_else(|| inner_items(field, schemas))
}

fn inner_items<'a>(field: &'a Value, schemas: &'a Schemas) -> Option<(&'a Value, bool)> {
    inner(field.get("items")?, true, schemas)
}

fn fields(schema: &Value, before: &str, schemas: &Schemas, found: &mut BTreeSet<String>) {
    for (name, field) in schema["properties"].as_object().unwrap() {
        match inner(field, false, schemas) {
            Some((object, list)) => {
                fields(object, &format!("{before}{name}{}.", if list { "[]" } else { "" }), schemas, found);
            }
            None => assert!(found.insert(format!("{before}{name}"))),
        }
    }
}

/// The fields named in the first column of the table of a section, and the needs in the last.
fn rows(page: &str, heading: &str) -> (Vec<String>, BTreeSet<String>) {
    let section = page.split("\n## ").find(|section| section.starts_with(heading)).unwrap();
    let (mut names, mut needs) = (Vec::new(), BTreeSet::new());
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(!cells[1].is_empty(), "{row}");
        names.extend(cells[0].split(", ").map(|name| name.trim_matches('`').to_owned()));
        needs.extend(cells[2].split(", ").map(str::to_owned));
    }
    (names, needs)
}

#[test]
fn every_field_of_every_record_has_a_row() {
    let page = include_str!("../../../../docs/audit-fields.md");
    let needs = page.split("\n## ").find(|section| section.starts_with("The needs")).unwrap();
    let defined: BTreeSet<String> = needs
        .lines()
        .filter_map(|line| line.strip_prefix("| **")?.split("**").next().map(str::to_owned))
        .collect();
    let records = [
        ("The entry of every record", schemas::<Entry>()),
        ("A decision", schemas::<DecisionRecord>()),
        ("An outcome", schemas::<OutcomeRecord>()),
        ("An event", schemas::<EventRecord>()),
    ];
    let mut used = BTreeSet::new();
    for (heading, (schema, parts)) in &records {
        let mut expected = BTreeSet::new();
        fields(schema, "", parts, &mut expected);
        let (named, needs) = rows(page, heading);
        println!("{heading}: {} fields, {} named", expected.len(), named.len());
        let once: BTreeSet<String> = named.iter().cloned().collect();
        assert_eq!(once.len(), named.len(), "{heading}: a field is named twice");
        let missing: Vec<&String> = expected.difference(&once).collect();
        let strangers: Vec<&String> = once.difference(&expected).collect();
        assert!(
            missing.is_empty(),
            "{heading}: no row of docs/audit-fields.md says what these fields are for: {missing:?}"
        );
        assert!(
            strangers.is_empty(),
            "{heading}: docs/audit-fields.md names fields that there are not: {strangers:?}"
        );
        used.extend(needs);
    }
    assert_eq!(used, defined, "the needs of the rows are those of the first table");
}
