"""Writes last_words.json: what ends a stream, made by a framer of its own and taken by botocore's decoder and parsers.

    python testdata/answers/make_last_words.py        # needs boto3
"""

import json
import pathlib
import struct
import zlib

import botocore.session
from botocore.eventstream import EventStreamBuffer
from botocore.parsers import EventStreamJSONParser

MESSAGE = 'blocked: "payments" \\ é\n'
# form, end, exception, operations that have it
FRAMES = [
    ("ModelEvents", "Denied", "validationException", [("bedrock-runtime", "ConverseStream"), ("bedrock-runtime", "InvokeModelWithResponseStream")]),
    ("ModelEvents", "Undecided", "serviceUnavailableException", [("bedrock-runtime", "ConverseStream"), ("bedrock-runtime", "InvokeModelWithResponseStream")]),
    ("ModelEvents", "Unreadable", "modelStreamErrorException", [("bedrock-runtime", "ConverseStream"), ("bedrock-runtime", "InvokeModelWithResponseStream")]),
    ("HarnessEvents", "Denied", "validationException", [("bedrock-agentcore", "InvokeHarness")]),
    ("HarnessEvents", "Undecided", "internalServerException", [("bedrock-agentcore", "InvokeHarness")]),
    ("HarnessEvents", "Unreadable", "internalServerException", [("bedrock-agentcore", "InvokeHarness")]),
]
AGENT_STREAMS = ["InvokeAgent", "InvokeInlineAgent", "InvokeFlow", "RetrieveAndGenerateStream", "AgenticRetrieveStream", "OptimizePrompt"]
for end, name in [("Denied", "accessDeniedException"), ("Undecided", "dependencyFailedException"), ("Unreadable", "badGatewayException")]:
    FRAMES.append(("AgentEvents", end, name, [("bedrock-agent-runtime", stream) for stream in AGENT_STREAMS]))


def frame(name, message):
    headers = b""
    for header, value in [(":exception-type", name), (":content-type", "application/json"), (":message-type", "exception")]:
        headers += bytes([len(header)]) + header.encode() + b"\x07" + struct.pack(">H", len(value)) + value.encode()
    payload = json.dumps({"message": message}, ensure_ascii=False, separators=(",", ":")).encode()
    prelude = struct.pack(">II", 16 + len(headers) + len(payload), len(headers))
    start = prelude + struct.pack(">I", zlib.crc32(prelude)) + headers + payload
    return start + struct.pack(">I", zlib.crc32(start))


session = botocore.session.get_session()
cases = []
for form, end, name, operations in FRAMES:
    for message in (MESSAGE, "blocked"):
        data = frame(name, message)
        buffer = EventStreamBuffer()
        buffer.add_data(data)
        (event,) = list(buffer)
        assert event.headers[":exception-type"] == name and json.loads(event.payload) == {"message": message}
        for service, operation in operations:
            shape = session.get_service_model(service).operation_model(operation).get_event_stream_output()
            assert name in shape.members, (operation, name)
            error = EventStreamJSONParser().parse(event.to_response_dict(), shape)["Error"]
            assert error == {"Code": name, "Message": message}, error
        cases.append({"form": form, "end": end, "message": message, "hex": data.hex()})

path = pathlib.Path(__file__).with_name("last_words.json")
path.write_text("[\n" + ",\n".join("  " + json.dumps(case) for case in cases) + "\n]\n")
