//! Heads that no SDK sends, or that two parsers could read differently.

use crate::raw::{HOST, MODEL, Refusal, converse, denied, invalid, meets, refused, send, signed, tunnel};
use anyhow::{Result, ensure};
use e2e::Stack;
use e2e::client::{Connection, Request, Signer, Tls};
use e2e::fake::APP_ONE;
use std::time::Duration;

#[test]
fn non_utf8_header() -> Result<()> {
    // In a header that nobody reads it is harmless, and must pass untouched.
    let stack = Stack::shared()?;
    let request = signed(converse("non-utf8 harmless"))?.header("x-odd", b"\xff\xfe\x80".to_vec());
    let answer = send(&stack, &request.to_http1())?;
    println!("harmless: {}", answer.status);
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    // In one that matters the call is refused; the VM lives on.
    let request =
        converse("non-utf8 harmful").header("authorization", b"AWS4-HMAC-SHA256 Credential=\xff".to_vec());
    let answer = send(&stack, &request.to_http1())?;
    println!("harmful: {} {}", answer.status, answer.text());
    ensure!(answer.status == 400 || answer.status == 403, "{} {}", answer.status, answer.text());
    ensure!(stack.fake.calls_with_body(&request.body_sha256())?.is_empty(), "it arrived");
    ensure!(send(&stack, &signed(converse("non-utf8 after"))?.to_http1())?.status == 200, "the VM died");
    Ok(())
}

#[test]
fn two_authorization_headers() -> Result<()> {
    let request = signed(converse("two authorizations"))?;
    let again =
        request.headers.iter().find(|(name, _)| name == "authorization").map(|(_, value)| value.clone());
    let request = request.header("authorization", again.unwrap_or_default());
    meets(&request, denied("credential"))
}

#[test]
fn presigned_and_header_at_once() -> Result<()> {
    let presigned =
        Signer::new(APP_ONE).presign(converse("presigned and header"), Duration::from_secs(300))?;
    meets(&signed(presigned)?, denied("credential"))
}

#[test]
fn presigned_alone_passes() -> Result<()> {
    let stack = Stack::shared()?;
    let request = Signer::new(APP_ONE).presign(converse("presigned alone"), Duration::from_secs(300))?;
    let answer = send(&stack, &request.to_http1())?;
    ensure!(answer.status == 200, "{} {}", answer.status, answer.text());
    let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
    ensure!(arrived.len() == 1 && arrived[0]["signature_valid"] == true, "{arrived:?}");
    Ok(())
}

/// A call whose credential is this text.
fn with_credential(mark: &str, credential: &str) -> Request {
    let value = format!("AWS4-HMAC-SHA256 {credential}");
    converse(mark).header("x-amz-date", "20261121T000000Z").header("authorization", value)
}

#[test]
fn broken_credential_scope() -> Result<()> {
    let broken = "Credential=AKIAQAAAAAAAAAAAAAAA/20261121//bedrock/aws4_request, SignedHeaders=host;x-amz-date, Signature=00";
    meets(&with_credential("broken scope", broken), denied("credential"))
}

#[test]
fn truncated_credential_scope() -> Result<()> {
    let truncated = "Credential=AKIAQAAAAAAAAAAAAAAA/20261121/us-east-1";
    meets(&with_credential("truncated scope", truncated), denied("credential"))
}

#[test]
fn foreign_service_credential_scope() -> Result<()> {
    meets(&Signer::new(APP_ONE).service("s3").sign(converse("foreign service"))?, denied("s3"))
}

#[test]
fn scope_region_differs_from_host_region() -> Result<()> {
    meets(
        &Signer::new(APP_ONE).region("eu-central-1").sign(converse("foreign region"))?,
        denied("eu-central-1"),
    )
}

/// A signed call to a raw path.
fn path(mark: &str, path: &str) -> Result<Request> {
    let mut request = signed(converse(mark))?;
    request.path = path.to_owned();
    Ok(request)
}

#[test]
fn path_with_an_empty_segment() -> Result<()> {
    meets(&path("empty segment", &format!("/model//{MODEL}/converse"))?, invalid("path"))
}

#[test]
fn path_with_a_dot_segment() -> Result<()> {
    meets(&path("dot segment", &format!("/model/./{MODEL}/converse"))?, invalid("path"))
}

#[test]
fn path_with_a_dot_dot_segment() -> Result<()> {
    meets(&path("dot dot segment", &format!("/model/x/../{MODEL}/converse"))?, invalid("path"))
}

#[test]
fn path_with_escaped_dots() -> Result<()> {
    meets(&path("escaped dots", &format!("/model/%2e%2E/{MODEL}/converse"))?, invalid("path"))
}

#[test]
fn path_with_a_double_escape() -> Result<()> {
    meets(&path("double escape", "/model/amazon.nova%252Flite/converse")?, invalid("path"))
}

#[test]
fn path_with_a_bad_escape() -> Result<()> {
    meets(&path("bad escape", "/model/amazon.nova%zz/converse")?, invalid("path"))
}

#[test]
fn overlong_path() -> Result<()> {
    meets(&path("overlong path", &format!("/model/{}/converse", "a/".repeat(4000)))?, invalid("path"))
}

#[test]
fn model_id_of_3000_bytes() -> Result<()> {
    meets(&path("long model", &format!("/model/{}/converse", "m".repeat(3000)))?, invalid(""))
}

#[test]
fn unknown_path() -> Result<()> {
    meets(&path("unknown path", "/model/amazon.nova-lite-v1%3A0/hypnotise")?, denied("unknown"))
}

#[test]
fn wrong_method() -> Result<()> {
    let mut request = signed(converse("wrong method"))?;
    request.method = "PUT".to_owned();
    meets(&request, denied("unknown"))
}

#[test]
fn unknown_host() -> Result<()> {
    let stack = Stack::shared()?;
    // As a CONNECT target: the proxy opens no tunnel.
    let proxy = stack.envoy.egress.to_string();
    let (answer, _) = Connection::through_proxy(&proxy, "s3.us-east-1.amazonaws.com:443", "HTTP/1.1")?;
    println!("CONNECT elsewhere: {}", answer.status);
    ensure!(answer.status == 403, "CONNECT elsewhere: {}", answer.status);
    // As a server name: there is no certificate, so no connection.
    let (answer, connection) = Connection::through_proxy(&proxy, &format!("{HOST}:443"), "HTTP/1.0")?;
    ensure!(answer.status == 200, "CONNECT: {}", answer.status);
    let refused = connection.tls(&Tls::trusting(&stack.envoy.from.ca, "s3.us-east-1.amazonaws.com")?);
    println!(
        "SNI elsewhere: {:#}",
        refused.as_ref().err().map_or_else(|| "connected".into(), ToString::to_string)
    );
    ensure!(refused.is_err(), "a TLS connection for an unknown host");
    Ok(())
}

#[test]
fn server_name_differs_from_host() -> Result<()> {
    let stack = Stack::shared()?;
    let other = "bedrock-agent-runtime.us-east-1.amazonaws.com";
    let request = signed(converse("sni is not host"))?;
    let mut connection = tunnel(&stack, other, other)?;
    connection.send(&request.to_http1())?;
    let refusal = Refusal { message: "server name", ..denied("") };
    refused(&stack, &connection.answer()?, refusal, Some(&request.body_sha256()))
}

#[test]
fn no_server_name_at_all() -> Result<()> {
    let stack = Stack::shared()?;
    let request = signed(converse("no sni"))?;
    let (_, connection) =
        Connection::through_proxy(&stack.envoy.egress.to_string(), &format!("{HOST}:443"), "HTTP/1.1")?;
    let tls = Tls::trusting(&stack.envoy.from.ca, HOST)?.without_server_name();
    // Refused at the handshake or at the gate; never let out.
    if let Ok(mut connection) = connection.tls(&tls) {
        connection.send(&request.to_http1())?;
        if let Ok(answer) = connection.answer() {
            ensure!(answer.status == 403, "{} {}", answer.status, answer.text());
        }
    }
    ensure!(stack.fake.calls_with_body(&request.body_sha256())?.is_empty(), "it arrived");
    Ok(())
}
