"""Derives a JSON Schema (draft 2020-12) of OCSF 1.7.0's API Activity with the profiles `cloud` and `security_control`.

OCSF publishes its schema in a form of its own; the JSON Schema that its server makes of it (https://schema.ocsf.io/schema/1.7.0/classes/
api_activity) could not be fetched where this was written. So it is derived here, by OCSF's rules (`extends`, the attribute dictionary,
`is_array`, enums, constraints, required attributes), from the published definitions as the package pydantic-ocsf carries them. That
package leaves profiles out: the attributes of the two that are used are listed below, after
https://github.com/ocsf/ocsf-schema/tree/1.7.0/profiles. Objects more than four levels deep are any object.

    python derive.py > api_activity-1.7.0.schema.json
"""

import json
from importlib.resources import files

DEEPEST = 4
SCHEMA = json.loads(files("ocsf").joinpath("schemas/v1_7_0.json").read_text())
OBJECTS, EVENTS = SCHEMA["objects"], SCHEMA["events"]
DICTIONARY = SCHEMA["dictionary"]["attributes"]
TYPES = SCHEMA["dictionary"]["types"]["attributes"]
PROFILES = {
    "cloud": {"cloud": "required"},
    "security_control": dict.fromkeys(
        "action action_id attacks authorizations confidence confidence_id confidence_score disposition disposition_id firewall_rule "
        "is_alert malware policy risk_details risk_level risk_level_id risk_score".split(),
        "optional",
    ),
}
# The profile narrows the enum of the dictionary.
NARROWED = {"action_id": ["0", "1", "2"]}


def attributes(kind, name):
    """Attributes of an event or object, those that it inherits included."""
    definition = kind[name]
    parent = definition.get("extends")
    found = attributes(kind, parent) if parent in kind and parent != name else {}
    for key, value in definition["attributes"].items():
        if key == "$include":
            continue
        merged = dict(found.get(key, {}))
        enum = {**merged.get("enum", {}), **value.get("enum", {})}
        merged.update(value)
        if enum:
            merged["enum"] = enum
        found[key] = merged
    return found


def constraints(kind, name):
    definition = kind[name]
    if "constraints" in definition or definition.get("extends") not in kind:
        return definition.get("constraints", {})
    return constraints(kind, definition["extends"])


def scalar(name):
    """The schema of a data type."""
    if name == "json_t":
        return {}
    told = TYPES.get(name, {})
    base = told.get("type", name)
    kinds = {"string_t": "string", "integer_t": "integer", "long_t": "integer", "float_t": "number", "boolean_t": "boolean"}
    schema = {"type": kinds[base]}
    if "max_len" in told:
        schema["maxLength"] = told["max_len"]
    if "regex" in told:
        schema["pattern"] = told["regex"]
    return schema


def attribute(key, told, level):
    """The schema of an attribute; what the object says wins over the dictionary."""
    said = {**DICTIONARY.get(key, {}), **{k: v for k, v in told.items() if v is not None}}
    kind = said.get("object_type") or said["type"]
    if kind == "object" or kind == "object_t":
        schema = {"type": "object"}
    elif kind in OBJECTS:
        schema = {"$ref": "#/$defs/" + kind}
        wanted.setdefault(kind, level + 1)
        wanted[kind] = min(wanted[kind], level + 1)
    else:
        schema = scalar(kind)
        enum = {**DICTIONARY.get(key, {}).get("enum", {}), **told.get("enum", {})}
        if enum and schema.get("type") == "integer":
            schema["enum"] = sorted(int(number) for number in NARROWED.get(key, enum))
        elif enum:
            schema["enum"] = sorted(enum)
    return {"type": "array", "items": schema} if said.get("is_array") else schema


def whole(named, level, rules):
    schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {key: attribute(key, told, level) for key, told in sorted(named.items())},
    }
    required = sorted(key for key, told in named.items() if told.get("requirement") == "required")
    if required:
        schema["required"] = required
    if "at_least_one" in rules:
        schema["anyOf"] = [{"required": [key]} for key in rules["at_least_one"]]
    if "just_one" in rules:
        schema["oneOf"] = [{"required": [key]} for key in rules["just_one"]]
    return schema


wanted, defs = {}, {}
named = attributes(EVENTS, "api_activity")
for profile, members in PROFILES.items():
    for key, requirement in members.items():
        # Required where the profile is applied: see the condition below.
        named.setdefault(key, {"requirement": "optional"})
top = whole(named, 0, constraints(EVENTS, "api_activity"))
top["properties"]["class_uid"] = {"const": 6003}
top["properties"]["category_uid"] = {"const": 6}
top["properties"]["type_uid"] = {"enum": [600300 + n for n in top["properties"]["activity_id"]["enum"]]}
uses_cloud = {"properties": {"metadata": {"required": ["profiles"], "properties": {"profiles": {"contains": {"const": "cloud"}}}}}}
top["if"], top["then"] = uses_cloud, {"required": ["cloud"]}
while missing := [name for name in wanted if name not in defs]:
    for name in missing:
        level = wanted[name]
        if level > DEEPEST:
            defs[name] = {"type": "object"}
        else:
            defs[name] = whole(attributes(OBJECTS, name), level, constraints(OBJECTS, name))
print(
    json.dumps(
        {
            "$schema": "https://json-schema.org/draft/2020-12/schema",
            "title": "OCSF 1.7.0: API Activity (6003) with the profiles cloud and security_control",
            "$comment": "Derived by derive.py from the published definitions of OCSF (Apache-2.0), https://schema.ocsf.io",
            **top,
            "$defs": dict(sorted(defs.items())),
        },
        indent=1,
    )
)
