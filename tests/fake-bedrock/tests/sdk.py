"""Real boto3 against the fake. Reads ENDPOINT and CA from the environment; prints what it compared; exits 1 on a difference."""

import base64
import datetime
import hashlib
import json
import os
import sys
import urllib.parse

import boto3
import urllib3
from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError, EventStreamError

ENDPOINT, CA = os.environ["ENDPOINT"], os.environ["CA"]
KEY, SECRET = "AKIAQFAKEBEDROCKTEST", "secret/of+the+long+term+principal+000000"
TEMPORARY = ("ASIAQFAKEBEDROCKTEMP", "secret/of+the+temporary+principal+000000", "session//token==")
CLAUDE = "us.anthropic.claude-3-5-sonnet-20241022-v2:0"
PROFILE = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/" + CLAUDE
failures = []


def check(name, got, expected):
    good = got == expected
    print(f"{'ok  ' if good else 'FAIL'} {name}: {got!r}" + ("" if good else f", expected {expected!r}"))
    if not good:
        failures.append(name)


def client(service, key=KEY, secret=SECRET, token=None, **config):
    config.setdefault("retries", {"total_max_attempts": 1})
    config.setdefault("read_timeout", 20)
    return boto3.client(service, region_name="us-east-1", endpoint_url=ENDPOINT, verify=CA, aws_access_key_id=key,
                        aws_secret_access_key=secret, aws_session_token=token, config=Config(**config))


def user(text):
    return [{"role": "user", "content": [{"text": text}]}]


def error_of(call):
    try:
        call()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return None


runtime, agent = client("bedrock-runtime"), client("bedrock-agent-runtime")


def converse():
    answer = runtime.converse(modelId=CLAUDE, messages=user("hello"), system=[{"text": "be kind"}])
    check("converse text", answer["output"]["message"]["content"][0]["text"], "Echo: hello")
    check("converse usage", answer["usage"], {"inputTokens": 3, "outputTokens": 3, "totalTokens": 6, "cacheReadInputTokens": 0, "cacheWriteInputTokens": 0})
    check("converse request id", len(answer["ResponseMetadata"]["RequestId"]), 36)
    answer = runtime.converse(modelId=PROFILE, messages=user('[[tool:pay {"amount": 5, "to": "]]"}]] [[tool:ping]]'))
    tools = [b["toolUse"] for b in answer["output"]["message"]["content"] if "toolUse" in b]
    check("converse tools", [(t["name"], t["input"]) for t in tools], [("pay", {"amount": 5, "to": "]]"}), ("ping", {})])
    check("converse stop", answer["stopReason"], "tool_use")
    guard = {"guardrailIdentifier": "gr1", "guardrailVersion": "1", "trace": "enabled"}
    answer = runtime.converse(modelId=CLAUDE, messages=user("bad [[guardrail]]"), guardrailConfig=guard)
    check("converse guardrail", (answer["stopReason"], answer["trace"]["guardrail"]["actionReason"]),
          ("guardrail_intervened", "Guardrail blocked."))
    results = [{"role": "user", "content": [{"toolResult": {"toolUseId": "t", "content": [{"text": "[[error:500]]"}]}}]}]
    check("a tool result gives no orders", runtime.converse(modelId=CLAUDE, messages=results)["stopReason"], "end_turn")


def converse_stream():
    answer = runtime.converse_stream(modelId=CLAUDE, messages=user('go [[tool:pay {"amount": 5000, "note": "für"}]] [[pace:2]]'))
    events = list(answer["stream"])
    deltas = [e["contentBlockDelta"]["delta"] for e in events if "contentBlockDelta" in e]
    fragments = [d["toolUse"]["input"] for d in deltas if "toolUse" in d]
    check("stream text", "".join(d.get("text", "") for d in deltas), "I will use a tool.")
    check("stream tool input", json.loads("".join(fragments)), {"amount": 5000, "note": "für"})
    check("stream tool input in several deltas", len(fragments) >= 3, True)
    check("stream last events", [list(e)[0] for e in events[-2:]], ["messageStop", "metadata"])

    def broken(text):
        seen = []
        try:
            for event in runtime.converse_stream(modelId=CLAUDE, messages=user(text))["stream"]:
                seen.append(list(event)[0])
        except Exception as error:  # the kind is what is looked at
            return type(error).__name__, getattr(error, "response", {}).get("Error", {}).get("Code"), len(seen) > 0
        return None

    check("exception mid-stream", broken("a b c d [[exception:throttlingException]]"),
          ("EventStreamError", "throttlingException", True))
    check("cut", broken("a b c d [[cut]]")[0] in ("ResponseStreamingError", "ProtocolError", "IncompleteReadError"), True)
    slow = client("bedrock-runtime", read_timeout=1)
    try:
        list(slow.converse_stream(modelId=CLAUDE, messages=user("a b c [[stall]]"))["stream"])
        check("stall", "ended", "a time-out")
    except Exception as error:
        check("stall", "timed out" in str(error).lower(), True)


FAMILIES = {
    "anthropic.claude-3-haiku-20240307-v1:0": ({"anthropic_version": "bedrock-2023-05-31", "max_tokens": 9, "messages": [
        {"role": "user", "content": "hi"}]}, lambda b: b["content"][0]["text"]),
    "eu.amazon.nova-pro-v1:0": ({"messages": user("hi")}, lambda b: b["output"]["message"]["content"][0]["text"]),
    "amazon.titan-text-express-v1": ({"inputText": "hi"}, lambda b: b["results"][0]["outputText"]),
    "meta.llama3-8b-instruct-v1:0": ({"prompt": "hi"}, lambda b: b["generation"]),
    "mistral.mistral-7b-instruct-v0:2": ({"prompt": "hi"}, lambda b: b["outputs"][0]["text"]),
    "cohere.command-r-v1:0": ({"message": "hi"}, lambda b: b["text"]),
    "cohere.command-text-v14": ({"prompt": "hi"}, lambda b: b["generations"][0]["text"]),
    "openai.gpt-oss-20b-1:0": ({"messages": [{"role": "user", "content": "hi"}]},
                               lambda b: b["choices"][0]["message"]["content"]),
    "arn:aws:bedrock:us-east-1:123456789012:imported-model/abcdef123456": ({"prompt": "hi"}, lambda b: b["generation"]),
}


def invoke():
    for model, (body, text) in FAMILIES.items():
        answer = runtime.invoke_model(modelId=model, body=json.dumps(body))
        headers = answer["ResponseMetadata"]["HTTPHeaders"]
        got = json.loads(answer["body"].read())
        check(f"invoke {model}", (text(got), headers["x-amzn-bedrock-output-token-count"]), ("Echo: hi", "2"))
        stream = runtime.invoke_model_with_response_stream(modelId=model, body=json.dumps(body))
        chunks = [json.loads(e["chunk"]["bytes"]) for e in stream["body"]]
        metrics = chunks[-1]["amazon-bedrock-invocationMetrics"]
        check(f"stream {model}", ("Echo: " in json.dumps(chunks), metrics["outputTokenCount"]), (True, 2))
    tool = {"anthropic_version": "bedrock-2023-05-31", "messages": [{"role": "user", "content": '[[tool:pay {"amount": 7}]]'}]}
    got = json.loads(runtime.invoke_model(modelId=CLAUDE, body=json.dumps(tool))["body"].read())
    check("invoke tool_use", (got["stop_reason"], got["content"][1]["input"]), ("tool_use", {"amount": 7}))
    body = json.dumps({"inputText": "x [[guardrail]]"})
    got = json.loads(runtime.invoke_model(modelId="amazon.titan-text-express-v1", body=body, guardrailIdentifier="gr1",
                                          guardrailVersion="DRAFT", trace="ENABLED")["body"].read())
    check("invoke guardrail", (got["amazon-bedrock-guardrailAction"], "modelOutput" in got["amazon-bedrock-trace"]["guardrail"]),
          ("INTERVENED", True))


def others():
    answer = runtime.apply_guardrail(guardrailIdentifier="gr1", guardrailVersion="1", source="INPUT",
                                     content=[{"text": {"text": "so [[guardrail]]"}}])
    check("apply_guardrail", answer["action"], "GUARDRAIL_INTERVENED")
    checks = {"contentFilter": {"categories": [{"category": "HATE"}]}}
    answer = runtime.invoke_guardrail_checks(messages=user("hm"), checks=checks)
    check("guardrail checks", answer["results"]["contentFilter"]["results"], [{"category": "HATE", "severityScore": 0.0}])
    answer = runtime.count_tokens(modelId=CLAUDE.removeprefix("us."), input={"converse": {"messages": user("12345678")}})
    check("count_tokens", answer["inputTokens"], 2)
    answer = runtime.start_async_invoke(modelId="amazon.nova-reel-v1:0", modelInput={"taskType": "TEXT_VIDEO"},
                                        outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://bucket/out"}})
    arn = answer["invocationArn"]
    check("get_async_invoke", runtime.get_async_invoke(invocationArn=arn)["invocationArn"], arn)
    check("list_async_invokes", runtime.list_async_invokes(statusEquals="InProgress", maxResults=5)["asyncInvokeSummaries"], [])
    check("list_foundation_models", len(client("bedrock").list_foundation_models()["modelSummaries"]), 3)
    job = client("bedrock").create_model_invocation_job(
        jobName="j", roleArn="arn:aws:iam::123456789012:role/r", modelId=CLAUDE,
        inputDataConfig={"s3InputDataConfig": {"s3Uri": "s3://b/i"}}, outputDataConfig={"s3OutputDataConfig": {"s3Uri": "s3://b/o"}})
    check("batch job", "model-invocation-job/" in job["jobArn"], True)


def agents():
    answer = agent.invoke_agent(agentId="AGENT12345", agentAliasId="ALIAS12345", sessionId="s-1", inputText="hi there", enableTrace=True)
    events = list(answer["completion"])
    check("invoke_agent", (answer["sessionId"], b"".join(e["chunk"]["bytes"] for e in events if "chunk" in e)),
          ("s-1", b"Echo: hi there"))
    traces = [e["trace"]["trace"] for e in events if "trace" in e]
    usage = traces[-1]["orchestrationTrace"]["modelInvocationOutput"]["metadata"]["usage"]
    check("invoke_agent usage", usage, {"inputTokens": 2, "outputTokens": 4})
    answer = agent.invoke_agent(agentId="AGENT12345", agentAliasId="ALIAS12345", sessionId="s-1",
                                inputText='[[tool:transfer_funds {"amount": 5000}]]')
    control = [e["returnControl"] for e in answer["completion"] if "returnControl" in e]
    call = control[0]["invocationInputs"][0]["functionInvocationInput"]
    check("returnControl", (call["function"], call["parameters"]),
          ("transfer_funds", [{"name": "amount", "type": "number", "value": "5000"}]))
    answer = agent.invoke_inline_agent(sessionId="s-2", foundationModel=CLAUDE, instruction="be a good and very helpful agent, always", inputText="hi")
    check("inline agent", [list(e)[0] for e in answer["completion"]], ["chunk", "chunk"])
    retrieved = agent.retrieve(knowledgeBaseId="KB12345678", retrievalQuery={"text": "q"})
    check("retrieve", len(retrieved["retrievalResults"]), 1)
    configuration = {"type": "KNOWLEDGE_BASE", "knowledgeBaseConfiguration": {
        "knowledgeBaseId": "KB12345678", "modelArn": PROFILE,
        "generationConfiguration": {"guardrailConfiguration": {"guardrailId": "gr1", "guardrailVersion": "1"}}}}
    answer = agent.retrieve_and_generate(input={"text": "q"}, retrieveAndGenerateConfiguration=configuration)
    check("retrieve_and_generate", (answer["output"]["text"], answer["guardrailAction"]), ("Echo: q", "NONE"))
    answer = agent.retrieve_and_generate_stream(input={"text": "q [[guardrail]]"}, retrieveAndGenerateConfiguration=configuration)
    check("rag stream", list(answer["stream"])[-1], {"guardrail": {"action": "INTERVENED"}})
    flow = agent.invoke_flow(flowIdentifier="FLOW123456", flowAliasIdentifier="ALIAS12345", inputs=[
        {"nodeName": "FlowInputNode", "nodeOutputName": "document", "content": {"document": "hey"}}])
    check("invoke_flow", [list(e)[0] for e in flow["responseStream"]], ["flowOutputEvent", "flowCompletionEvent"])
    ranked = agent.rerank(
        queries=[{"type": "TEXT", "textQuery": {"text": "q"}}],
        sources=[{"type": "INLINE", "inlineDocumentSource": {"type": "TEXT", "textDocument": {"text": t}}} for t in "ab"],
        rerankingConfiguration={"type": "BEDROCK_RERANKING_MODEL", "bedrockRerankingConfiguration": {
            "modelConfiguration": {"modelArn": "arn:aws:bedrock:us-east-1::foundation-model/cohere.rerank-v3-5:0"}}})
    check("rerank", [r["index"] for r in ranked["results"]], [0, 1])
    session = agent.create_session()["sessionId"]
    check("get_session", agent.get_session(sessionIdentifier=session)["sessionId"], session)
    check("end_session", agent.end_session(sessionIdentifier=session)["sessionStatus"], "ENDED")
    check("list_sessions", agent.list_sessions()["sessionSummaries"], [])


TRANSFER = '[[tool:transfer_funds {"amount": 9000, "note": "grün"}]]'


def tool_shapes():
    """Every shape in which a model proposes a tool call, whole and streamed."""
    body = lambda text, **more: json.dumps({"messages": [{"role": "user", "content": text}], **more})
    shapes = {
        CLAUDE: (body(TRANSFER, anthropic_version="bedrock-2023-05-31", max_tokens=9), '"tool_use"'),
        "amazon.nova-pro-v1:0": (json.dumps({"messages": user(TRANSFER)}), '"toolUse"'),
        "mistral.mistral-large-2407-v1:0": (body(TRANSFER), '"tool_calls"'),
        "cohere.command-r-v1:0": (json.dumps({"message": TRANSFER}), '"tool_calls"'),
        "meta.llama3-1-70b-instruct-v1:0": (json.dumps({"prompt": TRANSFER}), "<|python_tag|>"),
        "openai.gpt-oss-20b-1:0": (body(TRANSFER), '"tool_calls"'),
    }
    for model, (asked, sign) in shapes.items():
        whole = runtime.invoke_model(modelId=model, body=asked)["body"].read().decode()
        check(f"tool call {model}", (sign in whole, "transfer_funds" in whole, "9000" in whole), (True, True, True))
        stream = runtime.invoke_model_with_response_stream(modelId=model, body=asked)
        chunks = "".join(e["chunk"]["bytes"].decode() for e in stream["body"])
        check(f"tool call streamed {model}", "transfer_funds" in chunks, True)
    order = '[[tool:a {"n": 1}]][[tool:b {"n": 2}]][[deltas:300]][[parallel]][[after:3]][[id:same]]'
    events = list(runtime.converse_stream(modelId=CLAUDE, messages=user(order))["stream"])
    kinds = [(k, v.get("contentBlockIndex")) for e in events for k, v in e.items() if "contentBlockIndex" in v]
    starts = [i for i, (k, _) in enumerate(kinds) if k == "contentBlockStart"]
    check("parallel calls begin together", starts[1] - starts[0], 1)
    check("text after the calls", "".join(e["contentBlockDelta"]["delta"].get("text", "") for e in events
                                        if e.get("contentBlockDelta", {}).get("contentBlockIndex") == 3), "after1 after2 after3")
    ids = [e["contentBlockStart"]["start"]["toolUse"]["toolUseId"] for e in events if "contentBlockStart" in e]
    check("the same id", ids, ["same", "same"])
    for order, read in [('[[tool:a {"n": 1, "n": 2}]][[as-written]]', '{"n": 1, "n": 2}'), ('[[tool:a {"n": 1}]][[broken-json]]', '{"n":1, "and then')]:
        events = runtime.converse_stream(modelId=CLAUDE, messages=user(order))["stream"]
        pieces = [e["contentBlockDelta"]["delta"]["toolUse"]["input"] for e in events if "toolUse" in e.get("contentBlockDelta", {}).get("delta", {})]
        check(order, "".join(pieces), read)
    answer = runtime.converse(modelId=CLAUDE, messages=user("[[router:amazon.nova-pro-v1:0]][[stop:max_tokens]]"))
    check("router", (answer["trace"]["promptRouter"]["invokedModelId"], answer["stopReason"]), ("amazon.nova-pro-v1:0", "max_tokens"))
    ask = lambda text, **more: list(agent.invoke_agent(agentId="AGENT12345", agentAliasId="ALIAS12345", sessionId="s-1", inputText=text, **more)["completion"])
    events = ask('[[tool:/transfers {"amount": 5}]][[method:PUT]][[request-body]][[group:bank]]')
    call = events[0]["returnControl"]["invocationInputs"][0]["apiInvocationInput"]
    check("returnControl of an API", (call["actionGroup"], call["httpMethod"], call["apiPath"], call["requestBody"]["content"]["application/json"]["properties"]),
          ("bank", "PUT", "/transfers", [{"name": "amount", "type": "number", "value": "5"}]))
    events = ask(TRANSFER + "[[traced]]", enableTrace=True)
    inputs = [e["trace"]["trace"]["orchestrationTrace"].get("invocationInput") for e in events if "orchestrationTrace" in e.get("trace", {}).get("trace", {})]
    call = [i for i in inputs if i][0]["actionGroupInvocationInput"]
    check("a traced call", (call["function"], call["executionType"], any("returnControl" in e for e in events)), ("transfer_funds", "LAMBDA", False))


def faults():
    """Answers that go wrong: what botocore makes of them."""
    def stream(text):
        seen = []
        try:
            for event in runtime.converse_stream(modelId=CLAUDE, messages=user(text))["stream"]:
                seen.append(list(event)[0])
        except Exception as error:
            return type(error).__name__, len(seen)
        return None, len(seen)
    sound = stream("a b c d")
    for name, text, expected in [
            ("a byte at a time", "a b c d [[slices:1]]", sound), ("headers of every type", "a b c d [[odd-headers]]", sound),
            ("trailers", "a b c d [[trailers]]", sound), ("a frame of 4 MB", "a b c d [[frame:4000000]]", sound)]:
        check(name, stream(text), expected)
    for name, text in [("checksum", "a b [[bad-crc]]"), ("checksum of the lengths", "a b [[bad-crc:prelude]]"),
                       ("absurd length", "a b [[length:4000000000]]"), ("absurd length of headers", "a b [[headers-length:4000000000]]")]:
        check(name, stream(text)[0] in ("ChecksumMismatch", "InvalidPayloadLength", "InvalidHeadersLength"), True)
    for name, text in [("mid-frame", "a b c d[[short]]"), ("mid-tool", TRANSFER + "[[short:tool]]"), ("mid-character", TRANSFER + "[[short:character]]")]:
        check(name, stream(text)[0], None)
    check("no stop", stream(TRANSFER + "[[no-stop]]")[0], None)
    answer = runtime.converse(modelId=CLAUDE, messages=user("[[filler:3000000]]"))
    check("filler", len(answer["output"]["message"]["content"][0]["text"]) > 3000000, True)
    body = json.dumps({"messages": user('[[tool:a {"n": 1, "n": 2}]][[as-written]]')}).encode()
    url = f"{ENDPOINT}/model/amazon.nova-pro-v1%3A0/converse"
    answer = POOL.request("POST", url, body=body, headers={"Authorization": "Bearer ABSKlongterm", "Content-Type": "application/json"})
    check("a key twice in a document", b'"input":{"n": 1, "n": 2}' in answer.data, True)
    for order, expected in [("503:empty", (503, "503")), ("502:html", (502, "502"))]:
        check(order, error_of(lambda: runtime.converse(modelId=CLAUDE, messages=user(f"[[error:{order}]]"))), expected)
    # boto3 never asks for compression and does not undo it; urllib3 does.
    chat = lambda text, **more: POOL.request("POST", f"{ENDPOINT}/openai/v1/chat/completions", headers={"authorization": "Bearer ABSKlongterm"}, body=json.dumps(
        {"model": "openai.gpt-oss-20b", "messages": [{"role": "user", "content": text}], **more}).encode()).data
    body = base64.b64encode(b'{"output": 1}').decode()
    check("body", chat(f"[[body:{body}]]"), b'{"output": 1}')
    check("a compressed document", json.loads(chat("zip [[gzip:real]]"))["choices"][0]["message"]["content"], "Echo: zip")
    check("a compressed stream", chat("zip [[gzip:real]]", stream=True).endswith(b"data: [DONE]\n\n"), True)
    core = client("bedrock-agentcore")
    arn = "arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/h-1234567890"
    events = [list(e)[0] for e in core.invoke_harness(harnessArn=arn, runtimeSessionId="s" * 40, messages=user("hi"))["stream"]]
    check("harness", (events[0], events[-1]), ("messageStart", "metadata"))


def errors():
    for status, code in [(403, "AccessDeniedException"), (424, "ModelErrorException"), (429, "ThrottlingException"),
                         (500, "InternalServerException")]:
        call = lambda: runtime.converse(modelId=CLAUDE, messages=user(f"[[error:{status}]]"))
        check(f"error {status}", error_of(call), (status, code))
        call = lambda: runtime.invoke_model_with_response_stream(modelId="meta.llama3", body=json.dumps({"prompt": f"[[error:{status}]]"}))
        check(f"error {status}, stream", error_of(call), (status, code))
    check("empty body", error_of(lambda: runtime.invoke_model(modelId=CLAUDE, body=b"")), (400, "ValidationException"))
    big = b'{"prompt": "' + b"x" * (25 * 1024 * 1024 - 14) + b'"}'
    answer = runtime.invoke_model(modelId="meta.llama3", body=big)
    check("25 MiB", (len(big), answer["ResponseMetadata"]["HTTPStatusCode"]), (26_214_400, 200))
    call = lambda: runtime.invoke_model(modelId="meta.llama3", body=big[:-2] + b'x"}')
    check("25 MiB and a byte", error_of(call), (400, "ValidationException"))


def credentials():
    ask = lambda c: error_of(lambda: c.converse(modelId=PROFILE, messages=user("who")))
    check("temporary credentials", ask(client("bedrock-runtime", *TEMPORARY)), None)
    check("wrong secret", ask(client("bedrock-runtime", KEY, "x" * 40)), (403, "InvalidSignatureException"))
    check("unknown key", ask(client("bedrock-runtime", "AKIAQUNKNOWNUNKNOWN1", SECRET)), (403, "UnrecognizedClientException"))
    check("missing session token", ask(client("bedrock-runtime", *TEMPORARY[:2])), (403, "UnrecognizedClientException"))
    check("expired session", ask(client("bedrock-runtime", "ASIAQFAKEBEDROCKGONE", SECRET, "gone")), (403, "ExpiredTokenException"))
    for name, change in [("tampered body", lambda r: setattr(r, "body", r.body.replace(b"who", b"whO"))),
                         ("tampered path", lambda r: setattr(r, "url", r.url.replace("sonnet", "opus"))),
                         ("header replaced", lambda r: r.headers.__setitem__("Content-Type", b"text/plain")),
                         ("no credential", lambda r: r.headers.__delitem__("Authorization"))]:
        tampered = client("bedrock-runtime")
        tampered.meta.events.register("before-send.bedrock-runtime.Converse", lambda request, change=change, **_: change(request))
        code = "MissingAuthenticationTokenException" if name == "no credential" else "InvalidSignatureException"
        check(name, ask(tampered), (403, code))


POOL = urllib3.PoolManager(ca_certs=CA)


def raw(method, url, body=b"", headers=None):
    answer = POOL.request(method, url, body=body, headers=headers or {}, retries=False)
    return answer.status, answer.headers.get("x-amzn-errortype")


def presigned():
    url = runtime.generate_presigned_url("list_async_invokes", Params={"statusEquals": "Failed"}, ExpiresIn=60, HttpMethod="GET")
    check("presigned get", raw("GET", url), (200, None))
    check("presigned, other query", raw("GET", url.replace("Failed", "Completed")), (403, "InvalidSignatureException"))
    body = json.dumps({"messages": user("presigned")}).encode()
    target = f"{ENDPOINT}/model/{urllib.parse.quote(PROFILE, safe='')}/converse"
    for name, secret, expected in [("presigned post", SECRET, (200, None)), ("presigned, wrong secret", "x" * 40, (403, "InvalidSignatureException"))]:
        request = AWSRequest("POST", target)
        auth = SigV4QueryAuth(Credentials(KEY, secret), "bedrock", "us-east-1", expires=60)
        auth.payload = lambda _: hashlib.sha256(body).hexdigest()
        auth.add_auth(request)
        check(name, raw("POST", request.url, body), expected)


def scope():
    for name, region, service, hours, expected in [
            ("header", "us-east-1", "bedrock", 0, (200, None)),
            ("foreign service", "us-east-1", "s3", 0, (403, "InvalidSignatureException")),
            ("clock 6 minutes late", "us-east-1", "bedrock", -0.1, (403, "InvalidSignatureException")),
            ("clock 6 minutes early", "us-east-1", "bedrock", 0.1, (403, "InvalidSignatureException")),
            ("other region than the host's", "eu-west-1", "bedrock", 0, (403, "InvalidSignatureException"))]:
        body = json.dumps({"messages": user("x")}).encode()
        host = "bedrock-runtime.us-east-1.amazonaws.com"
        headers = {"Host": host, "Content-Type": "application/json", "X-Odd": "  a   b  "}
        request = AWSRequest("POST", f"{ENDPOINT}/model/amazon.nova-pro-v1%3A0/converse", data=body, headers=headers)
        import botocore.auth as auth
        now = auth.get_current_datetime
        auth.get_current_datetime = lambda *a, **k: datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(hours=hours)
        SigV4Auth(Credentials(KEY, SECRET), service, region).add_auth(request)
        auth.get_current_datetime = now
        check(f"scope: {name}", raw("POST", request.url, body, dict(request.headers)), expected)


def api_keys():
    body = json.dumps({"messages": user("bearer")}).encode()
    url = f"{ENDPOINT}/model/amazon.nova-pro-v1%3A0/converse"
    bearer = lambda key: raw("POST", url, body, {"Authorization": f"Bearer {key}", "Content-Type": "application/json"})
    check("long-term key", bearer("ABSKlongterm"), (200, None))
    check("unknown long-term key", bearer("ABSKother"), (403, "AccessDeniedException"))

    def short(secret):
        request = AWSRequest("POST", "https://bedrock.amazonaws.com/", params={"Action": "CallWithBearerToken"}, headers={"host": "bedrock.amazonaws.com"})
        SigV4QueryAuth(Credentials(KEY, secret), "bedrock", "us-east-1", expires=43200).add_auth(request)
        plain = request.url.removeprefix("https://") + "&Version=1"
        return "bedrock-api-key-" + base64.b64encode(plain.encode()).decode()

    check("short-term key", bearer(short(SECRET)), (200, None))
    check("short-term key, wrong secret", bearer(short("x" * 40)), (403, "AccessDeniedException"))
    answer = POOL.request("POST", f"{ENDPOINT}/anthropic/v1/messages", headers={"x-api-key": "ABSKlongterm"}, body=json.dumps(
        {"model": "anthropic.claude-opus-4", "messages": [{"role": "user", "content": "hi"}], "stream": True}).encode())
    check("messages by x-api-key, streamed", (answer.status, b"event: message_stop" in answer.data), (200, True))
    answer = POOL.request("POST", f"{ENDPOINT}/openai/v1/chat/completions", headers={"authorization": "Bearer ABSKlongterm"}, body=json.dumps(
        {"model": "openai.gpt-oss-20b", "messages": [{"role": "user", "content": "hi [[error:429]]"}]}).encode())
    check("chat error shape", (answer.status, json.loads(answer.data)["error"]["type"]), (429, "ThrottlingException"))


for part in [converse, converse_stream, invoke, others, agents, tool_shapes, faults, errors, credentials, presigned, scope, api_keys]:
    print(f"-- {part.__name__}")
    part()
sys.exit(1 if failures else 0)
