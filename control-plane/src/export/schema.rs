//! The JSON Schema (draft 2020-12) of a line of an export: entry, index, and the record of its kind. Made from the types by which
//! records are written, with their descriptions: `schemas/audit-record.schema.json`.

use portcullis_audit::log::{Entry, RecordKind};
use portcullis_audit::{DecisionRecord, EventRecord, OutcomeRecord};
use serde_json::{Map, Value, json};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

/// Where `utoipa` puts what a schema refers to, and where JSON Schema does.
const OPENAPI: &str = "#/components/schemas/";
const DEFS: &str = "#/$defs/";

/// The schema of a line of an export.
#[must_use]
pub fn json_schema() -> Value {
    let mut defs = Map::new();
    add::<DecisionRecord>(&mut defs);
    add::<OutcomeRecord>(&mut defs);
    add::<EventRecord>(&mut defs);
    add::<Entry>(&mut defs);
    for record in [name::<DecisionRecord>(), name::<OutcomeRecord>(), name::<EventRecord>()] {
        let version =
            json!({"const": portcullis_audit::SCHEMA, "description": "Version of the form of records."});
        set(&mut defs, &record, "schema", version);
    }
    for (record, member) in [("Entry", "sha256"), ("AnswerText", "sha256"), ("ToolCall", "arguments_sha256")]
    {
        set(&mut defs, record, member, json!({"pattern": "^[0-9a-f]{64}$"}));
    }
    let events =
        RecordKind::ALL.into_iter().filter(|kind| kind.id_member() == "event_id").map(RecordKind::as_str);
    set(&mut defs, "EventRecord", "kind", json!({"enum": events.collect::<Vec<_>>()}));
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": format!("https://portcullis.dev/schemas/audit-record-{}.json", portcullis_audit::SCHEMA),
        "title": "A line of an export of the audit log of Portcullis",
        "description": "Canonical JSON (RFC 8785). The leaf of the Merkle tree is the hash of the canonical `entry`, whose `sha256` \
            is that of the canonical `record`. The record is absent where it was pruned.",
        "type": "object",
        "required": ["entry", "index"],
        "additionalProperties": false,
        "properties": {
            "entry": {"$ref": "#/$defs/Entry", "description": "What of the record is hashed into the tree."},
            "index": {"type": "integer", "minimum": 0, "description": "Its place in the log, from 0."},
            "record": {"type": "object", "description": "The record, of the type that its kind has."},
        },
        "allOf": RecordKind::ALL.into_iter().map(branch).collect::<Vec<_>>(),
        "$defs": defs,
    })
}

/// As it is committed and printed.
#[must_use]
pub fn text() -> String {
    format!("{:#}\n", json_schema())
}

/// What the record of a line of that kind is.
fn branch(kind: RecordKind) -> Value {
    let record = match kind {
        RecordKind::Decision | RecordKind::ToolCall | RecordKind::AnswerText => name::<DecisionRecord>(),
        RecordKind::Outcome => name::<OutcomeRecord>(),
        RecordKind::Approval | RecordKind::Bundle | RecordKind::Admin | RecordKind::Gap => {
            name::<EventRecord>()
        }
    };
    json!({
        "if": {"properties": {"entry": {"properties": {"kind": {"const": kind.as_str()}}}}},
        "then": {"properties": {"record": {"$ref": format!("{DEFS}{record}")}}},
    })
}

fn name<T: ToSchema>() -> String {
    T::name().into_owned()
}

/// The schema of a type and of what it is made of.
fn add<T: ToSchema + PartialSchema>(defs: &mut Map<String, Value>) {
    let mut all: Vec<(String, RefOr<Schema>)> = vec![(name::<T>(), T::schema())];
    T::schemas(&mut all);
    for (name, schema) in all {
        let mut schema = serde_json::to_value(schema).unwrap_or_default();
        tidy(&mut schema);
        defs.insert(name, schema);
    }
}

/// Records never say `null`, and have no members that their type does not know.
fn tidy(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            if let Some(Value::String(target)) = map.get_mut("$ref")
                && let Some(name) = target.strip_prefix(OPENAPI)
            {
                *target = format!("{DEFS}{name}");
            }
            if let Some(Value::String(text)) = map.get_mut("description") {
                // Links of rustdoc lead nowhere here.
                *text = text.replace("[`", "`").replace("`]", "`").replace("crate::", "");
            }
            if let Some(Value::Array(types)) = map.get_mut("type") {
                types.retain(|name| name != "null");
                if let [only] = types.as_slice() {
                    let only = only.clone();
                    map.insert("type".to_owned(), only);
                }
            }
            if let Some(Value::Array(choices)) = map.get_mut("oneOf") {
                choices.retain(|choice| choice.get("type").is_none_or(|name| name != "null"));
                if let [Value::Object(only)] = choices.as_slice() {
                    let only = only.clone();
                    map.remove("oneOf");
                    // A description that stands beside it is of the member, and says more.
                    for (key, value) in only {
                        map.entry(key).or_insert(value);
                    }
                    return tidy(schema);
                }
            }
            if map.contains_key("properties") {
                map.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            map.values_mut().for_each(tidy);
        }
        Value::Array(items) => items.iter_mut().for_each(tidy),
        _ => {}
    }
}

/// Says more of a member than its type does.
fn set(defs: &mut Map<String, Value>, record: &str, member: &str, more: Value) {
    let member = defs.get_mut(record).and_then(|schema| schema.pointer_mut(&format!("/properties/{member}")));
    if let (Some(Value::Object(found)), Value::Object(more)) = (member, more) {
        found.extend(more);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;
    use std::path::{Path, PathBuf};

    fn repository() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
    }

    #[test]
    fn the_committed_schema_is_the_generated() {
        let path = repository().join("schemas/audit-record.schema.json");
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(&path, text()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        println!("{}: {} bytes", path.display(), committed.len());
        assert!(
            committed == text(),
            "{} is not what is generated; UPDATE_EXPECTED=1 writes it",
            path.display()
        );
    }

    #[test]
    fn every_member_is_described() {
        let schema = json_schema();
        let mut members = 0;
        for (name, def) in schema["$defs"].as_object().unwrap() {
            let Some(properties) = def.get("properties") else { continue };
            assert_eq!(def["additionalProperties"], false, "{name}");
            for (member, said) in properties.as_object().unwrap() {
                members += 1;
                let text = said["description"].as_str().unwrap_or_default();
                assert!(text.len() > 2, "{name}.{member} says nothing of itself: {said}");
            }
        }
        println!("{members} members described");
    }

    /// What a record says, as `Type.member`, found by walking record and schema together; errors are what the schema does not
    /// know. Enough of JSON Schema for a schema that we generate; a validator of others checks the same in the tests in Python.
    fn walk(
        schema: &Value,
        at: &Value,
        name: &str,
        value: &Value,
        seen: &mut BTreeSet<String>,
    ) -> Result<(), String> {
        if let Some(target) = at.get("$ref").and_then(Value::as_str) {
            let name = target.rsplit('/').next().unwrap();
            return walk(schema, &schema["$defs"][name], name, value, seen);
        }
        match value {
            Value::Object(map) => {
                let Some(properties) = at.get("properties") else {
                    let additional = at.get("additionalProperties").cloned().unwrap_or_default();
                    return map.values().try_for_each(|value| walk(schema, &additional, name, value, seen));
                };
                for (member, value) in map {
                    let said =
                        properties.get(member).ok_or(format!("{name}.{member} is not in the schema"))?;
                    seen.insert(format!("{name}.{member}"));
                    walk(schema, said, name, value, seen)?;
                }
                let required = at.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
                let missing = required.iter().find(|member| !map.contains_key(member.as_str().unwrap()));
                missing.map_or(Ok(()), |member| Err(format!("{name} has no {member}")))
            }
            Value::Array(items) => {
                items.iter().try_for_each(|item| walk(schema, &at["items"], name, item, seen))
            }
            Value::String(text) => {
                let known = at.get("enum").and_then(Value::as_array);
                match known.is_none_or(|known| known.iter().any(|one| one == text.as_str())) {
                    true => Ok(()),
                    false => Err(format!("{name} cannot be {text:?}")),
                }
            }
            _ => Ok(()),
        }
    }

    #[test]
    fn the_records_fit_and_each_member_is_in_one_of_them() {
        let schema = json_schema();
        let all = std::fs::read_to_string(repository().join("testdata/audit/records/all.jsonl")).unwrap();
        let mut seen = BTreeSet::new();
        for line in all.lines() {
            let line: Value = serde_json::from_str(line).unwrap();
            let kind = line["entry"]["kind"].as_str().unwrap();
            let branch =
                schema["allOf"].as_array().unwrap().iter().find(|branch| {
                    branch.pointer("/if/properties/entry/properties/kind/const").unwrap() == kind
                });
            let record = branch.unwrap().pointer("/then/properties/record").unwrap();
            walk(&schema, &schema["$defs"]["Entry"], "Entry", &line["entry"], &mut seen).unwrap();
            walk(&schema, record, kind, &line["record"], &mut seen).unwrap();
            // What no type knows is found.
            let mut changed = line["record"].clone();
            changed["surprise"] = json!(1);
            assert!(walk(&schema, record, kind, &changed, &mut seen.clone()).is_err());
        }
        let members = schema["$defs"].as_object().unwrap().iter().flat_map(|(name, def)| {
            let members = def.get("properties").and_then(Value::as_object).into_iter().flatten();
            members.map(move |(member, _)| format!("{name}.{member}"))
        });
        let missing: Vec<_> = members.filter(|member| !seen.contains(member)).collect();
        println!("{} members seen in testdata/audit/records", seen.len());
        assert!(missing.is_empty(), "in no record of testdata/audit/records: {missing:?}");
    }
}
