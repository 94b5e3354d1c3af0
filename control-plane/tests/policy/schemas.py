"""Validates every example and test bundle against schemas/*.schema.json, and mistakes too. Needs jsonschema and PyYAML."""

import copy
import json
import sys
from pathlib import Path

import yaml
from jsonschema import Draft202012Validator

root = Path(sys.argv[1])
validators = {}
for kind in ("bundle", "rules", "tests"):
    schema = json.loads((root / "schemas" / f"{kind}.schema.json").read_text())
    Draft202012Validator.check_schema(schema)
    validators[kind] = Draft202012Validator(schema)


def kind_of(path):
    if path == Path("bundle.yaml"):
        return "bundle"
    if path.suffix in (".yaml", ".yml", ".json") and path.parts[0] in ("rules", "tests"):
        return path.parts[0]
    return None


def load(path):
    text = path.read_text()
    return json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)


files, failed = 0, []
bundles = [*sorted((root / "examples/bundles").iterdir()), root / "testdata/cli/bundles/team", root / "testdata/cli/bundles/next"]
for bundle in filter(Path.is_dir, bundles):
    for path in sorted(bundle.rglob("*")):
        kind = kind_of(path.relative_to(bundle))
        if kind is None or not path.is_file():
            continue
        files += 1
        for error in validators[kind].iter_errors(load(path)):
            failed.append(f"{path}: {list(error.absolute_path)}: {error.message[:300]}")

RULE = {"id": "a", "action": "block", "conditions": [{"field": "region", "operator": "equals", "value": "x"}]}
good = [
    ("rules", {"rules": [RULE]}),
    ("rules", {"mode": "rules", "conditions": [{"field": "action_type", "op": "eq", "value": "model_invoked"}], "decision": "deny"}),
    ("rules", [{"decision": "allow", "conditions": []}]),
    ("tests", {"suite": "s", "tests": [{"id": "t", "tool": "x", "arguments": {}, "expect": {"decision": "block", "rule_id": None}}]}),
]


def broken(**change):
    rule = copy.deepcopy(RULE)
    rule.update(change)
    return {"rules": [rule]}


bad = [
    ("rules", broken(actoin="block")),
    ("rules", broken(action="blok")),
    ("rules", broken(conditions=[{"field": "regoin", "operator": "equals", "value": "x"}])),
    ("rules", broken(conditions=[{"field": "region", "operator": "eqals", "value": "x"}])),
    ("rules", broken(conditions=[{"field": "region", "operator": "in", "value": "x"}])),
    ("rules", broken(conditions=[{"field": "region", "operator": "exists", "value": "yes"}])),
    ("rules", broken(conditions=[{"al": []}])),
    ("rules", broken(retry_after="soon")),
    ("rules", {"decision": "maybe", "conditions": []}),
    ("bundle", {"version": "1", "name": "x"}),
    ("bundle", {"version": "1", "name": "x", "default": "maybe"}),
    ("bundle", {"version": "1", "name": "x", "default": "deny", "limits": [{"id": "a", "measure": "calls", "max": 1, "window": "1h"}]}),
    ("bundle", {"version": "1", "name": "x", "default": "deny", "routes": [{"id": "a", "modles": []}]}),
    ("tests", {"tests": [{"name": "a", "call": {"regoin": "x"}, "expect": {"verdict": "allow"}}]}),
    ("tests", {"tests": [{"name": "a", "expect": {"verdict": "alow"}}]}),
    ("tests", {"suite": "s", "tests": [{"id": "a", "expect": {"decision": "allow"}}]}),
]
for kind, document in good:
    failed += [f"good {kind} {json.dumps(document)}: {error.message}" for error in validators[kind].iter_errors(document)]
for kind, document in bad:
    if validators[kind].is_valid(document):
        failed.append(f"a mistake is not found by {kind}: {json.dumps(document)}")
print(f"validated {files} files, {len(good)} good and {len(bad)} bad documents")
print("\n".join(failed), file=sys.stderr)
sys.exit(1 if failed or files == 0 else 0)
