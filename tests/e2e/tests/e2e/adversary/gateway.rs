//! The gateway signs with its own credential: what comes in must not choose where that goes, or what it is good for.

use super::FORBIDDEN;
use crate::raw::{MODEL, converse};
use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Connection, Request, Signer};
use e2e::fake::{APP_ONE, GATEWAY};
use e2e::{Builder, Stack};
use std::time::{Duration, SystemTime};

const RUNTIME: &str = "bedrock-runtime.us-east-1.amazonaws.com";

fn send(stack: &Stack, request: &Request) -> Result<Answer> {
    let mut connection = Connection::open(&stack.envoy.gateway.to_string())?;
    connection.send(&request.to_http1())?;
    connection.answer()
}

/// A call as an application sends it to the gateway at `host`.
fn to(host: &str, model: &str, mark: &str) -> Request {
    Request::converse(host, model, mark)
}

#[test]
fn the_host_of_a_request_does_not_choose_where_it_goes() -> Result<()> {
    let stack = Builder::default().start()?;
    for host in [
        stack.envoy.gateway.to_string().as_str(),
        "169.254.169.254",
        "127.0.0.1:9901",
        "s3.us-east-1.amazonaws.com",
        "bedrock-agent-runtime.us-east-1.amazonaws.com",
        "bedrock-runtime.eu-central-1.amazonaws.com",
        "example.com",
    ] {
        let request = Signer::new(APP_ONE).sign(to(host, MODEL, host))?;
        let answer = send(&stack, &request)?;
        let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
        println!("{host}: {} {}", answer.status, arrived[0]["host"]);
        ensure!(answer.status == 200 && arrived[0]["host"] == RUNTIME, "{host}: {arrived:?}");
        ensure!(
            arrived[0]["signature_valid"] == true && arrived[0]["access_key_id"] == GATEWAY.0,
            "{arrived:?}"
        );
    }
    Ok(())
}

#[test]
fn only_a_sound_fresh_signature_of_just_this_request_is_good_for_anything() -> Result<()> {
    let stack = Builder::default().start()?;
    let host = stack.envoy.gateway.to_string();
    let sign = |mark: &str| Signer::new(APP_ONE).sign(to(&host, MODEL, mark));
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let now = SystemTime::now();
    let mut cases: Vec<(&str, Request)> = vec![
        ("unsigned", to(&host, MODEL, "unsigned")),
        ("bearer", to(&host, MODEL, "bearer").header("authorization", "Bearer x")),
        ("six minutes old", Signer::new(APP_ONE).at(now - minutes(6)).sign(to(&host, MODEL, "old"))?),
        ("six minutes ahead", Signer::new(APP_ONE).at(now + minutes(6)).sign(to(&host, MODEL, "ahead"))?),
        ("another service", Signer::new(APP_ONE).service("s3").sign(to(&host, MODEL, "s3"))?),
        ("forbidden, and well signed", Signer::new(APP_ONE).sign(to(&host, FORBIDDEN, "forbidden"))?),
        ("presigned for too long", Signer::new(APP_ONE).presign(to(&host, MODEL, "long"), minutes(60 * 24))?),
    ];
    let mut changed = |name: &'static str, change: &dyn Fn(&mut Request)| -> Result<()> {
        let mut request = sign(name)?;
        change(&mut request);
        cases.push((name, request));
        Ok(())
    };
    changed("another body", &|r| r.body = converse("another").body)?;
    changed("another model", &|r| r.path = "/model/amazon.nova-pro-v1%3A0/converse".to_owned())?;
    changed("another operation", &|r| r.path.push_str("-stream"))?;
    changed("another query", &|r| r.path.push_str("?a=b"))?;
    changed("another method", &|r| r.method = "PUT".to_owned())?;
    changed("another host", &|r| r.host = "example.com".to_owned())?;
    changed("a waived payload", &|r| {
        r.headers.push(("x-amz-content-sha256".into(), b"UNSIGNED-PAYLOAD".to_vec()))
    })?;
    changed("another session", &|r| r.headers.push(("x-amz-date".into(), b"20200101T000000Z".to_vec())))?;
    for (name, request) in cases {
        let answer = send(&stack, &request)?;
        let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
        println!("{name:28} {} {:?}", answer.status, answer.error_type());
        if name == "a waived payload" && !arrived.is_empty() {
            // Not signed, so it says nothing: the signature covers the body all the same, and the header was taken off.
            ensure!(answer.status == 200 && arrived[0]["signature_valid"] == true, "{arrived:?}");
            continue;
        }
        ensure!(answer.status == 403 || answer.status == 400, "{name}: {} {}", answer.status, answer.text());
        ensure!(arrived.is_empty(), "{name} arrived");
    }
    Ok(())
}

/// SigV4 has no memory, here as at AWS: within its five minutes a request can be sent again, and each time is a call of its
/// own, decided and recorded.
#[test]
fn a_repeated_request_is_decided_and_recorded_each_time() -> Result<()> {
    let stack = Builder::default().start()?;
    let host = stack.envoy.gateway.to_string();
    let request = Signer::new(APP_ONE).sign(to(&host, MODEL, "again"))?;
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = send(&stack, &request)?;
        ids.push(answer.header("x-portcullis-decision-id").context("a decision id")?.to_owned());
    }
    ids.sort();
    ids.dedup();
    println!("{ids:?}");
    ensure!(ids.len() == 3 && stack.fake.calls()?.len() == 3, "{ids:?}");
    Ok(())
}
