//! The schema of rule files, in both forms.

use super::shape::{Key, Shape, key, object};
use super::words;
use crate::field::{ALIASES, Field, FieldKind, fields};
use crate::load::operator::{OPERATORS, Operator};
use crate::load::{output, policy, rule, rules};
use serde_json::{Map, Value, json};

pub(crate) const FILE: &[Key] = &[
    key("version", Shape::Choice(&["1.0", "1"]), "The format of rule files."),
    key("name", Shape::Text, "The name by which another file extends this one."),
    key("description", Shape::Text, "For people."),
    key(
        "extends",
        Shape::Text,
        "Name or path of the rule file that this one stands on: a rule of the same id replaces its.",
    ),
    key("rules", Shape::Defs("rule"), "The rules. Their order never changes a verdict."),
    key(
        "output_rules",
        Shape::Defs("output_rule"),
        "Rules on what tools answer that is sent back; those without `tools` also on the text of answers.",
    ),
    key("settings", Shape::Object(SETTINGS), "What holds for all rules of the file."),
];
pub(crate) const SETTINGS: &[Key] = &[
    key("default_action", Shape::Words(|| words(rule::ACTIONS)), "Not heeded; see `default` of bundle.yaml."),
    key("fail_mode", Shape::Choice(&["open", "closed"]), "`open` is not heeded."),
    key("global_tags", Shape::Texts, "Tags of all rules of the file."),
];
const ID: &str = "Names the rule in records and to callers; unique in the bundle.";
const GLOBS: &str = "Globs; a list selects when one of them does.";
pub(crate) const RULE: &[Key] = &[
    key("id", Shape::Text, ID),
    key("name", Shape::Text, "For people."),
    key("description", Shape::Text, "For people."),
    key("enabled", Shape::Boolean, "`false`: checked, and then left out."),
    key(
        "severity",
        Shape::Words(|| words(rule::SEVERITIES)),
        "For whoever reads the records. Default: `medium`.",
    ),
    key("tags", Shape::Texts, "For people."),
    key("metadata", Shape::AnyMap, "For people and their tools."),
    key(
        "action",
        Shape::Words(|| words(rule::ACTIONS)),
        "What the rule does with a call. The strictest rule that holds wins.",
    ),
    key(
        "mode",
        Shape::Words(|| words(rules::MODES)),
        "`shadow`: note what would have happened, decide nothing.",
    ),
    key(
        "operations",
        Shape::Texts,
        "Operations (`Converse`), IAM actions (`bedrock:InvokeModel`), `service:Operation`. Globs.",
    ),
    key("models", Shape::Texts, "Every form of a model's name. Globs."),
    key("principals", Shape::Texts, "The principal's name. Globs, case heeded."),
    key("regions", Shape::Texts, GLOBS),
    key("tools", Shape::Texts, "Tool calls, by any form of the tool's name. Globs."),
    key("agents", Shape::Def("agents"), "Agents by id. Globs, or `not:` and globs."),
    key("knowledge_bases", Shape::Texts, GLOBS),
    key("routes", Shape::Texts, "Routes of bundle.yaml. Globs."),
    key("conditions", Shape::Def("conditions"), "All must hold."),
    key("condition_groups", Shape::Def("groups"), "Of one group all must hold."),
    key("blocked_by", Shape::Defs("past"), "The rule holds when one of these was seen in the session."),
    key("requires", Shape::Defs("past"), "The rule holds when one of these was not seen in the session."),
    key("message", Shape::Text, "For the caller; `{field}` is replaced."),
    key("approval", Shape::Def("approval"), "With `require_approval`: what an approval is like."),
    key("retry_after", Shape::Duration, "With `throttle`: when the call may come again."),
    key("redact_with", Shape::Text, "With `redact`: what is put in place."),
];
pub(crate) const OUTPUT_RULE: &[Key] = &[
    key("id", Shape::Text, ID),
    key("name", Shape::Text, "For people."),
    key("description", Shape::Text, "For people."),
    key("enabled", Shape::Boolean, "`false`: checked, and then left out."),
    key("severity", Shape::Words(|| words(rule::SEVERITIES)), "For whoever reads the records."),
    key("action", Shape::Words(|| words(output::ACTIONS)), "What the rule does with the answer."),
    key("tools", Shape::Texts, GLOBS),
    key("output_conditions", Shape::Def("conditions"), "All must hold."),
    key("output_condition_groups", Shape::Def("groups"), "Of one group all must hold."),
    key("redact_with", Shape::Text, "With `redact`: what is put in place."),
    key("tags", Shape::Texts, "For people."),
    key("metadata", Shape::AnyMap, "For people and their tools."),
];
pub(crate) const PAST: &[Key] = &[
    key("tool", Shape::Text, "The tool that was called. A glob."),
    key("operation", Shape::Text, "Or the operation. A glob."),
    key("within", Shape::Duration, "How long ago at most. Default: 24h."),
    key(
        "conditions",
        Shape::Def("conditions"),
        "On `arguments.*`, `tool.name`, `operation` and `time.*` of then.",
    ),
    key("condition_groups", Shape::Def("groups"), "Of one group all must hold."),
];
pub(crate) const APPROVAL: &[Key] = &[
    key("expires", Shape::Duration, "How long a request for approval waits. Default: 24h."),
    key("valid", Shape::Duration, "How long an approval may be used. Default: 1h."),
    key(
        "hold",
        Shape::Duration,
        "How long the call waits at the gate for it; at most 50s. Default: not at all.",
    ),
    key("allow_self", Shape::Boolean, "Who asks may approve. Default: `false`."),
    key(
        "approvers",
        Shape::Texts,
        "Who may approve: names of admin tokens, or their principals. Globs. Default: all.",
    ),
];
pub(crate) const POLICY: &[Key] = &[
    key("id", Shape::Text, ID),
    key("name", Shape::Text, "For people; the id where there is none."),
    key("description", Shape::Text, "For people."),
    key("priority", Shape::Number, "Not heeded: the strictest wins."),
    key("mode", Shape::Choice(&["rules"]), "`rules`."),
    key("conditions", Shape::Def("conditions"), "All must hold."),
    key("condition_groups", Shape::Def("groups"), "Of one group all must hold."),
    key("decision", Shape::Words(|| words(policy::DECISIONS)), "What the rule does with a call."),
    key("scope", Shape::Object(SCOPE), "Which calls."),
    key("enabled", Shape::Boolean, "`false`: checked, and then left out."),
    key("status", Shape::Words(|| words(policy::STATUSES)), "Likewise."),
    key("severity", Shape::Words(|| words(rule::SEVERITIES)), "For whoever reads the records."),
    key("tags", Shape::Texts, "For people."),
    key("metadata", Shape::AnyMap, "For people and their tools."),
    key("message", Shape::Text, "For the caller."),
    key("approval", Shape::Def("approval"), "What an approval is like."),
];
const SCOPE: &[Key] = &[
    key("agent_ids", Shape::Texts, GLOBS),
    key("action_types", Shape::Texts, "`model_invoked`, `agent_invoked` …"),
];

pub(super) fn schema() -> Value {
    let list_of = |name: &str| json!({"type": "array", "items": {"$ref": format!("#/$defs/{name}")}});
    json!({
        "if": {"anyOf": [{"type": "array"}, {"required": ["policies"]}, {"required": ["decision"]}]},
        "then": {"anyOf": [
            {"$ref": "#/$defs/policy"},
            list_of("policy"),
            {"type": "object", "additionalProperties": false, "required": ["policies"],
             "properties": {"version": {"type": ["string", "number"]}, "policies": list_of("policy")}},
        ]},
        "else": file(),
        "$defs": defs(),
    })
}

fn file() -> Value {
    let mut schema = object(FILE, &[]);
    if let Some(version) = schema.pointer_mut("/properties/version/enum") {
        // Without quotes it is a number.
        *version = json!(["1.0", "1", 1.0, 1]);
    }
    schema
}

/// What rules are made of; limits have conditions as well.
pub(super) fn defs() -> Map<String, Value> {
    let conditions = json!({"anyOf": [
        {"type": "array", "items": {"$ref": "#/$defs/condition"}}, {"$ref": "#/$defs/condition"},
    ]});
    let agents = json!({"anyOf": [
        Shape::Texts.schema(),
        {"type": "object", "additionalProperties": false, "required": ["not"], "properties": {"not": Shape::Texts.schema()}},
    ]});
    let defs = [
        ("rule", object(RULE, &["id", "action"])),
        ("output_rule", object(OUTPUT_RULE, &["id", "action"])),
        ("policy", object(POLICY, &["decision"])),
        ("past", object(PAST, &[])),
        ("approval", object(APPROVAL, &[])),
        ("agents", agents),
        ("conditions", conditions),
        ("groups", json!({"type": "array", "minItems": 1, "items": {"$ref": "#/$defs/conditions"}})),
        ("condition", condition()),
        ("field", field()),
    ];
    defs.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect()
}

fn condition() -> Value {
    let group = json!({
        "type": "object", "additionalProperties": false, "minProperties": 1,
        "properties": {
            "all": {"$ref": "#/$defs/conditions", "description": "All of these hold."},
            "any": {"$ref": "#/$defs/conditions", "description": "One of these holds."},
            "not": {"$ref": "#/$defs/conditions", "description": "These do not all hold."},
        },
    });
    let operator = json!({"enum": words(OPERATORS), "description": "How the field is compared."});
    let test = json!({
        "type": "object", "additionalProperties": false, "required": ["field"],
        "properties": {
            "field": {"$ref": "#/$defs/field"},
            "operator": operator,
            "op": operator,
            "value": {"description": "What it is compared with."},
            "case_sensitive": {"type": "boolean", "description": "Heed upper and lower case. Default: `false`."},
        },
        "anyOf": [{"required": ["operator"]}, {"required": ["op"]}],
        "allOf": [
            value_of(&[Operator::In, Operator::NotIn], &json!({"type": "array", "minItems": 1})),
            value_of(&[Operator::Exists, Operator::NotExists], &json!({"type": "boolean"})),
            value_of(&[Operator::PercentOf], &json!({
                "type": "object", "additionalProperties": false, "required": ["field", "percent"],
                "properties": {"field": {"$ref": "#/$defs/field"}, "percent": {"type": "number"}},
            })),
        ],
    });
    json!({
        "if": {"anyOf": [{"required": ["all"]}, {"required": ["any"]}, {"required": ["not"]}]},
        "then": group,
        "else": test,
    })
}

/// The value of these operators, by any of their names.
fn value_of(operators: &[Operator], value: &Value) -> Value {
    let names: Vec<&str> = OPERATORS
        .iter()
        .filter(|(_, operator)| operators.contains(operator))
        .map(|(name, _)| *name)
        .collect();
    let is = |key: &str| json!({"required": [key], "properties": {key: {"enum": names}}});
    json!({"if": {"anyOf": [is("operator"), is("op")]}, "then": {"properties": {"value": value}}})
}

fn field() -> Value {
    let is_whole = |field: &&Field| field.kind != FieldKind::Map;
    let whole =
        fields().iter().filter(is_whole).map(|field| json!({"const": field.name, "description": field.doc}));
    let aliases =
        ALIASES.iter().map(|(alias, name)| json!({"const": alias, "description": format!("`{name}`")}));
    let keyed = fields()
        .iter()
        .filter(|field| matches!(field.kind, FieldKind::Map | FieldKind::Json))
        .map(|field| json!({"type": "string", "pattern": format!("^{}\\..+", field.name), "description": field.doc}));
    // What tools answer, in output rules.
    let output =
        json!({"type": "string", "pattern": "^output(\\..+)?$", "description": "What a tool answered."});
    let options: Vec<Value> = whole.chain(aliases).chain(keyed).chain([output]).collect();
    json!({"description": "What is compared.", "anyOf": options})
}
