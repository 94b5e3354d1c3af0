//! What a call used: the outcome on record says what AWS's answer said, in every shape, however the answer ended.

use crate::application::script;
use crate::raw::{HOST, MODEL, send, signed};
use anyhow::{Context, Result, ensure};
use e2e::client::Request;
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, python, wait};
use serde_json::{Value, json};

const SONNET: &str = "anthropic.claude-3-5-sonnet-20241022-v2:0";

/// Every operation whose answer says tokens, by boto3; each reads its answer to the end. The prompt orders the numbers.
const CALLS: &str = "
P = MARK + ' [[words:20]][[tokens:1100,220,33000,4400]][[tool:transfer {\"amount\": 1}]][[tool:ping]]'
def said(r): return r['ResponseMetadata']['HTTPHeaders']['x-portcullis-decision-id']
def messages(): return [{'role':'user','content':[{'text':P}]}]
def anthropic(): return json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':P}]})
def titan(): return json.dumps({'inputText':P})
c, a = client('bedrock-runtime'), client('bedrock-agent-runtime')
def drained(r, key):
    for e in r[key]: pass
    return said(r)
def agent(trace): return drained(a.invoke_agent(agentId='AGENT12345', agentAliasId='ALIAS12345', sessionId='s-'+MARK, inputText=P, enableTrace=trace), 'completion')
out({
    'converse': said(c.converse(modelId=M, messages=messages())),
    'converse_stream': drained(c.converse_stream(modelId=M, messages=messages()), 'stream'),
    'invoke_model': said(c.invoke_model(modelId=M, body=anthropic())),
    'invoke_model_with_response_stream': drained(c.invoke_model_with_response_stream(modelId=M, body=anthropic()), 'body'),
    'invoke_model, Titan': said(c.invoke_model(modelId='amazon.titan-text-express-v1', body=titan())),
    'invoke_model_with_response_stream, Titan': drained(c.invoke_model_with_response_stream(modelId='amazon.titan-text-express-v1', body=titan()), 'body'),
    'invoke_agent with trace': agent(True),
    'invoke_agent without': agent(False),
})";

/// The outcome of a decision, once it is there.
fn outcome(stack: &Stack, decision: &str) -> Result<Value> {
    wait::until("the outcome", || {
        let record = stack.control_plane.decision(decision)?;
        ensure!(record["outcome"].is_object(), "{}", record["state"]);
        let mut outcome = record["outcome"].clone();
        outcome["state"] = record["state"].clone();
        Ok(outcome)
    })
}

fn usage([input, output, cache_read, cache_write]: [u64; 4], tool_calls: u64) -> Value {
    json!({
        "input_tokens": input, "output_tokens": output, "cache_read_tokens": cache_read, "cache_write_tokens": cache_write,
        "tool_calls": tool_calls,
    })
}

/// Sends a raw call to the end of its answer; gives back its outcome.
fn after(stack: &Stack, request: Request) -> Result<Value> {
    let answer = send(stack, &signed(request)?.to_http1())?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    outcome(stack, answer.header("x-portcullis-decision-id").context("no decision id")?)
}

fn converse(streamed: &str, text: &str) -> Request {
    let mut request = Request::converse(HOST, MODEL, text);
    request.path.push_str(streamed);
    request
}

#[test]
fn boto3_calls_are_recorded_with_what_aws_said_they_used() -> Result<()> {
    let stack = Stack::shared()?;
    let seen = python::ask(&stack.egress(APP_ONE), &script("usage", CALLS))?;
    let ordered = [1100, 220, 33000, 4400];
    for (name, decision) in seen.as_object().context("names and decisions")? {
        let outcome = outcome(&stack, decision.as_str().context("decision id")?)?;
        println!("{name:42} {} {}", outcome["state"], outcome["usage"]);
        ensure!(outcome["state"] == "completed" && outcome["reason"].is_null(), "{name}: {outcome}");
        let expected = match name.as_str() {
            "invoke_agent without" => Value::Null,
            // A trace says nothing of the cache, and Titan's own numbers do not; its headers and metrics do.
            "invoke_agent with trace" => usage([1100, 220, 0, 0], 2),
            name if name.ends_with("Titan") => usage(ordered, 0),
            _ => usage(ordered, 2),
        };
        ensure!(outcome["usage"] == expected, "{name}: expected {expected}, got {}", outcome["usage"]);
    }
    Ok(())
}

#[test]
fn compatible_paths_are_recorded_with_what_they_used() -> Result<()> {
    let stack = Stack::shared()?;
    for (path, model) in [
        ("/openai/v1/chat/completions", "openai.gpt-oss-120b-1:0"),
        ("/openai/v1/responses", "openai.gpt-oss-120b-1:0"),
        ("/anthropic/v1/messages", SONNET),
    ] {
        for stream in [false, true] {
            let text = format!("{path} {stream} [[words:20]][[tokens:1100,220,33000]][[tool:ping]]");
            let mut body = json!({"model": model, "stream": stream, "max_tokens": 64});
            let list = if path.ends_with("responses") { "input" } else { "messages" };
            body[list] = json!([{"role": "user", "content": text}]);
            let outcome = after(&stack, Request::json(HOST, path, &body))?;
            println!("{path} stream: {stream}: {} {}", outcome["state"], outcome["usage"]);
            let expected = usage([1100, 220, 33000, 0], 1);
            ensure!(outcome["state"] == "completed", "{path}: {outcome}");
            ensure!(outcome["usage"] == expected, "{path}: expected {expected}, got {}", outcome["usage"]);
        }
    }
    Ok(())
}

/// A stream that a client leaves has used what it said until then, and is aborted.
#[test]
fn a_stream_that_is_left_keeps_what_it_said() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
P = MARK + '[[words:40]][[stall]][[tokens:1100,220,33000,4400]]'
body = json.dumps({'anthropic_version':'bedrock-2023-05-31','max_tokens':64,'messages':[{'role':'user','content':P}]})
r = client('bedrock-runtime').invoke_model_with_response_stream(modelId=M, body=body)
for e in r['body']:
    out(r['ResponseMetadata']['HTTPHeaders']['x-portcullis-decision-id'])
    os._exit(0)";
    let seen = python::ask(&stack.egress(APP_ONE), &script("left", rest))?;
    let outcome = outcome(&stack, seen.as_str().context("decision id")?)?;
    println!("{outcome}");
    ensure!(outcome["state"] == "aborted" && outcome["reason"] == "client_gone", "{outcome}");
    // `message_start` says one output token.
    ensure!(outcome["usage"] == usage([1100, 1, 33000, 4400], 0), "{outcome}");
    Ok(())
}

#[test]
fn an_answer_that_is_not_sound_is_told_from_one_that_is() -> Result<()> {
    let stack = Stack::shared()?;
    for (path, order, state, reason) in [
        ("-stream", "bad-crc", "failed", json!("stream_broken")),
        ("-stream", "short", "failed", json!("stream_truncated")),
        ("-stream", "no-usage", "completed", Value::Null),
        ("", "no-usage", "completed", Value::Null),
        ("", "gzip", "completed", json!("answer_encoded")),
    ] {
        let outcome = after(&stack, converse(path, &format!("{order} [[words:20]][[{order}]]")))?;
        println!("converse{path} {order}: {} {} {}", outcome["state"], outcome["reason"], outcome["usage"]);
        ensure!(outcome["state"] == state && outcome["reason"] == reason, "{order}: {outcome}");
        ensure!(outcome["usage"].is_null(), "unknown is not 0: {outcome}");
    }
    let order = "[[words:20]][[exception:throttlingException]]";
    let outcome = after(&stack, converse("-stream", order))?;
    println!("exception: {} {}", outcome["state"], outcome["error_type"]);
    ensure!(outcome["state"] == "completed" && outcome["error_type"] == "ThrottlingException", "{outcome}");
    Ok(())
}

/// What the record of a call says of its answer besides: why it stopped, what it proposed, also where it is compressed.
#[test]
fn what_an_answer_says_is_on_record() -> Result<()> {
    let stack = Stack::shared()?;
    for (streamed, order) in [("", ""), ("-stream", ""), ("", "[[gzip:real]]"), ("-stream", "[[gzip:real]]")]
    {
        let text = format!(
            "{order} [[tokens:1100,220]][[tool:transfer {{\"amount\": 1}}]][[tool:ping]][[router:amazon.nova-lite-v1:0]] {streamed}"
        );
        let outcome = after(&stack, converse(streamed, &text))?;
        let answer = &outcome["answer"];
        println!("converse{streamed} {order}: {} {answer}", outcome["usage"]);
        ensure!(outcome["state"] == "completed" && outcome["reason"].is_null(), "{outcome}");
        ensure!(outcome["usage"] == usage([1100, 220, 0, 0], 2), "{outcome}");
        ensure!(answer["stop_reason"] == "tool_use", "{outcome}");
        ensure!(answer["models"] == json!(["amazon.nova-lite-v1:0"]), "{outcome}");
        let calls = answer["tool_calls"].as_array().context("tool calls")?;
        let names: Vec<&str> = calls.iter().filter_map(|call| call["name"].as_str()).collect();
        ensure!(names == ["transfer", "ping"], "{names:?}");
        ensure!(calls.iter().all(|call| call["id"].is_string() && call["origin"] == "model"), "{calls:?}");
    }
    // Whole frames to its end, and no word that it ends: SDKs take it for whole.
    let outcome = after(&stack, converse("-stream", "[[short:tool]][[tool:transfer {\"amount\": 1}]]"))?;
    println!("short: {} {} {}", outcome["state"], outcome["reason"], outcome["answer"]);
    ensure!(outcome["state"] == "failed" && outcome["reason"] == "stream_truncated", "{outcome}");
    ensure!(outcome["answer"]["tool_calls"][0]["name"] == "transfer", "{outcome}");
    Ok(())
}

/// Long answers, whole and streamed, pass through the VM slice by slice: it does not grow.
#[test]
fn the_vm_does_not_grow_with_answers() -> Result<()> {
    let stack = Builder::default().start()?;
    let memory = |what: &str| {
        // It was brought up to date before the last outcome went out.
        let bytes = stack.envoy.stat("portcullis.vm_memory_bytes")?;
        println!("{what}: {bytes} bytes");
        anyhow::Ok(bytes)
    };
    let mut passed = 0;
    let mut round = |stack: &Stack| {
        for (streamed, order) in [("", "[[words:90000]]"), ("-stream", "[[words:900]]")] {
            let outcome = after(stack, converse(streamed, order))?;
            ensure!(outcome["usage"]["output_tokens"].as_u64() > Some(1_000), "{outcome}");
            passed += outcome["response_bytes"].as_u64().unwrap_or_default();
        }
        anyhow::Ok(())
    };
    round(&stack)?;
    let before = memory("after the first answers")?;
    (0..3).try_for_each(|_| round(&stack))?;
    let after = memory("after six more")?;
    println!("{passed} bytes of answers");
    ensure!(passed > 4_000_000 && after <= before + 131_072, "it grew from {before} to {after}");
    Ok(())
}
