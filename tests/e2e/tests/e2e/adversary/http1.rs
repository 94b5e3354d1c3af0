//! HTTP/1.1 that two parsers could read differently, and what hides a second request in a first.

use super::{FORBIDDEN, nothing_got_past};
use crate::raw::{HOST, converse, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::client::Request;
use e2e::{Builder, Stack};
use std::time::Duration;

/// [`crate::raw::MODEL`] as the signed path has it.
const MODEL: &str = "amazon.nova-lite-v1%3A0";

/// A call to a forbidden model, whole, to be hidden in something.
fn hidden() -> Result<String> {
    let request = signed(Request::converse(HOST, FORBIDDEN, "hidden"))?;
    Ok(String::from_utf8_lossy(&request.to_http1()).into_owned())
}

/// The head of the sound call "x" without its framing, then whatever follows.
fn framed(framing: &str, rest: &str) -> Result<Vec<u8>> {
    let request = signed(converse("x"))?;
    let head = String::from_utf8_lossy(&request.head(&[])).into_owned();
    let head = head.trim_end_matches("\r\n");
    Ok(format!("{head}\r\n{framing}\r\n\r\n{rest}").into_bytes())
}

/// Sends bytes, reads what answers there are, and gives their statuses. An end is an answer too.
fn provoke(stack: &Stack, bytes: &[u8]) -> Result<Vec<u16>> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    connection.send(bytes)?;
    let mut statuses = Vec::new();
    while let Ok(answer) = connection.answer() {
        statuses.push(answer.status);
        // Whoever refuses it, SDKs can read why.
        let shaped = answer.error_type().is_some() && answer.json()["message"].is_string();
        ensure!(answer.status == 200 || shaped, "no AWS-shaped error: {answer:?} {}", answer.text());
        // There may be no second one.
        connection.deadline(Duration::from_millis(500))?;
        if answer.header("connection") == Some("close") {
            break;
        }
    }
    Ok(statuses)
}

#[test]
fn no_framing_smuggles_a_second_request_past_the_gate() -> Result<()> {
    let stack = Builder::default().start()?;
    let body = String::from_utf8(converse("x").body)?;
    let hidden = hidden()?;
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let length = body.len();
    let cases: Vec<(&str, String, String)> = vec![
        (
            "CL and TE",
            format!("content-length: {length}\r\ntransfer-encoding: chunked"),
            format!("{chunked}{hidden}"),
        ),
        (
            "TE and CL",
            format!("transfer-encoding: chunked\r\ncontent-length: {length}"),
            format!("0\r\n\r\n{hidden}"),
        ),
        ("two CL", format!("content-length: {length}\r\ncontent-length: 0"), format!("{body}{hidden}")),
        ("CL list", format!("content-length: {length}, 0"), format!("{body}{hidden}")),
        ("CL with a sign", format!("content-length: +{length}"), format!("{body}{hidden}")),
        ("CL negative", "content-length: -1".to_owned(), format!("{body}{hidden}")),
        ("CL in hex", format!("content-length: 0x{length:x}"), format!("{body}{hidden}")),
        ("CL huge", "content-length: 18446744073709551616".to_owned(), format!("{body}{hidden}")),
        ("CL empty", "content-length:".to_owned(), format!("{body}{hidden}")),
        ("CL in an obs-fold", format!("x-a: b\r\n content-length: {length}"), format!("{body}{hidden}")),
        ("space before colon", format!("content-length : {length}"), format!("{body}{hidden}")),
        ("TE space before colon", "transfer-encoding : chunked".to_owned(), format!("{chunked}{hidden}")),
        ("TE xchunked", "transfer-encoding: xchunked".to_owned(), format!("{chunked}{hidden}")),
        ("TE identity", "transfer-encoding: identity".to_owned(), format!("{body}{hidden}")),
        (
            "TE twice",
            "transfer-encoding: chunked\r\ntransfer-encoding: identity".to_owned(),
            format!("{chunked}{hidden}"),
        ),
        ("TE gzip, chunked", "transfer-encoding: gzip, chunked".to_owned(), format!("{chunked}{hidden}")),
        ("TE tab", "transfer-encoding:\tchunked".to_owned(), format!("{chunked}{hidden}")),
        ("TE vertical tab", "transfer-encoding: \u{b}chunked".to_owned(), format!("{chunked}{hidden}")),
        (
            "chunk extension",
            "transfer-encoding: chunked".to_owned(),
            format!("{:x};a=\"\r\n\"\r\n{body}\r\n0\r\n\r\n{hidden}", body.len()),
        ),
        (
            "chunk size bare LF",
            "transfer-encoding: chunked".to_owned(),
            format!("{:x}\n{body}\n0\n\n{hidden}", body.len()),
        ),
        (
            "chunk size sign",
            "transfer-encoding: chunked".to_owned(),
            format!("+{:x}\r\n{body}\r\n0\r\n\r\n{hidden}", body.len()),
        ),
        (
            "chunk size 0x",
            "transfer-encoding: chunked".to_owned(),
            format!("0x{:x}\r\n{body}\r\n0\r\n\r\n{hidden}", body.len()),
        ),
        (
            "chunk size overflow",
            "transfer-encoding: chunked".to_owned(),
            format!("1000000000000000{:x}\r\n{body}\r\n0\r\n\r\n{hidden}", body.len()),
        ),
        (
            "chunk without CRLF",
            "transfer-encoding: chunked".to_owned(),
            format!("{:x}\r\n{body}0\r\n\r\n{hidden}", body.len()),
        ),
        (
            "trailers",
            "transfer-encoding: chunked".to_owned(),
            format!(
                "{:x}\r\n{body}\r\n0\r\nx-amz-target: evil\r\ncontent-length: 5\r\n\r\n{hidden}",
                body.len()
            ),
        ),
        ("bare LF header end", format!("content-length: {length}\nx-a: b"), format!("{body}{hidden}")),
        (
            "bare CR in a value",
            format!("x-a: b\rcontent-length: 0\r\ncontent-length: {length}"),
            format!("{body}{hidden}"),
        ),
        ("NUL in a value", format!("x-a: b\0c\r\ncontent-length: {length}"), format!("{body}{hidden}")),
        ("space in a name", format!("x a: b\r\ncontent-length: {length}"), format!("{body}{hidden}")),
        ("no name", format!(": b\r\ncontent-length: {length}"), format!("{body}{hidden}")),
        (
            "pseudo header",
            format!(":path: /model/{FORBIDDEN}/converse\r\ncontent-length: {length}"),
            format!("{body}{hidden}"),
        ),
        ("pipelined", format!("content-length: {length}"), format!("{body}{hidden}")),
        (
            "shorter body than said",
            format!("content-length: {}", length + hidden.len()),
            format!("{body}{hidden}"),
        ),
        ("expect", format!("expect: 100-continue\r\ncontent-length: {length}"), format!("{body}{hidden}")),
        (
            "upgrade websocket",
            format!(
                "connection: upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\ncontent-length: {length}"
            ),
            format!("{body}{hidden}"),
        ),
        (
            "upgrade h2c",
            format!(
                "connection: upgrade, http2-settings\r\nupgrade: h2c\r\nhttp2-settings: AAMAAABkAAQAAP__\r\ncontent-length: {length}"
            ),
            format!("{body}{hidden}"),
        ),
        (
            "connection names headers",
            format!("connection: authorization, x-amz-date, content-length\r\ncontent-length: {length}"),
            format!("{body}{hidden}"),
        ),
    ];
    for (name, framing, rest) in cases {
        let statuses = provoke(&stack, &framed(&framing, &rest)?)?;
        println!("{name:26} {statuses:?}");
        ensure!(statuses.iter().all(|status| *status < 500), "{name}: {statuses:?}");
    }
    println!("{} calls arrived, each decided as itself", nothing_got_past(&stack)?);
    for call in stack.fake.calls()? {
        ensure!(!call["headers"].to_string().contains("\\r"), "a raw control character arrived: {call}");
    }
    Ok(())
}

#[test]
fn no_request_line_names_another_target_than_the_gate_judged() -> Result<()> {
    let stack = Builder::default().start()?;
    let agents = "bedrock-agent-runtime.us-east-1.amazonaws.com";
    let forbidden = format!("/model/{FORBIDDEN}/converse");
    let cases: Vec<(&str, String, &[u16])> = vec![
        ("absolute form", format!("POST https://{HOST}/model/{MODEL}/converse HTTP/1.1"), &[200, 403]),
        (
            "absolute form, another host",
            format!("POST https://{agents}/model/{MODEL}/converse HTTP/1.1"),
            &[403],
        ),
        ("absolute form, forbidden", format!("POST https://{HOST}{forbidden} HTTP/1.1"), &[403]),
        (
            "absolute form, user info",
            format!("POST https://{HOST}@{agents}/model/{MODEL}/converse HTTP/1.1"),
            &[400, 403],
        ),
        ("absolute form, no path", format!("POST https://{HOST} HTTP/1.1"), &[400, 403]),
        ("another scheme", format!("POST ftp://{HOST}/model/{MODEL}/converse HTTP/1.1"), &[400, 403]),
        ("OPTIONS *", "OPTIONS * HTTP/1.1".to_owned(), &[400]),
        ("CONNECT within", format!("CONNECT {agents}:443 HTTP/1.1"), &[400, 403, 404]),
        ("TRACE", format!("TRACE /model/{MODEL}/converse HTTP/1.1"), &[400, 403, 405]),
        ("lower-case method", format!("post /model/{MODEL}/converse HTTP/1.1"), &[400, 403]),
        ("HTTP/1.0", format!("POST /model/{MODEL}/converse HTTP/1.0"), &[400]),
        ("HTTP/2.0 in words", format!("POST /model/{MODEL}/converse HTTP/2.0"), &[400]),
        ("HTTP/0.9", format!("GET /model/{MODEL}/converse"), &[400]),
        ("space in the target", format!("POST /model/{MODEL} /converse HTTP/1.1"), &[400]),
        ("tab for space", format!("POST\t/model/{MODEL}/converse\tHTTP/1.1"), &[200, 400]),
        ("fragment", format!("POST /model/{MODEL}/converse#/../{forbidden} HTTP/1.1"), &[400]),
        ("path parameter on the model", format!("POST /model/{FORBIDDEN};a=b/converse HTTP/1.1"), &[400]),
        ("path parameter on the model, plain", format!("POST /model/{MODEL};a=b/converse HTTP/1.1"), &[400]),
        ("path parameter on a literal", format!("POST /model/{MODEL}/converse;a=b HTTP/1.1"), &[400]),
        ("escaped literal", format!("POST /mode%6c/{MODEL}/converse HTTP/1.1"), &[400]),
        ("escaped slash in a literal", format!("POST /model%2F{FORBIDDEN}/converse HTTP/1.1"), &[403]),
        ("backslash", format!("POST /model\\{FORBIDDEN}\\converse HTTP/1.1"), &[400]),
        ("overlong UTF-8", format!("POST /model/{MODEL}%C0%AE%C0%AE/converse HTTP/1.1"), &[400]),
        ("NUL in a label", format!("POST /model/{MODEL}%00/converse HTTP/1.1"), &[400]),
        ("line feed in a label", format!("POST /model/{MODEL}%0A/converse HTTP/1.1"), &[400]),
        ("space around a label", format!("POST /model/%20{FORBIDDEN}%20/converse HTTP/1.1"), &[400, 403]),
        ("query names a model", format!("POST /model/{FORBIDDEN}/converse?modelId={MODEL} HTTP/1.1"), &[403]),
        ("self-test path", "POST /.portcullis/selftest HTTP/1.1".to_owned(), &[403]),
        ("self-test path with a query", "POST /.portcullis/selftest?a HTTP/1.1".to_owned(), &[403]),
        (
            "method override",
            format!("GET /model/{MODEL}/converse HTTP/1.1\r\nx-http-method-override: POST"),
            &[400, 403],
        ),
    ];
    let mut wrong = Vec::new();
    for (name, line, expected) in cases {
        let request = signed(converse(name))?;
        let head =
            String::from_utf8_lossy(&request.head(&[("content-length", &request.body.len().to_string())]))
                .into_owned();
        let (_, rest) = head.split_once("\r\n").unwrap_or_default();
        let bytes = [format!("{line}\r\n{rest}").as_bytes(), &request.body].concat();
        let statuses = provoke(&stack, &bytes)?;
        println!("{name:34} {statuses:?}");
        if !statuses.iter().all(|status| expected.contains(status)) {
            wrong.push(format!("{name}: {statuses:?} instead of {expected:?}"));
        }
    }
    println!("{} calls arrived, each decided as itself", nothing_got_past(&stack)?);
    ensure!(wrong.is_empty(), "{wrong:#?}");
    Ok(())
}

#[test]
fn two_hosts_are_refused() -> Result<()> {
    let stack = Builder::default().start()?;
    let request = signed(converse("two hosts"))?;
    let other = "bedrock-agent-runtime.us-east-1.amazonaws.com";
    for more in [format!("host: {other}"), format!("host: {HOST}"), format!("Host: {other}")] {
        let head =
            String::from_utf8_lossy(&request.head(&[("content-length", &request.body.len().to_string())]))
                .into_owned();
        let bytes = [head.replacen("\r\n", &format!("\r\n{more}\r\n"), 1).as_bytes(), &request.body].concat();
        let statuses = provoke(&stack, &bytes)?;
        println!("{more}: {statuses:?}");
        ensure!(statuses.iter().all(|status| (400..500).contains(status)), "{more}: {statuses:?}");
    }
    ensure!(nothing_got_past(&stack)? == 0, "something arrived");
    Ok(())
}
