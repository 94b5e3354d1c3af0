//! Bodies that are not what the operation needs, and bodies that are merely large, slow, or never finished.

use crate::raw::{HOST, converse, invalid, meets, refused, send, signed, tunnel};
use anyhow::{Context, Result, ensure};
use e2e::client::Request;
use e2e::stub::Behaviour;
use e2e::{Builder, Stack, wait};

/// A signed Converse call with this body.
fn body(bytes: impl Into<Vec<u8>>) -> Result<Request> {
    let mut request = converse("");
    request.body = bytes.into();
    signed(request)
}

#[test]
fn empty_body() -> Result<()> {
    meets(&body("")?, invalid("body"))
}

#[test]
fn empty_object() -> Result<()> {
    // Sound JSON that says nothing: the gate lets policy decide, and Bedrock itself finds what is missing.
    let stack = Stack::shared()?;
    let answer = send(&stack, &body("{}")?.to_http1())?;
    println!("{{}}: {} {}", answer.status, answer.text());
    ensure!(answer.header("x-portcullis-decision-id").is_some(), "no decision");
    ensure!(answer.status == 200 || answer.status == 400, "{}", answer.status);
    Ok(())
}

#[test]
fn not_json() -> Result<()> {
    meets(&body("messages=hello")?, invalid("JSON"))
}

#[test]
fn truncated_json() -> Result<()> {
    meets(&body("{\"messages\":[{\"role\":\"user\",\"content\":[{\"text\":\"trunc")?, invalid("body"))
}

#[test]
fn hundred_thousand_levels() -> Result<()> {
    meets(&body(format!("{{\"messages\":{}", "[".repeat(100_000)))?, invalid("deep"))
}

#[test]
fn duplicate_model_id() -> Result<()> {
    let bytes = "{\"modelId\":\"amazon.nova-reel-v1:0\",\"modelInput\":{},\"modelId\":\"anthropic.claude-3-opus-20240229-v1:0\",\"outputDataConfig\":{\"s3OutputDataConfig\":{\"s3Uri\":\"s3://b/o\"}}}";
    let request = signed(
        Request::new("POST", HOST, "/async-invoke", bytes).header("content-type", "application/json"),
    )?;
    meets(&request, invalid("modelId"))
}

#[test]
fn byte_order_mark() -> Result<()> {
    meets(&body("\u{feff}{\"messages\":[]}")?, invalid("byte"))
}

#[test]
fn gzipped() -> Result<()> {
    meets(
        &body(b"\x1f\x8b\x08\x00\x00\x00\x00\x00".to_vec())?.header("content-encoding", "gzip"),
        invalid("content-encoding"),
    )
}

#[test]
fn trailing_bytes() -> Result<()> {
    meets(&body("{\"messages\":[]} {\"messages\":[]}")?, invalid("body"))
}

/// A Converse call of exactly `size` bytes, most of them an image.
fn image(size: usize) -> Result<Request> {
    let (head, tail) = (
        "{\"messages\":[{\"role\":\"user\",\"content\":[{\"image\":{\"format\":\"png\",\"source\":{\"bytes\":\"",
        "\"}}},{\"text\":\"what is this\"}]}]}",
    );
    body(format!("{head}{}{tail}", "A".repeat(size - head.len() - tail.len())))
}

#[test]
fn body_of_25_mb_passes() -> Result<()> {
    let stack = Stack::shared()?;
    for size in [25_000_000, 25 * 1024 * 1024] {
        let request = image(size)?;
        let answer = send(&stack, &request.to_http1())?;
        println!("{size} bytes: {}", answer.status);
        ensure!(answer.status == 200, "{size} bytes: {} {}", answer.status, answer.text());
        ensure!(stack.fake.calls_with_body(&request.body_sha256())?.len() == 1, "it did not arrive as sent");
    }
    Ok(())
}

#[test]
fn body_of_26_mb_is_refused() -> Result<()> {
    let request = image(26 * 1024 * 1024 + 1)?;
    meets(&request, invalid("bytes"))?;
    // Without a content-length the size shows only on the way.
    let stack = Stack::shared()?;
    let mut connection = tunnel(&stack, HOST, HOST)?;
    // The gate answers before the last byte is sent, and may close then.
    let _ = connection.send(&request.to_http1_chunked(65_536));
    refused(&stack, &connection.answer()?, invalid("bytes"), Some(&request.body_sha256()))
}

#[test]
fn chunked_body_passes() -> Result<()> {
    let stack = Stack::shared()?;
    for size in [1, 7, 100_000] {
        let request = signed(converse(&format!("chunked in pieces of {size}")))?;
        let answer = send(&stack, &request.to_http1_chunked(size))?;
        ensure!(answer.status == 200, "chunks of {size}: {} {}", answer.status, answer.text());
        ensure!(
            stack.fake.calls_with_body(&request.body_sha256())?.len() == 1,
            "chunks of {size}: not as sent"
        );
    }
    Ok(())
}

#[test]
fn slow_body_passes_when_it_ends_and_is_refused_when_it_does_not() -> Result<()> {
    let stack = Builder::default().filter("limits: {body_timeout_ms: 1500}").start()?;
    // Byte by byte, each its own TLS record, well within the deadline.
    let request = signed(converse("slow but whole"))?;
    let mut connection = tunnel(&stack, HOST, HOST)?;
    for byte in request.to_http1().chunks(8) {
        connection.send(byte)?;
    }
    ensure!(connection.answer()?.status == 200, "a slow body that ends");
    // Never finished: the gate does not wait for ever.
    let request = signed(converse("slow and never whole"))?;
    let bytes = request.to_http1();
    let mut connection = tunnel(&stack, HOST, HOST)?;
    connection.send(&bytes[..bytes.len() - 5])?;
    refused(&stack, &connection.answer()?, invalid("time"), Some(&request.body_sha256()))
}

#[test]
fn a_client_that_goes_away_while_held() -> Result<()> {
    let stack = Builder::default().timeout_ms(20_000).start_with_stub(Behaviour::Hang)?;
    let request = signed(converse("gone while held"))?;
    let (_, connection) = e2e::client::Connection::through_proxy(
        &stack.envoy.egress.to_string(),
        &format!("{HOST}:443"),
        "HTTP/1.1",
    )?;
    let mut connection = connection.tls(&e2e::client::Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    connection.send(&request.to_http1())?;
    wait::until("the question", || {
        ensure!(stack.stub.questions().len() == 1, "not asked yet");
        Ok(())
    })?;
    connection.abort()?;
    let outcome = wait::until("the outcome of the call whose client left", || {
        stack.stub.outcomes().into_iter().next().context("none yet")
    })?;
    println!("{outcome}");
    ensure!(outcome["outcome"] == "aborted" && outcome["forwarded"] == false, "{outcome}");
    ensure!(outcome["call_id"] == stack.stub.questions()[0]["call_id"], "another call's outcome");
    ensure!(stack.fake.calls()?.is_empty(), "it arrived");
    Ok(())
}
