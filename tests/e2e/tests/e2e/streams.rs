//! Answers on their way back: streams arrive as they are made, whatever ends them early is seen by the client and on
//! record, and AWS's own errors pass as they are.

use crate::application::script;
use crate::raw::{HOST, MODEL, send, signed};
use anyhow::{Context, Result, bail, ensure};
use e2e::client::{Answer, Connection, H2, Request, Signer, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, python, wait};
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout};

/// 44 events, of which the fake sends 22 and then no more: the connection stays open.
const STALLED: &str = "[[words:40]][[stall]]";
const SENT: usize = 22;

/// Reads a stream with botocore's own decoder and tells of each event as it arrives: its type, and the bytes so far.
const READER: &str = "
r = client('bedrock-runtime').converse_stream(modelId=M, messages=[{'role':'user','content':[{'text':MARK+PROMPT}]}])
out({'decision': r['ResponseMetadata']['HTTPHeaders']['x-portcullis-decision-id']})
total = 0
for message in r['stream']._event_generator:
    total += message.prelude.total_length
    out({'event': message.headers[':event-type'], 'bytes': total})
out({'end': total})";

/// An application in the middle of a stream.
struct Reading {
    application: Child,
    lines: Lines<BufReader<ChildStdout>>,
    decision: String,
}

impl Reading {
    fn start(stack: &Stack, mark: &str, prompt: &str) -> Result<Self> {
        let text = script(mark, &format!("PROMPT = '{prompt}'\n{READER}"));
        let mut application = python::command(&stack.egress(APP_ONE), &text)?.spawn()?;
        let lines = BufReader::new(application.stdout.take().context("stdout")?).lines();
        let mut reading = Self { application, lines, decision: String::new() };
        reading.decision = reading.next()?["decision"].as_str().context("decision id")?.to_owned();
        Ok(reading)
    }

    fn next(&mut self) -> Result<Value> {
        let line = self.lines.next().context("the application said no more")??;
        Ok(serde_json::from_str(line.strip_prefix("OUT ").context("not an OUT line")?)?)
    }

    /// All that the fake sends before it stalls; the bytes of it.
    fn until_stalled(&mut self) -> Result<u64> {
        let mut events = Vec::new();
        for _ in 0..SENT {
            events.push(self.next()?);
        }
        let bytes = events[SENT - 1]["bytes"].as_u64().context("bytes")?;
        println!(
            "{SENT} events, {bytes} bytes, while the fake is still to say the rest: {} …",
            events[0]["event"]
        );
        Ok(bytes)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        let _ = self.application.kill();
        let _ = self.application.wait();
    }
}

/// The record once its outcome has this state.
fn ended(stack: &Stack, decision: &str, state: &str) -> Result<Value> {
    wait::until(&format!("the outcome `{state}`"), || {
        let record = stack.control_plane.decision(decision)?;
        ensure!(record["state"] == state, "{} {}", record["state"], record["outcome"]);
        println!("outcome: {}", record["outcome"]);
        Ok(record["outcome"].clone())
    })
}

fn decision(answer: &Answer) -> Result<&str> {
    answer.header("x-portcullis-decision-id").with_context(|| format!("no decision id: {answer:?}"))
}

fn stream(text: &str) -> Request {
    let body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    Request::json(HOST, &format!("/model/{}/converse-stream", MODEL.replace(':', "%3A")), &body)
}

#[test]
fn a_stream_arrives_as_it_is_made_and_a_client_that_leaves_it_is_recorded() -> Result<()> {
    let stack = Stack::shared()?;
    let mut reading = Reading::start(&stack, "leaves", STALLED)?;
    // The fake has not finished, and never will: a gate that collected the answer would pass nothing on.
    let bytes = reading.until_stalled()?;
    ensure!(stack.control_plane.decision(&reading.decision)?["state"] == "pending", "it is not over yet");
    let id = reading.decision.clone();
    drop(reading);
    let outcome = ended(&stack, &id, "aborted")?;
    ensure!(outcome["reason"] == "client_gone" && outcome["forwarded"] == true, "{outcome}");
    ensure!(outcome["response_bytes"] == bytes, "{bytes} bytes arrived: {outcome}");
    Ok(())
}

#[test]
fn a_whole_stream_is_recorded_with_every_byte() -> Result<()> {
    let stack = Stack::shared()?;
    let answer = send(&stack, &signed(stream("whole [[words:40]]"))?.to_http1())?;
    println!("{} bytes, complete: {}", answer.body.len(), answer.complete);
    ensure!(answer.status == 200 && answer.complete, "{}", answer.status);
    let outcome = ended(&stack, decision(&answer)?, "completed")?;
    ensure!(outcome["response_bytes"] == answer.body.len(), "{} bytes arrived: {outcome}", answer.body.len());
    ensure!(outcome["status"] == 200, "{outcome}");
    Ok(())
}

#[test]
fn a_cut_stream_is_cut_for_the_client_too_and_recorded_as_failed() -> Result<()> {
    let stack = Stack::shared()?;
    let over_http1 = send(&stack, &signed(stream("cut over http/1.1 [[words:40]][[cut]]"))?.to_http1())?;
    let connection = Connection::open(&stack.envoy.transparent.to_string())?;
    let mut h2 = H2::over(connection, &Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    let over_http2 =
        h2.send(&Signer::new(APP_ONE).sign_authority(stream("cut over h2 [[words:40]][[cut]]"))?)?;
    for (protocol, answer) in [("HTTP/1.1", over_http1), ("HTTP/2", over_http2)] {
        println!("{protocol}: {} {} bytes, complete: {}", answer.status, answer.body.len(), answer.complete);
        // The half of a frame is passed on; what must not be is an end that looks proper.
        ensure!(answer.status == 200 && !answer.body.is_empty(), "{protocol}: {}", answer.status);
        ensure!(!answer.complete, "{protocol}: a cut stream looks complete to the client");
        let outcome = ended(&stack, decision(&answer)?, "failed")?;
        ensure!(
            outcome["reason"] == "upstream_reset" && outcome["forwarded"] == true,
            "{protocol}: {outcome}"
        );
        ensure!(outcome["response_bytes"] == answer.body.len(), "{protocol}: {outcome}");
    }
    Ok(())
}

#[test]
fn an_exception_in_a_stream_reaches_the_application() -> Result<()> {
    let stack = Stack::shared()?;
    let rest = "
def f():
    for e in client('bedrock-runtime').converse_stream(modelId=M, messages=[{'role':'user','content':[{'text':MARK+'[[words:40]][[exception:modelStreamErrorException]]'}]}])['stream']: pass
out(caught(f))";
    let seen = python::ask(&stack.egress(APP_ONE), &script("exception", rest))?;
    println!("{seen}");
    ensure!(
        seen["class"] == "EventStreamError" && seen["error"]["Code"] == "modelStreamErrorException",
        "{seen}"
    );
    ensure!(seen["error"]["Message"] == "exception on demand", "{seen}");
    Ok(())
}

#[test]
fn errors_of_aws_pass_unchanged_and_are_recorded() -> Result<()> {
    let stack = Stack::shared()?;
    for (status, error_type) in [
        (400, "ValidationException"),
        (403, "AccessDeniedException"),
        (404, "ResourceNotFoundException"),
        (408, "ModelTimeoutException"),
        (424, "ModelErrorException"),
        (429, "ThrottlingException"),
        (500, "InternalServerException"),
        (503, "ServiceUnavailableException"),
    ] {
        for streamed in ["converse", "converse-stream"] {
            let mut request = stream(&format!("[[error:{status}]] {streamed}"));
            request.path = request.path.replace("converse-stream", streamed);
            let request = signed(request)?;
            let through = send(&stack, &request.to_http1())?;
            let direct = directly(&stack, &request)?;
            println!("{streamed}: {} {:?} {}", through.status, through.error_type(), through.text());
            ensure!(through.status == status && through.error_type() == Some(error_type), "{through:?}");
            ensure!(through.body == direct.body && through.complete, "the body differs: {}", direct.text());
            ensure!(through.status == direct.status, "{} directly", direct.status);
            ensure!(lasting(&through) == lasting(&direct), "{:?}\n{:?}", lasting(&through), lasting(&direct));

            let outcome = ended(&stack, decision(&through)?, "completed")?;
            ensure!(outcome["status"] == status && outcome["error_type"] == error_type, "{outcome}");
            ensure!(
                outcome["aws_request_id"] == through.header("x-amzn-requestid").context("id")?,
                "{outcome}"
            );
        }
    }
    Ok(())
}

/// The same call, straight to the fake.
fn directly(stack: &Stack, request: &Request) -> Result<Answer> {
    let mut connection = Connection::open(&stack.fake.https)?.tls(&Tls::trusting(&stack.fake.ca, HOST)?)?;
    connection.send(&request.to_http1())?;
    connection.answer()
}

/// The headers that do not differ between two answers to one question, sorted; without the one that the gate adds.
fn lasting(answer: &Answer) -> Vec<(String, String)> {
    let passing = ["date", "x-amzn-requestid", "x-portcullis-decision-id"];
    let mut headers = answer.headers.clone();
    headers.retain(|(name, _)| !passing.contains(&name.as_str()));
    headers.sort();
    headers
}

#[test]
fn bedrock_cannot_be_reached() -> Result<()> {
    let stack = Builder::default().start()?;
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}))
for f in [converse, converse_stream]: out(caught(f))";
    stack.fake.kill();
    for seen in python::run(&stack.egress(APP_ONE), &script("unreachable", rest))? {
        println!("{} {} {}", seen["class"], seen["status"], seen["error"]);
        ensure!(seen["status"] == 503 && seen["error"]["Code"] == "ServiceUnavailableException", "{seen}");
        let id = seen["headers"]["x-portcullis-decision-id"].as_str().context("decision id")?;
        let outcome = ended(&stack, id, "failed")?;
        let message = seen["error"]["Message"].to_string();
        ensure!(message.contains("got no answer from Bedrock"), "{message}");
        ensure!(outcome["forwarded"] == false, "nothing left: {outcome}");
        ensure!(outcome["reason"] == "upstream_connect_failed", "{outcome}");
    }
    Ok(())
}

#[test]
fn bedrock_goes_away_in_the_middle() -> Result<()> {
    let stack = Builder::default().start()?;
    let mut reading = Reading::start(&stack, "upstream gone", STALLED)?;
    let bytes = reading.until_stalled()?;
    // A second call, which has had no answer at all yet.
    let rest = "
from botocore.config import Config
_c = client
def client(name): return _c(name, config=Config(retries={'total_max_attempts': 1}))
out(caught(lambda: client('bedrock-runtime').converse(modelId=M, messages=[{'role':'user','content':[{'text':MARK+'[[stall]]'}]}])))";
    let mut waiting = python::command(&stack.egress(APP_ONE), &script("unanswered", rest))?.spawn()?;
    wait::until("the second call to arrive", || {
        let calls = stack.fake.calls()?.len();
        ensure!(calls == 2, "{calls} calls");
        Ok(())
    })?;
    stack.fake.kill();

    let mut said = String::new();
    BufReader::new(waiting.stdout.take().context("stdout")?).read_line(&mut said)?;
    waiting.wait()?;
    let seen: Value = serde_json::from_str(said.strip_prefix("OUT ").context("not an OUT line")?)?;
    println!("unanswered: {} {} {}", seen["class"], seen["status"], seen["error"]);
    ensure!(seen["status"] == 503 && seen["error"]["Code"] == "ServiceUnavailableException", "{seen}");
    let id = seen["headers"]["x-portcullis-decision-id"].as_str().context("decision id")?;
    let outcome = ended(&stack, id, "failed")?;
    ensure!(outcome["reason"] == "upstream_reset" && outcome["forwarded"] == true, "{outcome}");

    let outcome = ended(&stack, &reading.decision.clone(), "failed")?;
    ensure!(outcome["reason"] == "upstream_reset" && outcome["response_bytes"] == bytes, "{outcome}");
    match reading.next() {
        Err(error) => println!("the stream broke for the application: {error:#}"),
        Ok(end) => bail!("a broken stream looks complete to the application: {end}"),
    }
    Ok(())
}

#[test]
fn a_call_that_nobody_reports_on_becomes_unknown() -> Result<()> {
    let stack = Builder::default().serve(&["--outcome-deadline", "1s"]).start()?;
    let mut reading = Reading::start(&stack, "orphan", STALLED)?;
    reading.until_stalled()?;
    stack.envoy.kill();
    let outcome = ended(&stack, &reading.decision.clone(), "unknown")?;
    ensure!(outcome["gate"].is_null() && outcome["status"].is_null(), "nobody reported: {outcome}");
    let found = stack.control_plane.decisions("outcome=unknown")?;
    println!(
        "outcome=unknown finds {} of {} decisions",
        found.len(),
        stack.control_plane.decisions("")?.len()
    );
    ensure!(found.len() == 1 && found[0]["decision_id"] == reading.decision.as_str(), "{found:?}");
    let (_, metrics) = stack.control_plane.admin.get("/metrics")?;
    let counted = "portcullis_outcomes_total{state=\"unknown\"} 1";
    ensure!(metrics.as_str().is_some_and(|text| text.contains(counted)), "not counted: {metrics}");
    Ok(())
}
