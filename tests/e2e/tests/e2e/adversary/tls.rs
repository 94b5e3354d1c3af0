//! Certificates: the upstream's, and the gate's own.

use crate::raw::{HOST, converse, signed};
use anyhow::{Context, Result, ensure};
use e2e::client::{Answer, Connection, Tls};
use e2e::{Builder, Stack, binaries, wait};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// A CA with a certificate for every Bedrock host of `region`.
fn certificates(directory: &Path, region: &str) -> Result<()> {
    let mut command = Command::new(binaries::portcullis()?);
    let output = command.args(["certs", "init", "--regions", region, "--dir"]).arg(directory).output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(())
}

/// A TLS server that answers every request with an empty 200, and counts the bytes it got to read.
struct Upstream {
    address: SocketAddr,
    read: Arc<AtomicUsize>,
}

impl Upstream {
    fn start(certificates: &Path, region: &str) -> Result<Self> {
        let file = |kind: &str| certificates.join("leaves").join(format!("{region}.{kind}"));
        let chain = CertificateDer::pem_file_iter(file("pem"))?.collect::<Result<Vec<_>, _>>()?;
        let key = PrivateKeyDer::from_pem_file(file("key"))?;
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        let (config, listener) = (Arc::new(config), TcpListener::bind("127.0.0.1:0")?);
        let (address, read) = (listener.local_addr()?, Arc::new(AtomicUsize::new(0)));
        let counter = Arc::clone(&read);
        // Ends with the test process; it holds nothing.
        std::thread::spawn(move || {
            for socket in listener.incoming().flatten() {
                let Ok(session) = ServerConnection::new(Arc::clone(&config)) else { continue };
                let mut stream = StreamOwned::new(session, socket);
                let mut buffer = [0; 65_536];
                while let Ok(n @ 1..) = stream.read(&mut buffer) {
                    counter.fetch_add(n, Ordering::SeqCst);
                    if stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").is_err() {
                        break;
                    }
                }
            }
        });
        Ok(Self { address, read })
    }
}

fn call(stack: &Stack, mark: &str) -> Result<Answer> {
    let connection = Connection::open(&stack.envoy.transparent.to_string())?;
    let mut connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    connection.send(&signed(converse(mark))?.to_http1())?;
    connection.answer()
}

#[test]
fn an_upstream_that_cannot_prove_the_name_of_the_call_gets_no_byte_of_it() -> Result<()> {
    let mut stack = Builder::default().start()?;
    let directory = tempfile::tempdir()?;
    let (ours, others) = (directory.path().join("ours"), directory.path().join("others"));
    certificates(&ours, "us-east-1,ap-south-1")?;
    certificates(&others, "us-east-1")?;
    let bootstrap = std::fs::read_to_string(&stack.envoy.from.bootstrap)?;
    let (_, port) = stack.fake.https.rsplit_once(':').context("a port")?;
    for (name, certificates, region, passes) in [
        ("the name of the call, a trusted authority", &ours, "us-east-1", true),
        ("another name, a trusted authority", &ours, "ap-south-1", false),
        ("the name of the call, another authority", &others, "us-east-1", false),
    ] {
        let upstream = Upstream::start(certificates, region)?;
        let text = bootstrap
            .replace(&format!("port_value: {port}"), &format!("port_value: {}", upstream.address.port()))
            .replace(&stack.fake.ca.display().to_string(), &ours.join("ca.pem").display().to_string());
        ensure!(text != bootstrap, "no upstream in the bootstrap");
        std::fs::write(&stack.envoy.from.bootstrap, text)?;
        stack.envoy.restart()?;
        let answer = call(&stack, name)?;
        let read = upstream.read.load(Ordering::SeqCst);
        println!("{name}: {} {}, {read} bytes arrived", answer.status, answer.text());
        let id = answer.header("x-portcullis-decision-id").context("a decision id")?.to_owned();
        let record = wait::until("the outcome", || {
            let record = stack.control_plane.decision(&id)?;
            ensure!(record["state"] != "pending", "pending");
            Ok(record)
        })?;
        println!("  {} {}", record["state"], record["outcome"]);
        if passes {
            ensure!(answer.status == 200 && read > 0 && record["state"] == "completed", "{record}");
        } else {
            ensure!(answer.status == 503 && read == 0, "{} {read}", answer.status);
            ensure!(answer.error_type() == Some("ServiceUnavailableException"), "{answer:?}");
            ensure!(record["state"] == "failed" && record["outcome"]["forwarded"] == false, "{record}");
            ensure!(record["assurance"] == "claimed", "{record}");
        }
    }
    Ok(())
}

#[test]
fn renewed_certificates_are_served_without_a_restart_or_a_failed_call() -> Result<()> {
    let stack = Builder::default().start()?;
    let certificate = || -> Result<Vec<u8>> {
        let connection = Connection::open(&stack.envoy.transparent.to_string())?;
        let connection = connection.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
        connection.certificate().context("a certificate")
    };
    // A connection from before keeps on working on its old certificate.
    let before = certificate()?;
    let old = Connection::open(&stack.envoy.transparent.to_string())?;
    let mut old = old.tls(&Tls::trusting(&stack.envoy.from.ca, HOST)?)?;
    let done = AtomicBool::new(false);
    let calls = std::thread::scope(|scope| -> Result<usize> {
        let traffic = scope.spawn(|| -> Result<usize> {
            let mut calls = 0;
            while !done.load(Ordering::SeqCst) {
                let answer = call(&stack, &format!("renewal {calls}"))?;
                ensure!(answer.status == 200, "call {calls}: {} {}", answer.status, answer.text());
                calls += 1;
            }
            Ok(calls)
        });
        let renewed = (|| {
            for round in 1..=3 {
                let last = certificate()?;
                let mut command = Command::new(binaries::portcullis()?);
                let output =
                    command.args(["certs", "renew", "--dir"]).arg(&stack.envoy.from.certificates).output()?;
                ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
                wait::until("the new certificate", || {
                    ensure!(certificate()? != last, "still the old one");
                    Ok(())
                })?;
                println!("renewal {round} is served");
            }
            Ok(())
        })();
        done.store(true, Ordering::SeqCst);
        let calls = traffic.join().map_err(|_| anyhow::anyhow!("the traffic panicked"))?;
        renewed.and(calls)
    })?;
    ensure!(certificate()? != before, "the first certificate is back");
    old.send(&signed(converse("on the old connection"))?.to_http1())?;
    ensure!(old.answer()?.status == 200, "the old connection broke");
    println!("{calls} calls on new connections meanwhile, none failed; the old connection lives");
    Ok(())
}
