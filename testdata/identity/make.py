"""Writes signed.json: requests as real SDKs sign them, for the signature check of the control plane.

Run with a Python that has boto3 (1.44 was used). The clock is fixed, so the file only changes when botocore does.
The entries whose name starts with "js" were recorded once from @aws-sdk/client-bedrock-runtime 3.1163 (js.json).
"""

import datetime
import hashlib
import json
import pathlib
import urllib.parse

import boto3
import botocore.auth
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials

HERE = pathlib.Path(__file__).parent
KEY, SECRET = "AKIAQPORTCULLISTEST7", "virtual/secret+access/key/of/the/tests00"
NOW = datetime.datetime(2026, 11, 21, 12, 0, 0, tzinfo=datetime.timezone.utc)
botocore.auth.get_current_datetime = lambda *a, **k: NOW
CLAUDE = "us.anthropic.claude-3-5-sonnet-20241022-v2:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + CLAUDE
GATEWAY = "http://gateway.example:10000"
cases = []


def text(value):
    return value.decode() if isinstance(value, bytes) else str(value)


def record(name, method, url, headers, body):
    parts = urllib.parse.urlsplit(url)
    headers = {k.lower(): text(v) for k, v in headers.items()}
    headers.setdefault("host", parts.netloc)
    if "authorization" in headers:
        fields = dict(f.strip().split("=", 1) for f in headers["authorization"].split(" ", 1)[1].split(","))
        credential, signed, signature, date = fields["Credential"], fields["SignedHeaders"], fields["Signature"], headers["x-amz-date"]
    else:
        query = dict(urllib.parse.parse_qsl(parts.query))
        credential, signed, signature, date = (query["X-Amz-" + n] for n in ("Credential", "SignedHeaders", "Signature", "Date"))
    body = body or b""
    body = body.encode() if isinstance(body, str) else body
    assert credential.startswith(KEY + "/"), credential
    cases.append({"name": name, "method": method, "signing": {
        "date": date, "scope": credential.split("/", 1)[1], "signature": signature,
        "headers": [[n, headers[n]] for n in signed.split(";")], "path": parts.path, "query": parts.query,
        "payload_sha256": hashlib.sha256(body).hexdigest()}})


def boto(name, service, operation, endpoint=GATEWAY, region="us-east-1", **arguments):
    client = boto3.client(service, region_name=region, endpoint_url=endpoint, aws_access_key_id=KEY, aws_secret_access_key=SECRET,
                          config=Config(retries={"total_max_attempts": 1}))

    class Sent(Exception):
        pass

    def send(request, **_):
        record(name, request.method, request.url, request.headers, request.body)
        raise Sent

    client.meta.events.register("before-send.*.*", send)
    try:
        getattr(client, operation)(**arguments)
    except Sent:
        pass


messages = [{"role": "user", "content": [{"text": "hello, wörld"}]}]
boto("converse", "bedrock-runtime", "converse", modelId="amazon.nova-pro-v1:0", messages=messages)
boto("converse, profile ARN", "bedrock-runtime", "converse", modelId=PROFILE, messages=messages)
boto("converse, eu-central-1, TLS", "bedrock-runtime", "converse", "https://gateway.example", "eu-central-1", modelId=CLAUDE, messages=messages)
boto("invoke with headers", "bedrock-runtime", "invoke_model", modelId=CLAUDE, body=b'{"a": 1}', guardrailIdentifier="gr1", guardrailVersion="1",
     contentType="application/json", accept="*/*")
boto("stream", "bedrock-runtime", "invoke_model_with_response_stream", modelId=CLAUDE, body=b"{}")
boto("query string", "bedrock-runtime", "list_async_invokes", statusEquals="Failed", maxResults=7, nextToken="a b+c/d=é",
     submitTimeAfter=NOW)
boto("ARN label", "bedrock-runtime", "get_async_invoke", invocationArn="arn:aws:bedrock:us-east-1:123456789012:async-invoke/abcdef123456")
boto("agent", "bedrock-agent-runtime", "invoke_agent", agentId="AGENT12345", agentAliasId="ALIAS12345", sessionId="s.1:2", inputText="hi")
boto("trailing slash", "bedrock-agent-runtime", "get_session", sessionIdentifier="arn:aws:bedrock:us-east-1:123456789012:session/0198c0de-0000-7000-8000-000000000001")
boto("agentcore, service of its own", "bedrock-agentcore", "invoke_agent_runtime", agentRuntimeArn="arn:aws:bedrock-agentcore:us-east-1:123456789012:runtime/agent-0123456789",
     payload=b"{}", qualifier="DEFAULT")

body = b'{"anthropic_version": "bedrock-2023-05-31"}'
request = AWSRequest("POST", f"{GATEWAY}/model/arn:aws:bedrock:us-east-1:123456789012:inference-profile%2F{CLAUDE}/invoke", data=body,
                     headers={"Accept": "application/json", "X-Stainless-Lang": "  python   3 ", "Host": "gateway.example:10000"})
SigV4Auth(Credentials(KEY, SECRET), "bedrock", "us-east-1").add_auth(request)
record("literal colons, as the Anthropic SDK sends them", "POST", request.url, dict(request.headers), body)

request = AWSRequest("POST", f"{GATEWAY}/model/amazon.nova-pro-v1%3A0/converse?z=1&a=2&a=1")
auth = SigV4QueryAuth(Credentials(KEY, SECRET), "bedrock", "us-east-1", expires=900)
auth.payload = lambda _: hashlib.sha256(body).hexdigest()
auth.add_auth(request)
record("presigned", "POST", request.url, dict(request.headers), body)

cases += json.loads((HERE / "js.json").read_text())
document = {"access_key_id": KEY, "secret": SECRET, "now_ms": int(NOW.timestamp() * 1000), "cases": cases}
(HERE / "signed.json").write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
print(f"{len(cases)} cases")
