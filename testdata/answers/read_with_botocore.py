"""Reads answers with botocore's own parsers, and says what they say: tokens, reasons, tool calls, sessions, guardrails.

Standard input: a JSON list of {"name", "service", "operation", "headers", "body" (base64)}. Standard output: a JSON object, by name, of
{"usage": [input, output, cache read, cache write], "stop", "calls": [[id, name]], "session", "guardrail", "counted"}: only what
botocore's shapes have. A case that botocore cannot read is {"error": …}. It shares no code with crates/bedrock.
"""

import base64
import gzip
import io
import json
import sys
import zlib

import botocore.session
from botocore import parsers
from botocore.eventstream import EventStream

SESSION = botocore.session.get_session()


class Raw(io.BytesIO):
    """What urllib3 gives an event stream to read, in small pieces."""

    def stream(self, *_args, **_kwargs):
        while piece := self.read(7):
            yield piece


def parsed(case):
    model = SESSION.get_service_model(case["service"])
    operation = model.operation_model(case["operation"])
    body = base64.b64decode(case["body"])
    coding = case["headers"].get("content-encoding", "").lower()
    if coding == "gzip":
        body = gzip.decompress(body)
    elif coding == "deflate":
        body = zlib.decompress(body)
    streams = operation.has_event_stream_output
    parser = parsers.create_parser(model.metadata["protocol"])
    response = {
        "status_code": 200,
        "headers": botocore.compat.HTTPHeaders.from_pairs(case["headers"].items()),
        "body": Raw(body) if streams or operation.has_streaming_output else body,
        "context": {"operation_name": operation.name},
    }
    return operation, parser.parse(response, operation.output_shape)


def events(operation, output):
    member = operation.get_event_stream_output().name if operation.has_event_stream_output else None
    names = [name for name, value in output.items() if isinstance(value, EventStream)]
    assert names, member
    return output[names[0]]


def usage(said):
    if said is None:
        return None
    shares = sum(share.get("inputTokens", 0) for share in said.get("cacheDetails", []))
    return [
        said.get("inputTokens", 0),
        said.get("outputTokens", 0),
        said.get("cacheReadInputTokens", 0),
        said.get("cacheWriteInputTokens", shares),
    ]


def blocks(content):
    return [[use["toolUseId"], use["name"]] for block in content for use in [block.get("toolUse")] if use]


def guardrail(action):
    return None if action is None else ("none" if action == "NONE" else "intervened")


def converse(_, output):
    return {
        "usage": usage(output.get("usage")),
        "stop": output.get("stopReason"),
        "calls": blocks(output.get("output", {}).get("message", {}).get("content", [])),
        "models": [m for m in [output.get("trace", {}).get("promptRouter", {}).get("invokedModelId")] if m],
    }


def converse_stream(operation, output):
    found = {"usage": None, "stop": None, "calls": []}
    for event in events(operation, output):
        if use := event.get("contentBlockStart", {}).get("start", {}).get("toolUse"):
            found["calls"].append([use["toolUseId"], use["name"]])
        found["stop"] = event.get("messageStop", {}).get("stopReason") or found["stop"]
        found["usage"] = usage(event.get("metadata", {}).get("usage")) or found["usage"]
    return found


def chunks(operation, output):
    """Anthropic's stream, by Anthropic's own rules; of other models only Bedrock's own numbers."""
    found = {"calls": []}
    total = None
    for event in events(operation, output):
        try:
            said = json.loads(event["chunk"]["bytes"])
        except (ValueError, KeyError):
            continue
        kind = said.get("type")
        if kind == "message_start":
            started = said["message"]["usage"]
            total = [
                started.get("input_tokens", 0),
                started.get("output_tokens", 0),
                started.get("cache_read_input_tokens", 0),
                started.get("cache_creation_input_tokens", 0),
            ]
        elif kind == "content_block_start" and said["content_block"]["type"].endswith("tool_use"):
            found["calls"].append([said["content_block"]["id"], said["content_block"]["name"]])
        elif kind == "message_delta":
            if total and "usage" in said:
                total[1] = said["usage"]["output_tokens"]
            if "stop_reason" in said.get("delta", {}):
                found["stop"] = said["delta"]["stop_reason"]
        else:
            if kind is None:
                # Another model's.
                found.pop("calls", None)
    if total:
        found["usage"] = total
    return found


def agent(operation, output):
    total = None
    found = {"calls": [], "models": []}
    for event in events(operation, output):
        for trace in event.get("trace", {}).get("trace", {}).values():
            if model := trace.get("modelInvocationInput", {}).get("foundationModel"):
                found["models"].append(model)
            spent = trace.get("modelInvocationOutput", {}).get("metadata", {}).get("usage")
            if spent:
                total = total or [0, 0, 0, 0]
                total[0] += spent["inputTokens"]
                total[1] += spent["outputTokens"]
            own = trace.get("invocationInput", {})
            group = own.get("actionGroupInvocationInput")
            if group and group.get("executionType") != "RETURN_CONTROL":
                name = group.get("function") or f"{group['verb']} {group['apiPath']}"
                found["calls"].append([group.get("invocationId"), name])
            if "knowledgeBaseLookupInput" in own:
                found["calls"].append([None, "knowledge_base_lookup"])
            if action := trace.get("action"):
                found["guardrail"] = guardrail(action)
        returned = event.get("returnControl", {})
        for given in returned.get("invocationInputs", []):
            call = given.get("functionInvocationInput") or given["apiInvocationInput"]
            name = call.get("function") or " ".join(filter(None, [call.get("httpMethod"), call["apiPath"]]))
            found["calls"].append([returned["invocationId"], name])
    found["usage"] = total
    if session := output.get("sessionId"):
        found["session"] = session
    return found


def flow(operation, output):
    found = {"stop": None, "session": output.get("executionId")}
    for event in events(operation, output):
        found["stop"] = event.get("flowCompletionEvent", {}).get("completionReason") or found["stop"]
    return found


def rag_stream(operation, output):
    found = {"session": output.get("sessionId")}
    for event in events(operation, output):
        if action := event.get("guardrail", {}).get("action"):
            found["guardrail"] = guardrail(action)
    return found


def agentic(operation, output):
    found = {}
    for event in events(operation, output):
        for warning in event.get("traceEvent", {}).get("attributes", {}).get("warnings", []):
            found["guardrail"] = guardrail(warning.get("guardrail", {}).get("action"))
    return found


READERS = {
    "Converse": converse,
    "ConverseStream": converse_stream,
    "InvokeHarness": converse_stream,
    "InvokeModelWithResponseStream": chunks,
    "InvokeAgent": agent,
    "InvokeInlineAgent": agent,
    "InvokeFlow": flow,
    "RetrieveAndGenerateStream": rag_stream,
    "AgenticRetrieveStream": agentic,
    "RetrieveAndGenerate": lambda _, output: {
        "session": output.get("sessionId"),
        "guardrail": guardrail(output.get("guardrailAction")),
    },
    "Retrieve": lambda _, output: {"guardrail": guardrail(output.get("guardrailAction"))},
    "ApplyGuardrail": lambda _, output: {"guardrail": guardrail(output.get("action"))},
    "CountTokens": lambda _, output: {"counted": output.get("inputTokens"), "usage": None},
    "StartFlowExecution": lambda _, output: {"session": output.get("executionArn")},
}

answers = {}
for case in json.load(sys.stdin):
    if reader := READERS.get(case["operation"]):
        try:
            answers[case["name"]] = reader(*parsed(case))
        except Exception as error:  # noqa: BLE001: whatever botocore raises is what is told
            answers[case["name"]] = {"error": f"{type(error).__name__}: {error}"}
json.dump(answers, sys.stdout)
