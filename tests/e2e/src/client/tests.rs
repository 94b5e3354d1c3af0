//! The clients, and the fake's HTTP/2 side, against the fake alone.

use super::{Answer, Connection, H2, Request, Signer, Tls};
use crate::fake::{APP_ONE, STRANGER};
use anyhow::Context;
use fake_bedrock::{Config, FakeBedrock, Handle, Principal, Principals};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const HOST: &str = "bedrock-runtime.us-east-1.amazonaws.com";

struct World {
    fake: Handle,
    directory: TempDir,
    // The fake runs on it.
    _runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let (runtime, directory) = (Runtime::new().unwrap(), TempDir::new().unwrap());
        let principals = vec![Principal::new(APP_ONE.0, APP_ONE.1)];
        let principals = Principals { principals, api_keys: Vec::new() };
        let config = Config { ca_dir: Some(directory.path().to_owned()), principals, ..Config::default() };
        let fake = runtime.block_on(FakeBedrock::start(config)).unwrap();
        Self { fake, directory, _runtime: runtime }
    }

    fn tls(&self) -> Tls {
        Tls::trusting(&self.directory.path().join("ca.pem"), HOST).unwrap()
    }

    fn open(&self) -> Connection {
        Connection::open(&self.fake.https.to_string()).unwrap()
    }

    fn http1(&self) -> Connection {
        self.open().tls(&self.tls().alpn(&["http/1.1"])).unwrap()
    }

    fn send(&self, request: &Request) -> Answer {
        let mut connection = self.http1();
        connection.send(&request.to_http1()).unwrap();
        connection.answer().unwrap()
    }
}

fn converse(text: &str) -> Request {
    Request::converse(
        HOST,
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.amazon.nova-pro-v1:0",
        text,
    )
}

#[test]
fn http1() {
    let world = World::new();
    let mut connection = world.http1();
    assert_eq!(connection.protocol().as_deref(), Some("http/1.1"));
    // Two on one connection, the second chunked.
    let request = Signer::new(APP_ONE).sign(converse("one")).unwrap();
    connection.send(&request.to_http1()).unwrap();
    let answer = connection.answer().unwrap();
    println!("{} {}", answer.status, answer.text());
    assert_eq!((answer.status, answer.complete), (200, true));
    connection.send(&request.to_http1_chunked(7)).unwrap();
    let answer = connection.answer().unwrap();
    assert_eq!(answer.json()["output"]["message"]["content"][0]["text"], "Echo: one");
    for call in world.fake.calls() {
        println!("{call:?}");
        assert!(call.signature_valid);
        assert_eq!((call.body_sha256.clone(), call.host.as_str()), (request.body_sha256(), HOST));
    }
}

#[test]
fn presigned() {
    let world = World::new();
    let request = Request::new("GET", HOST, "/async-invoke?statusEquals=Failed", "");
    let request = Signer::new(APP_ONE).presign(request, Duration::from_secs(60)).unwrap();
    let answer = world.send(&request);
    println!("{} {}", request.path, answer.text());
    assert_eq!(answer.status, 200);
    assert_eq!(world.fake.calls()[0].credential, "presigned");
}

#[test]
fn http2() {
    let world = World::new();
    let mut client = H2::over(world.open(), &world.tls()).unwrap();
    for signed in
        [Signer::new(APP_ONE).sign(converse("two")), Signer::new(APP_ONE).sign_authority(converse("two"))]
    {
        let answer = client.send(&signed.unwrap()).unwrap();
        println!("{} {}", answer.status, answer.text());
        assert_eq!(answer.status, 200);
    }
    let calls = world.fake.calls();
    assert!(
        calls.iter().all(|call| call.signature_valid && call.protocol == "HTTP/2.0" && call.host == HOST)
    );

    let stream = Request { path: "/model/m/converse-stream".into(), ..converse("a b c d [[cut]]") };
    let answer = client.send(&Signer::new(APP_ONE).sign(stream).unwrap()).unwrap();
    println!("cut after {} bytes", answer.body.len());
    assert_eq!((answer.status, answer.complete), (200, false));
}

#[test]
fn authority_does_not_verify_over_http1() {
    let world = World::new();
    let answer = world.send(&Signer::new(APP_ONE).sign_authority(converse("x")).unwrap());
    println!("{} {}", answer.status, answer.text());
    assert_eq!((answer.status, answer.error_type()), (403, Some("InvalidSignatureException")));
}

#[test]
fn rejections() {
    let world = World::new();
    let late = SystemTime::now() - Duration::from_secs(600);
    let cases = [
        ("stranger", Signer::new(STRANGER).sign(converse("x")).unwrap(), "UnrecognizedClientException"),
        ("late", Signer::new(APP_ONE).at(late).sign(converse("x")).unwrap(), "InvalidSignatureException"),
        (
            "region",
            Signer::new(APP_ONE).region("eu-west-1").sign(converse("x")).unwrap(),
            "InvalidSignatureException",
        ),
        (
            "service",
            Signer::new(APP_ONE).service("s3").sign(converse("x")).unwrap(),
            "InvalidSignatureException",
        ),
        ("none", converse("x"), "MissingAuthenticationTokenException"),
    ];
    for (name, request, expected) in cases {
        let answer = world.send(&request);
        println!("{name}: {} {}", answer.status, answer.text());
        assert_eq!((answer.status, answer.error_type()), (403, Some(expected)), "{name}");
    }
    assert_eq!(world.fake.calls().len(), 5);
}

#[test]
fn ways_of_going_away() {
    let world = World::new();
    let request = Signer::new(APP_ONE).sign(converse("bye")).unwrap();
    let bytes = request.to_http1();
    let half = &bytes[..bytes.len() - 5];

    let mut connection = world.http1();
    connection.send(half).unwrap();
    connection.abort().unwrap();
    // A reset throws away what the peer has not read yet, so only an orderly end is sure to leave a record.
    let mut connection = world.http1();
    connection.send(half).unwrap();
    connection.half_close().unwrap();
    crate::wait::until("the unfinished call on record", || {
        let calls = world.fake.calls();
        anyhow::ensure!(calls.iter().any(|call| !call.body_complete), "{calls:?}");
        Ok(())
    })
    .unwrap();

    let mut connection = world.http1();
    connection.send(&Signer::new(APP_ONE).sign(converse("x [[cut]]")).unwrap().to_http1()).unwrap();
    let answer = connection.answer().unwrap();
    println!("cut: {} of {:?} bytes", answer.body.len(), answer.header("content-length"));
    assert!(!answer.complete && !answer.body.is_empty());
}

#[test]
fn what_is_no_http_is_on_record() {
    let world = World::new();
    let mut connection = world.http1();
    connection.send(b"POST /model/x y/converse HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    println!("{:?}", connection.answer().map(|answer| answer.status));
    let call =
        crate::wait::until("the call on record", || world.fake.calls().first().cloned().context("none"));
    println!("{call:?}");
    assert_eq!(call.unwrap().operation, "Unparsable");
}

#[test]
fn untrusted_and_unknown_names() {
    let world = World::new();
    let foreign = World::new();
    let error = world.open().tls(&foreign.tls()).unwrap_err();
    println!("{error:#}");
    let other = Tls::trusting(&world.directory.path().join("ca.pem"), "example.com").unwrap();
    println!("{:#}", world.open().tls(&other).unwrap_err());
    world.open().tls(&world.tls().without_server_name()).unwrap();
}
