"""Tools of Powertools for AWS Lambda: what is `guarded` is asked about with the very arguments that it would run with."""
import functools
import json
import os
import urllib.request

from aws_lambda_powertools.event_handler import BedrockAgentFunctionResolver
from aws_lambda_powertools.event_handler.bedrock_agent_function import BedrockFunctionResponse

app = BedrockAgentFunctionResolver()


def guarded(tool):
    @functools.wraps(tool)
    def ask(**arguments):
        event = app.current_event
        context = {"agent_id": event.agent.id, "session_id": event.session_id, "attributes": event.session_attributes}
        body = json.dumps({"tool": tool.__name__, "arguments": arguments, "context": context}).encode()
        headers = {"authorization": "Bearer " + os.environ["PORTCULLIS_AGENT_TOKEN"], "content-type": "application/json"}
        request = urllib.request.Request(os.environ["PORTCULLIS_GUARD_URL"] + "/v1/guard", body, headers)
        with urllib.request.urlopen(request, timeout=10) as response:  # Powertools tells the model of what is raised here
            answer = json.load(response)
        return tool(**arguments) if answer["decision"] == "allow" else BedrockFunctionResponse(answer, response_state="REPROMPT")
    return ask


@app.tool(description="Sends money")
@guarded
def transfer_funds(amount, to):
    return f"sent {amount} to {to}"
