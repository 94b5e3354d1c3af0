"""Writes identifiers.tsv: every member of a request's JSON body that AWS's models (botocore) hold to an identifier.

Usage: python make_identifiers.py  (needs botocore; run it when testdata/operations.json is renewed)
"""

import json
import pathlib
import re

import botocore.session

HERE = pathlib.Path(__file__).parent
SESSION = botocore.session.get_session()


def kind(path, shape):
    """What a string is, by its name, its shape's name and its pattern; None for what identifies none of these."""
    if shape.type_name != "string":
        return None
    name = path[-1].removesuffix("[]").lower()
    pattern = (shape.metadata or {}).get("pattern", "") or ""
    if "s3://" in pattern or "s3uri" in (name + shape.name.lower()):
        return "s3"
    if name in ("s3bucketname", "bucketname"):
        return "bucket"
    # A resource to tag can be any of them.
    if name in ("resourcearn", "guardrailprofileidentifier"):
        return None
    if re.search(r"guardrail.*(id|arn|identifier)$", name):
        return "guardrail"
    if re.search(r"knowledgebase(id|arn|identifier)s?$", name):
        return "knowledge_base"
    if re.search(r"model(id|arn|identifier)s?$", name) or name in ("foundationmodel", "copyfrom"):
        return "model"
    if any(part in pattern for part in ("foundation-model", "inference-profile", "custom-model")):
        return "model"
    if re.search(r"agent(alias|runtime|runtimeendpoint)?(id|arn|identifier)$", name) or "agent-alias/" in pattern:
        return "agent"
    return None


def members(shape, path, seen):
    """(path, kind) of all identifiers below."""
    if shape.type_name == "structure":
        if shape.name in seen:
            return
        for name, member in shape.members.items():
            if not member.serialization.get("location"):
                key = member.serialization.get("name", name)
                yield from members(member, path + [key], seen | {shape.name})
    elif shape.type_name == "list":
        yield from members(shape.member, path[:-1] + [path[-1] + "[]"], seen)
    elif shape.type_name == "map":
        yield from members(shape.value, path + ["{}"], seen)
    elif found := kind(path, shape):
        yield ".".join(path), found


rows = set()
for row in json.loads((HERE / "../operations.json").read_text()):
    operation = SESSION.get_service_model(row["service"]).operation_model(row["operation"])
    shape = operation.input_shape
    if shape is None:
        continue
    payload = shape.serialization.get("payload")
    shape = shape.members[payload] if payload else shape
    if shape.type_name == "structure":
        for path, found in members(shape, [], frozenset()):
            rows.add((row["service"], row["operation"], path, found))

with open(HERE / "identifiers.tsv", "w") as out:
    out.write("# Made by make_identifiers.py from botocore's models.\n# service\toperation\tpath\tkind\n")
    for row in sorted(rows):
        out.write("\t".join(row) + "\n")
print(len(rows), "identifiers")
