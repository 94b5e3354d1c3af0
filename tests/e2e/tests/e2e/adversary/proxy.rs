//! What a client tells the proxy before its TLS begins.

use crate::raw::{HOST, converse, signed};
use anyhow::{Context, Result, ensure};
use e2e::Builder;
use e2e::client::{Connection, Tls};

/// The source of a call is the peer of its connection. Nothing that the client says can make it another: rules and the
/// audit go by it.
#[test]
fn nobody_chooses_their_own_source_address() -> Result<()> {
    let stack = Builder::default().start()?;
    let said = "x-forwarded-for: 10.9.8.7\r\nx-real-ip: 10.9.8.7\r\nforwarded: for=10.9.8.7\r\nx-envoy-external-address: 10.9.8.7\r\ntrue-client-ip: 10.9.8.7\r\n";
    let mut seen = Vec::new();
    for (way, address) in [("egress", stack.envoy.egress), ("transparent", stack.envoy.transparent)] {
        let mut connection = Connection::open(&address.to_string())?;
        if way == "egress" {
            connection
                .send(format!("CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\n{said}\r\n").as_bytes())?;
            let answer = connection.answer_head()?;
            ensure!(answer.status == 200, "{answer:?}");
        }
        let mut connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
        let mut request = signed(converse(&format!("source {way}")))?;
        for line in said.split_terminator("\r\n") {
            let (name, value) = line.split_once(": ").context("a header")?;
            request = request.header(name, value);
        }
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        let id = answer.header("x-portcullis-decision-id").context("a decision id")?;
        let record = stack.control_plane.decision(id)?;
        println!("{way}: {}", record["source"]);
        seen.push((way, record["source"]["address"].as_str().unwrap_or_default().to_owned()));
    }
    for (way, address) in seen {
        ensure!(address.starts_with("127.0.0.1"), "{way}: {address}");
    }
    Ok(())
}

/// The proxy opens tunnels to the gate and to nothing else, whatever form the target has.
#[test]
fn no_tunnel_leads_elsewhere() -> Result<()> {
    let stack = Builder::default().start()?;
    let admin = stack.envoy.admin.url.trim_start_matches("http://").to_owned();
    let control_plane = stack.control_plane.data.clone();
    for target in [
        admin.as_str(),
        control_plane.as_str(),
        "169.254.169.254:80",
        "s3.us-east-1.amazonaws.com:443",
        "bedrock-runtime.us-east-1.amazonaws.com:8443",
        "bedrock-runtime.us-east-1.amazonaws.com.:443",
        "bedrock-runtime.us-east-1.amazonaws.com.example.com:443",
        "bedrock-runtime.us-east-1.amazonaws.com:443@example.com:443",
        "bedrock-runtime.ap-south-1.amazonaws.com:443",
    ] {
        let answer = Connection::through_proxy(&stack.envoy.egress.to_string(), target, "HTTP/1.1");
        let status = answer.as_ref().map(|(answer, _)| answer.status).unwrap_or_default();
        println!("CONNECT {target}: {status}");
        ensure!(status != 200, "a tunnel to {target}");
    }
    // A sound host on the Host line does not make another target sound.
    let mut connection = Connection::open(&stack.envoy.egress.to_string())?;
    connection.send(format!("CONNECT {admin} HTTP/1.1\r\nhost: {HOST}:443\r\n\r\n").as_bytes())?;
    let status = connection.answer_head().map(|answer| answer.status).unwrap_or_default();
    println!("CONNECT {admin} with a sound host: {status}");
    if status == 200 {
        // Then the tunnel must lead to the gate all the same.
        connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    }
    // Plain requests are not forwarded at all.
    for line in [
        format!("GET http://{admin}/ready HTTP/1.1"),
        format!("POST http://{HOST}/model/x/converse HTTP/1.1"),
        "GET /ready HTTP/1.1".to_owned(),
    ] {
        let mut connection = Connection::open(&stack.envoy.egress.to_string())?;
        connection.send(format!("{line}\r\nhost: {HOST}\r\ncontent-length: 0\r\n\r\n").as_bytes())?;
        let status = connection.answer()?.status;
        println!("{line}: {status}");
        ensure!(status == 403, "{line}: {status}");
    }
    ensure!(stack.fake.calls()?.is_empty(), "something arrived");
    Ok(())
}
