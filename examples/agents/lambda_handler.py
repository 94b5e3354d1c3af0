"""The Lambda function of an action group: it asks Portcullis, then does what the agent wants, or says why not."""
import json
import os
import urllib.request


def guard(event):
    # What goes wrong here is raised: the agent's turn ends with DependencyFailedException, and nothing is done.
    url = os.environ["PORTCULLIS_GUARD_URL"] + "/v1/guard/bedrock-agent"
    headers = {"authorization": "Bearer " + os.environ["PORTCULLIS_AGENT_TOKEN"], "content-type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(event).encode(), headers), timeout=10) as answer:
        return json.load(answer)


def transfer_funds(amount, to):
    return f"sent {amount} to {to}"


def lambda_handler(event, context):
    answer = guard(event)
    if answer["decision"] != "allow":
        return answer["response"]
    arguments = {parameter["name"]: parameter["value"] for parameter in event["parameters"]}
    result = {"responseBody": {"TEXT": {"body": transfer_funds(**arguments)}}}
    response = {"actionGroup": event["actionGroup"], "function": event["function"], "functionResponse": result}
    return {"messageVersion": "1.0", "response": response}
