//! Rendered bootstraps in a real Envoy, with a stand-in for the filter: what the configuration itself must do. What the gate
//! does is tested end to end.
//!
//! Envoy is `$ENVOY`, or what `cargo xtask setup` installed. Without either these tests say so and pass, unless
//! `PORTCULLIS_REQUIRE` names `envoy`, as `cargo xtask test` has it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test and its harness: whatever is not as expected ends it"
)]

mod harness;

use harness::{Gate, Upstream, envoy};
use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;

const EAST: &str = "bedrock-runtime.us-east-1.amazonaws.com";
const WEST: &str = "bedrock-agent-runtime.us-west-2.amazonaws.com";

/// Envoy takes every sample: types, names and references are right.
#[test]
fn envoy_accepts_the_samples() {
    let Some(envoy) = envoy() else { return };
    let folder = tempfile::tempdir().unwrap();
    let certs = harness::certificates(folder.path(), &["us-east-1", "us-west-2"]);
    let stand_in = harness::stand_in(folder.path());
    let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../envoy");
    for name in ["egress-explicit", "egress-transparent", "sidecar", "gateway"] {
        let text = std::fs::read_to_string(samples.join(name).join("bootstrap.yaml")).unwrap();
        let text = text
            .replace("/etc/portcullis/portcullis_filter.wasm", &stand_in.display().to_string())
            .replace("/etc/portcullis/tls", &certs.path("leaves").display().to_string());
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, text).unwrap();
        let output = Command::new(&envoy).args(["--mode", "validate", "-c"]).arg(&file).output().unwrap();
        let log = String::from_utf8_lossy(&output.stderr);
        let log: Vec<&str> = log
            .lines()
            .filter(|line| ["[critical]", "[error]", "eprecated"].iter().any(|w| line.contains(w)))
            .collect();
        println!("{name}: {}", output.status);
        assert!(output.status.success() && log.is_empty(), "{name}: {log:#?}");
    }
}

/// HTTP/1.1 through the tunnel and transparently: the upstream gets the path and the headers as they were sent, once.
#[test]
fn a_passed_request_is_not_changed() {
    let Some(gate) = Gate::start() else { return };
    let head = "POST /model/a%3A0%2Fb/../c//invoke?x=%2f HTTP/1.1\r\nhost: HOST\r\nauthorization: AWS4-HMAC-SHA256 x\r\n\
        x-forwarded-for: 1.2.3.4\r\nx-request-id: mine\r\nvia: 1.1 me\r\naccept-encoding: identity\r\n\
        x-amzn-trace-id: t\r\ncontent-length: 4\r\n";
    for (way, host) in [("egress", EAST), ("transparent", WEST)] {
        let request = head.replace("HOST", host);
        // Orders to Envoy: neither obeyed nor passed on.
        let orders =
            "x-envoy-retry-on: 5xx\r\nx-envoy-max-retries: 3\r\nx-envoy-upstream-rq-timeout-ms: 1\r\n";
        let mut stream = gate.tls(way, host).unwrap();
        stream.write_all(format!("{request}{orders}\r\nbody").as_bytes()).unwrap();
        let answer = harness::read_head(&mut stream);
        println!("{way}: {answer}");
        assert!(answer.starts_with("HTTP/1.1 503"), "the upstream's own answer: {answer}");
        let (server_name, seen) = gate.upstream.next();
        assert_eq!(seen, request, "{way}");
        assert_eq!(server_name, host, "the upstream is asked for the call's host");
        assert!(gate.upstream.nothing_more(), "one call is one request");
    }
}

#[test]
fn only_listed_hosts_are_served() {
    let Some(gate) = Gate::start() else { return };
    for (region, host) in [("us-east-1", EAST), ("us-west-2", WEST)] {
        let mut stream = gate.tls("transparent", host).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: other.example\r\n\r\n").unwrap();
        let answer = harness::read_head(&mut stream);
        println!("{region}: {answer}");
        assert!(answer.contains("403") && answer.contains("AccessDeniedException"), "{answer}");
    }
    for name in ["sts.us-east-1.amazonaws.com", "example.com", "bedrock-runtime.eu-west-1.amazonaws.com"] {
        let error = gate.tls("transparent", name).err().map(|error| error.to_string());
        println!("server name {name}: {error:?}");
        assert!(error.is_some(), "{name} must find no certificate");
    }
    for (target, expected) in [
        ("bedrock-runtime.us-east-1.amazonaws.com:443", "200"),
        ("BEDROCK-RUNTIME.us-east-1.amazonaws.com:443", "200"),
        ("bedrock-runtime.us-east-1.amazonaws.com:22", "403"),
        ("bedrock-runtime.eu-west-1.amazonaws.com:443", "403"),
        ("example.com:443", "403"),
        ("127.0.0.1:443", "403"),
    ] {
        // Python sends CONNECT as HTTP/1.0 and without a Host header.
        let mut stream = gate.tcp("egress");
        stream
            .write_all(
                format!("CONNECT {target} HTTP/1.0\r\nproxy-authorization: Basic eDp5\r\n\r\n").as_bytes(),
            )
            .unwrap();
        let answer = harness::read_head(&mut stream);
        println!("CONNECT {target}: {}", answer.lines().next().unwrap_or_default());
        assert_eq!(answer.split(' ').nth(1), Some(expected), "{target}: {answer}");
    }
    let mut stream = gate.tcp("egress");
    stream.write_all(format!("GET http://{EAST}/ HTTP/1.1\r\nhost: {EAST}\r\n\r\n").as_bytes()).unwrap();
    assert!(harness::read_head(&mut stream).starts_with("HTTP/1.1 403"), "a proxy for CONNECT only");
    assert!(gate.upstream.nothing_more());
}

/// `certs renew` while Envoy runs: new connections get the new certificate, an open one goes on.
#[test]
fn certificates_are_renewed_without_a_restart() {
    let Some(gate) = Gate::start() else { return };
    let ask = b"GET / HTTP/1.1\r\nhost: other.example\r\n\r\n";
    let mut open = gate.tls("egress", EAST).unwrap();
    open.write_all(ask).unwrap();
    assert!(harness::read_answer(&mut open).contains("403"));
    let before = gate.leaf("egress", EAST);
    gate.certs.renew(|_| (), harness::now()).unwrap();
    harness::eventually("the new certificate is served on both ways in", || {
        gate.leaf("egress", EAST) != before && gate.leaf("transparent", EAST) != before
    });
    open.write_all(ask).unwrap();
    assert!(harness::read_answer(&mut open).contains("403"), "the open connection goes on");
    let mut rest = [0_u8; 1];
    open.sock.set_nonblocking(true).unwrap();
    assert!(
        open.read(&mut rest).is_err_and(|error| error.kind() == std::io::ErrorKind::WouldBlock),
        "and stays open"
    );
}

/// The upstream must prove the name that the call asked for.
#[test]
fn an_upstream_that_cannot_prove_its_name_gets_nothing() {
    let Some(gate) = Gate::start_with(Upstream::start(&[WEST])) else { return };
    let mut stream = gate.tls("egress", EAST).unwrap();
    stream.write_all(format!("GET /model/x/invoke HTTP/1.1\r\nhost: {EAST}\r\n\r\n").as_bytes()).unwrap();
    let answer = harness::read_answer(&mut stream);
    println!("{answer}");
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("ServiceUnavailableException"), "{answer}");
    assert!(gate.upstream.nothing_more());
}

/// What Envoy itself refuses looks like AWS's own errors.
#[test]
fn a_head_that_is_too_large_is_a_validation_error() {
    let Some(gate) = Gate::start() else { return };
    let mut stream = gate.tls("egress", EAST).unwrap();
    let long = "x".repeat(70_000);
    stream.write_all(format!("GET /{long} HTTP/1.1\r\nhost: {EAST}\r\n\r\n").as_bytes()).unwrap();
    let answer = harness::read_answer(&mut stream);
    println!("{answer}");
    assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("ValidationException"), "{answer}");
}

/// The gateway signs anew, for the service that the path belongs to, with its own credential.
#[test]
fn the_gateway_signs_for_the_service_of_the_path() {
    let Some(gate) = Gate::start() else { return };
    for (path, host) in [
        ("/model/x/converse", "bedrock-runtime.us-east-1.amazonaws.com"),
        ("/knowledgebases/K/retrieve", "bedrock-agent-runtime.us-east-1.amazonaws.com"),
    ] {
        let mut stream = gate.tcp("gateway");
        stream
            .write_all(format!("POST {path} HTTP/1.1\r\nhost: gateway:10000\r\nx-amzn-trace-id: t\r\ncontent-length: 4\r\n\r\nbody").as_bytes())
            .unwrap();
        assert!(harness::read_head(&mut stream).starts_with("HTTP/1.1 503"));
        let (server_name, seen) = gate.upstream.next();
        println!("{seen}");
        assert_eq!(server_name, host);
        assert!(seen.contains(&format!("host: {host}\r\n")));
        assert!(seen.contains("Credential=AKIAGATEWAY/"), "the gateway's credential");
        assert!(seen.contains("/us-east-1/bedrock/aws4_request"));
        assert!(!seen.contains("x-envoy-") && !seen.contains("x-forwarded-"), "nothing of Envoy's");
    }
    let mut stream = gate.tcp("gateway");
    stream.write_all(b"GET /foundation-models HTTP/1.1\r\nhost: gateway\r\n\r\n").unwrap();
    let answer = harness::read_answer(&mut stream);
    println!("{answer}");
    assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("UnknownOperationException"));
    assert!(gate.upstream.nothing_more());
}
