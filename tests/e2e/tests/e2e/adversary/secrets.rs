//! Nothing that a caller wants kept is written down: not in the store, not in a log, not in an answer, not in a metric.

use crate::raw::{HOST, MODEL, converse, signed, tunnel};
use anyhow::{Context, Result, ensure};
use e2e::client::{Connection, Request, Signer, Tls};
use e2e::fake::APP_ONE;
use e2e::{Builder, wait};
use std::path::Path;
use std::time::Duration;

/// In every secret; long enough to be found nowhere else.
const MARK: &str = "Zx9SecretMarkerQ7vB";

/// The files below `directory` that hold the mark, but for the fake's own.
fn leaks(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory)? {
        let path = entry?.path();
        let name = path.display().to_string();
        if name.contains("fake") {
            continue;
        }
        if path.is_dir() {
            found.extend(leaks(&path)?);
        } else if let Ok(bytes) = std::fs::read(&path)
            && bytes.windows(MARK.len()).any(|window| window == MARK.as_bytes())
        {
            found.push(name);
        }
    }
    Ok(found)
}

#[test]
fn no_secret_and_no_prompt_is_written_down() -> Result<()> {
    let stack = Builder::default().start()?;
    let with = |mark: &str, name: &str, value: &str| converse(mark).header(name, value.to_owned());
    let mut session = Signer::new(APP_ONE);
    session.session_token = Some(MARK.to_owned());
    let scope = "AKIAQAAAAAAAAAAAAAAA/20261121/us-east-1/bedrock/aws4_request";
    let mut query = signed(converse("query"))?;
    query.path.push_str(&format!("?token={MARK}&X-Amz-Signature={MARK}"));
    let cases = [
        ("bearer", with("1", "authorization", &format!("Bearer {MARK}"))),
        ("long-term key", with("2", "authorization", &format!("Bearer ABSK{MARK}"))),
        ("short-term key", with("3", "authorization", &format!("Bearer bedrock-api-key-{MARK}"))),
        ("two bearers", with("4", "authorization", &format!("Bearer {MARK}, Bearer {MARK}"))),
        ("basic", with("5", "authorization", &format!("Basic {MARK}"))),
        ("no scheme", with("6", "authorization", MARK)),
        (
            "bad signature",
            with(
                "7",
                "authorization",
                &format!("AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature={MARK}"),
            ),
        ),
        (
            "bad part",
            with("8", "authorization", &format!("AWS4-HMAC-SHA256 Credential={scope}, {MARK}={MARK}")),
        ),
        ("bad scope", with("9", "authorization", &format!("AWS4-HMAC-SHA256 Credential=x/{MARK}"))),
        ("x-api-key", with("10", "x-api-key", MARK)),
        ("session token", session.sign(converse("11"))?),
        ("presigned", session.presign(converse("12"), Duration::from_secs(60))?),
        ("query", query),
        (
            "bad query",
            Request { path: format!("/model/x/converse?X-Amz-Security-Token={MARK}%zz"), ..converse("13") },
        ),
        ("cookie", with("14", "cookie", MARK)),
        ("bad metadata", with("15", "x-amzn-bedrock-request-metadata", &format!("{{\"{MARK}\""))),
        ("prompt", signed(Request::converse(HOST, MODEL, MARK))?),
        (
            "broken body",
            signed(Request::new(
                "POST",
                HOST,
                "/model/x/converse",
                format!("{{\"messages\":\"{MARK}\" {MARK}"),
            ))?,
        ),
    ];
    for (name, request) in cases {
        let mut connection = tunnel(&stack, HOST, HOST)?;
        connection.send(&request.to_http1())?;
        let answer = connection.answer()?;
        println!("{name:16} {} {}", answer.status, answer.text());
        let from_the_fake = answer.header("x-portcullis-decision-id").is_some() && answer.status == 200;
        ensure!(from_the_fake || !answer.text().contains(MARK), "{name}: the answer repeats it");
    }
    // A password for the proxy.
    let mut proxy = Connection::open(&stack.envoy.egress.to_string())?;
    proxy.send(
        format!(
            "CONNECT {HOST}:443 HTTP/1.1\r\nhost: {HOST}:443\r\nproxy-authorization: Basic {MARK}\r\n\r\n"
        )
        .as_bytes(),
    )?;
    ensure!(proxy.answer_head()?.status == 200, "CONNECT");
    let mut proxy = proxy.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    proxy.send(&signed(converse("proxy"))?.to_http1())?;
    ensure!(proxy.answer()?.status == 200, "through the proxy");

    wait::until("the outcomes", || {
        let pending = stack.control_plane.decisions("outcome=pending")?;
        ensure!(pending.is_empty(), "{} pending", pending.len());
        Ok(())
    })?;
    let found = leaks(&stack.envoy.from.directory)?;
    println!("files with it: {found:?}");
    ensure!(found.is_empty(), "{found:?}");
    for (api, page) in [
        (&stack.control_plane.admin, "/metrics"),
        (&stack.control_plane.admin, "/readyz"),
        (&stack.envoy.admin, "/stats"),
        (&stack.envoy.admin, "/config_dump"),
    ] {
        let (_, text) = api.get(page)?;
        ensure!(!text.to_string().contains(MARK), "{page}");
    }
    // The gates' token and the gateway's credential are in no page either.
    let (_, dump) = stack.envoy.admin.get("/config_dump?include_eds")?;
    for secret in [stack.control_plane.data_token.as_str(), e2e::fake::GATEWAY.1] {
        ensure!(!dump.to_string().contains(secret), "Envoy's /config_dump shows a secret");
    }
    let logs = [stack.envoy.log(), stack.control_plane.log()].concat();
    ensure!(!logs.contains(&stack.control_plane.data_token), "a log has the gates' token");
    let _ = dump.as_object().context("config_dump")?;
    Ok(())
}

/// Without a token, or with another's, nothing but health and metrics answers; and those tell of no call.
#[test]
fn without_its_token_a_door_stays_shut() -> Result<()> {
    let stack = Builder::default().start()?;
    let call = |address: &str, line: &str, token: Option<&str>| -> Result<u16> {
        let mut connection = Connection::open(address)?;
        let authorization = token.map(|token| format!("authorization: {token}\r\n")).unwrap_or_default();
        connection.send(format!("{line} HTTP/1.1\r\nhost: x\r\n{authorization}content-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}").as_bytes())?;
        Ok(connection.answer()?.status)
    };
    let data = stack.control_plane.data.clone();
    let admin = stack.control_plane.admin.url.trim_start_matches("http://").to_owned();
    let own = |token: &str| format!("Bearer {token}");
    let data_token = own(&stack.control_plane.data_token);
    let admin_token = own(stack.control_plane.admin.token.as_deref().unwrap_or_default());
    for (address, lines, right, wrong) in [
        (&data, &["POST /v1/decisions", "POST /v1/outcomes"][..], &data_token, &admin_token),
        (
            &admin,
            &[
                "GET /v1/decisions",
                "GET /v1/decisions/x",
                "GET /v1/events",
                "GET /v1/bundles",
                "POST /v1/bundles",
                "POST /v1/bundles/validate",
                "POST /v1/bundles/rollback",
                "DELETE /v1/bundles/pin",
                "GET /v1/bundles/x",
                "GET /v1/bundles/x/archive",
                "POST /v1/bundles/x/activate",
                "GET /v1/keys",
                "POST /v1/keys",
                "DELETE /v1/keys/x",
            ][..],
            &admin_token,
            &data_token,
        ),
    ] {
        for line in lines {
            let cut = right.get(..right.len() - 1).unwrap_or_default();
            let basic = right.replace("Bearer", "Basic");
            for (who, token) in [
                ("nobody", None),
                ("cut", Some(cut)),
                ("basic", Some(basic.as_str())),
                ("empty", Some("Bearer ")),
                ("NULs", Some("Bearer \u{1}")),
            ] {
                let status = call(address, line, token)?;
                ensure!(status == 401 || (who == "NULs" && status == 400), "{line} as {who}: {status}");
            }
            let status = call(address, line, Some(wrong))?;
            ensure!(status == 403, "{line} with the other token: {status}");
            let status = call(address, line, Some(right))?;
            println!("{line}: 401 without, 403 with the other token, {status} with its own");
            ensure!(status != 401 && status != 403, "{line}: {status}");
        }
    }
    for line in ["GET /metrics", "GET /v1/keys", "GET /v1/decisions"] {
        let status = call(&data, line, Some(&admin_token))?;
        ensure!(matches!(status, 404 | 405), "{line} on the data plane: {status}");
    }
    Ok(())
}
