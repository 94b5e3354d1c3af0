//! Records that a caller would like to be false, or missing.

use super::nothing_got_past;
use crate::raw::{HOST, send, signed};
use anyhow::{Context, Result, ensure};
use e2e::Builder;
use e2e::client::Request;
use e2e::stub::Behaviour;
use serde_json::json;

const INVOKE: &str = "/model/amazon.nova-lite-v1%3A0/invoke";

/// `Connection: name` makes a proxy take that header off. What the gate judged is what must arrive: a guardrail that is on
/// record and is taken off behind the gate would be none.
#[test]
fn no_header_is_taken_off_between_the_judgement_and_bedrock() -> Result<()> {
    let stack = Builder::default().start()?;
    let names = [
        "x-amzn-bedrock-guardrailidentifier",
        "x-amzn-bedrock-guardrailversion",
        "authorization",
        "content-type",
    ];
    for name in names {
        let body = json!({"messages": [{"role": "user", "content": [{"text": name}]}]});
        let mut request = Request::json(HOST, INVOKE, &body)
            .header("x-amzn-bedrock-guardrailidentifier", "gr123")
            .header("x-amzn-bedrock-guardrailversion", "1");
        request = signed(request)?.header("connection", format!("keep-alive, {name}"));
        let answer = send(&stack, &request.to_http1())?;
        let Some(arrived) = stack.fake.calls_with_body(&request.body_sha256())?.pop() else {
            println!("{name}: {} and nothing arrived", answer.status);
            continue;
        };
        let id = answer.header("x-portcullis-decision-id").context("a decision id")?;
        let record = stack.control_plane.decision(id)?;
        let header = |name: &str| {
            let headers = arrived["headers"].as_array().into_iter().flatten();
            headers.into_iter().find(|header| header[0] == name).and_then(|header| header[1].as_str())
        };
        println!(
            "{name}: on record guardrail {} version {} credential {}; arrived {:?}",
            record["request"]["guardrail"],
            record["request"]["guardrail_version"],
            record["credential"]["kind"],
            header("x-amzn-bedrock-guardrailidentifier")
        );
        ensure!(
            record["request"]["guardrail"].as_str() == header("x-amzn-bedrock-guardrailidentifier"),
            "{name}"
        );
        ensure!((record["credential"]["kind"] == "none") == header("authorization").is_none(), "{name}");
    }
    nothing_got_past(&stack)?;
    Ok(())
}

/// Facts that are as long as they may be, in characters that JSON escapes sixfold: the question is long, and still asked.
#[test]
fn a_caller_cannot_make_the_question_too_long_to_be_recorded() -> Result<()> {
    let stack = Builder::default().start()?;
    let filler = |n: usize, most: usize| format!("{n}{}", "\u{1}".repeat(most - n.to_string().len()));
    let tools: Vec<_> = (0..256).map(|n| json!({"name": filler(n, 256)})).collect();
    let objects: Vec<_> = (0..80).map(|n| format!("s3://{}", filler(n, 2_000))).collect();
    let text = "\u{1}".repeat(70_000);
    let body =
        json!({"tools": tools, "x": objects, "messages": [{"role": "user", "content": [{"text": text}]}]});
    let request = signed(Request::json(HOST, INVOKE, &body))?;
    let answer = send(&stack, &request.to_http1())?;
    let id = answer.header("x-portcullis-decision-id").context("a decision id")?;
    let record = stack.control_plane.decision(id)?;
    println!(
        "{} record of {} bytes, truncated {}",
        answer.status,
        record.to_string().len(),
        record["request"]["truncated"]
    );
    ensure!(
        answer.status != 503 && record["request"]["truncated"] == true,
        "{} {}",
        answer.status,
        answer.text()
    );
    nothing_got_past(&stack)?;
    Ok(())
}

/// `failure_mode: open` is for a control plane that is not there. One that is there and will not hear of a question does
/// not open the gate: what the question says is the caller's choice.
#[test]
fn a_caller_cannot_open_a_gate_that_fails_open() -> Result<()> {
    let open = Builder::default().without_gateway().filter("failure_mode: open");
    let stack = open.start_with_stub(Behaviour::Say(413, "{}".to_owned()))?;
    for status in [400, 409, 413, 415, 422] {
        stack.stub.behave(Behaviour::Say(status, "{}".to_owned()));
        let request = signed(crate::raw::converse(&format!("question refused {status}")))?;
        let (_, connection) = e2e::client::Connection::through_proxy(
            &stack.envoy.egress.to_string(),
            &format!("{HOST}:443"),
            "HTTP/1.1",
        )?;
        let mut connection = connection.tls(&e2e::client::Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        println!("control plane {status}: {} {}", answer.status, answer.text());
        ensure!(
            answer.status == 503 && answer.text().contains("decision_question_refused"),
            "{}",
            answer.text()
        );
    }
    ensure!(stack.fake.calls()?.is_empty(), "let out");
    Ok(())
}

/// An allowed call that Envoy answers by itself did not leave, and its record must not say that it did.
#[test]
fn a_call_to_a_port_that_is_not_bedrocks_is_on_record_as_never_sent() -> Result<()> {
    let stack = Builder::default().start()?;
    let mut request = crate::raw::converse("another port");
    request.host = format!("{HOST}:8443");
    let answer = send(&stack, &signed(request)?.to_http1())?;
    let id = answer.header("x-portcullis-decision-id").context("a decision id")?;
    let record = e2e::wait::until("the outcome", || {
        let record = stack.control_plane.decision(id)?;
        ensure!(record["state"] != "pending", "pending");
        Ok(record)
    })?;
    println!("{} {} {}", answer.status, record["verdict"]["kind"], record["outcome"]);
    ensure!(answer.status == 403 && record["outcome"]["forwarded"] == false, "{record}");
    ensure!(record["state"] == "failed" && record["assurance"] == "claimed", "{record}");
    ensure!(stack.fake.calls()?.is_empty(), "it arrived");
    Ok(())
}

/// Where text is not read, a rule that goes by text can tell: a payload that nobody parses, a stream that is decided at its
/// headers.
#[test]
fn text_that_nobody_reads_does_not_pass_for_none() -> Result<()> {
    let rule = "version: \"1.0\"\nname: Text\nrules:\n- id: unread-text\n  action: block\n  conditions:\n  - {field: request.text_truncated, operator: equals, value: true}\n  message: the text was not read\n";
    let stack = Builder::default().bundle(&[("rules/text.yaml", rule)]).start()?;
    let agentcore = "bedrock-agentcore.us-east-1.amazonaws.com";
    let runtime =
        "/runtimes/arn%3Aaws%3Abedrock-agentcore%3Aus-east-1%3A123456789012%3Aruntime%2Fx/invocations";
    for (name, host, path, service) in [
        ("agent runtime", agentcore, runtime, "bedrock-agentcore"),
        (
            "bidirectional",
            HOST,
            "/model/amazon.nova-sonic-v1%3A0/invoke-with-bidirectional-stream",
            "bedrock",
        ),
    ] {
        let request = Request::json(host, path, &json!({"prompt": "do something forbidden"}));
        let request = e2e::client::Signer::new(e2e::fake::APP_ONE).service(service).sign(request)?;
        let mut connection = crate::raw::tunnel(&stack, host, host)?;
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        println!("{name}: {} {}", answer.status, answer.text());
        ensure!(answer.status == 403 && answer.text().contains("unread-text"), "{name}: {}", answer.text());
    }
    // What is read whole is not concerned.
    let answer = send(&stack, &signed(crate::raw::converse("short"))?.to_http1())?;
    ensure!(answer.status == 200, "{}", answer.text());
    Ok(())
}
