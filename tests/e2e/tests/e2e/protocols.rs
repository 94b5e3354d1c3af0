//! What speaks to the gate: HTTP/1.1 and HTTP/2, over the proxy and transparently; and what arrives, byte for byte.

use crate::raw::{HOST, MODEL, converse, send, signed};
use anyhow::{Context, Result, ensure};
use e2e::Stack;
use e2e::client::{Connection, H2, Request, Signer, Tls};
use e2e::fake::APP_ONE;

#[test]
fn http2_stays_http2_with_its_authority_signed() -> Result<()> {
    let stack = Stack::shared()?;
    for (way, connection) in [
        ("transparent", Connection::open(&stack.envoy.transparent.to_string())?),
        (
            "egress",
            Connection::through_proxy(&stack.envoy.egress.to_string(), &format!("{HOST}:443"), "HTTP/1.1")?.1,
        ),
    ] {
        let mut h2 = H2::over(connection, &Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
        let request = Signer::new(APP_ONE).sign_authority(converse(&format!("h2 {way}")))?;
        let answer = h2.send(&request)?;
        ensure!(answer.status == 200, "{way}: {} {}", answer.status, answer.text());
        let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
        println!("{way}: {} signature_valid={}", arrived[0]["protocol"], arrived[0]["signature_valid"]);
        ensure!(
            arrived.len() == 1
                && arrived[0]["protocol"] == "HTTP/2.0"
                && arrived[0]["signature_valid"] == true,
            "{arrived:?}"
        );
        // Refusals speak HTTP/2 too, and the connection lives on.
        let blocked = Request::converse(HOST, "anthropic.claude-3-opus-20240229-v1:0", "h2 blocked");
        let answer = h2.send(&Signer::new(APP_ONE).sign_authority(blocked)?)?;
        ensure!(
            answer.status == 403 && answer.error_type() == Some("AccessDeniedException"),
            "{way}: {answer:?}"
        );
        ensure!(
            h2.send(&Signer::new(APP_ONE).sign_authority(converse(&format!("h2 {way} after")))?)?.status
                == 200,
            "{way}: after"
        );
    }
    Ok(())
}

#[test]
fn alpn_offers_both() -> Result<()> {
    let stack = Stack::shared()?;
    for (offer, expected) in
        [(&["h2", "http/1.1"][..], "h2"), (&["http/1.1"][..], "http/1.1"), (&["h2"][..], "h2")]
    {
        let connection = Connection::open(&stack.envoy.transparent.to_string())?;
        let tls = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?.alpn(offer))?;
        println!("{offer:?} -> {:?}", tls.protocol());
        ensure!(tls.protocol().as_deref() == Some(expected), "{offer:?} -> {:?}", tls.protocol());
    }
    Ok(())
}

#[test]
fn no_header_is_added_changed_or_lost_on_the_way() -> Result<()> {
    let stack = Stack::shared()?;
    let request = signed(
        converse("header for header").header("x-amzn-bedrock-trace", "ENABLED").header("user-agent", "e2e"),
    )?;
    let answer = send(&stack, &request.to_http1())?;
    ensure!(answer.status == 200, "{}", answer.text());
    let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
    let pair = |name: &str, value: &str| format!("{}: {value}", name.to_lowercase());
    let mut seen: Vec<String> = arrived[0]["headers"]
        .as_array()
        .context("the fake records headers")?
        .iter()
        .filter_map(|header| Some(pair(header[0].as_str()?, header[1].as_str()?)))
        .collect();
    // The fake writes no credential down; that this one is intact, it says by `signature_valid`.
    ensure!(arrived[0]["signature_valid"] == true, "{}", arrived[0]);
    let text = |name: &str, value: &[u8]| match name {
        "authorization" => "***".to_owned(),
        _ => String::from_utf8_lossy(value).into_owned(),
    };
    let mut expected: Vec<String> =
        request.headers.iter().map(|(name, value)| pair(name, &text(name, value))).collect();
    expected.extend([pair("host", HOST), pair("content-length", &request.body.len().to_string())]);
    seen.sort();
    expected.sort();
    println!("sent    {expected:#?}\narrived {seen:#?}");
    ensure!(seen == expected, "headers differ");
    Ok(())
}

#[test]
fn raw_paths_arrive_as_they_were_sent() -> Result<()> {
    let stack = Stack::shared()?;
    let arn = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-3-5-sonnet-20241022-v2:0";
    for (client, raw) in [
        ("boto3", format!("/model/{}/converse", arn.replace(':', "%3A").replace('/', "%2F"))),
        ("anthropic", format!("/model/{}/converse", arn.replace('/', "%2F"))),
        ("boto3", format!("/model/{}/converse", MODEL.replace(':', "%3A"))),
        ("anthropic", format!("/model/{MODEL}/converse")),
    ] {
        let mut request = converse(&format!("raw path {raw}"));
        request.path = raw.clone();
        let request = signed(request)?;
        let answer = send(&stack, &request.to_http1())?;
        let arrived = stack.fake.calls_with_body(&request.body_sha256())?;
        println!("{client:10} {raw} -> {}", answer.status);
        ensure!(answer.status == 200 && arrived.len() == 1, "{client}: {} {}", answer.status, answer.text());
        ensure!(
            arrived[0]["path"] == raw.as_str() && arrived[0]["signature_valid"] == true,
            "{}",
            arrived[0]
        );
    }
    Ok(())
}
