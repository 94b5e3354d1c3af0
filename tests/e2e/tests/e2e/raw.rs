//! What the raw tests share: one call over the egress proxy, and what it must have met.

use anyhow::{Context, Result, ensure};
use e2e::Stack;
use e2e::client::{Answer, Connection, Request, Signer, Tls};
use e2e::fake::APP_ONE;

/// The host that most calls name.
pub(crate) const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
/// A model that the tests' bundle allows.
pub(crate) const MODEL: &str = "amazon.nova-lite-v1:0";

/// A Converse call with a marker in its body, so that its own arrival can be told.
pub(crate) fn converse(mark: &str) -> Request {
    Request::converse(HOST, MODEL, mark)
}

/// The same, signed by the first sample principal.
pub(crate) fn signed(request: Request) -> Result<Request> {
    Signer::new(APP_ONE).sign(request)
}

/// A TLS connection to `host` through the egress proxy, with `server_name` as SNI.
pub(crate) fn tunnel(stack: &Stack, host: &str, server_name: &str) -> Result<Connection> {
    let proxy = stack.envoy.egress.to_string();
    let (answer, connection) = Connection::through_proxy(&proxy, &format!("{host}:443"), "HTTP/1.1")?;
    ensure!(answer.status == 200, "CONNECT {host}: {}", answer.status);
    connection.tls(&Tls::trusting(&stack.envoy.from.ca, server_name)?)
}

/// Sends bytes as they are to [`HOST`] and reads the answer.
pub(crate) fn send(stack: &Stack, bytes: &[u8]) -> Result<Answer> {
    let mut connection = tunnel(stack, HOST, HOST)?;
    connection.send(bytes)?;
    connection.answer()
}

/// The refusal that a call must meet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) error_type: &'static str,
    /// Must be in the message.
    pub(crate) message: &'static str,
}

/// 400 `ValidationException`.
pub(crate) const fn invalid(message: &'static str) -> Refusal {
    Refusal { status: 400, error_type: "ValidationException", message }
}

/// 403 `AccessDeniedException`.
pub(crate) const fn denied(message: &'static str) -> Refusal {
    Refusal { status: 403, error_type: "AccessDeniedException", message }
}

/// The answer is that refusal, in AWS's shape; its record says so; and nothing with this body arrived.
pub(crate) fn refused(
    stack: &Stack,
    answer: &Answer,
    refusal: Refusal,
    body_sha256: Option<&str>,
) -> Result<()> {
    println!("{} {:?} {}", answer.status, answer.error_type(), answer.text());
    ensure!(
        answer.status == refusal.status,
        "status {} instead of {}: {}",
        answer.status,
        refusal.status,
        answer.text()
    );
    ensure!(answer.error_type() == Some(refusal.error_type), "x-amzn-errortype {:?}", answer.error_type());
    let body = answer.json();
    let message = body["message"].as_str().with_context(|| format!("no message in `{}`", answer.text()))?;
    ensure!(message.contains(refusal.message), "`{message}` does not say `{}`", refusal.message);
    let id =
        answer.header("x-portcullis-decision-id").context("no decision id: the refusal is not on record")?;
    let record = stack.control_plane.decision(id)?;
    ensure!(record.to_string().contains("\"deny\""), "{record}");
    if let Some(sha256) = body_sha256 {
        ensure!(stack.fake.calls_with_body(sha256)?.is_empty(), "it arrived");
    }
    Ok(())
}

/// Sends a request (whatever is wrong with it) and expects the refusal.
pub(crate) fn meets(request: &Request, refusal: Refusal) -> Result<()> {
    let stack = Stack::shared()?;
    let answer = send(&stack, &request.to_http1())?;
    refused(&stack, &answer, refusal, (!request.body.is_empty()).then(|| request.body_sha256()).as_deref())
}
