//! The fake Bedrock as a process, and what reached it.

use crate::api::Api;
use crate::process::Process;
use crate::{binaries, wait};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// An access key that the fake knows: `(access key id, secret)`.
pub type Key = (&'static str, &'static str);

/// The first sample principal, `app-one`.
pub const APP_ONE: Key = ("AKIAQAAAAAAAAAAAAAAA", "sample-secret-of-application-one/0000000");
/// The second sample principal, `app-two`.
pub const APP_TWO: Key = ("AKIAQBBBBBBBBBBBBBBB", "sample-secret-of-application-two/0000000");
/// The gateway's own credential.
pub const GATEWAY: Key = ("AKIAQGGGGGGGGGGGGGGG", "sample-secret-of-the-gateway-itself/0000");
/// Nobody AWS knows.
pub const STRANGER: Key = ("AKIAQZZZZZZZZZZZZZZZ", "sample-secret-of-nobody-that-aws-knows/0");

/// A long-term Bedrock API key, of user `BedrockAPIKey-e2e1` in account 123456789012.
pub const API_KEY: &str = "ABSKQmVkcm9ja0FQSUtleS1lMmUxLWF0LTEyMzQ1Njc4OTAxMjpzYW1wbGUtc2VjcmV0LW9mLWEtbG9uZy10ZXJtLWJlZHJvY2stYXBpLWtleS8wMDAwMDAwMDAwMDAwMDAwMA==";

/// The running fake.
#[derive(Debug)]
pub struct Fake {
    /// TLS address, `host:port`.
    pub https: String,
    /// CA of its certificate.
    pub ca: PathBuf,
    /// Its control API.
    pub control: Api,
    process: Process,
}

impl Fake {
    /// Starts it; logs and CA go below `directory`.
    ///
    /// # Errors
    /// It does not start.
    pub fn start(directory: &Path) -> Result<Self> {
        let principals = directory.join("principals.json");
        let known: Vec<Value> = [APP_ONE, APP_TWO, GATEWAY]
            .iter()
            .map(|(id, secret)| json!({"access_key_id": id, "secret_access_key": secret}))
            .collect();
        std::fs::write(&principals, json!({"principals": known, "api_keys": [API_KEY]}).to_string())?;
        let (ca, ports) = (directory.join("fake-ca"), directory.join("fake-ports.json"));
        let mut command = Command::new(binaries::fake_bedrock()?);
        command.arg("--ca-dir").arg(&ca).arg("--ports-file").arg(&ports).arg("--principals").arg(&principals);
        let process = Process::start("fake-bedrock", &command, directory)?;
        let ports: Value = wait::until("the fake's ports file", || {
            ensure!(process.ended().is_none(), "the fake ended: {}", process.log_tail());
            Ok(serde_json::from_slice(&std::fs::read(&ports)?)?)
        })?;
        let text = |key: &str| {
            ports[key].as_str().map(str::to_owned).with_context(|| format!("no `{key}` in {ports}"))
        };
        Ok(Self {
            https: text("https")?,
            ca: ca.join("ca.pem"),
            control: Api::new(format!("http://{}", text("control")?), None),
            process,
        })
    }

    /// Kills it: its port refuses connections from now on.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Every call that reached it.
    ///
    /// # Errors
    /// It does not answer.
    pub fn calls(&self) -> Result<Vec<Value>> {
        let (status, calls) = self.control.get("/calls")?;
        ensure!(status == 200, "GET /calls: {status}; {}", self.process.log_tail());
        calls.as_array().cloned().context("calls is not an array")
    }

    /// The calls with this body (hex SHA-256): how a test tells its own call from another test's.
    ///
    /// # Errors
    /// It does not answer.
    pub fn calls_with_body(&self, sha256: &str) -> Result<Vec<Value>> {
        Ok(self.calls()?.into_iter().filter(|call| call["body_sha256"] == sha256).collect())
    }
}
