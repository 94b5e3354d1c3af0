//! What a model proposes to do is in its answer: a forbidden tool call does not reach the application, whatever API, shape and
//! SDK it comes in; what is around it does.

mod agents;
mod compatible;
mod converse;
mod faults;
mod invoke;
mod javascript;
mod people;
mod requests;
mod rounds;
mod text;
mod tokens;
mod ways;

use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Request};
use e2e::fake::APP_ONE;
use e2e::{Builder, Shared, Stack, python, wait};
use serde_json::{Value, json};
use std::sync::Arc;

use crate::raw::{HOST, send, signed};

/// Rules on tool calls. Amounts over the limit are in a range of their own, so that a number in a log tells which test it was.
pub(crate) const RULES: &str = r#"
version: "1.0"
name: Tools
rules:
- id: transfer-limit
  action: block
  tools: [transfer_funds, "*/transfers"]
  conditions:
  - {field: arguments.amount, operator: greater_than, value: 5000}
  message: Transfers over $5000 are not allowed
- id: ask-wire
  action: require_approval
  tools: ["wire_funds*"]
  message: A person must see every wire
- id: hold-payout
  action: require_approval
  tools: ["pay_out*"]
  approval: {hold: 45s}
- id: warn-mail
  action: warn
  tools: [send_mail]
  message: Mail leaves the company
- id: log-search
  action: log
  tools: [search]
"#;

/// What a refusal must say.
pub(crate) const MESSAGE: &str = "Transfers over $5000 are not allowed";
/// A string in the arguments of every forbidden call: nothing of it may reach the client.
pub(crate) const SECRET: &str = "ACCT-9000-FORBIDDEN";
/// A forbidden tool call, as an order to the fake.
pub(crate) const FORBIDDEN: &str = r#"[[tool:transfer_funds {"amount": 9000, "to": "ACCT-9000-FORBIDDEN"}]]"#;
/// The same with an amount that is allowed.
pub(crate) const ALLOWED: &str = r#"[[tool:transfer_funds {"amount": 4000, "to": "ACCT-4000-ALLOWED"}]]"#;

/// The stack with these rules that tests share.
pub(crate) fn stack() -> Result<Arc<Stack>> {
    static SHARED: Shared = Shared::new();
    // Its users are many at once, some with answers of 200 MB: a decision may take its time.
    SHARED.stack(|| Builder::default().bundle(&[("rules/tools.yaml", RULES)]).timeout_ms(20_000))
}

/// boto3 in front of every API that can propose a tool call. `run(name, text)` calls one of them and tells what an application
/// sees: every event as it arrives, and what is raised.
const APIS: &str = r#"
import time
from botocore.config import Config
M = 'anthropic.claude-3-5-sonnet-20241022-v2:0'
# One request each: what is raised for a fault is looked at, not what a retry brings.
os.environ['AWS_MAX_ATTEMPTS'] = '1'
_client, _clients = client, {}
def client(name, **kw):
    if name not in _clients: _clients[name] = _client(name, **kw)
    return _clients[name]
def T(text): return [{'role':'user','content':[{'text':text}]}]
def A(text): return json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':text}]})
INLINE = dict(sessionId='s-inline', foundationModel=M, instruction='be a good and very helpful agent, always')
HARNESS = dict(harnessArn='arn:aws:bedrock-agentcore:us-east-1:123456789012:harness/h-1234567890', runtimeSessionId='s'*40)
AGENT = dict(agentId='AGENT12345', agentAliasId='ALIAS12345')
R, G, C = 'bedrock-runtime', 'bedrock-agent-runtime', 'bedrock-agentcore'
APIS = {
    'ConverseStream': (lambda t: client(R).converse_stream(modelId=M, messages=T(t)), 'stream'),
    'InvokeModelWithResponseStream': (lambda t: client(R).invoke_model_with_response_stream(modelId=M, body=A(t)), 'body'),
    'InvokeAgent': (lambda t: client(G).invoke_agent(sessionId='s-'+MARK, inputText=t, **AGENT), 'completion'),
    'InvokeAgent with trace': (lambda t: client(G).invoke_agent(sessionId='s-'+MARK, inputText=t, enableTrace=True, **AGENT), 'completion'),
    'InvokeInlineAgent': (lambda t: client(G).invoke_inline_agent(inputText=t, **INLINE), 'completion'),
    'InvokeHarness': (lambda t: client(C).invoke_harness(messages=T(t), **HARNESS), 'stream'),
    'Converse': (lambda t: client(R).converse(modelId=M, messages=T(t)), None),
    'InvokeModel': (lambda t: client(R).invoke_model(modelId=M, body=A(t)), None),
}
def plain(value):
    if isinstance(value, bytes): return value.decode('utf-8', 'replace')
    if isinstance(value, dict): return {k: plain(v) for k, v in value.items()}
    if isinstance(value, list): return [plain(v) for v in value]
    return value if isinstance(value, (int, float, str, bool, type(None))) else str(value)
def run(name, text, told=None):
    call, key = APIS[name]
    requests.clear()
    got = {'api': name, 'events': [], 'decision': None}
    try:
        r = call(MARK + ' ' + name + ' ' + text)
        got['decision'] = r['ResponseMetadata']['HTTPHeaders'].get('x-portcullis-decision-id')
        if key is None:
            got['events'] = [json.loads(r['body'].read()) if 'body' in r else r['output']]
        else:
            for e in r[key]:
                got['events'].append(plain(e))
                if told: told(plain(e))
    except ClientError as e:
        got.update(error=e.response['Error'], status=e.response.get('ResponseMetadata', {}).get('HTTPStatusCode'))
        got['decision'] = got['decision'] or e.response.get('ResponseMetadata', {}).get('HTTPHeaders', {}).get('x-portcullis-decision-id')
        got['class'] = type(e).__name__
    except Exception as e:
        got.update({'class': type(e).__name__, 'error': {'Message': str(e)}})
    got['requests'] = len(requests)
    return got
"#;

/// Runs a script in front of [`APIS`].
pub(crate) fn boto3(stack: &Stack, mark: &str, rest: &str) -> Result<Vec<Value>> {
    python::run(&stack.egress(APP_ONE), &format!("MARK = '{mark}'\n{APIS}\n{rest}"))
}

/// The command for it.
pub(crate) fn boto3_command(stack: &Stack, mark: &str, rest: &str) -> Result<std::process::Command> {
    python::command(&stack.egress(APP_ONE), &format!("MARK = '{mark}'\n{APIS}\n{rest}"))
}

/// The record of a decision, once its outcome is there.
pub(crate) fn ended(stack: &Stack, decision: &str) -> Result<Value> {
    wait::until("the outcome", || {
        let record = stack.control_plane.decision(decision)?;
        ensure!(record["outcome"].is_object(), "{}", record["state"]);
        Ok(record)
    })
}

/// The records about the answer of a decision: of its tool calls, or of its text. In the order of the questions.
pub(crate) fn of_answer(stack: &Stack, decision: &str, kind: &str) -> Result<Vec<Value>> {
    let all = stack.control_plane.decisions("")?;
    let mut found: Vec<Value> =
        all.into_iter().filter(|one| one["parent"] == decision && one["kind"] == kind).collect();
    found.sort_by_key(|one| {
        let number = one["call_id"].as_str().and_then(|id| id.rsplit_once('#')?.1.parse::<u64>().ok());
        number.unwrap_or_default()
    });
    Ok(found)
}

/// What the fake wrote down about a call, told by its decision's fingerprint.
pub(crate) fn at_the_fake(stack: &Stack, record: &Value) -> Result<Value> {
    let sha256 = record["request"]["sha256"].as_str().context("no fingerprint")?;
    stack.fake.calls_with_body(sha256)?.pop().with_context(|| format!("{sha256} did not arrive"))
}

/// Everything that ties a refused tool call to its record: the verdict, the rule, the tool, the arguments' fingerprint, the
/// bytes that had left, and the outcome of the exchange.
pub(crate) fn refused_on_record(stack: &Stack, decision: &str, rule: &str) -> Result<Value> {
    let record = ended(stack, decision)?;
    let calls = of_answer(stack, decision, "tool_call")?;
    let refused: Vec<&Value> = calls.iter().filter(|one| one["verdict"]["kind"] != "allow").collect();
    ensure!(refused.len() == 1, "one call refused, not {}: {calls:?}", refused.len());
    let refused = refused[0];
    println!(
        "  {} {}: {} by {}; {} of {} bytes had left; outcome {} {}",
        record["operation"],
        refused["tool"]["names"],
        refused["verdict"]["kind"],
        refused["verdict"]["rule"],
        refused["tool"]["released_bytes"],
        record["outcome"]["response_bytes"],
        record["state"],
        record["outcome"]["reason"]
    );
    ensure!(refused.to_string().contains(rule), "not by {rule}: {refused}");
    ensure!(!refused.to_string().contains(SECRET), "arguments are on record: {refused}");
    ensure!(refused["correlation_id"] == record["correlation_id"], "another correlation: {refused}");
    ensure!(refused["principal"] == record["principal"], "another principal: {refused}");
    ensure!(record["state"] == "blocked", "{}", record["outcome"]);
    let said = at_the_fake(stack, &record)?["said"].clone();
    let calls = said["tool_calls"].as_array().context("tool calls")?;
    ensure!(
        calls.iter().any(|call| call["sha256"] == refused["tool"]["arguments_sha256"]
            && call["bytes"] == refused["tool"]["arguments_bytes"]),
        "other arguments than the fake sent: {said} {refused}"
    );
    let released = refused["tool"]["released_bytes"].as_u64().unwrap_or_default();
    let total = record["outcome"]["response_bytes"].as_u64().context("response_bytes")?;
    // Of a stream something has left: what was before, and its last words. A document is replaced.
    ensure!(released <= total, "{released} of {total}");
    Ok(record)
}

/// A JSON call to [`HOST`], to the end of its answer.
pub(crate) fn post(stack: &Stack, path: &str, body: &Value) -> Result<(Request, Answer)> {
    let request = signed(Request::json(HOST, path, body))?;
    let answer = send(stack, &request.to_http1())?;
    Ok((request, answer))
}

/// The decision id that an answer carries.
pub(crate) fn decision(answer: &Answer) -> Result<String> {
    let id = answer.header("x-portcullis-decision-id");
    Ok(id.with_context(|| format!("no decision id: {} {}", answer.status, answer.text()))?.to_owned())
}

/// A Converse request's body.
pub(crate) fn messages(text: &str) -> Value {
    json!({"messages": [{"role": "user", "content": [{"text": text}]}]})
}

/// Path of a model's operation.
pub(crate) fn path(model: &str, operation: &str) -> String {
    format!("/model/{}/{operation}", model.replace(':', "%3A").replace('/', "%2F"))
}
