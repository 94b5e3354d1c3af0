//! Holding answers in a real Envoy: what goes on, what is held, what a client sees when an answer is stopped; over HTTP/1.1 and
//! HTTP/2.

use crate::raw::{HOST, MODEL};
use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Connection, H2, Request, Signer, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, Stack, wait};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Transfers of more than 5,000 are forbidden, so every tool call is asked about.
const TRANSFERS: &str = "version: \"1.0\"\nname: Transfers\nrules:\n- id: large-transfers\n  action: block\n  tools: [transfer_funds]\n  \
    conditions:\n  - {field: arguments.amount, operator: greater_than, value: 5000}\n  message: Transfers over $5000 are forbidden\n";

fn gated() -> Builder {
    Builder::default().bundle(&[("rules/transfers.yaml", TRANSFERS)]).timeout_ms(1500)
}

fn path(operation: &str) -> String {
    format!("/model/{}/{operation}", MODEL.replace(':', "%3A"))
}

fn call(operation: &str, text: &str) -> Request {
    let body = json!({"messages": [{"role": "user", "content": [{"text": text}]}]});
    Request::json(HOST, &path(operation), &body)
}

fn transfer(amount: u32) -> String {
    format!("[[say:Let me see.]][[id:tool-1]][[tool:transfer_funds {{\"amount\": {amount}}}]]")
}

/// A connection that is kept.
enum Client {
    One(Box<Connection>),
    Two(Box<H2>),
}

impl Client {
    fn both(stack: &Stack) -> Result<[(&'static str, Self); 2]> {
        let tls = Tls::trusting(&stack.envoy.from.ca, HOST)?;
        let tunnel =
            || Connection::through_proxy(&stack.envoy.egress.to_string(), &format!("{HOST}:443"), "HTTP/1.1");
        Ok([
            ("HTTP/1.1", Self::One(Box::new(tunnel()?.1.tls(&tls)?))),
            ("HTTP/2", Self::Two(Box::new(H2::over(tunnel()?.1, &tls)?))),
        ])
    }

    fn send(&mut self, request: Request) -> Result<Answer> {
        match self {
            Self::One(connection) => {
                connection.send(&Signer::new(APP_ONE).sign(request)?.to_http1())?;
                connection.answer()
            }
            Self::Two(h2) => h2.send(&Signer::new(APP_ONE).sign_authority(request)?),
        }
    }
}

/// The outcome of the call that this answer belongs to.
fn outcome(stack: &Stack, answer: &Answer) -> Result<Value> {
    let id = answer.header("x-portcullis-decision-id").context("decision id")?.to_owned();
    wait::until("the outcome", || {
        let record = stack.control_plane.decision(&id)?;
        ensure!(record["outcome"].is_object(), "none yet: {}", record["state"]);
        Ok(record["outcome"].clone())
    })
}

/// The gate's own last frame, and what came before it.
fn last_words(body: &[u8]) -> Result<(&[u8], String)> {
    let mut at = 0;
    while let Some(head) = body.get(at..at + 4) {
        let len = u32::from_be_bytes(head.try_into()?) as usize;
        let frame = body.get(at..at + len).context("the stream ends within a frame")?;
        let text = String::from_utf8_lossy(frame).into_owned();
        if text.contains(":exception-type") {
            ensure!(at + len == body.len(), "something follows the exception");
            return Ok((&body[..at], text));
        }
        at += len;
    }
    anyhow::bail!("the stream ends without an exception")
}

fn agrees(outcome: &Value, body: &[u8]) -> Result<()> {
    ensure!(outcome["response_bytes"] == body.len(), "{} bytes arrived: {outcome}", body.len());
    let sha256 = hex::encode(Sha256::digest(body));
    ensure!(outcome["answer"]["sha256"] == sha256.as_str(), "{sha256} arrived: {outcome}");
    Ok(())
}

#[test]
fn a_stream_passes_unchanged_when_its_tool_call_is_allowed_and_ends_before_it_otherwise() -> Result<()> {
    let (plain, gated) = (Stack::shared()?, gated().start()?);
    for pace in ["", "[[pace:20]]", "[[slices:7]]", "[[deltas:40]]", "[[trailers]]"] {
        for (version, mut client) in Client::both(&gated)? {
            let prompt = |amount| format!("{}{pace}", transfer(amount));
            let (_, mut ungated) =
                Client::both(&plain)?.into_iter().find(|(name, _)| *name == version).context("client")?;
            let (small, large) =
                (call("converse-stream", &prompt(4000)), call("converse-stream", &prompt(9000)));
            let expected = ungated.send(small.clone())?;
            let allowed = client.send(small)?;
            ensure!(allowed.complete && allowed.status == 200, "{version} {pace}: {allowed:?}");
            ensure!(allowed.body == expected.body, "{version} {pace}: the answer has changed");
            ensure!(allowed.header("content-length").is_none());
            let seen = outcome(&gated, &allowed)?;
            ensure!(seen["state"] == "completed", "{version} {pace}: {seen}");
            agrees(&seen, &allowed.body)?;

            let whole = ungated.send(large.clone())?.body;
            let refused = client.send(large)?;
            ensure!(refused.complete && refused.status == 200, "{version} {pace}: {refused:?}");
            let (before, words) = last_words(&refused.body)?;
            println!("{version} {pace}: {} of {} bytes, then {words:?}", before.len(), whole.len());
            ensure!(
                words.contains("validationException") && words.contains("Transfers over $5000 are forbidden")
            );
            ensure!(
                !before.is_empty() && whole.starts_with(before),
                "{version} {pace}: not what the fake said"
            );
            let leaked = String::from_utf8_lossy(before).into_owned();
            ensure!(!leaked.contains("transfer_funds") && !leaked.contains("amount"), "{leaked}");
            let seen = outcome(&gated, &refused)?;
            ensure!(seen["state"] == "blocked" && seen["reason"] == "tool_call_denied", "{seen}");
            ensure!(seen["usage"]["output_tokens"].as_u64() > Some(0), "the rest was not read: {seen}");
            agrees(&seen, &refused.body)?;
        }
    }
    Ok(())
}

#[test]
fn a_plain_answer_is_replaced_and_the_connection_lives_on() -> Result<()> {
    let (plain, gated) = (Stack::shared()?, gated().start()?);
    for (version, mut client) in Client::both(&gated)? {
        let (_, mut ungated) =
            Client::both(&plain)?.into_iter().find(|(name, _)| *name == version).context("client")?;
        for round in 0..3 {
            let refused = client.send(call("converse", &format!("{} {round}", transfer(9000))))?;
            println!(
                "{version}: {} {} {}",
                refused.status,
                refused.error_type().unwrap_or(""),
                refused.text()
            );
            ensure!(
                refused.status == 403 && refused.error_type() == Some("AccessDeniedException"),
                "{refused:?}"
            );
            ensure!(
                refused.json()["message"].as_str().is_some_and(|said| said.contains("Transfers over $5000"))
            );
            let seen = outcome(&gated, &refused)?;
            ensure!(seen["state"] == "blocked" && seen["reason"] == "tool_call_denied", "{seen}");
            ensure!(seen["response_bytes"] == 0 && seen["status"] == 403, "{seen}");
            ensure!(seen["usage"]["output_tokens"].as_u64() > Some(0), "{seen}");
            let small = call("converse", &format!("{} {round}", transfer(4000)));
            let (expected, allowed) = (ungated.send(small.clone())?, client.send(small)?);
            ensure!(allowed.status == 200 && allowed.body == expected.body, "{version}: {}", allowed.text());
            agrees(&outcome(&gated, &allowed)?, &allowed.body)?;
        }
        let compressed = client.send(call("converse", "[[gzip]] compressed"))?;
        ensure!(compressed.status == 424, "{version}: {} {}", compressed.status, compressed.text());
        ensure!(compressed.error_type() == Some("ModelErrorException"), "{compressed:?}");
        let seen = outcome(&gated, &compressed)?;
        ensure!(seen["state"] == "blocked" && seen["reason"] == "answer_unreadable", "{seen}");
        ensure!(client.send(call("converse", "after"))?.status == 200, "{version}: after");
    }
    Ok(())
}

#[test]
fn the_control_plane_is_gone_while_a_tool_call_is_held() -> Result<()> {
    for mode in ["closed", "open"] {
        let gated = gated().without_gateway().filter(&format!("failure_mode: {mode}")).start()?;
        // Text, pause, tool call: the control plane stops when the first bytes are here.
        let request = call("converse-stream", &format!("{}[[words:8]][[pace:60]]", transfer(4000)));
        let tls = Tls::trusting(&gated.envoy.from.ca, HOST)?;
        let proxy = gated.envoy.egress.to_string();
        let mut connection =
            Connection::through_proxy(&proxy, &format!("{HOST}:443"), "HTTP/1.1")?.1.tls(&tls)?;
        connection.send(&Signer::new(APP_ONE).sign(request)?.to_http1())?;
        let head = connection.answer_head()?;
        gated.control_plane.signal("STOP")?;
        let mut body = Vec::new();
        while !body.windows(5).any(|window| window == b"0\r\n\r\n") {
            body.extend(connection.some_bytes()?);
        }
        gated.control_plane.signal("CONT")?;
        let text = String::from_utf8_lossy(&body).into_owned();
        println!("{mode}: {text:?}");
        ensure!(text.contains("serviceUnavailableException") && text.contains("decision_timeout"), "{text}");
        ensure!(!text.contains("transfer_funds"), "{text}");
        let seen = outcome(&gated, &head)?;
        ensure!(seen["state"] == "blocked" && seen["reason"] == "inspection_unavailable", "{mode}: {seen}");
    }
    Ok(())
}

#[test]
fn a_client_leaves_while_a_tool_call_is_held() -> Result<()> {
    let gated = gated().timeout_ms(20_000).start()?;
    let request = call("converse-stream", &format!("{}[[words:8]][[pace:60]]", transfer(4000)));
    let tls = Tls::trusting(&gated.envoy.from.ca, HOST)?;
    let proxy = gated.envoy.egress.to_string();
    let mut connection =
        Connection::through_proxy(&proxy, &format!("{HOST}:443"), "HTTP/1.1")?.1.tls(&tls)?;
    connection.send(&Signer::new(APP_ONE).sign(request)?.to_http1())?;
    let head = connection.answer_head()?;
    gated.control_plane.signal("STOP")?;
    wait::until("a held answer", || {
        let held = gated.envoy.stat("wasmcustom.portcullis.answers.held")?;
        ensure!(held == 1, "{held} answers are held");
        Ok(())
    })?;
    connection.abort()?;
    wait::until("no held answer", || {
        let held = gated.envoy.stat("wasmcustom.portcullis.answers.held")?;
        ensure!(held == 0, "{held} answers are held");
        Ok(())
    })?;
    gated.control_plane.signal("CONT")?;
    let seen = outcome(&gated, &head)?;
    ensure!(seen["state"] == "aborted" && seen["reason"] == "client_gone", "{seen}");
    Ok(())
}

#[test]
fn outcomes_are_complete_when_envoy_drains() -> Result<()> {
    let gated = gated().start()?;
    let mut open = Vec::new();
    for _ in 0..20 {
        let request = call("converse-stream", &format!("{}[[words:10]][[pace:40]]", transfer(4000)));
        let tls = Tls::trusting(&gated.envoy.from.ca, HOST)?;
        let proxy = gated.envoy.egress.to_string();
        let mut connection =
            Connection::through_proxy(&proxy, &format!("{HOST}:443"), "HTTP/1.1")?.1.tls(&tls)?;
        connection.send(&Signer::new(APP_ONE).sign(request)?.to_http1())?;
        open.push((connection.answer_head()?, connection));
    }
    let (status, _) = gated.envoy.admin.post("/drain_listeners?graceful&skip_exit", &Value::Null)?;
    ensure!(status == 200, "drain: {status}");
    for (head, mut connection) in open {
        let mut body = Vec::new();
        while !body.ends_with(b"0\r\n\r\n") {
            body.extend(connection.some_bytes()?);
        }
        ensure!(outcome(&gated, &head)?["state"] == "completed");
    }
    Ok(())
}
