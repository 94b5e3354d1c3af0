"""An agent that returns control: the application runs the tools itself, each once it is allowed."""
import json
import os
import urllib.request
import boto3

TYPES = {"number": float, "integer": int, "boolean": lambda text: text.lower() == "true"}
TOOLS = {"transfer_funds": lambda amount, to: f"sent {amount} to {to}"}


def run(call, context):
    arguments = {p["name"]: TYPES.get(p["type"], str)(p["value"]) for p in call["parameters"]}
    body = json.dumps({"tool": call["function"], "arguments": arguments, "context": context}).encode()
    headers = {"authorization": "Bearer " + os.environ["PORTCULLIS_AGENT_TOKEN"], "content-type": "application/json"}
    request = urllib.request.Request(os.environ["PORTCULLIS_GUARD_URL"] + "/v1/guard", body, headers)
    answer = json.load(urllib.request.urlopen(request, timeout=10))  # what is raised here ends the turn
    text = TOOLS[call["function"]](**arguments) if answer["decision"] == "allow" else answer["reason"]
    result = {"actionGroup": call["actionGroup"], "function": call["function"], "responseBody": {"TEXT": {"body": text}}}
    return {"functionResult": result}


def turn(agent, session, user, text):
    client, ask = boto3.client("bedrock-agent-runtime"), {"inputText": text}
    while events := list(client.invoke_agent(**agent, sessionId=session, **ask)["completion"]):
        controls = [event["returnControl"] for event in events if "returnControl" in event]
        if not controls:
            return "".join(event["chunk"]["bytes"].decode() for event in events if "chunk" in event)
        context = {"session_id": session, "user_id": user, "tool_use_id": controls[0]["invocationId"]}
        results = [run(call["functionInvocationInput"], context) for call in controls[0]["invocationInputs"]]
        ask = {"sessionState": {"invocationId": context["tool_use_id"], "returnControlInvocationResults": results}}
