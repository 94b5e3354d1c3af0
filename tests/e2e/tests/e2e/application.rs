//! An application that nobody changed: boto3 with `HTTPS_PROXY` and `AWS_CA_BUNDLE`, nothing else.

use anyhow::{Context, Result, ensure};
use e2e::fake::{APP_ONE, STRANGER};
use e2e::{Stack, python, wait};
use serde_json::Value;

/// Every operation of the promise, each with what must be in its answer.
pub(crate) const OPERATIONS: &str = r#"
M = 'anthropic.claude-3-5-sonnet-20241022-v2:0'
def converse(m=M): return client('bedrock-runtime').converse(modelId=m, messages=[{'role':'user','content':[{'text':MARK+' hello'}]}])['output']['message']['content'][0]['text']
def converse_stream(m=M):
    events = [list(e)[0] for e in client('bedrock-runtime').converse_stream(modelId=m, messages=[{'role':'user','content':[{'text':MARK+' hello, streamed'}]}])['stream']]
    assert 'messageStop' in events and 'metadata' in events, events
    return events[0]
def body(text): return json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':MARK+text}]})
def invoke_model(m=M): return json.loads(client('bedrock-runtime').invoke_model(modelId=m, body=body(' hello'))['body'].read())['role']
def invoke_model_with_response_stream(m=M):
    chunks = [json.loads(e['chunk']['bytes']) for e in client('bedrock-runtime').invoke_model_with_response_stream(modelId=m, body=body(' streamed'))['body']]
    assert chunks[-1]['type'] == 'message_stop', chunks[-1]
    return chunks[0]['type']
def invoke_agent(m=None):
    return b''.join(e['chunk']['bytes'] for e in client('bedrock-agent-runtime').invoke_agent(agentId='AGENT12345', agentAliasId='ALIAS12345', sessionId='s-'+MARK, inputText=MARK)['completion'] if 'chunk' in e).decode()[:5] or 'empty'
def retrieve_and_generate(m=M):
    return client('bedrock-agent-runtime').retrieve_and_generate(input={'text':MARK}, retrieveAndGenerateConfiguration={'type':'KNOWLEDGE_BASE','knowledgeBaseConfiguration':{'knowledgeBaseId':'KB12345678','modelArn':'arn:aws:bedrock:us-east-1::foundation-model/'+m}})['output']['text'][:5]
def apply_guardrail(m=None): return client('bedrock-runtime').apply_guardrail(guardrailIdentifier='gr1234567890', guardrailVersion='1', source='INPUT', content=[{'text':{'text':MARK}}])['action']
def start_async_invoke(m='amazon.nova-reel-v1:0'): return client('bedrock-runtime').start_async_invoke(modelId=m, modelInput={'taskType':'TEXT_VIDEO','textToVideoParams':{'text':MARK}}, outputDataConfig={'s3OutputDataConfig':{'s3Uri':'s3://bucket/out'}})['invocationArn'][:12]
ALL = [converse, converse_stream, invoke_model, invoke_model_with_response_stream, invoke_agent, retrieve_and_generate, apply_guardrail, start_async_invoke]
"#;

/// A script with a marker of its own, so that tests that share a stack tell their calls apart.
pub(crate) fn script(mark: &str, rest: &str) -> String {
    format!("MARK = '{mark}'\n{OPERATIONS}\n{rest}")
}

#[test]
fn every_promised_operation_works_unmodified_and_byte_identical() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
for f in ALL:
    requests.clear()
    out({'operation': f.__name__, 'result': caught(f), 'sent': requests})";
    let seen = python::run(&stack.egress(APP_ONE), &script("unmodified", rest))?;
    ensure!(seen.len() == 8, "{seen:?}");
    for one in seen {
        let name = one["operation"].as_str().context("operation")?;
        ensure!(one["result"]["ok"].is_string(), "{name}: {one}");
        let sent = one["sent"].as_array().context("sent")?;
        ensure!(sent.len() == 1, "{name} sent {} requests", sent.len());
        let sha256 = sent[0]["sha256"].as_str().context("sha256")?;
        let arrived = stack.fake.calls_with_body(sha256)?;
        ensure!(arrived.len() == 1, "{name}: {} calls with the body the application sent", arrived.len());
        let call = &arrived[0];
        println!(
            "{name:36} sent {sha256:.12} arrived {:.12} signature_valid={} key={} {}",
            call["body_sha256"], call["signature_valid"], call["access_key_id"], call["protocol"]
        );
        ensure!(call["signature_valid"] == true && call["access_key_id"] == APP_ONE.0, "{name}: {call}");
        ensure!(call["protocol"] == "HTTP/1.1", "the upstream speaks what the client spoke: {call}");
    }
    Ok(())
}

#[test]
fn a_blocked_model_raises_access_denied_after_one_request_and_never_arrives() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
O = 'anthropic.claude-3-opus-20240229-v1:0'
for f in [converse, converse_stream, invoke_model, invoke_model_with_response_stream, retrieve_and_generate]:
    requests.clear()
    out({'operation': f.__name__, 'result': caught(lambda: f(O)), 'sent': requests})";
    for one in python::run(&stack.egress(APP_ONE), &script("blocked", rest))? {
        let (name, result) = (&one["operation"], &one["result"]);
        println!("{name} -> {} {}: {}", result["status"], result["class"], result["error"]["Message"]);
        ensure!(result["class"] == "AccessDeniedException" && result["status"] == 403, "{one}");
        ensure!(result["error"]["Code"] == "AccessDeniedException", "{one}");
        let message = result["error"]["Message"].as_str().context("message")?;
        ensure!(
            message.contains("block-opus") && message.contains("Opus is not approved for this team"),
            "{message}"
        );
        ensure!(result["requests"] == 1, "one request, not {}", result["requests"]);
        let sha256 = one["sent"][0]["sha256"].as_str().context("sha256")?;
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "{name} arrived");
        let id = result["headers"]["x-portcullis-decision-id"].as_str().context("no decision id")?;
        let record = stack.control_plane.decision(id)?;
        ensure!(record.to_string().contains("block-opus") && record.to_string().contains(sha256), "{record}");
    }
    Ok(())
}

#[test]
fn an_allowed_call_leaves_a_record_with_its_outcome_and_a_confirmed_principal() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "r = client('bedrock-runtime').converse(modelId=M, messages=[{'role':'user','content':[{'text':MARK}]}])
out({'headers': r['ResponseMetadata']['HTTPHeaders'], 'sha256': requests[0]['sha256']})";
    let seen = python::ask(&stack.egress(APP_ONE), &script("recorded", rest))?;
    let id = seen["headers"]["x-portcullis-decision-id"].as_str().context("decision id")?;
    let record = wait::until("the outcome", || {
        let record = stack.control_plane.decision(id)?;
        ensure!(outcome(&record) == "completed", "{record}");
        Ok(record)
    })?;
    println!("{record:#}");
    let text = record.to_string();
    for expected in [
        "Converse",
        "bedrock:InvokeModel",
        "app-one",
        "confirmed",
        APP_ONE.0,
        "us-east-1",
        "anthropic.claude-3-5-sonnet-20241022-v2:0",
        seen["sha256"].as_str().context("sha256")?,
        seen["headers"]["x-amzn-requestid"].as_str().context("request id")?,
    ] {
        ensure!(text.contains(expected), "no `{expected}` in {text}");
    }
    ensure!(record["assurance"] == "confirmed", "{}", record["assurance"]);
    ensure!(!text.contains("sample-secret"), "a secret is in the record");
    Ok(())
}

#[test]
fn a_key_that_aws_refuses_is_recorded_as_rejected() -> Result<()> {
    let stack = Stack::shared()?;
    let seen = python::ask(&stack.egress(STRANGER), &script("stranger", "out(caught(converse))"))?;
    ensure!(seen["error"]["Code"] == "UnrecognizedClientException", "{seen}");
    let id = seen["headers"]["x-portcullis-decision-id"].as_str().context("decision id")?;
    wait::until("assurance `rejected`", || {
        let record = stack.control_plane.decision(id)?;
        ensure!(record.to_string().contains("rejected"), "{record}");
        println!("{} -> assurance rejected", STRANGER.0);
        Ok(())
    })
}

/// The outcome's state.
pub(crate) fn outcome(record: &Value) -> &str {
    record["outcome"]["state"].as_str().unwrap_or("none")
}
