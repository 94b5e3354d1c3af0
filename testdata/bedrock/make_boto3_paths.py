"""Writes boto3_paths.json: what boto3 puts on the wire for every operation of its own Bedrock models.

Run with the Python of a venv that has boto3: python testdata/bedrock/make_boto3_paths.py
"""

import json
import pathlib

import boto3
import botocore
from botocore import serialize

SERVICES = [
    "bedrock",
    "bedrock-agent",
    "bedrock-agent-runtime",
    "bedrock-agentcore",
    "bedrock-agentcore-control",
    "bedrock-data-automation",
    "bedrock-data-automation-runtime",
    "bedrock-runtime",
]
ARN = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0"


def value(shape, label):
    """A plausible value of a shape; labels take an ARN where the model lets them."""
    match shape.type_name:
        case "structure":
            if shape.metadata.get("union") or getattr(shape, "is_tagged_union", False):
                name, member = next(iter(shape.members.items()))
                return {name: value(member, None)}
            return {name: value(shape.members[name], None) for name in shape.required_members}
        case "list":
            return [value(shape.member, None)]
        case "map":
            return {"key": value(shape.value, None)}
        case "string":
            if label is None:
                return shape.enum[0] if getattr(shape, "enum", None) else "x"
            room = shape.metadata.get("max", 2048) >= len(ARN)
            return ARN if room and label.lower().endswith(("arn", "identifier", "modelid", "id")) else "ABCDEF1234"
        case "integer" | "long":
            return 1
        case "float" | "double":
            return 0.5
        case "boolean":
            return True
        case "timestamp":
            return 1_700_000_000
        case "blob":
            return b"{}"
    return {}


rows = []
session = boto3.Session(region_name="us-east-1", aws_access_key_id="x", aws_secret_access_key="x")
for service in SERVICES:
    client = session.client(service)
    model = client.meta.service_model
    serializer = serialize.create_serializer(model.metadata["protocol"], include_validation=False)
    for name in model.operation_names:
        operation = model.operation_model(name)
        params, labels = {}, {}
        shape = operation.input_shape
        if shape is not None:
            for member, target in shape.members.items():
                location = target.serialization.get("location")
                if location == "uri":
                    params[member] = value(target, member)
                    labels[target.serialization.get("name", member)] = params[member]
                elif member in shape.required_members:
                    params[member] = value(target, None)
        request = serializer.serialize_to_request(params, operation)
        path = request["url_path"]
        headers = {k: v for k, v in request["headers"].items() if k.lower() == "x-amz-target"}
        rows.append(
            {
                "service": service,
                "operation": name,
                "method": request["method"],
                "path": path,
                "labels": labels,
                "target": headers.get("X-Amz-Target"),
                "host": client.meta.endpoint_url.removeprefix("https://"),
            }
        )

here = pathlib.Path(__file__).parent
lines = ",\n".join(json.dumps(row) for row in rows)
(here / "boto3_paths.json").write_text(
    '{"boto3": %s, "botocore": %s, "rows": [\n%s\n]}\n'
    % (json.dumps(boto3.__version__), json.dumps(botocore.__version__), lines)
)
print(f"{len(rows)} operations")
